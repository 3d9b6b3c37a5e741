"""What an answer of the Google Ads API means for us. One table; an unknown code is tried again, then given up aloud.

Codes: https://developers.google.com/google-ads/api/docs/best-practices/error-types and the error reference of v26
(2026-10). The error object names a family (`quotaError`) and a code in it; `searchStream` wraps it in a list.
"""

import re
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import msgspec

from pipeline.codes import MisconfiguredCode, TransientCode
from pipeline.errors import Misconfigured, Transient

_BUSY = {
    "RESOURCE_TEMPORARILY_EXHAUSTED",
    "EXCESSIVE_SHORT_TERM_QUERY_RESOURCE_CONSUMPTION",
    "INTERNAL_ERROR",
    "TRANSIENT_ERROR",
    "DEADLINE_EXCEEDED",
    "RPC_DEADLINE_TOO_SHORT",
}
_PAGE_GONE = {"EXPIRED_PAGE_TOKEN", "INVALID_PAGE_TOKEN"}
_NOT_ENABLED = {"CUSTOMER_NOT_ENABLED", "CUSTOMER_NOT_ACTIVE"}
_PROJECT = {"CLOUD_PROJECT_NOT_APPROVED_FOR_PRODUCTION", "ACTION_NOT_PERMITTED"}
_TOO_DEAR = {"EXCESSIVE_LONG_TERM_QUERY_RESOURCE_CONSUMPTION"}
_REFUSED = {"queryError", "requestError", "fieldError", "dateRangeError", "dateError"}
_QUOTA_ZONE = ZoneInfo("America/Los_Angeles")  # Google's quotas of a day end at midnight there
_DELAY = re.compile(r"(\d{1,9}(?:\.\d+)?)s?")

Code = tuple[str, str]  # family, code


class _Quota(msgspec.Struct, rename="camel"):
    retry_delay: str = ""


class _Details(msgspec.Struct, rename="camel"):
    quota_error_details: _Quota | None = None


class _Failure(msgspec.Struct, rename="camel"):
    error_code: dict[str, str] = {}
    details: _Details | None = None


class _Part(msgspec.Struct, rename="camel"):
    errors: list[_Failure] = []
    retry_delay: str = ""


class _Error(msgspec.Struct):
    message: str = ""
    details: list[_Part] = []


class _Body(msgspec.Struct):
    error: _Error


def verdict(status: int, body: bytes, *, now_ms: int, retry_after: str = "") -> Transient | Misconfigured:
    """The exception to raise for an answer that is not 200. `retry_after`: the header; `now_ms`: Unix ms."""
    codes, message, delay = _read(body)
    names = {code for _, code in codes}
    said = f"HTTP {status} {' '.join(sorted(names))}".strip() + f": {message}"
    wait_s = _seconds(delay) or _seconds(retry_after)
    if "RESOURCE_EXHAUSTED" in names:
        said += "; the operations of the day are used up"
        return Transient(TransientCode.QUOTA, said, retry_after_s=wait_s or _to_next_day_s(now_ms))
    if names & _BUSY or status in (429, 500, 502, 503, 504):
        kind = TransientCode.QUOTA if status == 429 else TransientCode.UPSTREAM_BUSY
        return Transient(kind, said, retry_after_s=wait_s)
    if names & _PAGE_GONE:
        return Transient(TransientCode.UPSTREAM_ERROR, f"{said}; the report is read again from its first page")
    return _fatal(status, codes, said) or Transient(TransientCode.UPSTREAM_ERROR, said, retry_after_s=wait_s)


def _fatal(status: int, codes: list[Code], said: str) -> Misconfigured | None:
    """What a person has to mend; None for what nobody has heard of."""
    families, names = {family for family, _ in codes}, {code for _, code in codes}
    code = MisconfiguredCode.PERMISSION
    if names & _NOT_ENABLED:
        act = "the account is not enabled; enable it, or take it out of google_ads.accounts"
    elif status == 401 or "authenticationError" in families:
        code = MisconfiguredCode.CREDENTIAL
        act = "authorise the application again and set google_ads.refresh_token"
    elif names & _PROJECT:
        act = "apply for a higher access level of the Google Cloud project that google_ads.client_id belongs to"
    elif status == 403 or "authorizationError" in families:
        act = "give the user access to the account, or set google_ads.login_customer_id to its manager"
    elif "UNSUPPORTED_VERSION" in names or (status == 404 and not codes):
        code = MisconfiguredCode.API_VERSION_ENDED
        act = "set google_ads.api_version to a version that is alive"
    elif families & _REFUSED or names & _TOO_DEAR or (status == 400 and not codes):
        code = MisconfiguredCode.QUERY
        act = "the API refuses the request as such; update Campaign Pulse, or set google_ads.api_version back"
    else:
        return None
    return Misconfigured(code, f"{said}; {act}")


def _read(body: bytes) -> tuple[list[Code], str, str]:
    """(codes, message, retry delay) of an error body; the text itself when it is not one."""
    try:
        found = msgspec.json.decode(body, type=list[_Body] | _Body)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return [], body[:200].decode(errors="replace"), ""
    if isinstance(found, list):
        if not found:
            return [], "", ""
        found = found[0]
    codes: list[Code] = []
    delay = ""
    for part in found.error.details:
        delay = delay or part.retry_delay
        for failure in part.errors:
            codes += failure.error_code.items()
            if failure.details is not None and failure.details.quota_error_details is not None:
                delay = failure.details.quota_error_details.retry_delay or delay
    return codes, found.error.message[:500], delay


def _seconds(text: str) -> float | None:
    """ "30s" of a body, "30" of a header; None for anything else."""
    found = _DELAY.fullmatch(text.strip())
    return float(found[1]) if found else None


def _to_next_day_s(now_ms: int) -> float:
    now = datetime.fromtimestamp(now_ms / 1000, UTC)
    tomorrow = now.astimezone(_QUOTA_ZONE).date() + timedelta(days=1)
    return (datetime.combine(tomorrow, time(), _QUOTA_ZONE) - now).total_seconds()
