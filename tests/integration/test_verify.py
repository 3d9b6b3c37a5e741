"""The proof against the real pipeline: agrees with it on hard input, and finds every kind of damage."""

import random
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import orjson
import pytest

from agents.cli import main as command_line
from connectors.clickhouse.client import connected
from connectors.clickhouse.recount_calendar import by_zone, day_start, hour_start
from connectors.clickhouse.verify import LOOK_S, verify
from connectors.settings import Settings
from pipeline.counted import CountedState
from pipeline.reported import ReportedState
from pipeline.state import StageState
from pipeline.zones import day_at, hour_at
from schemas.event import MAX_MICROS
from schemas.topics import DEAD_LETTERS, RAW_EVENTS, RAW_GOOGLE_ADS, TOTALS
from tests.integration.clickhouse_rows import HOUR_MS, NOON_MS, Rec, ask, database, store

KEY = b"meta:1:7"
Send = Callable[[str, Sequence[Rec]], None]


@pytest.fixture
def settings(clickhouse_http: int, unique_name: Callable[[str], str]) -> Iterator[Settings]:
    with database(clickhouse_http, unique_name("verify")) as made:
        yield made


def pipeline(settings: Settings, raw_topic: str, records: Sequence[Rec], cut: int = 7) -> None:
    """Counts the records in batches with the real state, and stores records, totals and letters as the sink does."""
    state: StageState
    if raw_topic == RAW_EVENTS:
        state = CountedState(raw_topic, 0)
    else:
        state = ReportedState(raw_topic, 0, project_of=lambda _platform, _account: "default")
    outputs: list[tuple[str, bytes | None, bytes]] = []
    for first in range(0, len(records), cut):
        state.count(records[first : first + cut])
        outputs.extend(state.take().outputs)
    store(settings, raw_topic, 0, records)
    start = ask(settings, "SELECT max(last_offset) + 1 FROM sink_blocks WHERE topic = 'totals.v1'")[0][0]
    for topic, offset in ((TOTALS, start - (start == 1 and not _has_totals(settings))), (DEAD_LETTERS, 0)):
        mine = [(key, value) for to, key, value in outputs if to == topic]
        if mine:
            store(settings, topic, 0, [Rec(offset + n, NOON_MS, key, value) for n, (key, value) in enumerate(mine)])


def _has_totals(settings: Settings) -> bool:
    return ask(settings, "SELECT count() FROM sink_blocks WHERE topic = 'totals.v1'") != [(0,)]


def event(number: int | str, **fields: Any) -> dict[str, Any]:
    base = {"event_id": f"e{number}", "platform": "meta", "account_id": "1", "campaign_id": "7", "at": NOON_MS}
    return base | {"type": "click"} | fields


def events(messages: Sequence[dict[str, Any] | bytes | None], *, at_ms: Sequence[int] | None = None) -> list[Rec]:
    """Records of one partition; None is a tick. A last tick lets corrections of finished windows come out."""
    made = []
    times = list(at_ms) if at_ms is not None else [NOON_MS + 1000 + offset for offset in range(len(messages))]
    messages, times = [*messages, None], [*times, times[-1] + 2_000]
    for offset, message in enumerate(messages):
        value = message if isinstance(message, bytes | None) else orjson.dumps(message)
        key = None if message is None else KEY
        if isinstance(message, dict):
            key = f"{message['platform']}:{message['account_id']}:{message['campaign_id']}".encode()
        made.append(Rec(offset, times[offset], key, value))
    return made


def report_row(fetched_ms: int, *, report: str = "campaign_day", kind: str = "row", **fields: Any) -> dict[str, Any]:
    """`fields`: campaign, date, hour, ad, zone, and the metrics as the API names them."""
    row: dict[str, Any] = {
        "customer": {"id": "1", "currencyCode": "EUR", "timeZone": fields.pop("zone", "Europe/Berlin")},
        "campaign": {"id": fields.pop("campaign", "70"), "name": 'with "conversions": 5 in it'},
        "segments": {"date": fields.pop("date", "2026-09-20")},
    }
    if "hour" in fields:
        row["segments"]["hour"] = fields.pop("hour")
    if "ad" in fields:
        row |= {"adGroup": {"id": "5"}, "adGroupAd": {"ad": {"id": fields.pop("ad")}}}
    if kind == "row":
        row["metrics"] = fields
    head = {"v": 1, "source": "google_ads", "api_version": "v26", "account_id": "1", "run_id": "r"}
    return head | {"kind": kind, "report": report, "fetched_at_ms": fetched_ms, "row": row}


def complete(fetched_ms: int, report: str = "campaign_day") -> dict[str, Any]:
    head = {"v": 1, "source": "google_ads", "api_version": "v26", "account_id": "1", "run_id": "r"}
    span = {"since": "2026-09-19", "until": "2026-09-21", "rows": 1, "zone": "Europe/Berlin"}
    return head | {"kind": "report_complete", "report": report, "fetched_at_ms": fetched_ms} | span


def reports(messages: Sequence[dict[str, Any]]) -> list[Rec]:
    made = []
    for offset, message in enumerate(messages):
        row = message.get("row")
        key = f"google_ads:1:{row['campaign']['id']}".encode() if row else None
        made.append(Rec(offset, message["fetched_at_ms"], key, orjson.dumps(message)))
    return made


ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Asia/Kathmandu", "Australia/Lord_Howe"]
CHANGES = ["Asia/Beirut", "America/Sao_Paulo", "Pacific/Chatham", "America/St_Johns", "Africa/Cairo"]


def test_days_and_hours_are_those_of_the_zone_around_every_change_of_a_clock(clickhouse_http: int) -> None:
    from tests.integration.clickhouse_rows import settings_of

    settings = settings_of(clickhouse_http, "default")
    for zone in (*ZONES, *CHANGES):
        instants = _around_changes(zone)
        hour, day = by_zone("zone", [zone], hour_start("at_s")), by_zone("zone", [zone], day_start("at_s"))
        sql = f"SELECT at_s, {hour}, {day} FROM (SELECT arrayJoin({instants}) AS at_s, '{zone}' AS zone)"
        found = {at: (hour_s, day_s) for at, hour_s, day_s in ask(settings, sql)}
        expected = {at: (hour_at(zone, at * 1000)[0] // 1000, day_at(zone, at * 1000)[0] // 1000) for at in instants}
        assert found == expected, zone


def _around_changes(zone: str) -> list[int]:
    """Every 20 minutes of the days around each change of 2015, 2018 and 2024, and of a quiet day."""
    info, found = ZoneInfo(zone), {int(datetime(2026, 6, 1, 12, tzinfo=UTC).timestamp())}
    for year in (2015, 2018, 2024):
        day = datetime(year, 1, 1, tzinfo=UTC)
        while day.year == year:
            if day.astimezone(info).utcoffset() != (day + timedelta(days=1)).astimezone(info).utcoffset():
                first = int(day.timestamp()) - 86_400
                found.update(range(first, first + 4 * 86_400, 1_200))
            day += timedelta(days=1)
    return sorted(found)


def test_a_hard_stream_of_events_is_counted_the_same(settings: Settings) -> None:
    draw = random.Random(11)
    messages: list[dict[str, Any] | bytes | None] = []
    zones = {"7": None, "8": "America/New_York", "9": "Asia/Kolkata", "10": "Australia/Lord_Howe"}
    types = ["impression", "click", "link_click", "conversion", "video_view", "sent", "opened", "failed"]
    for number in range(1_500):
        campaign = draw.choice(list(zones))
        at_ms = NOON_MS - draw.randrange(30 * HOUR_MS)
        fields: dict[str, Any] = {
            "campaign_id": campaign,
            "type": draw.choice(types),
            "at": draw.choice([at_ms, datetime.fromtimestamp(at_ms / 1000, ZoneInfo("Asia/Kathmandu")).isoformat()]),
        }
        fields |= draw.choice([{}, {"count": 3}, {"spend_micros": 1_234_567}, {"revenue_micros": 7}, {"ad_id": "a1"}])
        fields |= draw.choice([{}, {"conversions_micros": 333_333}, {"conversions_micros": None, "ad_id": None}])
        if zones[campaign] and draw.random() < 0.5:
            fields["zone"] = zones[campaign]
        messages.append(event(draw.choice([number, number, number // 2]), **fields))
        messages += draw.choice([[], [], [None], [b"not json"], [event(number, spend_micros=-1)]])
    # the first event of each campaign names its zone, so that none is refused for naming it late
    first = [event(f"first{c}", campaign_id=c, **({"zone": zone} if zone else {})) for c, zone in zones.items()]
    pipeline(settings, RAW_EVENTS, events([*first, *messages]))
    verdict = verify(settings)
    assert verdict.ok, verdict.differences
    assert verdict.checked > 500
    assert (verdict.lost, verdict.duplicated, verdict.drift_micros, verdict.in_flight) == (0, 0, 0, 0)
    assert verdict.raw_records == ask(settings, "SELECT count() FROM raw_records")[0][0]


def test_sums_that_64_bits_cannot_hold_are_the_same_on_both_sides(settings: Settings) -> None:
    times = 2**63 // MAX_MICROS + 10
    sent = [
        event(number, ad_id="a", spend_micros=MAX_MICROS, revenue_micros=MAX_MICROS // 2) for number in range(times)
    ]
    pipeline(settings, RAW_EVENTS, events(sent), cut=2_000)
    found = verify(settings)
    assert found.ok, found
    assert found.checked > 0
    spent = ask(settings, "SELECT DISTINCT spend_micros, revenue_micros FROM totals FINAL WHERE window = '1d'")
    assert spent == [(2**63 - 1, times * (MAX_MICROS // 2))]


def test_a_repeat_counts_again_only_beyond_the_horizon_of_its_last_sight(settings: Settings) -> None:
    hours = [0, 10, 24, 48, 73]  # each within a day of the one before, except the last
    times = [NOON_MS + hour * HOUR_MS for hour in hours]
    messages: list[dict[str, Any] | bytes | None] = [event(1) for _ in hours]
    pipeline(settings, RAW_EVENTS, events(messages, at_ms=times))
    assert ask(settings, "SELECT clicks FROM totals FINAL WHERE window = '1d'") == [(2,)]
    verdict = verify(settings)
    assert verdict.ok, verdict.differences


def test_windows_that_may_have_been_given_up_are_left_out_and_told(settings: Settings) -> None:
    late = NOON_MS + 60 * HOUR_MS  # minutes are kept for two days
    messages: list[dict[str, Any] | bytes | None] = [event(1), None, None, event(2)]
    pipeline(settings, RAW_EVENTS, events(messages, at_ms=[NOON_MS, late, late + HOUR_MS, late + 2 * HOUR_MS]), cut=1)
    verdict = verify(settings)
    assert verdict.ok, verdict.differences
    assert verdict.not_comparable == 2  # the minute and the five minutes
    assert verdict.checked == 2


def test_restatements_vanished_rows_and_stale_revisions_come_to_the_same(settings: Settings) -> None:
    t = NOON_MS
    rows = [
        report_row(t, impressions="940", clicks="57", costMicros="81200000", conversions=3.5, conversionsValue=412.9),
        report_row(
            t + 40 * 24 * HOUR_MS, report="campaign_hour", hour=2, date="2026-10-25", clicks="1", costMicros="5"
        ),
        report_row(t, report="ad_day", ad="9", clicks="4", costMicros="1", videoTrueviewViews="3"),
        complete(t),
        report_row(t + 60_000, clicks="58", costMicros="81300000", conversions=0.0000015, conversionsValue=0.0000025),
        report_row(t + 1, clicks="1", costMicros="1"),  # older than the row
        report_row(t - 5, campaign="71", clicks="9", costMicros="9"),  # older than the complete read of its day
        report_row(t, campaign="72", clicks="2", costMicros="2"),
        complete(t + 60_000),
        report_row(t + 60_000, campaign="72", kind="vanished"),
        report_row(t + 60_000, campaign="73", kind="vanished"),  # never seen: no total
        report_row(t + 60_000, campaign="74", zone="Pacific/Chatham", clicks="3", costMicros="3", impressions="0"),
        report_row(t + 61_000, campaign="75", clicks="-3", costMicros="3"),  # refused
    ]
    pipeline(settings, RAW_GOOGLE_ADS, reports(rows), cut=1)
    newest = (
        "SELECT clicks, spend_micros, conversions_micros, revenue_micros FROM totals FINAL WHERE campaign_id = '70'"
    )
    assert (58, 81_300_000, 2, 2) in ask(settings, newest)  # half to even
    assert ask(settings, "SELECT count() FROM dead_letters FINAL") == [(1,)]
    verdict = verify(settings)
    assert verdict.ok, verdict.differences
    assert verdict.checked == 5  # 70 by day, hour and ad; 72; 74


@pytest.fixture
def counted(settings: Settings) -> Settings:
    messages: list[dict[str, Any] | bytes | None] = [
        event(n, spend_micros=1_000_000, campaign_id=str(n % 3)) for n in range(30)
    ]
    pipeline(settings, RAW_EVENTS, events(messages))
    pipeline(settings, RAW_GOOGLE_ADS, reports([report_row(NOON_MS, clicks="5", costMicros="7000000")]))
    verdict = verify(settings)
    assert verdict.ok, verdict.differences
    assert verdict.checked == 3 * 4 + 1
    return settings


def damage(settings: Settings, sql: str) -> None:
    with connected(settings) as client:
        client.command(sql, settings={"mutations_sync": 2})


def test_one_damaged_total_is_found_and_nothing_else(counted: Settings) -> None:
    one = "meta:1:2|||counted|1d|%"
    damage(counted, f"ALTER TABLE totals UPDATE spend_micros = spend_micros - 250000 WHERE total_id LIKE '{one}'")
    verdict = verify(counted)
    assert not verdict.ok
    assert (verdict.lost, verdict.duplicated, verdict.drift_micros, verdict.in_flight) == (1, 0, 250_000, 0)
    (difference,) = verdict.differences
    assert difference.total_id.startswith("meta:1:2|||counted|1d|")
    assert (difference.measure, difference.expected, difference.found) == ("spend_micros", 10_000_000, 9_750_000)


def test_a_missing_reported_total_is_lost(counted: Settings) -> None:
    damage(counted, "ALTER TABLE totals DELETE WHERE basis = 'reported'")
    verdict = verify(counted)
    assert (verdict.lost, verdict.duplicated, verdict.drift_micros) == (1, 0, 7_000_000)
    assert {difference.found for difference in verdict.differences} == {None}


def test_an_event_that_was_counted_twice_is_duplicated(counted: Settings) -> None:
    one = "campaign_key = 'meta:1:1'"
    damage(counted, f"ALTER TABLE totals UPDATE clicks = clicks + 1 WHERE {one}")
    verdict = verify(counted)
    assert (verdict.lost, verdict.duplicated, verdict.drift_micros) == (0, 4, 0)
    assert {difference.measure for difference in verdict.differences} == {"clicks"}


def test_a_raw_record_that_is_gone_is_missing_and_its_totals_are_uncalled_for(counted: Settings) -> None:
    damage(counted, "ALTER TABLE raw_records DELETE WHERE topic = 'raw.events.v1' AND offset = 4")
    verdict = verify(counted)
    assert verdict.records_missing == 1
    assert (verdict.lost, verdict.duplicated) == (1, 4)


def test_a_range_that_was_never_stored_is_missing(counted: Settings) -> None:
    store(counted, RAW_EVENTS, 0, [Rec(33, NOON_MS, None, None)])  # 31, 32 are nowhere
    verdict = verify(counted)
    assert (verdict.records_missing, verdict.lost) == (2, 2)
    assert not verdict.ok


def test_a_total_nothing_calls_for_is_duplicated_unless_it_is_zero(counted: Settings) -> None:
    columns = (
        "INSERT INTO totals (total_id, campaign_key, platform, campaign_id, basis, window, start, clicks, version)"
    )
    at = "toDateTime64('2026-09-20 00:00:00', 3, 'UTC')"
    damage(counted, f"{columns} VALUES ('x', 'meta:9:9', 'meta', '9', 'counted', '1d', {at}, 0, 9)")
    assert verify(counted).ok
    damage(counted, f"{columns} VALUES ('x', 'meta:9:9', 'meta', '9', 'counted', '1d', {at}, 2, 10)")
    verdict = verify(counted)
    assert (verdict.lost, verdict.duplicated) == (0, 1)
    assert verdict.differences[0].expected is None


def test_what_retention_has_taken_is_neither_lost_nor_uncalled_for(counted: Settings) -> None:
    damage(counted, "ALTER TABLE raw_records DELETE WHERE topic = 'raw.events.v1' AND offset < 20")
    assert not verify(counted).ok
    damage(counted, "ALTER TABLE sink_blocks UPDATE written_at = now() - INTERVAL 91 DAY WHERE topic LIKE 'raw.%'")
    verdict = verify(counted)
    assert verdict.ok, verdict.differences
    assert verdict.checked == 1  # the report row stands for itself


def test_what_moves_between_two_looks_is_in_flight(counted: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """A total that lags at the first look, still lags at the last, but has moved: the sink is on its way."""
    damage(counted, "ALTER TABLE totals UPDATE clicks = 1 WHERE total_id LIKE 'meta:1:2|||counted|1d|%'")

    clock_s, clicks = [0.0], 1

    def meanwhile(seconds: float) -> None:
        nonlocal clicks
        clock_s[0] += seconds
        clicks += 1
        damage(counted, f"ALTER TABLE totals UPDATE clicks = {clicks} WHERE total_id LIKE 'meta:1:2|||counted|1d|%'")
        store(counted, RAW_GOOGLE_ADS, 1, [Rec(clicks - 2, NOON_MS, KEY, b"{}")])

    # The time of this test, not of the machine: however long a look takes, there is time for two more.
    times = SimpleNamespace(monotonic=lambda: clock_s[0], sleep=meanwhile)
    monkeypatch.setattr("connectors.clickhouse.verify.time", times)
    verdict = verify(counted, wait_s=2.5 * LOOK_S)
    assert (verdict.in_flight, verdict.lost, verdict.ok) == (1, 0, True)
    assert clicks == 3, "looked twice more"


def test_the_command_prints_one_object_and_exits_1_on_a_difference(
    counted: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PULSE_CLICKHOUSE__PORT", str(counted.clickhouse.port))
    monkeypatch.setenv("PULSE_CLICKHOUSE__DATABASE", counted.clickhouse.database)
    monkeypatch.setattr(command_line, "configure_logging", lambda *_, **__: None)  # it would outlive this test
    assert command_line.run(["verify", "--json"]) == 0
    printed = orjson.loads(capsys.readouterr().out)
    assert printed["ok"] is True
    assert printed["differences"] == []
    damage(counted, "ALTER TABLE totals UPDATE clicks = 0 WHERE basis = 'reported'")
    assert command_line.run(["verify", "--json", "--wait", "0s"]) == 1
    printed = orjson.loads(capsys.readouterr().out)
    expected = {"total_id", "measure", "expected", "found"}
    assert (printed["lost"], printed["checked"], set(printed["differences"][0])) == (1, 13, expected)
    assert command_line.run(["verify"]) == 1
    assert "lost" in capsys.readouterr().out
