"""How far a file has been read: one cursor a file and mapping."""

from dataclasses import asdict, dataclass
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from connectors.cursors import Cursors
from connectors.settings import Settings
from pipeline.codes import TransientCode
from pipeline.errors import Transient


@dataclass(frozen=True, slots=True)
class FilePosition:
    """`rows` of the file are on the broker, acknowledged; `recorded_ms`: the latest instant among them."""

    rows: int = 0
    recorded_ms: int = 0
    finished: bool = False


class FileCursor:
    """The same bytes under the same name and mapping are the same source."""

    def __init__(self, name: str, file_digest: str, mapping_digest: str) -> None:
        self._key = f"file|{name.encode('utf-8', 'replace').decode()}|{file_digest[:32]}.{mapping_digest[:16]}"
        self._cursors: Cursors | None = None

    async def load(self, settings: Settings, producer: AIOKafkaProducer) -> FilePosition:
        """The position saved last, else the beginning. Raises Transient(BROKER_AWAY)."""
        try:
            self._cursors = await Cursors.load(settings, producer, self._key)
        except KafkaError as error:
            raise _away(error) from None
        saved: dict[str, Any] | None = self._cursors.get(self._key)
        return FilePosition() if saved is None else FilePosition(**saved)

    async def save(self, position: FilePosition) -> None:
        """After `load`. Returns when the broker has it. Raises Transient(BROKER_AWAY)."""
        assert self._cursors is not None  # noqa: S101 - nobody saves what was not loaded
        try:
            await self._cursors.save(self._key, asdict(position))
        except KafkaError as error:
            raise _away(error) from None


def _away(error: KafkaError) -> Transient:
    return Transient(TransientCode.BROKER_AWAY, str(error) or type(error).__name__)
