"""How the Google Ads API says no: HTTP status, family, code and the documented body.

Shapes: developers.google.com/google-ads/api (error handling), read 2026-11.
"""

import hashlib
from typing import Any

_STATUS_NAMES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}


class Refusal(Exception):
    """An answer that is not 200. `family` is the one key of `errorCode`; empty where the gateway answers."""

    def __init__(
        self, http: int, message: str, *, family: str = "", code: str = "", details: dict[str, Any] | None = None
    ) -> None:
        super().__init__(message)
        self.http = http
        self.message = message
        self.family = family
        self.code = code
        self.details = details or {}

    def body(self, api_version: int, request_id: str) -> dict[str, Any]:
        """The JSON document of the answer."""
        error: dict[str, Any] = {"code": self.http, "message": self.message, "status": _STATUS_NAMES[self.http]}
        if self.family:
            failure: dict[str, Any] = {"errorCode": {self.family: self.code}, "message": self.message}
            if self.details:
                failure["details"] = self.details
            error["details"] = [
                {
                    "@type": f"type.googleapis.com/google.ads.googleads.v{api_version}.errors.GoogleAdsFailure",
                    "requestId": request_id,
                    "errors": [failure],
                }
            ]
        return {"error": error}


def request_id(seed: int, at_ms: int, count: int) -> str:
    """An id as the API's `request-id` header carries one, derived so that a recorded run repeats it."""
    return hashlib.blake2b(f"{seed}|{at_ms}|{count}".encode(), digest_size=11).hexdigest()


def query_error(code: str, message: str) -> Refusal:
    return Refusal(400, message, family="queryError", code=code)


def request_error(code: str, message: str) -> Refusal:
    return Refusal(400, message, family="requestError", code=code)


def not_authenticated() -> Refusal:
    return Refusal(
        401,
        "Request had invalid authentication credentials. Expected OAuth 2 access token.",
        family="authenticationError",
        code="OAUTH_TOKEN_INVALID",
    )


def permission_denied() -> Refusal:
    return Refusal(
        403,
        "User doesn't have permission to access customer. Note: If you're accessing a client customer, the manager's "
        "customer id must be set in the 'login-customer-id' header.",
        family="authorizationError",
        code="USER_PERMISSION_DENIED",
    )


def not_enabled() -> Refusal:
    return Refusal(
        403,
        "The customer account can't be accessed because it is not yet enabled or has been deactivated.",
        family="authorizationError",
        code="CUSTOMER_NOT_ENABLED",
    )


def too_many_requests(retry_delay: str) -> Refusal:
    return Refusal(
        429,
        "Too many requests. Retry in a while.",
        family="quotaError",
        code="RESOURCE_TEMPORARILY_EXHAUSTED",
        details={
            "quotaErrorDetails": {
                "rateScope": "ACCOUNT",
                "rateName": "Requests per account",
                "retryDelay": retry_delay,
            }
        },
    )


def daily_quota_spent() -> Refusal:
    return Refusal(429, "The daily quota is exhausted.", family="quotaError", code="RESOURCE_EXHAUSTED")


def unavailable() -> Refusal:
    return Refusal(503, "The service is currently unavailable.")


def internal_error() -> Refusal:
    return Refusal(500, "An internal error has occurred.", family="internalError", code="INTERNAL_ERROR")


def version_ended(version: str) -> Refusal:
    return Refusal(404, f"Version v{version} of the API does not exist or has ended.")
