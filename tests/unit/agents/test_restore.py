"""Which state a partition is given after its changelog was read."""

from typing import Any, ClassVar

import msgspec
import pytest
from aiokafka import TopicPartition
from aiokafka.errors import KafkaConnectionError, KafkaTimeoutError, TopicAuthorizationFailedError

from agents.restore import ATTEMPTS, Held, _held, _take, restore
from agents.stage import Stage
from connectors.wire import Run
from pipeline.changelog import HEADER, STATE_VERSION, Changelog
from pipeline.codes import Stage as Label
from pipeline.copies import SEPARATOR
from pipeline.counted import CountedState
from pipeline.errors import Misconfigured, Transient
from pipeline.per_record import BUILT
from pipeline.state import StageState
from pipeline.versions import order_of
from tests.partition import Rec
from tests.wire_writing import write_records

GENERATION = 3


def made(partition: int, topic_id: str, generation: int) -> StageState:
    return CountedState("raw.events.v1", partition, topic_id=topic_id, generation=generation)


STAGE = Stage("counted", Label.AGGREGATE, "raw.events.v1", "state.counted.v1", made)
ROW = [order_of(GENERATION, 4), 1_000, 0, 0, 60_000, *[1] * 15]


def changelog(*, header: list[Any] | None) -> Changelog:
    log = Changelog(b"next")
    rows: dict[bytes, list[Any]] = {b"email:acc:a||1m|0": ROW, b"\0campaign|email:acc:a": [1, "UTC", "EUR"]}
    if header is not None:
        rows[HEADER] = header
    log.read(Rec(0, 0, key + SEPARATOR + b"old", msgspec.msgpack.encode(row)) for key, row in rows.items())
    return log


def header(counted_to: int = 4, *, topic_id: str = "id-1", version: int = STATE_VERSION) -> list[Any]:
    return [order_of(GENERATION, counted_to), version, counted_to, topic_id, 2_000]


def test_a_changelog_is_read_in_whatever_form_its_records_come() -> None:
    written = [(key + SEPARATOR + b"old", msgspec.msgpack.encode(row)) for key, row in ((b"a", ROW), (b"b", ROW))]
    alone, listed, packed = (Changelog(b"next") for _ in range(3))
    records = [Rec(n, 0, key, value) for n, (key, value) in enumerate(written)]
    _take([(alone, records), (listed, [Run(records[:1], 1, 0), Run(records[1:], 2, 0)])])
    assert len(alone.rows()) == 2
    assert listed.rows() == dict.fromkeys((b"a", b"b"), ROW)
    if BUILT:  # nobody gets bytes elsewhere
        batches = [
            (data, 0, len(data), n, 0, 1)
            for n, (data, _) in enumerate(write_records([one], 0, 9_999) for one in written)
        ]
        _take([(packed, [Run([], 1, 0, batches[:1]), Run([], 2, 0, batches[1:])])])
        assert packed.rows() == dict.fromkeys((b"a", b"b"), ROW)


async def test_no_partition_needs_no_connection() -> None:
    assert await restore([], {}, {"bootstrap_servers": "nowhere:1"}) == {}


def test_the_state_goes_on_where_the_header_says_in_the_generation_it_was_written() -> None:
    held = _held(STAGE, 2, changelog(header=header()), "id-1", 10)
    state = held.state
    assert isinstance(state, CountedState)
    assert (state.counted_to, state.generation, state.clock_ms) == (4, GENERATION, 2_000)
    assert list(state.windows.rows.values()) == [ROW]
    assert held.restored_keys == {b"email:acc:a||1m|0", b"\0campaign|email:acc:a"}


def test_rows_without_a_header_are_of_a_flush_that_was_cut_off_and_everything_is_read_again() -> None:
    state = _held(STAGE, 0, changelog(header=None), "id-1", 10).state
    assert isinstance(state, CountedState)
    assert (state.counted_to, state.generation, len(state.windows.rows)) == (-1, 0, 1)


def test_an_empty_changelog_is_a_new_state() -> None:
    assert _held(STAGE, 0, Changelog(b"next"), "id-1", 0).state.counted_to == -1


def test_everything_counted_is_no_reason_to_refuse() -> None:
    assert _held(STAGE, 0, changelog(header=header(9)), "id-1", 10).state.counted_to == 9


@pytest.mark.parametrize(
    ("found", "end", "code"),
    [
        (header(topic_id="another"), 10, "topic_recreated"),
        (header(10), 10, "topic_recreated"),
        (header(version=STATE_VERSION + 1), 10, "state_version"),
    ],
)
def test_a_state_of_another_topic_or_of_a_newer_program_is_refused(found: list[Any], end: int, code: str) -> None:
    with pytest.raises(Misconfigured) as refused:
        _held(STAGE, 0, changelog(header=found), "id-1", end)
    assert refused.value.code == code
    assert "raw.events.v1" in refused.value.detail


# -- a broker that is away -----------------------------------------------------------------------------------------


class Away:
    """A consumer that fails at its start, and the next one as well, until there are no failures left."""

    failures: ClassVar[list[Exception]]
    stopped: ClassVar[int]

    def __init__(self, **_: Any) -> None: ...

    async def start(self) -> None:
        if self.failures:
            raise self.failures.pop()

    async def stop(self) -> None:
        type(self).stopped += 1

    async def beginning_offsets(self, partitions: list[TopicPartition]) -> dict[TopicPartition, int]:
        return dict.fromkeys(partitions, 0)

    end_offsets = beginning_offsets

    def assign(self, partitions: list[TopicPartition]) -> None:
        assert partitions == []


@pytest.fixture
def away(monkeypatch: pytest.MonkeyPatch) -> type[Away]:
    async def at_once(seconds: float, stop: object) -> None: ...

    monkeypatch.setattr("agents.restore.AIOKafkaConsumer", Away)
    monkeypatch.setattr("connectors.retry._sleep", at_once)
    Away.failures, Away.stopped = [], 0
    return Away


async def restored() -> dict[tuple[str, int], Held]:
    return await restore([(STAGE, 0)], {STAGE.source: "id-1"}, {"bootstrap_servers": "there:1"})


@pytest.mark.parametrize("failure", [KafkaConnectionError("reset"), KafkaTimeoutError(), ConnectionResetError()])
async def test_a_broker_that_comes_back_soon_is_waited_for(away: type[Away], failure: Exception) -> None:
    away.failures = [failure] * (ATTEMPTS - 1)
    assert list(await restored()) == [(STAGE.source, 0)]
    assert away.stopped == ATTEMPTS


async def test_a_broker_that_stays_away_ends_the_restore(away: type[Away]) -> None:
    away.failures = [KafkaConnectionError("reset")] * ATTEMPTS
    with pytest.raises(Transient, match="there:1"):
        await restored()
    assert away.stopped == ATTEMPTS


async def test_what_will_not_pass_by_itself_is_not_tried_again(away: type[Away]) -> None:
    away.failures = [TopicAuthorizationFailedError()]
    with pytest.raises(TopicAuthorizationFailedError):
        await restored()
    assert away.stopped == 1
