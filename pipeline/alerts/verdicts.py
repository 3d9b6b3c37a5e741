"""Totals into a campaign's series, and everything a checkpoint asks of one campaign."""

from dataclasses import dataclass

from pipeline.alerts.budget_days import judge_day
from pipeline.alerts.campaign_state import DAYS_KEPT_MS, HOURS_KEPT_MS, BasisState, CampaignState, RuleState
from pipeline.alerts.judgement import Judgement, trim
from pipeline.alerts.rulebook import Rulebook
from pipeline.alerts.series import AS_OF, END, FIRST_MEASURE, REVENUE, START, VERSION, Series
from pipeline.alerts.statement import Statement
from pipeline.alerts.total_in import TotalIn
from pipeline.alerts.wording import local
from pipeline.codes import BadRecordCode, DropReason
from pipeline.errors import BadRecord
from schemas.measures import MOST
from schemas.window import Basis

HOUR_MS, DAY_MS = 3_600_000, 86_400_000
UPDATES_MS = (
    8 * DAY_MS
)  # older days than the usual look-back are history; readers of the public shapes follow the present
# To look a member up in an enum costs as much as a dozen other steps, and these are on the way of every total.
COUNTED, _STALE = str(Basis.COUNTED), DropReason.STALE_REVISION
_MEASURES = slice(FIRST_MEASURE, REVENUE + 1)


@dataclass(frozen=True, slots=True)
class MetricsUpdate:
    """The sums of one local date as far as they are known: impressions, clicks, spend, conversions, revenue."""

    date: str
    measures: tuple[int, ...]
    as_of_ms: int


def take_day(campaign: CampaignState, total: TotalIn, rulebook: Rulebook) -> list[Statement] | DropReason:
    """Put a day's total in its place and judge its budget. Raises BadRecord: `bad_zone`."""
    state = campaign.bases.get(total.basis) or BasisState()
    budget = -1 if total.daily_budget_micros is None else total.daily_budget_micros
    fields = (*_fields(total), budget, int(total.budget_shared))
    placed = _place(state.days, fields, total, DAYS_KEPT_MS)
    if isinstance(placed, DropReason):
        return placed
    index, changed = placed
    campaign.bases[total.basis] = state
    if changed is None or any(FIRST_MEASURE <= column <= REVENUE for column in changed):
        state.changed_days.add(total.start_ms)
    kinds = rulebook.budgets_for(campaign.identity[0], total.basis)
    campaign.currency = total.currency or campaign.currency
    campaign.name, campaign.zone = total.campaign_name or campaign.name, total.zone
    return judge_day(state, index, kinds, is_final=total.is_final)


def take_hour(campaign: CampaignState, total: TotalIn, rulebook: Rulebook) -> list[Statement] | DropReason:
    """Put a final hour's total in its place; it is judged at the next checkpoint. Raises BadRecord: `bad_zone`."""
    state = campaign.bases.get(total.basis) or BasisState()
    placed = _place(state.hours, _fields(total), total, HOURS_KEPT_MS)
    if isinstance(placed, DropReason):
        return placed
    index, changed = placed
    campaign.bases[total.basis] = state
    state.hour_changed(index, changed, rulebook.inputs)
    if total.basis == COUNTED and (changed is None or any(column >= FIRST_MEASURE for column in changed)):
        state.changed_hours.add(total.start_ms)
    return []


def _fields(total: TotalIn) -> tuple[int, ...]:
    identity = (total.start_ms, total.end_ms, total.version, total.as_of_ms, total.revision)
    measures = (total.impressions, total.clicks, total.spend_micros, total.conversions_micros, total.revenue_micros)
    return (*identity, *measures)


def _place(
    series: Series, fields: tuple[int, ...], total: TotalIn, kept_ms: int
) -> tuple[int, frozenset[int] | None] | DropReason:
    """Index of the window and which of its columns changed (None: it is new), or why nothing did."""
    index = series.find(total.start_ms)
    if index is not None:
        if total.version <= series.columns[VERSION][index]:
            return _STALE
        return index, series.replace(index, fields)
    if total.end_ms <= series.newest_end_ms - kept_ms:
        return DropReason.NOT_JUDGED
    try:
        local_hour = local(total.start_ms, total.zone).hour
    except (KeyError, ValueError, OSError, OverflowError):
        raise BadRecord(BadRecordCode.BAD_ZONE, "zone", f"no zone {total.zone!r}, or no such instant") from None
    return series.insert(fields, local_hour=local_hour), None


def judge_checkpoint(
    campaign: CampaignState, basis: str, rulebook: Rulebook, now_ms: int
) -> tuple[list[Statement], list[MetricsUpdate]]:
    """Judge the series rules at this instant, and say which dates have new figures."""
    state = campaign.bases[basis]
    updates = _updates(state, basis, campaign.zone, now_ms)
    state.changed_days, state.changed_hours = set(), set()
    trim(state, rulebook.series)
    state.forget_old_days()
    said: list[Statement] = []
    if len(state.hours):
        for rule_id in rulebook.series_for(campaign.identity[0], basis):
            kind, rule = rulebook.series[rule_id]
            rule_state = state.rules.get(rule_id)
            if rule_state is None:
                rule_state = state.rules[rule_id] = RuleState()
            said += Judgement(kind, rule, rule_state, state.hours, now_ms).run(rulebook.fingerprint(rule_id))
    return said, updates


def _updates(state: BasisState, basis: str, zone: str, now_ms: int) -> list[MetricsUpdate]:
    """Reported: the days that changed. Counted: the dates of the hours that became final or changed, summed so far."""
    found = []
    if basis == Basis.REPORTED:
        days = state.days
        for start in sorted(state.changed_days):
            index = days.find(start)
            if index is not None and days.columns[END][index] >= now_ms - UPDATES_MS:
                measures = tuple(column[index] for column in days.columns[_MEASURES])
                found.append(MetricsUpdate(_date(start, zone), measures, days.columns[AS_OF][index]))
        return found
    hours = state.hours
    dates = {_date(start, zone): start for start in sorted(state.changed_hours) if start >= now_ms - UPDATES_MS}
    for date, start in sorted(dates.items()):
        near = range(hours.first_from(start - DAY_MS - HOUR_MS), hours.first_from(start + DAY_MS + HOUR_MS))
        of_date = [i for i in near if _date(hours.columns[START][i], zone) == date]
        measures = tuple(min(sum(column[i] for i in of_date), MOST) for column in hours.columns[_MEASURES])
        found.append(MetricsUpdate(date, measures, max(hours.columns[AS_OF][i] for i in of_date)))
    return found


def _date(at_ms: int, zone: str) -> str:
    return local(at_ms, zone).date().isoformat()


def expires_ms(state: BasisState) -> int:
    """When nothing of this basis can matter any more: the longest restatement after its last window."""
    return max(state.hours.newest_end_ms, state.days.newest_end_ms) + DAYS_KEPT_MS


def next_due_ms(state: BasisState, rulebook: Rulebook) -> int:
    """The instant at which time alone changes something: an hour matures, silence ends an alert, all expires."""
    due = expires_ms(state)
    ends = state.hours.columns[END]
    for rule_id, rule_state in state.rules.items():
        if rule_id not in rulebook.series:
            continue
        _, rule = rulebook.series[rule_id]
        mature_ms = rule.mature_after_h * HOUR_MS
        if len(rule_state.codes) < len(ends):
            due = min(due, ends[len(rule_state.codes)] + mature_ms)
        if rule_state.is_firing:
            due = min(due, rule_state.known_end_ms + rule.stale_h * HOUR_MS + mature_ms)
    return due
