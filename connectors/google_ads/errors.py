"""What an answer of the Google Ads API means for us. One table; an unknown code is tried again, then given up aloud.

Codes: https://developers.google.com/google-ads/api/docs/best-practices/error-types and the error reference of v26
(2026-10). The error object names a family (`quotaError`) and a code in it; `searchStream` wraps it in a list.
"""

from typing import Any

import msgspec

from pipeline.codes import MisconfiguredCode, TransientCode
from pipeline.errors import Misconfigured, PipelineError, Transient

_BUSY = {
    "RESOURCE_TEMPORARILY_EXHAUSTED",
    "EXCESSIVE_SHORT_TERM_QUERY_RESOURCE_CONSUMPTION",
    "INTERNAL_ERROR",
    "TRANSIENT_ERROR",
    "DEADLINE_EXCEEDED",
    "RPC_DEADLINE_TOO_SHORT",
}
_PAGE_GONE = {"EXPIRED_PAGE_TOKEN", "INVALID_PAGE_TOKEN"}
_ACCOUNT_CLOSED = {"CUSTOMER_NOT_ENABLED", "CUSTOMER_NOT_ACTIVE"}
DAY_S = 86_400.0


class AccountClosed(PipelineError):
    """The account exists and is not enabled: leave it out, go on with the others."""


class DailyQuotaSpent(Transient):
    """No request of this account will be answered before the next day."""


def verdict(status: int, body: bytes) -> PipelineError:  # noqa: PLR0911 - one line a meaning
    """The exception to raise for an answer that is not 200."""
    codes, message, retry_s = _read(body)
    code = codes[0] if codes else ""
    said = f"HTTP {status} {code}: {message}".strip()
    if set(codes) & _ACCOUNT_CLOSED:
        return AccountClosed(TransientCode.UPSTREAM_ERROR, said)
    if "RESOURCE_EXHAUSTED" in codes:
        return DailyQuotaSpent(
            TransientCode.QUOTA, f"{said}; the daily limit of operations is used up", retry_after_s=DAY_S
        )
    if set(codes) & _BUSY or status in (429, 500, 502, 503, 504):
        kind = TransientCode.QUOTA if status == 429 else TransientCode.UPSTREAM_BUSY
        return Transient(kind, said, retry_after_s=retry_s)
    if set(codes) & _PAGE_GONE:
        return Transient(TransientCode.UPSTREAM_ERROR, f"{said}; the report is read again from its first page")
    if status == 401:
        return Misconfigured(MisconfiguredCode.CREDENTIAL, f"{said}; authorise the application again")
    if status == 403 or "USER_PERMISSION_DENIED" in codes:
        return Misconfigured(
            MisconfiguredCode.PERMISSION,
            f"{said}; give the user access to the account, or set google_ads.login_customer_id to its manager",
        )
    if status == 404 or "UNSUPPORTED_VERSION" in codes:
        return Misconfigured(
            MisconfiguredCode.API_VERSION_ENDED, f"{said}; set google_ads.api_version to a version that is alive"
        )
    return Misconfigured(MisconfiguredCode.QUERY, f"{said}; the API refuses the request as such")


def _read(body: bytes) -> tuple[list[str], str, float | None]:
    """(codes, message, retry delay in s) of an error body; empty when it is not one."""
    try:
        document: Any = msgspec.json.decode(body)
    except (msgspec.DecodeError, ValueError):
        return [], body[:200].decode(errors="replace"), None
    if isinstance(document, list):
        document = document[0] if document else {}
    error = document.get("error", {}) if isinstance(document, dict) else {}
    if not isinstance(error, dict):
        return [], str(error), None
    codes, delay = [], None
    for failure in (one for detail in error.get("details", []) for one in detail.get("errors", [])):
        codes += [str(code) for code in failure.get("errorCode", {}).values()]
        quota = failure.get("details", {}).get("quotaErrorDetails", {})
        if str(quota.get("retryDelay", "")).endswith("s"):
            delay = float(quota["retryDelay"][:-1])
    return codes, str(error.get("message", "")), delay
