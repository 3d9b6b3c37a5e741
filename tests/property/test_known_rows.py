"""Rows of reports counted in C are those counted in Python, byte for byte, whatever a record may be."""

import json
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from pipeline.changelog import Changelog
from pipeline.per_record import BUILT
from pipeline.reported import ReportedState
from tests.partition import Rec
from tests.property.test_reported_frames import on_the_wire

AT_MS = 1_795_169_000_000
KEY = b"google_ads:1:70"
HEAD = b'{"v":1,"kind":"%s","report":"%s","account_id":"1","fetched_at_ms":%d,"row":'
PLAIN = b'{"clicks":"1"}'

WHOLES = [
    *("0", "1", "7", "-1", "007", "1e3", "1.0", "", " ", "null", "true", "[]", "{}", '"', '""', '"5"', '"05"', '" 5"'),
    *('"5 "', '"+5"', '"-5"', '"1_0"', '"٣"', '"\\u0035"', '"1e3"', '"0x1"', str(10**15), str(10**15 + 1)),
    *(f'"{10**15}"', f'"{10**15 + 1}"', str(10**18), f'"{10**18}"', f'"{10**18 + 1}"', "9" * 30, f'"{"9" * 18}"'),
    *(f'"{"0" * 17}1"', f'"{"0" * 18}1"', f'"{"0" * 19}1"'),
]
DECIMALS = [
    *("0", "0.5", "1.25", "12.3456789", "0.0000005", "0.0000015", "0.00000050000001", "0.9999995", "1.", ".5", "-0.5"),
    *(
        "01.5",
        "1e2",
        "1.5E-3",
        "null",
        '"1.5"',
        "true",
        "[1]",
        "999999999999.9999999",
        "1000000000000",
        "1000000000001",
    ),
    *(
        "1000000000000.000001",
        "0." + "1" * 23,
        "0." + "4" * 24,
        "0." + "9" * 25,
        "0.1234565",
        "0.1234575",
        "1.5x",
        "1..5",
    ),
]
NAMES = ["impressions", "clicks", "costMicros", "videoTrueviewViews"]
METRIC = st.one_of(
    st.tuples(st.sampled_from(NAMES), st.one_of(st.sampled_from(WHOLES), st.integers(0, 10**6).map(str))),
    st.tuples(
        st.sampled_from(["conversions", "conversionsValue"]),
        st.one_of(st.sampled_from(DECIMALS), st.decimals(0, 10**7, places=7).map("{:f}".format)),
    ),
    st.tuples(
        st.sampled_from(["allConversions", "Clicks", "cl\\u0069cks", "é", "a b", ""]),
        st.sampled_from(["1", '"x\\n"', '"é"', '"\\ud800"', "[1,2]", '{"a":1}', "nul", "1e999", '"}"', '"{"']),
    ),
)
SPACE = st.sampled_from(["", "", "", " ", "\n\t\r ", "\f"])
FIGURES = st.builds(
    lambda metrics, space: (
        "{" + ",".join(f'{space}"{name}"{space}:{space}{value}' for name, value in metrics) + space + "}"
    ),
    st.lists(METRIC, max_size=5),
    SPACE,
).map(str.encode)


def row(figures: bytes, *, name: Any = "n", gap: bytes = b"") -> bytes:
    campaign = json.dumps({"id": "70", "name": name}, ensure_ascii=False).encode()
    return (
        b'{"customer":{"id":"1","currencyCode":"EUR","timeZone":"Europe/Berlin"},"campaign":%s,"metrics"%s:%s%s,'
        b'"segments":{"date":"2026-10-24"}}' % (campaign, gap, gap, figures)
    )


def entity(name: str, budget_id: str, budget_micros: int) -> bytes:
    body = {
        "customer": {"id": "1", "currencyCode": "EUR", "timeZone": "Europe/Berlin"},
        "campaign": {"id": "70", "name": name, "status": "ENABLED"},
        "campaignBudget": {"id": budget_id, "amountMicros": str(budget_micros), "period": "DAILY"},
    }
    return json.dumps(body).encode()


def record(later_ms: int, body: bytes, *, kind: bytes = b"row", report: bytes = b"campaign_day") -> bytes:
    return HEAD % (kind, report, AT_MS + later_ms) + body + b"}"


def seen(values: list[bytes], generation: int, *, in_c: bool) -> list[Any]:
    """All that comes of the records, after each of them and at the end."""
    state = ReportedState("raw.google_ads.v1", 3, project_of=lambda *_: "p", generation=generation, in_c=in_c)
    records = [Rec(offset, AT_MS, KEY, value) for offset, value in enumerate(values)]
    found, changelog = [], Changelog(b"a")
    for part in (records[: len(records) // 2], records[len(records) // 2 :]):
        state.count(on_the_wire(part) if in_c else part)
        taken = state.take()
        found.append((taken.outputs, changelog.write(taken.rows), taken.upto, state.tallies()))
    return found


def same(values: list[bytes], generation: int = 0) -> None:
    assert seen(values, generation, in_c=BUILT) == seen(values, generation, in_c=False)


@given(st.lists(FIGURES, min_size=1, max_size=8), st.sampled_from([0, 1, 4095]))
@settings(max_examples=600, deadline=None)
@example([b'{"conversions":0.1234565}', b'{"conversions":0.1234575}', b'{"costMicros":"1"}'], 1)
def test_figures_are_the_same(figures: list[bytes], generation: int) -> None:
    same([record(n, row(one)) for n, one in enumerate([PLAIN, *figures, PLAIN])], generation)


@given(st.lists(st.tuples(st.sampled_from("nno"), st.integers(0, 2)), max_size=8))
@settings(max_examples=300, deadline=None)
@example([("n", 0), ("o", 0), ("o", 1)])
def test_a_name_that_changes_is_the_same(said: list[tuple[str, int]]) -> None:
    same([record(n, row(b'{"clicks":"%d"}' % clicks, name=name)) for n, (name, clicks) in enumerate(said)])


@given(st.text(max_size=12), st.text(max_size=12), st.text(max_size=70), st.integers(-1, 2**60))
@settings(max_examples=300, deadline=None)
@example('a"b\\c\x7f\x1f', "é\U0001f600", '"', 0)
@example("", "\n", "x", 10**17)
@example("n" * 31, "", "x" * 32, 1)
@example("n" * 255, "é" * 128, "x" * 31, 1)
@example("é" * 32768, "n" * 65535, "", 1)
def test_names_and_budgets_are_the_same(own: str, described: str, budget_id: str, budget_micros: int) -> None:
    rows = [record(n, row(b'{"clicks":"%d"}' % n, name=own)) for n in range(6)]
    said = record(3, entity(described, budget_id, budget_micros), report=b"entity")
    same([*rows[:4], said, *rows[4:], *rows[3:]])


@given(
    st.lists(st.tuples(st.integers(0, 400), st.integers(0, 2), st.binary(max_size=3)), max_size=3), st.integers(0, 3)
)
@settings(max_examples=600, deadline=None)
def test_broken_bytes_are_the_same(cuts: list[tuple[int, int, bytes]], place: int) -> None:
    values = [record(n, row(b'{"clicks":"%d","costMicros":"5"}' % (n // 2), gap=b" ")) for n in range(5)]
    for at, gone, put in cuts:
        values[place] = values[place][:at] + put + values[place][at + gone :]
    same(values)


@given(
    st.lists(
        st.sampled_from(['"metrics"', ":", "{", "}", '"clicks"', '"1"', '"metrics":{"clicks":"2"}', ",", " "]),
        max_size=8,
    )
)
@settings(max_examples=300, deadline=None)
def test_what_is_called_metrics_is_the_same(words: list[str]) -> None:
    body = row(PLAIN).replace(b'"segments"', "".join(words).encode() + b',"segments"')
    front = row(PLAIN).replace(b'"customer"', "".join(words).encode() + b',"customer"')
    odd = [record(n, one) for n, one in enumerate([body, front, body, front.replace(b'"2"', b'"3"')])]
    same([record(0, row(PLAIN)), *odd, record(9, row(PLAIN))])
