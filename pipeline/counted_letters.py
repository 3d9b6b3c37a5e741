"""The dead letters of events, each in its place among what is published."""

from collections.abc import Callable, Iterable, Mapping

from pipeline import events
from pipeline.codes import BadRecordCode, Stage
from pipeline.counted_rows import Campaign
from pipeline.counted_windows import CountedWindows
from pipeline.dead_letters import letter_of
from pipeline.errors import BadRecord
from pipeline.event_refusal import Problem, problem
from pipeline.outputs import Pair
from pipeline.state import Output, SourceRecord
from schemas.topics import DEAD_LETTERS

AGGREGATE = str(Stage.AGGREGATE)


def foreign(campaign: Campaign, event: events.EventIn) -> Problem | None:
    """What an event says that is not so of the campaign it is filed under."""
    if not campaign.is_of(event.platform, event.account_id, event.campaign_id):
        return BadRecordCode.WRONG_KEY, "campaign_id", f"the record is filed under {campaign.key}"
    if event.zone is not None and event.zone != campaign.zone:
        return BadRecordCode.BAD_ZONE, "zone", f"the days of {campaign.key} are those of {campaign.zone}"
    if event.currency is not None and event.currency != campaign.currency and campaign.currency:
        return BadRecordCode.BAD_CURRENCY, "currency", f"{campaign.key} is counted in {campaign.currency}"
    return None


class CountedLetters:
    """Appends to the outputs of `windows`. `tally`: takes ("dead", code) of each.

    A refusal among good events takes twice the time of one that follows another: its code has to come out of the
    memory again. So what is known to be refused keeps its place, and the letters of a batch are written together.
    """

    def __init__(
        self,
        topic: str,
        partition: int,
        windows: CountedWindows,
        campaigns: Mapping[bytes | None, Campaign],
        tally: Callable[[str, str], None],
    ) -> None:
        self._topic, self._partition = topic, partition
        self._windows, self._campaigns, self._tally = windows, campaigns, tally
        self._put_off: list[
            tuple[list[Pair], int, SourceRecord, bool]
        ] = []  # run, place in it, record, by its campaign

    def refuse(self, record: SourceRecord, error: BadRecord) -> None:
        self._windows.outputs.append(self._letter(record, (error.code, error.field, error.reason)))

    def put_off(self, refused: Iterable[tuple[SourceRecord, bool]]) -> None:
        """Records that are refused: by their form, or (True) because of the campaign they are filed under.

        Their letters are nothing but a place before `write`.
        """
        letters = self._windows.outputs.run_to_fill(DEAD_LETTERS)
        for record, by_campaign in refused:
            self._put_off.append((letters, len(letters), record, by_campaign))
            letters.append((record.key, b""))

    def write(self) -> None:
        """Before anybody takes the outputs."""
        for letters, place, record, by_campaign in self._put_off:
            found = self._foreign(record) if by_campaign else None
            letters[place] = self._letter(record, found or problem(record.value or b"", record.timestamp))[1:]
        self._put_off.clear()

    def _foreign(self, record: SourceRecord) -> Problem | None:
        try:
            event = events.decode(record.value or b"")
        except (ValueError, BadRecord):
            return None
        return foreign(self._campaigns[record.key], event)

    def _letter(self, record: SourceRecord, found: tuple[str, str, str]) -> Output:
        code, field, detail = str(found[0]), found[1], found[2]  # as plain text: an Enum is encoded slowly
        self._tally("dead", code)
        letter = letter_of(code, field, detail, AGGREGATE, self._topic, self._partition, record)
        return DEAD_LETTERS, record.key, letter
