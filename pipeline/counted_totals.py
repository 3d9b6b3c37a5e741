"""Totals of counted rows to bytes: as `pipeline.total_codec` makes them, at half the cost; tests hold the two together.

All totals of a slot have most of their text in common; what differs is put between. No string needs to be escaped: ids,
zones and currencies were checked when a campaign was first met (`pipeline.events.check_first`).
"""

import msgspec

from pipeline.counted_rows import FINAL, GAINED_AT, ORDER, Campaign, Row
from pipeline.counted_slots import Slot
from pipeline.total_codec import TotalOut
from pipeline.versions import ORDER_BITS
from schemas.measures import MEASURES
from schemas.topics import TOTALS
from schemas.window import Basis, Level

_OFFSET_MASK = (1 << ORDER_BITS) - 1
_TRUTH = (b"false", b"true")
_FIELDS, _DEFAULTS = TotalOut.__struct_fields__, TotalOut.__struct_defaults__
_json = msgspec.json.Encoder().encode
Published = tuple[str, bytes, bytes]


def _text_of(slot: Slot, topic: str, partition: int, measures: int, *, of_ad: bool) -> bytes:
    """With a `%` for what differs: `of_ad` says whether there is an ad, `measures` how many of them are given."""
    start_ms = slot.start_ms
    fields: dict[str, str] = {
        name: _json(default).decode() for name, default in zip(_FIELDS[-len(_DEFAULTS) :], _DEFAULTS, strict=True)
    }
    fields |= {
        "schema_version": "1",
        "total_id": f'"%b|{Basis.COUNTED}|{slot.window}|{start_ms // 1000}"',
        "campaign_key": "%b",  # and everything up to the level
        "level": f'"{Level.AD if of_ad else Level.CAMPAIGN}"',
        "ad_group_id": '""',
        "ad_id": '"%b"',
        "basis": f'"{Basis.COUNTED}"',
        "window": f'"{slot.window}"',
        "start_ms": str(start_ms),
        "end_ms": str(slot.end_ms),
        "zone": "%b",  # and the currency
        **{name: "%d" if index < measures else "0" for index, name in enumerate(MEASURES)},
        "as_of_ms": "%d",
        "revision": "%d",
        "is_final": "%b",
        "settled": "%b",
        "version": "%d",
        "source_topic": _json(topic).decode().replace("%", "%%"),
        "source_partition": str(partition),
        "source_offset": "%d",
    }
    together = {"platform", "account_id", "campaign_id", "currency"}
    return ("{" + ",".join(f'"{name}":{fields[name]}' for name in _FIELDS if name not in together) + "}").encode()


class TotalTexts:
    """Totals of one partition of an event topic."""

    def __init__(self, topic: str, partition: int) -> None:
        self._topic, self._partition = topic, partition
        self._last: tuple[bytes, bytes, bytes] = b"", b"", b""
        self._last_campaign: Campaign | None = None

    def _of_campaign(self, campaign: Campaign) -> tuple[bytes, bytes, bytes]:
        """Totals of one campaign mostly come together."""
        key = campaign.key
        found = self._last = (
            key.encode(),
            f'"{key}","platform":"{campaign.platform}","account_id":"{campaign.account_id}"'
            f',"campaign_id":"{campaign.campaign_id}"'.encode(),
            f'"{campaign.zone}","currency":"{campaign.currency}"'.encode(),
        )
        self._last_campaign = campaign
        return found

    def total(
        self, slot: Slot, name: str, campaign: Campaign, row: Row, offset_of: Row, *, settled: bool = False
    ) -> Published:
        """Topic, key and value. `offset_of`: the row whose last record is named, where `row` is a sum of several."""
        key, head, place = self._last if campaign is self._last_campaign else self._of_campaign(campaign)
        length = len(row)
        if len(name) == len(key):
            ad_id, who, kind = b"", key + b"||", length
        else:
            ad_id = name[len(key) + 1 :].encode()
            who, kind = b"%b||%b" % (key, ad_id), -length
        text = slot.texts.get(kind)
        if text is None:
            text = slot.texts[kind] = _text_of(slot, self._topic, self._partition, length - GAINED_AT, of_ad=kind < 0)
        order, as_of_ms, revision, flags, *measures = row
        is_final = flags & FINAL
        value = text % (
            who,
            head,
            ad_id,
            place,
            *measures,
            as_of_ms,
            revision,
            _TRUTH[is_final],
            _TRUTH[settled],
            order << 2 | settled << 1 | is_final,
            (offset_of[ORDER] & _OFFSET_MASK) - 1,
        )
        return TOTALS, who + slot.total_tail, value
