"""Reading over a scripted API: pages, rows as they came, tokens, accounts, and what an answer turns into."""

from datetime import date
from typing import Any

import httpx
import msgspec
import pytest

from connectors.google_ads.source import GoogleAdsSource
from connectors.source import Account, Row
from pipeline.codes import BadRecordCode, MisconfiguredCode, TransientCode
from pipeline.errors import BadRecord, Misconfigured, Transient
from pipeline.normalize.google_ads import normalize
from schemas.raw import Report
from tests.unit.connectors.google_ads.scripted_api import ACCOUNT, ScriptedApi, campaign_row, granted, page, refused

BERLIN = Account(ACCOUNT, "Europe/Berlin", "EUR")
DAY = date(2026, 11, 20)
TOKEN_REFUSED = ("authenticationError", "OAUTH_TOKEN_INVALID")


async def read(source: GoogleAdsSource, report: Report = Report.CAMPAIGN_DAY) -> list[Row]:
    return [row async for rows in source.pages(BERLIN, report, DAY, DAY) for row in rows]


async def test_pages_are_read_to_the_last_with_one_query_and_their_tokens() -> None:
    api = ScriptedApi([page(campaign_row("1"), token="a"), page(campaign_row("2"), token="b"), page(campaign_row("3"))])
    assert [row.campaign_key for row in await read(api.source())] == [f"google_ads:{ACCOUNT}:{n}" for n in (1, 2, 3)]
    assert [body.get("pageToken") for body in api.bodies] == [None, "a", "b"]
    assert len({body["query"] for body in api.bodies}) == 1
    assert "pageSize" not in api.bodies[0]
    assert "BETWEEN '2026-11-20' AND '2026-11-20'" in api.bodies[0]["query"]


async def test_a_request_goes_to_the_account_through_its_manager_with_a_bearer_token() -> None:
    api = ScriptedApi([page()])
    await read(api.source())
    request = api.asked[0]
    assert str(request.url) == f"http://api.test/v26/customers/{ACCOUNT}/googleAds:search"
    assert request.headers["authorization"] == "Bearer t1"
    assert request.headers["login-customer-id"] == "9000000001"
    assert "developer-token" not in request.headers


async def test_a_row_is_kept_byte_for_byte() -> None:
    identity = f'"customer": {{"id":"{ACCOUNT}"}},\n "campaign": {{"id":"7"}}'
    text = f'{{ {identity}, "segments":{{"date":"2026-11-20"}}, "x": 1.50 }}'
    api = ScriptedApi([httpx.Response(200, content=f'{{"results": [ {text} ]}}')])
    assert [row.body for row in await read(api.source())] == [text.encode()]


async def test_a_page_token_given_twice_ends_the_read_instead_of_going_round() -> None:
    api = ScriptedApi([page(campaign_row(), token="a"), page(campaign_row(), token="a")])
    with pytest.raises(Transient, match="same page token twice"):
        await read(api.source())


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(200, content=b'{"results": [{"customer": {"id"'),
        httpx.Response(200, content=b"<html>"),
        httpx.Response(200, json=[]),
        httpx.Response(200, json={"results": {}}),
        httpx.Response(200, json={"nextPageToken": 7}),
        httpx.Response(200, content=b"\xff"),
        httpx.ReadTimeout("slow"),
        httpx.ConnectError("nobody there"),
        httpx.RemoteProtocolError("hung up"),
    ],
)
async def test_an_answer_that_is_none_is_asked_for_again(answer: httpx.Response | Exception) -> None:
    with pytest.raises(Transient):
        await read(ScriptedApi([answer]).source())


async def test_a_token_that_has_ended_is_renewed_once_and_the_request_repeated() -> None:
    api = ScriptedApi([refused(401, *TOKEN_REFUSED), page(campaign_row())], tokens=[granted("old"), granted("new")])
    assert len(await read(api.source())) == 1
    assert [request.headers["authorization"] for request in api.asked] == ["Bearer old", "Bearer new"]


async def test_a_second_refusal_of_the_token_needs_a_person() -> None:
    api = ScriptedApi([refused(401, *TOKEN_REFUSED), refused(401, *TOKEN_REFUSED)])
    with pytest.raises(Misconfigured, match=r"google_ads\.refresh_token") as stopped:
        await read(api.source())
    assert stopped.value.code == MisconfiguredCode.CREDENTIAL
    assert len(api.asked) == 2


async def test_a_refusal_in_the_middle_of_the_pages_is_raised_behind_the_rows_before() -> None:
    api = ScriptedApi([page(campaign_row(), token="a"), refused(503)])
    pages = api.source().pages(BERLIN, Report.CAMPAIGN_DAY, DAY, DAY)
    assert len(await anext(pages)) == 1
    with pytest.raises(Transient) as failure:
        await anext(pages)
    assert failure.value.code == TransientCode.UPSTREAM_BUSY


async def test_the_retry_after_header_is_obeyed() -> None:
    answer = httpx.Response(503, headers={"retry-after": "17"}, content=b"busy")
    with pytest.raises(Transient) as failure:
        await read(ScriptedApi([answer]).source())
    assert failure.value.retry_after_s == 17


@pytest.mark.parametrize(
    ("report", "row", "name"),
    [
        (Report.CAMPAIGN_DAY, campaign_row("7"), "7|||"),
        (Report.CAMPAIGN_HOUR, campaign_row("7", hour=0), "7|||0"),
        (
            Report.AD_DAY,
            campaign_row("7") | {"adGroup": {"id": "8"}, "adGroupAd": {"ad": {"id": "9", "name": "x"}}},
            "7|8|9|",
        ),
    ],
)
async def test_a_row_that_vanishes_is_told_by_its_name_alone(report: Report, row: dict[str, Any], name: str) -> None:
    source = ScriptedApi([page(row)]).source()
    [found] = await read(source, report)
    assert (found.date, found.name) == ("2026-11-20", name)
    gone = source.vanished(BERLIN, report, found.date, found.name)
    assert gone.campaign_key == found.campaign_key
    identity = msgspec.json.decode(gone.body)
    assert identity["segments"] == row["segments"]
    assert identity["campaign"] == {"id": "7"}
    assert "metrics" not in identity
    envelope = {
        "v": 1, "kind": "vanished", "report": str(report), "account_id": ACCOUNT,
        "fetched_at_ms": 1_795_244_400_000, "row": identity,
    }  # fmt: skip
    assert normalize(msgspec.json.encode(envelope)).vanished  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("report", "row", "key", "code", "path"),
    [
        (Report.CAMPAIGN_DAY, {}, "", BadRecordCode.MISSING_FIELD, "row.customer"),
        (Report.CAMPAIGN_DAY, 17, "", BadRecordCode.BAD_TYPE, "row"),
        (Report.CAMPAIGN_DAY, campaign_row("a|b"), "a|b", None, None),
        (Report.CAMPAIGN_DAY, campaign_row("7", date="soon"), "7", None, None),
        (Report.CAMPAIGN_HOUR, campaign_row("7"), "7", None, None),
        (Report.AD_DAY, campaign_row("7"), "7", None, None),
    ],
)
async def test_a_row_that_cannot_be_read_goes_on_and_is_never_missed(
    report: Report, row: Any, key: str, code: str | None, path: str | None
) -> None:
    good = campaign_row("1", hour=1)
    bad, after = await read(ScriptedApi([page(row, good)]).source(), report)
    assert (bad.campaign_key, bad.date, bad.name) == (f"google_ads:{ACCOUNT}:{key}", "", "")
    assert after.campaign_key == f"google_ads:{ACCOUNT}:1"
    envelope = {
        "v": 1, "kind": "row", "report": str(report), "account_id": ACCOUNT, "fetched_at_ms": 1_795_244_400_000,
        "row": msgspec.Raw(bad.body),
    }  # fmt: skip
    with pytest.raises(BadRecord) as letter:
        normalize(msgspec.json.encode(envelope))
    if code is not None:
        assert (letter.value.code, letter.value.field) == (code, path)


async def test_a_row_that_is_no_utf_8_goes_on_to_the_dead_letters() -> None:
    row = b'{"customer":{"id":"1"},"campaign":{"id":"\xff"},"segments":{"date":"2026-11-20"}}'
    api = ScriptedApi([httpx.Response(200, content=b'{"results":[' + row + b"]}")])
    assert [(found.name, found.body) for found in await read(api.source())] == [("", row)]


async def test_a_field_nobody_knows_changes_nothing() -> None:
    row = campaign_row() | {"novelty": {"deep": [1, {"x": None}]}}
    [found] = await read(ScriptedApi([page(row)]).source())
    assert b"novelty" in found.body


# -- accounts ------------------------------------------------------------------------------------------------


def client(account_id: str, **more: Any) -> dict[str, Any]:
    return {"customerClient": {"id": account_id, "timeZone": "Asia/Kolkata", "currencyCode": "INR", **more}}


async def test_the_accounts_below_the_manager_are_found_without_managers() -> None:
    source = ScriptedApi([page(client("1"), client("2", manager=True), token="x"), page(client("3"))]).source()
    assert await source.account_ids() == ["1", "3"]
    assert await source.account("3") == Account("3", "Asia/Kolkata", "INR")


async def test_an_account_that_is_not_listed_any_more_is_not_read() -> None:
    source = ScriptedApi([page(client("1"), client("2")), page(client("2"))]).source()
    assert await source.account_ids() == ["1", "2"]
    assert await source.account_ids() == ["2"]


async def test_a_named_account_is_asked_for_its_zone_once() -> None:
    api = ScriptedApi([page({"customer": {"id": ACCOUNT, "timeZone": "Europe/Berlin", "currencyCode": "EUR"}})])
    source = api.source(accounts=(ACCOUNT,))
    assert await source.account_ids() == [ACCOUNT]
    assert await source.account(ACCOUNT) == await source.account(ACCOUNT) == BERLIN
    assert len(api.asked) == 1


async def test_neither_accounts_nor_a_manager_is_refused_in_words() -> None:
    with pytest.raises(Misconfigured, match=r"google_ads\.accounts"):
        await ScriptedApi().source(login_customer_id="").account_ids()


async def test_an_account_that_is_closed_stops_with_a_sentence() -> None:
    source = ScriptedApi([refused(403, "authorizationError", "CUSTOMER_NOT_ENABLED")]).source(accounts=(ACCOUNT,))
    with pytest.raises(Misconfigured, match="not enabled") as stopped:
        await source.account(ACCOUNT)
    assert stopped.value.code == MisconfiguredCode.PERMISSION


@pytest.mark.parametrize("answer", [page(), page({"customer": {"id": ACCOUNT}}), page({"nobody": {}})])
async def test_an_account_without_a_zone_is_asked_for_again(answer: httpx.Response) -> None:
    with pytest.raises(Transient):
        await ScriptedApi([answer]).source(accounts=(ACCOUNT,)).account(ACCOUNT)


def test_the_version_in_use_is_watched() -> None:
    source = ScriptedApi().source(api_version="v23")
    assert source.notice(date(2026, 11, 21)) is None
    assert "ends on 2027-02-01" in (source.notice(date(2026, 12, 20)) or "")
