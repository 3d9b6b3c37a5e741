"""What of a reported state waits for the next take: outputs in the order they came up, and the rows behind them."""

from functools import lru_cache
from typing import Any

from pipeline.codes import Stage
from pipeline.dead_letters import dead_letter
from pipeline.errors import BadRecord
from pipeline.reported_rows import (
    FINAL,
    KEY,
    SETTLED,
    RowKey,
    kept,
    row_key,
)
from pipeline.state import Output, SourceRecord
from pipeline.total_codec import CheckpointOut, encode_checkpoint, encode_total, total_id, total_out
from pipeline.versions import offset_of, version_of
from schemas.topics import CAMPAIGNS, DEAD_LETTERS, TOTALS
from schemas.window import Basis, Level

REPORTED, CAMPAIGN, AD = str(Basis.REPORTED), str(Level.CAMPAIGN), str(Level.AD)


@lru_cache(1 << 16)
def _parts(campaign_key: str) -> list[str]:
    """[platform, account id, campaign id]"""
    return campaign_key.split(":", 2)


class HandOver:
    def __init__(self, topic: str, partition: int) -> None:
        self._topic, self._partition = topic, partition
        self.outputs: list[Output] = []
        self._changed: dict[RowKey, None] = {}
        self._gone: list[RowKey] = []

    @property
    def pending(self) -> int:
        return len(self._changed) + len(self.outputs)

    def total(self, key: RowKey, row: list[Any], name: str | None, status: str) -> None:
        """Publish the row as it stands. `name` of its campaign, None: the report's own; `status`, "" if unknown."""
        campaign_key, ad_group_id, ad_id, window, start_ms = key
        order, as_of_ms, revision, flags, end_ms, zone, currency, own_name, *budget, measures = row[:KEY]
        platform, account_id, campaign_id = _parts(campaign_key)
        identity = total_id(campaign_key, ad_group_id, ad_id, REPORTED, window, start_ms)
        is_final, settled = flags & FINAL != 0, flags & SETTLED != 0
        total = total_out(
            1,
            identity,
            campaign_key,
            platform,
            account_id,
            campaign_id,
            AD if ad_id else CAMPAIGN,
            ad_group_id,
            ad_id,
            REPORTED,
            window,
            start_ms,
            end_ms,
            zone,
            currency,
            *measures,
            as_of_ms,
            revision,
            is_final,
            settled,
            version_of(order, settled=settled, is_final=is_final),
            self._topic,
            self._partition,
            offset_of(order),
            name or own_name,
            status,
            *budget,
        )
        self._changed[key] = None
        self.outputs.append((TOTALS, identity.encode(), encode_total(total)))

    def campaign(self, campaign_key: str, message: bytes) -> None:
        self.outputs.append((CAMPAIGNS, campaign_key.encode(), message))

    def checkpoint(self, offset: int, generation: int, at_ms: int) -> None:
        """A read is complete at `offset`."""
        checkpoint = CheckpointOut(1, "report_complete", self._topic, self._partition, offset, generation, at_ms)
        self.outputs.append((TOTALS, None, encode_checkpoint(checkpoint)))

    def letter(self, record: SourceRecord, error: BadRecord) -> None:
        letter = dead_letter(error, stage=Stage.AGGREGATE, topic=self._topic, partition=self._partition, record=record)
        self.outputs.append((DEAD_LETTERS, record.key, letter))

    def gone(self, key: RowKey) -> None:
        self.keep_nothing(key)
        self._gone.append(key)

    def keep_nothing(self, key: RowKey) -> None:
        """There is no row behind what was published."""
        self._changed.pop(key, None)

    def take_outputs(self) -> list[Output]:
        outputs, self.outputs = self.outputs, []
        return outputs

    def take_changed(self, rows: dict[RowKey, list[Any]]) -> list[tuple[bytes, list[Any] | None]]:
        changed, self._changed = self._changed, {}
        return [(row_key(key), kept(rows[key])) for key in changed]

    def take_gone(self) -> list[tuple[bytes, list[Any] | None]]:
        gone, self._gone = self._gone, []
        return [(row_key(key), None) for key in gone]
