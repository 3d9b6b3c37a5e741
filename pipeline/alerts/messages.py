"""The sentence of an alert: what happened, how much, since when, and what it means in money."""

from dataclasses import dataclass

from pipeline.alerts.metric import METRICS, Metric
from pipeline.alerts.series import AS_OF, CLICKS, END, IMPRESSIONS, START, Series
from pipeline.alerts.statement import Cause, Statement
from pipeline.alerts.wording import clock, day, figure, micros, moment, percent, platform_name
from schemas.alert import Transition
from schemas.rule import AnomalyRule, BudgetRule, MetricName, ThresholdRule


@dataclass(frozen=True, slots=True)
class Subject:
    """Whom the sentence is about. `name` falls back to the campaign id."""

    name: str
    platform: str
    currency: str
    zone: str


def message(said: Statement, subject: Subject, series: Series) -> str:
    rule = said.rule
    if isinstance(rule, BudgetRule):
        return _budget(said, rule, subject, series)
    metric = METRICS[rule.metric]
    if said.transition is Transition.FIRING:
        if isinstance(rule, ThresholdRule):
            return _threshold(said, rule, metric, subject, series)
        return _anomaly(said, rule, metric, subject, series)
    return _series_change(said, metric, subject, series)


# -- budget --------------------------------------------------------------------------------------------------


def _budget(said: Statement, rule: BudgetRule, subject: Subject, series: Series) -> str:
    start = series.columns[START][said.index]
    today, spend = day(start, subject.zone), micros(said.finding.numerator, subject.currency)
    name, share = f"“{subject.name}”", percent(said.value)
    if said.transition is Transition.FIRING:
        return _budget_firing(said, rule, subject, series)
    if said.transition is Transition.RESOLVED:
        if said.cause is Cause.BUDGET_GONE:
            return f"{name} has no daily budget any more; it had spent {spend} on {today}."
        budget = micros(said.finding.denominator or 0, subject.currency)
        if said.cause is Cause.BUDGET_CHANGED:
            return f"The daily budget of {name} is now {budget}; {spend} spent on {today} is {share} of it."
        return f"{today} is over: {name} spent {spend}, {share} of its daily budget of {budget}."
    before = micros(said.previous_numerator or 0, subject.currency)
    was = f"not {before} ({percent(said.previous or 0.0)})"
    told = (
        f"{platform_name(subject.platform)} restated {today}: {name} spent {spend} ({share} of its daily budget), {was}"
    )
    if said.transition is Transition.RETRACTED:
        return f"{told}. The alert no longer holds."
    return f"{told}. It is still above {rule.share_percent} %."


def _budget_firing(said: Statement, rule: BudgetRule, subject: Subject, series: Series) -> str:
    columns, finding = series.columns, said.finding
    start, end, as_of = (columns[column][said.index] for column in (START, END, AS_OF))
    spent = micros(finding.numerator, subject.currency)
    budget = micros(finding.denominator or 0, subject.currency)
    is_over = as_of >= end
    when = f"on {day(start, subject.zone)}" if is_over else f"by {moment(as_of, subject.zone)}"
    text = f"“{subject.name}” spent {spent} of its daily budget of {budget} {when}: {percent(said.value)}"
    above = finding.numerator - (finding.denominator or 0)
    if above >= 0:
        text += f", {micros(above, subject.currency)} above it" if above else ", all of it"
    text += "."
    if not is_over and finding.spend_at_risk_micros > max(0, above):
        projected = micros((finding.denominator or 0) + finding.spend_at_risk_micros, subject.currency)
        text += f" At this pace the day ends at {projected}."
    if rule.share_percent >= 100 and subject.platform == "google_ads":
        text += " Google Ads may spend up to twice a daily budget on one day and evens it out over the month."
    return text


# -- series --------------------------------------------------------------------------------------------------


def _hours(said: Statement, series: Series, zone: str) -> str:
    columns = series.columns
    start, end = columns[START][said.index], columns[END][said.index]
    return f"from {clock(start, zone)} to {moment(end, zone)}"


def _made_of(said: Statement, metric: Metric, subject: Subject) -> str:
    finding, denominator = said.finding, said.finding.denominator
    if metric.name == MetricName.CTR:
        return f" ({finding.numerator:,} clicks of {denominator or 0:,} impressions)"
    if metric.name == MetricName.CPC:
        return f" ({micros(finding.numerator, subject.currency)} for {denominator or 0:,} clicks)"
    if metric.name == MetricName.ROAS:
        earned, spent = (micros(n, subject.currency) for n in (finding.numerator, denominator or 0))
        return f" ({earned} revenue for {spent} spend)"
    return ""


def _threshold(said: Statement, rule: ThresholdRule, metric: Metric, subject: Subject, series: Series) -> str:
    end = series.columns[END][said.index]
    value = figure(said.value, metric, subject.currency)
    limit = figure(said.finding.limit or 0.0, metric, subject.currency)
    side = "below" if said.finding.direction < 0 else "above"
    span = "hour" if rule.span_h == 1 else f"{rule.span_h} hours"
    text = (
        f"{metric.label} of “{subject.name}” was {value}, {side} {limit}, in the {span} to {moment(end, subject.zone)}"
        f"{_made_of(said, metric, subject)}."
    )
    at_risk = said.finding.spend_at_risk_micros
    return f"{text} {micros(at_risk, subject.currency)} of spend is at risk." if at_risk else text


def _anomaly(said: Statement, rule: AnomalyRule, metric: Metric, subject: Subject, series: Series) -> str:
    finding = said.finding
    value, expected, low, high = (
        figure(number or 0.0, metric, subject.currency)
        for number in (said.value, finding.expected, finding.low, finding.high)
    )
    side = "above" if finding.direction > 0 else "below"
    text = (
        f"{metric.label} of “{subject.name}” was {value} {_hours(said, series, subject.zone)}; "
        f"{expected} was expected ({low} to {high}), {abs(finding.score or 0.0):.1f} sigma {side}."
    )
    if rule.metric in (MetricName.CTR, MetricName.CPC):
        clicks, impressions = (series.columns[column][said.index] for column in (CLICKS, IMPRESSIONS))
        text += f" {clicks:,} clicks of {impressions:,} impressions."
    at_risk = finding.spend_at_risk_micros
    return f"{text} {micros(at_risk, subject.currency)} of spend is at risk." if at_risk else text


def _series_change(said: Statement, metric: Metric, subject: Subject, series: Series) -> str:
    value = figure(said.value, metric, subject.currency)
    what, hours = f"{metric.label} of “{subject.name}”", _hours(said, series, subject.zone)
    if said.transition is Transition.RESOLVED:
        return {
            Cause.STALE: f"{what} can no longer be judged: too little volume since {hours.removeprefix('from ')}.",
            Cause.NEW_LEVEL: f"{what} has stayed near {value} for a day; that is taken as its level from now on.",
            Cause.RULE_CHANGED: f"The rule about {what} was changed; the alert is judged anew.",
        }.get(said.cause, f"{what} is back to {value} {hours}.")
    before = figure(said.previous or 0.0, metric, subject.currency)
    if said.cause is Cause.BASELINE_MOVED:
        return f"{what} was {value} {hours}; the figures it was compared with were restated. The alert no longer holds."
    told = f"The figures of “{subject.name}” were restated: {metric.label} was {value}, not {before}, {hours}"
    if said.transition is Transition.RETRACTED:
        return f"{told}. The alert no longer holds."
    return f"{told}. The alert stands."
