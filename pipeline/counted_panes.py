"""A minute of one campaign and ad while its records come in: the only thing that is touched per record.

`pipeline.native` holds the same in C, where a compiler was there at the installation; tests hold the two together.
"""

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, Protocol

from pipeline.counted_rows import Campaign
from pipeline.event_ids import EventIds
from pipeline.event_refusal import MAX_AHEAD_MS, MAX_EVENT_BYTES
from pipeline.events import COUNTED_IN, decode_unchecked, fits
from pipeline.id_memory import IdMemory
from pipeline.state import SourceRecord
from schemas.measures import CONVERSIONS, MICROS, MOST, REVENUE, SPEND, ZERO

MINUTE_MS = 60_000
NEVER = 2**62


class Pane:
    """Which minute of whom: of one ad, or with `ad_id` None of a campaign as a whole.

    `targets`: the rows it goes into, as (slot, name, row), once somebody has looked for them twice.
    """

    __slots__ = ("ad_id", "campaign", "minute_ms", "targets", "was_folded")

    def __init__(self, campaign: Campaign, ad_id: str | None, minute_ms: int) -> None:
        self.campaign, self.ad_id, self.minute_ms = campaign, ad_id, minute_ms
        self.targets: list[tuple[Any, str, list[Any]]] | None = None
        self.was_folded = False


# What a pane has counted since it was last drained: pane, last offset, latest timestamp, what each measure gained.
Drained = tuple[Pane, int, int, list[int]]


class PaneStore(Protocol):
    """The panes of one partition. `counted`, `repeated`: records since the caller last set them to 0.

    `campaigns`: those that are known, by the key of their records. `firsts`: keys of those that `count` itself came to
    know, as it may by a first event that is plainly good; whoever takes note of them clears it.
    `refused`: records that `count` passed over because they are refused for certain, in order; True: because of the
    campaign they are filed under, while their time and form may be good. Whoever says why clears it.
    `oldest_ms`: the earliest minute that holds something not drained, NEVER if there is none.
    """

    campaigns: dict[bytes | None, Campaign]
    firsts: list[bytes]
    refused: list[tuple[SourceRecord, bool]]
    counted: int
    repeated: int
    oldest_ms: int

    def __len__(self) -> int:
        """Panes that hold something not drained."""

    def learn(self, name: bytes, campaign: Campaign, /) -> None:
        """A campaign as it is now, under the key of its records."""

    def count(
        self,
        records: Sequence[SourceRecord],
        position: int,
        until_ms: int,
        from_ms: int,
        after_offset: int,
        ids: EventIds,
        /,
    ) -> int:
        """Count records from `position` on as long as everything about them is known; returns where that ended.

        What is in `refused` then is not counted.

        The record there is a tick, reaches `until_ms`, is not behind `after_offset`, is of a campaign that is unknown,
        happened before `from_ms`, or is not plainly good. Nothing of it was counted: the caller looks at it.
        """

    def add(
        self,
        campaign: Campaign,
        ad_id: str | None,
        minute_ms: int,
        offset: int,
        timestamp_ms: int,
        added: Sequence[int],
        /,
    ) -> None:
        """Count one event whose form, time and id the caller has checked."""

    def holds(self, campaign: Campaign, ad_id: str | None, minute_ms: int, /) -> bool:
        """Whether there is such a pane."""

    def drain(self, over_ms: int, /) -> list[Drained]:
        """What was counted since the last call, by ad and then by campaign; an event with an ad is in both.

        Minutes that end by `over_ms` are forgotten then.
        """


_OFFSET, _TIMESTAMP, _PANE, _AT = range(4)  # an entry: [last offset or -1, latest timestamp, pane, *measures]
_SPEND, _REVENUE, _CONVERSIONS = SPEND + _AT, REVENUE + _AT, CONVERSIONS + _AT
_COUNTED_AT = {name: index + _AT for name, index in COUNTED_IN.items()}
Entry = list[Any]


class Panes:
    """Implements `PaneStore`."""

    def __init__(self, memory: IdMemory) -> None:
        self._memory = memory
        self.campaigns: dict[bytes | None, Campaign] = {}
        self.firsts: list[bytes] = []  # none: they are left to the caller, as is what is refused
        self.refused: list[tuple[SourceRecord, bool]] = []
        self._minutes: dict[int, dict[tuple[Campaign, str | None], Entry]] = {}
        self._touched: list[Entry] = []
        self.counted = self.repeated = 0
        self.oldest_ms = NEVER

    def __len__(self) -> int:
        return len(self._touched)

    def learn(self, name: bytes, campaign: Campaign) -> None:
        self.campaigns[name] = campaign

    def count(  # noqa: PLR0912 - in one piece, because a call for every record is a tenth of its cost
        self,
        records: Sequence[SourceRecord],
        position: int,
        until_ms: int,
        from_ms: int,
        after_offset: int,
        ids: EventIds,
    ) -> int:
        campaign_of, seen, hour, names = self.campaigns.get, self._memory.seen, ids.hour, ids.names
        names_of_hour, first = self._memory.names_of(hour), position
        minute_ms, minute = -1, None
        for record in _from(records, position):
            value, timestamp = record.value, record.timestamp
            if value is None or timestamp >= until_ms:
                break
            try:
                event = decode_unchecked(value)
            except (ValueError, RecursionError):
                break
            campaign, at_ms = campaign_of(record.key), event.at
            if (
                campaign is None
                or at_ms.__class__ is not int
                or event.campaign_id != campaign.campaign_id
                or event.account_id != campaign.account_id
                or event.platform != campaign.platform
                or (event.currency is not None and event.currency != campaign.currency)
                or (event.zone is not None and event.zone != campaign.zone)
                or len(value) > MAX_EVENT_BYTES
                or not from_ms <= at_ms <= timestamp + MAX_AHEAD_MS
                or (offset := record.offset) <= after_offset
            ):
                break
            ad_id, start_ms = event.ad_id, at_ms - at_ms % MINUTE_MS
            if start_ms != minute_ms or minute is None:
                minute_ms, minute = start_ms, self._minutes.setdefault(start_ms, {})
            entry = minute.get((campaign, ad_id))
            if entry is None:
                if not fits(ad_id, None):
                    break
                entry = minute[campaign, ad_id] = _entry(campaign, ad_id, start_ms)
            position += 1
            name = f"{campaign.key}|{event.event_id}"
            known = seen.get(name)
            if known != hour:
                seen[name] = hour
                names_of_hour.append(name)
                names.append(name)
            if known is not None:
                self.repeated += 1
                continue
            if entry[_OFFSET] < 0:
                self._touch(entry, start_ms)
            entry[_OFFSET] = offset
            if timestamp > entry[_TIMESTAMP]:
                entry[_TIMESTAMP] = timestamp
            index = _COUNTED_AT[event.type]
            # As `pipeline.events.measures_of` has it.
            if index != _CONVERSIONS:
                entry[index] += event.count
                if event.conversions_micros:
                    entry[_CONVERSIONS] += event.conversions_micros
            elif event.conversions_micros is None:
                entry[index] += event.count * MICROS
            else:
                entry[index] += event.conversions_micros
            if event.spend_micros:
                entry[_SPEND] += event.spend_micros
            if event.revenue_micros:
                entry[_REVENUE] += event.revenue_micros
        self.counted += position - first
        return position

    def _touch(self, entry: Entry, minute_ms: int) -> None:
        self._touched.append(entry)
        if minute_ms < self.oldest_ms:
            self.oldest_ms = minute_ms

    def add(
        self,
        campaign: Campaign,
        ad_id: str | None,
        minute_ms: int,
        offset: int,
        timestamp_ms: int,
        added: Sequence[int],
    ) -> None:
        minute = self._minutes.setdefault(minute_ms, {})
        entry = minute.get((campaign, ad_id))
        if entry is None:
            entry = minute[campaign, ad_id] = _entry(campaign, ad_id, minute_ms)
        if entry[_OFFSET] < 0:
            self._touch(entry, minute_ms)
        entry[_OFFSET], entry[_TIMESTAMP] = offset, max(entry[_TIMESTAMP], timestamp_ms)
        for index, n in enumerate(added, _AT):
            entry[index] += n

    def holds(self, campaign: Campaign, ad_id: str | None, minute_ms: int) -> bool:
        return (campaign, ad_id) in self._minutes.get(minute_ms, ())

    def drain(self, over_ms: int) -> list[Drained]:
        touched, self._touched = self._touched, []
        self.oldest_ms = NEVER
        drained: list[Drained] = []
        whole: dict[int, Entry] = {}
        for entry in touched:
            pane = entry[_PANE]
            if pane.ad_id is not None:
                drained.append(_drained(entry))
                campaign = self._campaign_entry(pane)
                _add_up(campaign, entry)
                entry = campaign  # noqa: PLW2901
            whole[id(entry)] = entry
        drained += map(_drained, whole.values())
        for entry in (*touched, *whole.values()):
            entry[:] = (-1, 0, entry[_PANE], *ZERO)
        for over in [minute_ms for minute_ms in self._minutes if minute_ms + MINUTE_MS <= over_ms]:
            del self._minutes[over]
        return drained

    def _campaign_entry(self, pane: Pane) -> Entry:
        minute = self._minutes[pane.minute_ms]
        entry = minute.get((pane.campaign, None))
        if entry is None:
            entry = minute[pane.campaign, None] = _entry(pane.campaign, None, pane.minute_ms)
        return entry


def _drained(entry: Entry) -> Drained:
    measures = entry[_AT:]
    if max(measures) > MOST:
        measures = [min(n, MOST) for n in measures]
    return entry[_PANE], entry[_OFFSET], entry[_TIMESTAMP], measures


def _add_up(campaign: Entry, ad: Entry) -> None:
    campaign[_OFFSET] = max(campaign[_OFFSET], ad[_OFFSET])
    campaign[_TIMESTAMP] = max(campaign[_TIMESTAMP], ad[_TIMESTAMP])
    for index in range(_AT, len(ad)):
        campaign[index] += ad[index]


def _from(records: Sequence[SourceRecord], position: int) -> Iterator[SourceRecord]:
    """The records from `position` on, at no cost for those before it: many a batch is begun a hundred times."""
    rest = iter(records)
    if position:
        set_position = getattr(rest, "__setstate__", None)
        if set_position is None:
            return islice(records, position, None)
        set_position(position)  # lists and tuples know how
    return rest


def _entry(campaign: Campaign, ad_id: str | None, minute_ms: int) -> Entry:
    return [-1, 0, Pane(campaign, ad_id, minute_ms), *ZERO]
