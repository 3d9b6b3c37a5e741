"""State and topics that do not belong together: worker and sink refuse to start, say what to do, and write nothing."""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import msgspec
import pytest
from confluent_kafka.admin import AdminClient, NewTopic

from connectors.kafka import partition_of
from connectors.kafka_admin import admin, describe, topic_ids
from connectors.lag import end_offsets
from connectors.local.supervisor import PartState
from pipeline.changelog import HEADER, STATE_VERSION
from pipeline.copies import SEPARATOR
from schemas.topics import BY_NAME, RAW_EVENTS, STATE_COUNTED, TOTALS
from tests.live import NOON_MS, PARTITIONS, event
from tests.system import Message, System, system

KEY = b"meta:1:7"
PLACE = partition_of(KEY, PARTITIONS)
WRITTEN = (RAW_EVENTS, TOTALS, STATE_COUNTED, "state.judge.v1")
LIMIT_S = 30


@dataclass
class Refused:
    """What each process said about each fault, and what had changed when it had ended."""

    said: dict[tuple[str, str], str] = field(default_factory=dict)
    written: dict[str, list[str]] = field(default_factory=dict)


@pytest.fixture(scope="module")
def refused(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Refused]:
    """One system to which everything happens in turn, worse each time."""
    with system(tmp_path_factory.mktemp("refused"), {"PULSE_WORKER__SESSION_S": "3"}) as running:
        running.start("sink", "sink")
        running.start("worker", "worker", PULSE_WORKER__INSTANCE="worker")
        stamps = [*range(NOON_MS, NOON_MS + 200_000, 1000), NOON_MS + 300_000]
        values = [json.dumps(event(f"e{stamp}", at=stamp)).encode() for stamp in stamps]
        running.produce(
            [Message(RAW_EVENTS, PLACE, -1, at, KEY, value) for at, value in zip(stamps, values, strict=True)]
        )
        running.drain()
        for part in ("worker", "sink"):
            running.supervisor.stop_part(part)
        found = Refused()
        _truncate(running)
        _refuse(running, found, "truncated", ("worker", "sink"))
        _make_again(running)
        _refuse(running, found, "made again", ("worker", "sink"))
        _write_newer_state(running)
        _refuse(running, found, "newer", ("worker",))
        _refuse(running, found, "misspelt", ("worker",), PULSE_WORKER__FAILPOINTS="rows_wirtten:1")
        yield found


def _refuse(running: System, found: Refused, fault: str, parts: tuple[str, ...], **environment: str) -> None:
    """Starts the parts and waits until they have ended for good."""
    names = {f"{part} {fault}".replace(" ", "-"): part for part in parts}
    before = _written(running)
    for name, part in names.items():
        running.start(name, part, **environment)

    def ended() -> bool:
        states = [one for one in running.supervisor.status() if one.name in names]
        return all(one.state is PartState.MISCONFIGURED for one in states)

    _until(ended, f"{names} did not refuse: {[running.log(name)[-1500:] for name in names]}")
    for one in running.supervisor.status():
        if one.name in names:
            assert one.restarts == 0
            assert "Traceback" not in running.log(one.name)
            found.said[names[one.name], fault] = one.detail
    after = _written(running)
    found.written[fault] = [name for name in before if before[name] != after[name]]


def _written(running: System) -> dict[str, object]:
    """How far everything reaches that worker and sink write."""
    ends = end_offsets(admin(running.settings), WRITTEN, PARTITIONS)
    stored = running.sql("SELECT (SELECT count() FROM raw_records), (SELECT count() FROM sink_blocks)")
    return {**{str(place): end for place, end in ends.items()}, "stored": stored}


def _until(ready: Callable[[], bool], otherwise: str) -> None:
    deadline = time.monotonic() + LIMIT_S
    while not ready():
        assert time.monotonic() < deadline, otherwise
        time.sleep(0.1)


def _write_newer_state(running: System) -> None:
    """A header as a later version of this program would write it."""
    ids = topic_ids(running.settings, [RAW_EVENTS])
    newer = msgspec.msgpack.encode([2**43, STATE_VERSION + 1, 10, ids[RAW_EVENTS], 0, "a field of tomorrow"])
    running.produce([Message(STATE_COUNTED, PLACE, -1, NOON_MS, HEADER + SEPARATOR + b"tomorrow", newer)])


def _truncate(running: System) -> None:
    """The disk loses the log of one partition; the topic and its id stay."""
    ends = end_offsets(admin(running.settings), [RAW_EVENTS], PARTITIONS)
    assert ends[RAW_EVENTS, PLACE] > 200
    running.supervisor.stop_part("kafka", 10)
    (folder,) = (running.directory / "kafka").rglob(f"{RAW_EVENTS}-{PLACE}")
    for file in folder.iterdir():
        if file.name != "partition.metadata":
            file.unlink()
    running.supervisor.start_part("kafka")
    running.kafka.wait_ready()
    ends = end_offsets(admin(running.settings), [RAW_EVENTS], PARTITIONS)
    assert ends[RAW_EVENTS, PLACE] == 0


def _make_again(running: System) -> None:
    before = topic_ids(running.settings, [RAW_EVENTS])
    client: AdminClient = admin(running.settings)
    client.delete_topics([RAW_EVENTS])[RAW_EVENTS].result(10)
    _until(lambda: RAW_EVENTS not in client.list_topics(timeout=5).topics, "the topic is still there")
    new = NewTopic(RAW_EVENTS, PARTITIONS, 1, config=dict(BY_NAME[RAW_EVENTS].config))
    client.create_topics([new])[RAW_EVENTS].result(10)
    _until(lambda: RAW_EVENTS in describe(running.settings, [RAW_EVENTS]), "the topic is not there again")
    assert topic_ids(running.settings, [RAW_EVENTS]) != before


@pytest.mark.parametrize(
    ("part", "fault", "words"),
    [
        ("worker", "misspelt", ("rows_wirtten",)),
        ("worker", "newer", (f"state version {STATE_VERSION + 1}", f"up to {STATE_VERSION}", "newer program", "start")),
        ("worker", "truncated", (f"partition {PLACE} of {RAW_EVENTS} ends at offset 0", "201 records", "restore it")),
        ("sink", "truncated", (f"Partition {PLACE} of {RAW_EVENTS} ends at offset 0", "201 records", "pulse migrate")),
        ("worker", "made again", (f"topic {RAW_EVENTS} was deleted and created again", "create a topic under a new")),
        ("sink", "made again", (f"Topic {RAW_EVENTS} was made again", "pulse migrate")),
    ],
    ids=lambda one: one if isinstance(one, str) else "",
)
def test_it_refuses_to_start_and_says_what_to_do(
    refused: Refused, part: str, fault: str, words: tuple[str, ...]
) -> None:
    said = refused.said[part, fault]
    assert "exit code 78" in said
    for word in words:
        assert word in said


@pytest.mark.parametrize("fault", ["misspelt", "newer", "truncated", "made again"])
def test_nothing_is_written_before_it_refuses(refused: Refused, fault: str) -> None:
    assert refused.written[fault] == []
