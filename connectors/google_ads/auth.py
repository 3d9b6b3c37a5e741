"""OAuth access tokens from a refresh token, renewed before they end, or when the API says that they have."""

from typing import Annotated

import httpx
import msgspec

from connectors.clock import Clock
from connectors.settings import GoogleAdsSettings
from pipeline.codes import MisconfiguredCode, TransientCode
from pipeline.errors import Misconfigured, Transient

EARLY_S = 60  # renewed this long before its end


class _Given(msgspec.Struct):
    access_token: Annotated[str, msgspec.Meta(min_length=1)]
    expires_in: int = 3600


_decode = msgspec.json.Decoder(_Given).decode


class AccessToken:
    """One token for all accounts. `expires_in` counts in the time of the API, which a demo lets run faster."""

    def __init__(self, settings: GoogleAdsSettings, http: httpx.AsyncClient, clock: Clock) -> None:
        self._settings, self._http, self._clock = settings, http, clock
        self._token, self._until_ms = "", 0

    async def get(self) -> str:
        """Raises Transient, or Misconfigured(credential) when the refresh token is revoked or expired."""
        if not self._token or self._clock.now_ms() >= self._until_ms:
            await self._renew()
        return self._token

    def forget(self, token: str) -> None:
        """The API does not take this token any more. A newer one, which another account has got since, stays."""
        if token == self._token:
            self._token = ""

    async def _renew(self) -> None:
        settings = self._settings
        form = {
            "grant_type": "refresh_token",
            "client_id": settings.client_id,
            "client_secret": settings.client_secret.get_secret_value(),
            "refresh_token": settings.refresh_token.get_secret_value(),
        }
        try:
            answer = await self._http.post(settings.token_url, data=form)
        except httpx.RequestError as error:
            raise Transient(TransientCode.NETWORK, f"token endpoint: {error!r}") from None
        if answer.status_code >= 500 or answer.status_code == 429:
            raise Transient(TransientCode.UPSTREAM_BUSY, f"token endpoint answers {answer.status_code}")
        if answer.status_code != httpx.codes.OK:
            reason = "invalid_grant" if b"invalid_grant" in answer.content else f"HTTP {answer.status_code}"
            raise Misconfigured(
                MisconfiguredCode.CREDENTIAL,
                f"Google refuses the refresh token ({reason}): authorise the application again and set "
                "google_ads.refresh_token; check google_ads.client_id and google_ads.client_secret",
            )
        try:
            given = _decode(answer.content)
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            raise Transient(TransientCode.UPSTREAM_ERROR, f"token endpoint answers no token: {error}") from None
        self._token = given.access_token
        self._until_ms = self._clock.now_ms() + (given.expires_in - EARLY_S) * 1000
