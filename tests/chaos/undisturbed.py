"""The alerts of an undisturbed run over the same raw records: the stages in memory, without broker, group or crash."""

import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from heapq import merge
from itertools import chain, groupby, islice

from agents.stages import build_stages
from connectors.kafka import partition_of
from connectors.settings import Settings
from pipeline.state import StageState
from schemas.topics import ALERT_TOPICS, BUDGET_DAYS, RAW_EVENTS, RAW_GOOGLE_ADS, TOTALS
from tests.chaos.oracle import Alert
from tests.chaos.topic_reading import Record, records_of

AT_ONCE = 2_000
RecordsOf = Callable[[str, int], Iterator[Record]]  # topic, partition -> its records


def undisturbed_alerts(
    settings: Settings, records: RecordsOf | None = None, say: Callable[[str], None] = lambda _: None
) -> frozenset[Alert]:
    """What is on the raw topics, counted and judged once, in order."""
    from_broker: RecordsOf = lambda topic, number: records_of(settings.kafka.bootstrap_servers, topic, number)  # noqa: E731
    made = {stage.source: stage.make for stage in build_stages(settings)}
    shared: dict[int, list[tuple[bytes | None, bytes]]] = defaultdict(list)
    alerts: set[Alert] = set()
    for number in range(settings.partitions):
        say(f"counting partition {number} once more, undisturbed")
        states = {topic: _started(made[topic](number, "", 0)) for topic in (RAW_EVENTS, RAW_GOOGLE_ADS)}
        judge = _Judging(_started(made[TOTALS](number, "", 0)))
        for topic, batch in _in_turn(records or from_broker, number):
            states[topic].count(batch)
            judge.read([(key, value) for name, key, value in states[topic].take().outputs if name == TOTALS])
        alerts |= judge.alerts
        for key, value in judge.shared:
            shared[partition_of(key or b"", settings.partitions)].append((key, value))
    for number, days in shared.items():
        budgets = _Judging(_started(made[BUDGET_DAYS](number, "", 0)))
        budgets.read(days)
        alerts |= budgets.alerts
    return frozenset(alerts)


def _started(state: StageState) -> StageState:
    state.load([], counted_to=-1)
    return state


class _Judging:
    """A stage that makes alerts, fed with what was published before it."""

    def __init__(self, state: StageState) -> None:
        self._state = state
        self._next_offset = 0
        self.alerts: set[Alert] = set()
        self.shared: list[tuple[bytes | None, bytes]] = []

    def read(self, published: Sequence[tuple[bytes | None, bytes]]) -> None:
        records = [
            Record(offset, 0, key, value) for offset, (key, value) in enumerate(published, start=self._next_offset)
        ]
        self._next_offset += len(records)
        self._state.count(records)
        for name, key, value in self._state.take().outputs:
            if name in ALERT_TOPICS:
                alert = json.loads(value)
                self.alerts.add((alert["alert_id"], alert["version"], alert["transition"]))
            elif name == BUDGET_DAYS:
                self.shared.append((key, value))


def _in_turn(records: RecordsOf, partition: int) -> Iterator[tuple[str, list[Record]]]:
    """Both raw topics by the time their records say, in batches of one topic; order within a topic is kept."""
    streams = (_timed(records(topic, partition), topic) for topic in (RAW_EVENTS, RAW_GOOGLE_ADS))
    for topic, run in groupby(merge(*streams, key=lambda item: item[0]), key=lambda item: item[1]):
        for first in run:
            yield topic, [item[2] for item in chain([first], islice(run, AT_ONCE - 1))]


def _timed(records: Iterator[Record], topic: str) -> Iterator[tuple[int, str, Record]]:
    latest_ms = 0
    for record in records:
        latest_ms = max(latest_ms, record.timestamp)
        yield latest_ms, topic, record
