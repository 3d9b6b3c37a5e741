"""A share of the daily budget is spent."""

from dataclasses import dataclass

from pipeline.alerts.rule import Finding, Verdict
from pipeline.alerts.series import AS_OF, BUDGET, END, SPEND, START, Series
from schemas.rule import BudgetRule


@dataclass(frozen=True, slots=True)
class BudgetShare:
    """Fires when spend * 100 >= budget * share_percent, in whole micros.

    At risk: what the day will cost above the budget if it goes on at the pace so far (a straight line from the
    day's start to `as_of`), never less than what is above it already.
    """

    rule: BudgetRule

    def judge(self, series: Series, index: int, codes: bytearray) -> Finding:
        columns = series.columns
        spend, budget = columns[SPEND][index], columns[BUDGET][index]
        if budget <= 0:
            return Finding(Verdict.NOT_ENOUGH_DATA, None, numerator=spend)
        share = self.rule.share_percent
        firing = spend * 100 >= budget * share
        start, end = columns[START][index], columns[END][index]
        elapsed_ms = max(1, min(columns[AS_OF][index], end) - start)
        projected = max(spend, spend * (end - start) // elapsed_ms)
        return Finding(
            Verdict.FIRING if firing else Verdict.QUIET,
            spend * 100 / budget,
            float(share),
            spend,
            budget,
            direction=1 if firing else 0,
            spend_at_risk_micros=max(0, projected - budget) if firing else 0,
        )
