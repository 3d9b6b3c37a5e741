"""OAuth access tokens from a refresh token, renewed before they end, or when the API says that they have."""

import httpx

from connectors.clock import Clock
from connectors.settings import GoogleAdsSettings
from pipeline.codes import MisconfiguredCode, TransientCode
from pipeline.errors import Misconfigured, Transient

EARLY_S = 60  # renewed this long before its end


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

    def forget(self) -> None:
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
        except httpx.TransportError as error:
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
        body = answer.json()
        self._token = str(body["access_token"])
        self._until_ms = self._clock.now_ms() + (int(body.get("expires_in", 3600)) - EARLY_S) * 1000
