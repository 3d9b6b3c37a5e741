"""The dead letters: found again by code, topic and time, shown with their bytes, and put back where they came from."""

import asyncio
import base64
import hashlib
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass, field

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
from aiokafka.cluster import ClusterMetadata
from aiokafka.errors import KafkaError

from connectors.cursors import Cursors
from connectors.kafka import consumer_config
from connectors.kafka_producer import start_producer
from connectors.settings import Settings
from pipeline.codes import TransientCode
from pipeline.dead_letters import CLEARED
from pipeline.errors import Transient
from schemas.topics import DEAD_LETTERS

REPLAYED_FROM = "replayed-from"
BATCH_LETTERS = 200
POLL_MS = 500
_CURSOR = "dead_letter|"
_FILE = "file:"

Place = tuple[str, int, int]  # topic, partition, offset of the record that could not go on


class Letter(msgspec.Struct, frozen=True):
    """As `schemas.dead_letter.DeadLetter`; `key` and `value` are the record's bytes in Base64."""

    code: str
    field: str
    detail: str
    stage: str
    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    key: str | None
    value: str | None

    @property
    def place(self) -> Place:
        return self.topic, self.partition, self.offset

    @property
    def name(self) -> str:
        """`topic/partition/offset`, as commands take it and the header of a replayed record says it."""
        return f"{self.topic}/{self.partition}/{self.offset}"

    @property
    def content(self) -> str:
        """The same for every letter of the same record, wherever a copy of it was refused."""
        record = [self.topic, self.partition, self.timestamp_ms, self.key, self.value]
        return hashlib.sha256(msgspec.json.encode(record)).hexdigest()[:32]

    @property
    def key_bytes(self) -> bytes | None:
        return None if self.key is None else base64.b64decode(self.key)

    @property
    def value_bytes(self) -> bytes | None:
        return None if self.value is None else base64.b64decode(self.value)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which letters: of any of these codes, of this topic, of records from `since_ms` (Unix ms) on; empty is all."""

    codes: frozenset[str] = frozenset()
    topic: str = ""
    since_ms: int = 0
    places: frozenset[Place] = frozenset()

    def has(self, letter: Letter) -> bool:
        return (
            (not self.codes or letter.code in self.codes)
            and (not self.topic or letter.topic == self.topic)
            and letter.timestamp_ms >= self.since_ms
            and (not self.places or letter.place in self.places)
        )


@dataclass(slots=True)
class PutBack:
    """Letters: `replayed` went back; `already`: their records had before; `kept`: why they cannot, and how many."""

    replayed: int = 0
    already: int = 0
    kept: dict[str, int] = field(default_factory=dict)


_decode = msgspec.json.Decoder(Letter).decode


def place_of(name: str) -> Place:
    """`raw.events.v1/3/417` -> its parts. Raises ValueError."""
    topic, partition, offset = name.rsplit("/", 2)
    return topic, int(partition), int(offset)


class DeadLetters:
    """Reads the whole topic at each call; nothing but places is held in memory."""

    def __init__(self, settings: Settings, topic: str = DEAD_LETTERS) -> None:
        self._settings, self._topic = settings, topic

    async def find(self, wanted: Wanted) -> AsyncIterator[Letter]:
        """Each letter once, in the order they were written; what a rebuild has counted is no letter any more.

        Raises Transient(BROKER_AWAY).
        """
        places: dict[Place, tuple[int, int]] = {}
        async for at, letter in self._read():
            if letter.code == CLEARED:
                places.pop(letter.place, None)
            else:
                places.setdefault(letter.place, at)
        async for at, letter in self._read():
            if places.get(letter.place) == at and wanted.has(letter):
                yield letter

    async def _read(self) -> AsyncIterator[tuple[tuple[int, int], Letter]]:
        """(partition, offset) of the letter itself, and the letter, up to where the topic ends now."""
        consumer = AIOKafkaConsumer(**consumer_config(self._settings), auto_offset_reset="earliest")
        try:
            await consumer.start()
            left = {TopicPartition(self._topic, number) for number in range(self._settings.partitions)}
            consumer.assign(list(left))
            ends = await consumer.end_offsets(list(left))
            while left := {place for place in left if await consumer.position(place) < ends[place]}:
                for place, records in (await consumer.getmany(*left, timeout_ms=POLL_MS)).items():
                    for record in records:
                        letter = _letter(record)
                        if letter is not None and record.offset < ends[place]:
                            yield (place.partition, record.offset), letter
        except KafkaError as error:
            raise _away(error) from None
        finally:
            await consumer.stop()

    # -- putting back ----------------------------------------------------------------------------------------

    async def replay(
        self,
        wanted: Wanted,
        *,
        dry_run: bool = False,
        again: bool = False,
        on_progress: Callable[[PutBack], None] = lambda _: None,
    ) -> PutBack:
        """Puts the records of the letters back on their topics: same partition, key, value and timestamp.

        A record goes back once, and once more when `again`; the header `replayed-from` names the letter. One that is
        still bad gets a new letter, which is no reason to put it back again. Raises Transient(BROKER_AWAY): what has
        gone back is remembered.
        """
        result = PutBack()
        producer = await start_producer(self._settings)
        try:
            cursors = await Cursors.load(self._settings, producer, _CURSOR)
            cluster = await producer.client.fetch_all_metadata()
            batch: list[Letter] = []
            seen: set[str] = set()
            async for letter in self.find(wanted):
                reason = _why_not(letter, cluster)
                if reason:
                    result.kept[reason] = result.kept.get(reason, 0) + 1
                elif letter.content in seen or (not again and cursors.get(_CURSOR + letter.content) is not None):
                    result.already += 1
                else:
                    seen.add(letter.content)
                    batch.append(letter)
                if len(batch) >= BATCH_LETTERS:
                    await _put_back(producer, cursors, batch, result, dry_run=dry_run)
                    on_progress(result)
                    batch = []
            await _put_back(producer, cursors, batch, result, dry_run=dry_run)
        except KafkaError as error:
            raise _away(error) from None
        finally:
            await producer.stop()
        return result


def _why_not(letter: Letter, cluster: ClusterMetadata) -> str:
    """Why a letter cannot go back; "" when it can."""
    if letter.topic.startswith(_FILE):
        return "came from a file: mend the file and read it with `pulse connect file --again`"
    if letter.partition not in (cluster.partitions_for_topic(letter.topic) or ()):
        return f"came from {letter.topic}, partition {letter.partition}, which is not there"
    return ""


async def _put_back(
    producer: AIOKafkaProducer, cursors: Cursors, letters: Sequence[Letter], result: PutBack, *, dry_run: bool
) -> None:
    """Records first, then the memory of it: a kill between the two repeats records, which changes nothing."""
    if not dry_run:
        await _all(
            [
                await producer.send(
                    letter.topic,
                    letter.value_bytes,
                    key=letter.key_bytes,
                    partition=letter.partition,
                    timestamp_ms=letter.timestamp_ms,
                    headers=[(REPLAYED_FROM, letter.name.encode())],
                )
                for letter in letters
            ]
        )
        await asyncio.gather(*(cursors.save(_CURSOR + letter.content, {"v": 1}) for letter in letters))
    result.replayed += len(letters)


async def _all(acks: Iterable["asyncio.Future[object]"]) -> None:
    await asyncio.gather(*acks)


def _letter(record: ConsumerRecord) -> Letter | None:
    """None for what is no letter: somebody else's record must not end the command."""
    try:
        return _decode(record.value or b"")
    except msgspec.DecodeError:
        return None


def _away(error: KafkaError) -> Transient:
    return Transient(TransientCode.BROKER_AWAY, str(error) or type(error).__name__)
