"""One series rule over one campaign at a checkpoint: verdicts, episodes, and how they differ from what was told.

A restatement needs no code of its own: an episode that is gone is retracted, one whose figure moved is amended.
"""

from pipeline.alerts.campaign_state import HOURS_KEPT_MS, BasisState, RuleState, Status, Told
from pipeline.alerts.episode import NONE, Carry, Ending, Episode, Persistence, fold
from pipeline.alerts.rule import FIRST_FIRING, NOT_ENOUGH, Finding, SeriesRuleKind
from pipeline.alerts.series import AS_OF, END, START, Series
from pipeline.alerts.statement import Cause, Statement
from schemas.alert import Transition
from schemas.rule import AnomalyRule, ThresholdRule

HOUR_MS = 3_600_000
FIRST_SIGHT_MS = 72 * HOUR_MS  # of history that was there before the rule: what is older cannot be news
_ENDINGS = {Ending.CLEAR: Cause.CLEAR, Ending.STALE: Cause.STALE, Ending.NEW_LEVEL: Cause.NEW_LEVEL}


class Judgement:
    """A rule, a campaign's series of one basis, and the instant of the checkpoint. Used once."""

    def __init__(
        self, kind: SeriesRuleKind, rule: AnomalyRule | ThresholdRule, state: RuleState, series: Series, now_ms: int
    ) -> None:
        self._kind, self._rule, self._state, self._series, self._now_ms = kind, rule, state, series, now_ms
        self._said: list[Statement] = []

    def run(self, fingerprint: bytes) -> list[Statement]:
        state = self._state
        if state.fingerprint != fingerprint:
            self._start_anew(fingerprint)
        self._judge_new_windows()
        if (
            not state.told
            and state.carry.open_ms == NONE
            and not any(code >= FIRST_FIRING for code in set(state.codes))
        ):
            state.known_end_ms = NONE
            return self._said
        self._compare(self._episodes())
        return self._said

    def _start_anew(self, fingerprint: bytes) -> None:
        """The rule is new or reads otherwise: what it said is over, and recent windows are judged again."""
        state, rule = self._state, self._rule
        for told in state.told:
            index = self._series.find(told.shown_ms)
            if told.status is Status.FIRING and index is not None:
                finding = self._kind.judge(self._series, index, bytearray([NOT_ENOUGH]) * index)
                self._say(told, Transition.RESOLVED, Cause.RULE_CHANGED, told.shown_ms, finding)
            told.status = Status.CLOSED
        state.fingerprint, state.carry = fingerprint, Carry()
        horizon = self._series.newest_end_ms - max(FIRST_SIGHT_MS, rule.max_age_h * HOUR_MS)
        state.codes = bytearray([NOT_ENOUGH]) * self._series.first_from(horizon)

    def _judge_new_windows(self) -> None:
        ends, codes = self._series.columns[END], self._state.codes
        mature_to = self._now_ms - self._rule.mature_after_h * HOUR_MS
        for index in range(len(codes), len(ends)):
            if ends[index] > mature_to:
                break
            codes.append(self._kind.judge(self._series, index, codes).code)

    # -- episodes --------------------------------------------------------------------------------------------

    def _episodes(self) -> list[Episode]:
        state, columns = self._state, self._series.columns
        judged = len(state.codes)
        standing, episodes = fold(
            state.carry,
            state.codes,
            columns[START][:judged],
            columns[END][:judged],
            persistence_of(self._kind, self._rule),
            told=opened(state),
            now_ms=self._now_ms - self._rule.mature_after_h * HOUR_MS,
        )
        state.known_end_ms = standing.known_end_ms
        return episodes

    def _compare(self, episodes: list[Episode]) -> None:
        state, first_ms = self._state, self._series.columns[START][0]
        # An episode is seen by the fold until its last window is dropped, whenever it was opened.
        state.told = [t for t in state.told if max(t.open_ms, t.close_ms) >= first_ms or t.status is Status.FIRING]
        matches = _match(state.told, episodes)
        for number, told in enumerate(list(state.told)):
            if told.status in (Status.RETRACTED, Status.CLOSED):
                continue
            match = matches.get(number)
            if match is None:
                self._retract(told)
            else:
                self._follow(told, match)
        taken = {id(match) for match in matches.values()}
        for episode in episodes:
            if id(episode) not in taken:
                self._open(episode)

    def _retract(self, told: Told) -> None:
        index = self._series.find(told.shown_ms)
        if index is None:
            told.status = Status.CLOSED
            return
        finding = self._finding(index)
        told.status = Status.RETRACTED
        moved = _moved(told.value, _published(finding), 0.0)
        cause = Cause.RESTATED if moved else Cause.BASELINE_MOVED
        self._say(told, Transition.RETRACTED, cause, told.shown_ms, finding, previous=told.value)

    def _follow(self, told: Told, episode: Episode) -> None:
        told.open_ms = episode.open_ms
        if not episode.open_ms <= told.shown_ms <= max(episode.last_ms, episode.close_ms):
            told.shown_ms = episode.last_ms
        index = self._series.find(told.shown_ms)
        if index is not None:
            finding = self._finding(index)
            if _moved(told.value, _published(finding), self._rule.amend_percent):
                self._say(told, Transition.AMENDED, Cause.RESTATED, told.shown_ms, finding, previous=told.value)
        if episode.ending is None:
            if told.status is Status.RESOLVED:
                told.status = Status.CLOSED
                self._open(episode)
        else:
            if told.status is Status.FIRING:
                self._resolve(told, episode, episode.ending)
            told.close_ms = episode.close_ms

    def _resolve(self, told: Told, episode: Episode, ending: Ending) -> None:
        told.status = Status.RESOLVED
        index = self._series.find(episode.close_ms)
        if index is not None:
            self._say(told, Transition.RESOLVED, _ENDINGS[ending], episode.close_ms, self._finding(index))

    def _open(self, episode: Episode) -> None:
        index = self._series.find(episode.last_ms)
        news_from = self._now_ms - self._rule.max_age_h * HOUR_MS
        if index is None or self._series.columns[END][index] < news_from:
            return
        state, start = self._state, episode.open_ms
        number = 1 + max((t.episode for t in state.told if t.start_ms == start), default=0)
        told = Told(start, number, 0, Status.FIRING, start, episode.last_ms, NONE, 0.0)
        state.told.append(told)
        self._say(told, Transition.FIRING, Cause.BREACH, episode.last_ms, self._finding(index))
        if episode.ending is not None:
            self._resolve(told, episode, episode.ending)
            told.close_ms = episode.close_ms

    # -- saying it -------------------------------------------------------------------------------------------

    def _finding(self, index: int) -> Finding:
        return self._kind.judge(self._series, index, self._state.codes[:index])

    def _say(
        self,
        told: Told,
        transition: Transition,
        cause: Cause,
        window_ms: int,
        finding: Finding,
        *,
        previous: float | None = None,
    ) -> None:
        index = self._series.find(window_ms)
        if index is None:
            return
        told.version += 1
        value = _published(finding)
        if transition is not Transition.RESOLVED:
            told.value = value
        by_time = cause in (Cause.STALE, Cause.RULE_CHANGED, Cause.BASELINE_MOVED)
        at_ms = self._now_ms if by_time else self._series.columns[AS_OF][index]
        self._said.append(
            Statement(
                self._rule, transition, cause, told.start_ms, told.episode, told.version, index, finding, value, at_ms,
                previous,
            )
        )  # fmt: skip


def persistence_of(kind: SeriesRuleKind, rule: AnomalyRule | ThresholdRule) -> Persistence:
    return Persistence(rule.for_windows, rule.resolve_windows, rule.stale_h * HOUR_MS, kind.sticky)


def opened(state: RuleState) -> set[int]:
    return {told.open_ms for told in state.told if told.status in (Status.FIRING, Status.RESOLVED)}


def trim(basis: BasisState, kinds: dict[str, tuple[SeriesRuleKind, AnomalyRule | ThresholdRule]]) -> None:
    """Drop hours beyond the baseline of the oldest one still judged again; episodes open then are carried on."""
    series = basis.hours
    if not len(series) or series.columns[END][0] > series.newest_end_ms - HOURS_KEPT_MS:
        return
    count = series.first_from(series.newest_end_ms - HOURS_KEPT_MS)
    starts, ends = series.columns[START][:count], series.columns[END][:count]
    for rule_id, state in basis.rules.items():
        codes = state.codes[:count] + bytes([NOT_ENOUGH]) * (count - len(state.codes[:count]))
        if rule_id in kinds:
            state.carry, _ = fold(state.carry, codes, starts, ends, persistence_of(*kinds[rule_id]), told=opened(state))
        state.codes = state.codes[count:]
    series.drop_first(count)


def _match(told: list[Told], episodes: list[Episode]) -> dict[int, Episode]:
    """Which episode of the fold each alert is about: that with the same opening, else the first that overlaps it."""
    live = [(n, t) for n, t in enumerate(told) if t.status in (Status.FIRING, Status.RESOLVED)]
    by_opening = {episode.open_ms: episode for episode in episodes}
    matches = {number: by_opening[t.open_ms] for number, t in live if t.open_ms in by_opening}
    taken = {id(episode) for episode in matches.values()}
    for number, entry in live:
        if number in matches:
            continue
        until = entry.close_ms if entry.status is Status.RESOLVED else None
        for episode in episodes:
            begins = until is None or episode.open_ms <= until
            lasts = episode.close_ms == NONE or episode.close_ms >= entry.open_ms
            if id(episode) not in taken and begins and lasts:
                matches[number] = episode
                taken.add(id(episode))
                break
    return matches


def _published(finding: Finding) -> float:
    """A figure that does not exist any more (nothing to divide by) is published as 0; the evidence shows why."""
    return round(finding.observed or 0.0, 6)


def _moved(before: float, after: float, percent: float) -> bool:
    return abs(after - before) > percent / 100 * abs(before)
