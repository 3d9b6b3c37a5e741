"""The life of a budget alert, judged on every new total of the day: spend only grows until it is restated.

below -> firing: at or above the share of the budget
firing -> resolved: the day is over, or the budget was raised above the spend
firing, resolved -> retracted: the figure was restated below
resolved -> amended: the day is over, and its figure was restated but is still above
retracted, resolved by a budget -> firing: above again, as another episode
"""

from collections.abc import Iterator, Sequence

from pipeline.alerts.campaign_state import BasisState, BudgetTold, Status
from pipeline.alerts.rule import Finding, Verdict
from pipeline.alerts.rules.budget_share import BudgetShare
from pipeline.alerts.series import AS_OF, BUDGET, BUDGET_SHARED, END, SPEND, START
from pipeline.alerts.statement import Cause, Statement
from schemas.alert import Transition

HOUR_MS = 3_600_000


def judge_day(basis: BasisState, index: int, kinds: Sequence[BudgetShare], *, is_final: bool) -> list[Statement]:
    """What the newest total of this day means for its alerts. A shared budget is not judged per campaign."""
    if basis.days.columns[BUDGET_SHARED][index]:
        return []
    return [said for kind in kinds for said in _judge(basis, index, kind, is_final=is_final)]


def _judge(basis: BasisState, index: int, kind: BudgetShare, *, is_final: bool) -> Iterator[Statement]:
    columns = basis.days.columns
    start, spend, budget = columns[START][index], columns[SPEND][index], columns[BUDGET][index]
    finding = kind.judge(basis.days, index, bytearray())
    told = basis.budgets.get((kind.rule.id, start))
    is_above = finding.verdict is Verdict.FIRING
    if told is None or told.status in (Status.RETRACTED, Status.CLOSED):
        is_news = columns[AS_OF][index] <= columns[END][index] + kind.rule.max_age_h * HOUR_MS
        if not is_above or not is_news:
            return
        told = BudgetTold(told.episode + 1 if told else 1, 0, Status.FIRING, spend, budget)
        basis.budgets[kind.rule.id, start] = told
        yield _say(basis, index, kind, told, Transition.FIRING, Cause.BREACH, finding)
        if is_final:
            told.status = Status.RESOLVED
            yield _say(basis, index, kind, told, Transition.RESOLVED, Cause.DAY_OVER, finding)
    elif is_above:
        changed = (spend, budget) != (told.spend_micros, told.budget_micros)
        if told.status is Status.FIRING and is_final:
            told.status = Status.RESOLVED
            yield _say(basis, index, kind, told, Transition.RESOLVED, Cause.DAY_OVER, finding)
        elif told.status is Status.RESOLVED and changed:
            yield _say(basis, index, kind, told, Transition.AMENDED, Cause.RESTATED, finding)
    else:
        yield _below(basis, index, kind, told, finding, is_final=is_final)


def _below(
    basis: BasisState, index: int, kind: BudgetShare, told: BudgetTold, finding: Finding, *, is_final: bool
) -> Statement:
    spend, budget = basis.days.columns[SPEND][index], basis.days.columns[BUDGET][index]
    # A budget that was raised does not make the alert wrong: the spend still reached what was the budget then.
    reached_then = spend * 100 >= told.budget_micros * kind.rule.share_percent
    if reached_then and budget != told.budget_micros and told.status is Status.FIRING and not is_final:
        told.status = Status.CLOSED
        cause = Cause.BUDGET_CHANGED if budget > 0 else Cause.BUDGET_GONE
        return _say(basis, index, kind, told, Transition.RESOLVED, cause, finding)
    told.status = Status.RETRACTED
    return _say(basis, index, kind, told, Transition.RETRACTED, Cause.RESTATED, finding)


def _say(
    basis: BasisState,
    index: int,
    kind: BudgetShare,
    told: BudgetTold,
    transition: Transition,
    cause: Cause,
    finding: Finding,
) -> Statement:
    columns = basis.days.columns
    corrects = transition in (Transition.AMENDED, Transition.RETRACTED)
    spend, budget = told.spend_micros, told.budget_micros
    told.version += 1
    told.spend_micros, told.budget_micros = columns[SPEND][index], columns[BUDGET][index]
    return Statement(
        kind.rule,
        transition,
        cause,
        columns[START][index],
        told.episode,
        told.version,
        index,
        finding,
        value=finding.observed or 0.0,
        at_ms=columns[AS_OF][index],
        previous=spend * 100 / budget if corrects else None,
        previous_numerator=spend if corrects else None,
        previous_denominator=budget if corrects else None,
    )
