"""Access tokens: fetched when needed, renewed in time, and what a refusal says."""

import httpx
import pytest

from connectors.clock import Clock
from connectors.google_ads.auth import AccessToken
from connectors.setting_sections import GoogleAdsSettings
from pipeline.codes import MisconfiguredCode, TransientCode
from pipeline.errors import Misconfigured, Transient
from tests.unit.connectors.google_ads.scripted_api import SETTINGS, Answer, ScriptedApi, granted


class Now(Clock):
    """A clock the test moves."""

    at_ms = 1_795_244_400_000

    def now_ms(self) -> int:
        return Now.at_ms


def token_of(*answers: Answer) -> tuple[ScriptedApi, AccessToken]:
    api = ScriptedApi(tokens=list(answers))
    return api, AccessToken(GoogleAdsSettings(**SETTINGS), api.client(), Now(0, 0, 1.0))


async def test_a_token_is_fetched_once_and_renewed_a_minute_before_its_end() -> None:
    api, token = token_of(granted("a"), granted("b"))
    assert [await token.get(), await token.get(), api.renewals] == ["a", "a", 1]
    Now.at_ms += 3_538_000
    assert await token.get() == "a"
    Now.at_ms += 1_000
    assert await token.get() == "b"


async def test_a_refused_token_is_forgotten_but_not_the_one_that_came_after_it() -> None:
    api, token = token_of(granted("a"), granted("b"))
    assert await token.get() == "a"
    token.forget("a")
    assert await token.get() == "b"
    token.forget("a")  # another account had asked with the old one
    assert [await token.get(), api.renewals] == ["b", 2]


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (httpx.Response(400, json={"error": "invalid_grant"}), "invalid_grant"),
        (httpx.Response(401, json={"error": "invalid_client"}), "HTTP 401"),
    ],
)
async def test_a_revoked_token_or_a_wrong_client_needs_a_person_and_no_secret_is_told(
    answer: httpx.Response, said: str
) -> None:
    with pytest.raises(Misconfigured, match=said) as stopped:
        await token_of(answer)[1].get()
    assert stopped.value.code == MisconfiguredCode.CREDENTIAL
    assert "google_ads.refresh_token" in stopped.value.detail
    assert "hush" not in str(stopped.value)


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (httpx.Response(503), TransientCode.UPSTREAM_BUSY),
        (httpx.Response(429), TransientCode.UPSTREAM_BUSY),
        (httpx.ConnectTimeout("slow"), TransientCode.NETWORK),
        (httpx.Response(200, content=b"<html>"), TransientCode.UPSTREAM_ERROR),
        (httpx.Response(200, json={"token_type": "Bearer"}), TransientCode.UPSTREAM_ERROR),
        (httpx.Response(200, json={"access_token": "", "expires_in": 1}), TransientCode.UPSTREAM_ERROR),
        (httpx.Response(200, json={"access_token": "a", "expires_in": "soon"}), TransientCode.UPSTREAM_ERROR),
    ],
)
async def test_what_may_pass_is_tried_again(answer: Answer, code: TransientCode) -> None:
    with pytest.raises(Transient) as failure:
        await token_of(answer)[1].get()
    assert failure.value.code == code
