"""Totals of counted rows to bytes: as `pipeline.total_codec` makes them, at half the cost; tests hold the two together.

All totals of a slot have most of their text in common; what differs is put between. No string needs to be escaped: ids,
zones and currencies were checked when a campaign was first met (`pipeline.events.check_first`).
"""

from collections.abc import Collection, Mapping

import msgspec

from pipeline.counted_rows import AS_OF, FINAL, FLAGS, GAINED_AT, ORDER, REVISION, Campaign
from pipeline.counted_slots import Slot, Target
from pipeline.outputs import Pack, Pair, Pairs, pairs_in_c
from pipeline.per_record import native
from pipeline.total_codec import TotalOut
from pipeline.versions import ORDER_BITS
from schemas.measures import MEASURES
from schemas.window import Basis, Level

_OFFSET_MASK = (1 << ORDER_BITS) - 1
_TRUTH = (b"false", b"true")
_FIELDS, _DEFAULTS = TotalOut.__struct_fields__, TotalOut.__struct_defaults__
_json = msgspec.json.Encoder().encode


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

    def __init__(
        self,
        topic: str,
        partition: int,
        campaigns: Mapping[bytes | None, Campaign],
        *,
        in_c: bool = False,
        pack: Pack | None = None,
    ) -> None:
        self._topic, self._partition, self._campaigns = topic, partition, campaigns
        self._in_c, self._pack = in_c, pack

    def totals(self, targets: Collection[Target], *, settled: bool = False, offset: int | None = None) -> Pairs:
        """Key and value of each. `offset`: of the last record, where it is not that of the row's order."""
        if self._in_c:
            last = -1 if offset is None else offset
            found = pairs_in_c(self._pack)
            try:
                native.totals(targets, found, self._campaigns, self._text_of, settled, last, ORDER_BITS)
            except OverflowError:  # a sum beyond 64 bits
                pass
            else:
                return found
        return self._in_python(targets, settled=settled, offset=offset)

    def _text_of(self, slot: Slot, measures: int, of_ad: bool) -> bytes:  # noqa: FBT001 - as C calls it
        return _text_of(slot, self._topic, self._partition, measures, of_ad=of_ad)

    def _in_python(self, targets: Collection[Target], *, settled: bool, offset: int | None) -> list[Pair]:
        found: list[Pair] = []
        last_name: str | None = None
        who = head = ad_id = place = b""
        is_settled, settled_bits = _TRUTH[settled], settled << 1
        for slot, name, row in targets:
            if name is not last_name:  # those of one campaign mostly come together
                last_name = name
                key, _, ad = name.partition("|")
                campaign = self._campaigns[key.encode()]
                who, ad_id = f"{key}||{ad}".encode(), ad.encode()
                head, place = _of_campaign(campaign)
            kind = -len(row) if ad_id else len(row)
            text = slot.texts.get(kind)
            if text is None:
                measures = len(row) - GAINED_AT
                text = slot.texts[kind] = self._text_of(slot, measures, bool(ad_id))
            order, is_final = row[ORDER], row[FLAGS] & FINAL
            value = text % (
                who,
                head,
                ad_id,
                place,
                *row[GAINED_AT:],
                row[AS_OF],
                row[REVISION],
                _TRUTH[is_final],
                is_settled,
                order << 2 | settled_bits | is_final,
                (order & _OFFSET_MASK) - 1 if offset is None else offset,
            )
            found.append((who + slot.total_tail, value))
        return found


def _of_campaign(campaign: Campaign) -> tuple[bytes, bytes]:
    """From its key to its id; its zone and its currency."""
    head = (
        f'"{campaign.key}","platform":"{campaign.platform}","account_id":"{campaign.account_id}"'
        f',"campaign_id":"{campaign.campaign_id}"'
    )
    return head.encode(), f'"{campaign.zone}","currency":"{campaign.currency}"'.encode()
