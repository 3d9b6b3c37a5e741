"""Every kind of refusal the API has, and what it means for us."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.google_ads.errors import verdict
from pipeline.codes import MisconfiguredCode, TransientCode
from pipeline.errors import Misconfigured, Transient
from tests.unit.connectors.google_ads.scripted_api import refused

NOON_MS = int(datetime(2026, 11, 20, 12, tzinfo=UTC).timestamp() * 1000)
TO_MIDNIGHT_IN_CALIFORNIA_S = 20 * 3600


def judged(status: int, family: str = "", code: str = "", retry_after: str = "", **details: object) -> Exception:
    return verdict(status, refused(status, family, code, **details).content, now_ms=NOON_MS, retry_after=retry_after)


@pytest.mark.parametrize(
    ("status", "family", "code", "means"),
    [
        (429, "quotaError", "RESOURCE_TEMPORARILY_EXHAUSTED", TransientCode.QUOTA),
        (429, "", "", TransientCode.QUOTA),
        (400, "quotaError", "EXCESSIVE_SHORT_TERM_QUERY_RESOURCE_CONSUMPTION", TransientCode.UPSTREAM_BUSY),
        (500, "internalError", "INTERNAL_ERROR", TransientCode.UPSTREAM_BUSY),
        (400, "internalError", "TRANSIENT_ERROR", TransientCode.UPSTREAM_BUSY),
        (504, "internalError", "DEADLINE_EXCEEDED", TransientCode.UPSTREAM_BUSY),
        (502, "", "", TransientCode.UPSTREAM_BUSY),
        (503, "", "", TransientCode.UPSTREAM_BUSY),
        (400, "requestError", "EXPIRED_PAGE_TOKEN", TransientCode.UPSTREAM_ERROR),
        (400, "requestError", "INVALID_PAGE_TOKEN", TransientCode.UPSTREAM_ERROR),
        (400, "noveltyError", "NEVER_HEARD_OF", TransientCode.UPSTREAM_ERROR),
        (418, "", "", TransientCode.UPSTREAM_ERROR),
    ],
)
def test_what_may_pass_is_tried_again(status: int, family: str, code: str, means: TransientCode) -> None:
    failure = judged(status, family, code)
    assert isinstance(failure, Transient)
    assert failure.code == means
    assert code in failure.detail


@pytest.mark.parametrize(
    ("status", "family", "code", "means", "says"),
    [
        (401, "authenticationError", "OAUTH_TOKEN_REVOKED", MisconfiguredCode.CREDENTIAL, "authorise"),
        (400, "authenticationError", "CLIENT_CUSTOMER_ID_INVALID", MisconfiguredCode.CREDENTIAL, "authorise"),
        (403, "authorizationError", "USER_PERMISSION_DENIED", MisconfiguredCode.PERMISSION, "login_customer_id"),
        (403, "authorizationError", "CUSTOMER_NOT_ENABLED", MisconfiguredCode.PERMISSION, "not enabled"),
        (
            403,
            "authorizationError",
            "CLOUD_PROJECT_NOT_APPROVED_FOR_PRODUCTION",
            MisconfiguredCode.PERMISSION,
            "access level",
        ),
        (404, "", "", MisconfiguredCode.API_VERSION_ENDED, "api_version"),
        (400, "requestError", "UNSUPPORTED_VERSION", MisconfiguredCode.API_VERSION_ENDED, "api_version"),
        (400, "queryError", "UNRECOGNIZED_FIELD", MisconfiguredCode.QUERY, "refuses the request"),
        (400, "requestError", "PAGE_SIZE_NOT_SUPPORTED", MisconfiguredCode.QUERY, "refuses the request"),
        (400, "dateRangeError", "REQUESTED_DATE_GRANULARITY_NOT_SUPPORTED", MisconfiguredCode.QUERY, "refuses"),
        (400, "quotaError", "EXCESSIVE_LONG_TERM_QUERY_RESOURCE_CONSUMPTION", MisconfiguredCode.QUERY, "refuses"),
    ],
)
def test_what_a_person_must_mend_says_how(
    status: int, family: str, code: str, means: MisconfiguredCode, says: str
) -> None:
    failure = judged(status, family, code)
    assert isinstance(failure, Misconfigured)
    assert failure.code == means
    assert says in failure.detail


@pytest.mark.parametrize(
    ("delay", "header", "wait_s"),
    [("30s", "", 30.0), ("1.5s", "", 1.5), ("", "12", 12.0), ("30s", "5", 30.0), ("soon", "", None), ("-4s", "", None)],
)
def test_the_delay_the_platform_names_is_kept(delay: str, header: str, wait_s: float | None) -> None:
    details = {"quotaErrorDetails": {"retryDelay": delay}}
    failure = judged(429, "quotaError", "RESOURCE_TEMPORARILY_EXHAUSTED", header, **details)
    assert isinstance(failure, Transient)
    assert failure.retry_after_s == wait_s


def test_the_delay_of_the_gateway_is_kept_too() -> None:
    body = {"error": {"details": [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "7s"}]}}
    failure = verdict(503, json.dumps(body).encode(), now_ms=NOON_MS)
    assert isinstance(failure, Transient)
    assert failure.retry_after_s == 7.0


def test_a_used_up_day_is_over_at_midnight_where_the_quota_is_kept() -> None:
    failure = judged(429, "quotaError", "RESOURCE_EXHAUSTED")
    assert isinstance(failure, Transient)
    assert (failure.code, failure.retry_after_s) == (TransientCode.QUOTA, TO_MIDNIGHT_IN_CALIFORNIA_S)
    assert "used up" in failure.detail


def test_the_array_of_a_stream_is_read_as_its_first_error() -> None:
    body = b"[" + refused(429, "quotaError", "RESOURCE_EXHAUSTED").content + b"]"
    assert "RESOURCE_EXHAUSTED" in str(verdict(429, body, now_ms=NOON_MS))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
)
SHAPES = st.fixed_dictionaries({"error": JSON | st.fixed_dictionaries({"message": JSON, "details": JSON})})


@given(st.integers(201, 599), st.binary() | (JSON | SHAPES).map(lambda value: json.dumps(value).encode()), st.text())
def test_any_body_gives_a_verdict(status: int, body: bytes, header: str) -> None:
    assert isinstance(verdict(status, body, now_ms=NOON_MS, retry_after=header), Transient | Misconfigured)
