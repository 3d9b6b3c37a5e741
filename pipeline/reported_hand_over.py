"""What of a reported state waits for the next take: outputs in the order they came up, and the rows behind them."""

from typing import Any

from pipeline.codes import Stage
from pipeline.dead_letters import dead_letter
from pipeline.errors import BadRecord
from pipeline.per_record import native
from pipeline.reported_rows import RowKey, kept, row_key
from pipeline.reported_totals import total_of
from pipeline.state import KeptRow, Output, SourceRecord
from pipeline.total_codec import CheckpointOut, encode_checkpoint
from schemas.topics import CAMPAIGNS, DEAD_LETTERS, TOTALS


class HandOver:
    def __init__(self, topic: str, partition: int, *, in_c: bool) -> None:
        self.topic, self.partition = topic, partition
        self._in_c = in_c
        self.outputs: list[Output] = []
        self.changed: dict[RowKey, list[Any]] = {}
        self._gone: list[RowKey] = []

    @property
    def pending(self) -> int:
        return len(self.changed) + len(self.outputs)

    def total(self, key: RowKey, row: list[Any], name: str | None, status: str) -> None:
        """Publish the row as it stands. `name` of its campaign, None: the report's own; `status`, "" if unknown."""
        self.changed[key] = row
        self.outputs.append(total_of(key, row, name, status, self.topic, self.partition))

    def campaign(self, campaign_key: str, message: bytes) -> None:
        self.outputs.append((CAMPAIGNS, campaign_key.encode(), message))

    def checkpoint(self, offset: int, generation: int, at_ms: int) -> None:
        """A read is complete at `offset`."""
        checkpoint = CheckpointOut(1, "report_complete", self.topic, self.partition, offset, generation, at_ms)
        self.outputs.append((TOTALS, None, encode_checkpoint(checkpoint)))

    def letter(self, record: SourceRecord, error: BadRecord) -> None:
        letter = dead_letter(error, stage=Stage.AGGREGATE, topic=self.topic, partition=self.partition, record=record)
        self.outputs.append((DEAD_LETTERS, record.key, letter))

    def gone(self, key: RowKey) -> None:
        self.keep_nothing(key)
        self._gone.append(key)

    def keep_nothing(self, key: RowKey) -> None:
        """There is no row behind what was published."""
        self.changed.pop(key, None)

    def take_outputs(self) -> list[Output]:
        outputs, self.outputs = self.outputs, []
        return outputs

    def take_changed(self) -> list[tuple[bytes, KeptRow]]:
        """Made in C they are encoded already."""
        changed, self.changed = self.changed, {}
        if self._in_c and changed:
            try:
                return native.kept_reported(changed)
            except OverflowError:  # a number beyond 64 bits
                pass
        return [(row_key(key), kept(row)) for key, row in changed.items()]

    def take_gone(self) -> list[tuple[bytes, KeptRow]]:
        gone, self._gone = self._gone, []
        return [(row_key(key), None) for key in gone]
