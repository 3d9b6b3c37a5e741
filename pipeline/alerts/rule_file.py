"""Rules out of the rules file. A rule that could never fire is refused: it would look like health."""

import tomllib
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import ValidationError

from pipeline.alerts.metric import METRICS
from pipeline.alerts.registry import RULE_KINDS
from pipeline.codes import MisconfiguredCode
from pipeline.errors import Misconfigured
from schemas.platform import PLATFORMS
from schemas.rule import AnomalyRule, BudgetRule, Direction, MetricName, Rule, RuleSet, ThresholdRule
from schemas.window import Window

MOST_WINDOWS = 7 * 24  # verdicts older than a week stand: a longer persistence would never be met


def rules_from_toml(text: str) -> tuple[Rule, ...]:
    """Raises Misconfigured: `rule`."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise Misconfigured(MisconfiguredCode.RULE, f"the rules file is not TOML: {error}") from None
    return parse_rules(data)


def parse_rules(data: Mapping[str, Any]) -> tuple[Rule, ...]:
    """`{"rule": [{...}, ...]}` to rules, in the order they are judged. Raises Misconfigured: `rule`."""
    try:
        rules = RuleSet.model_validate(data).rule
    except ValidationError as error:
        raise Misconfigured(MisconfiguredCode.RULE, "; ".join(_sentences(error, data))) from None
    problems = [f"rule {rule.id!r}: {problem}" for rule in rules for problem in _never(rule)]
    seen: set[str] = set()
    for rule in rules:
        if rule.id in seen:
            problems.append(f"rule {rule.id!r} is there twice; every id names one rule")
        seen.add(rule.id)
    if problems:
        raise Misconfigured(MisconfiguredCode.RULE, "; ".join(problems))
    return rules


def _sentences(error: ValidationError, data: Mapping[str, Any]) -> Iterator[str]:
    for problem in error.errors():
        place, name = list(problem["loc"]), "the rules file"
        if len(place) > 1 and place[0] == "rule" and isinstance(place[1], int):
            rules = data.get("rule")
            one = rules[place[1]] if isinstance(rules, list | tuple) else None
            name = f"rule {one['id']!r}" if isinstance(one, Mapping) and "id" in one else f"rule number {place[1] + 1}"
            place = place[2:]
        if place and place[0] in RULE_KINDS:
            place = place[1:]
        where = ".".join(str(part) for part in place)
        known = _known(where.split(".")[0], problem["type"])
        detail = f"{problem['input']!r} is not known; known are {known}" if known else problem["msg"]
        yield f"{name}: {where}: {detail}" if where else f"{name}: {detail}"


def _known(key: str, kind: str) -> str:
    """The list of right answers for a wrong one; "" where the message says it better."""
    if kind not in ("enum", "union_tag_invalid", "union_tag_not_found"):
        return ""
    lists: dict[str, tuple[str, ...]] = {
        "metric": tuple(METRICS),
        "platforms": PLATFORMS,
        "window": tuple(Window),
        "": tuple(RULE_KINDS),
    }
    return ", ".join(lists.get(key, ()))


def _never(rule: Rule) -> Iterator[str]:
    """Why this rule could never fire, or never be over."""
    wanted = Window.DAY if isinstance(rule, BudgetRule) else Window.HOUR
    if rule.window is not wanted:
        yield f"window {rule.window!s} is never judged for kind {rule.kind!r}; known is {wanted!s}"
    if isinstance(rule, BudgetRule):
        return
    if rule.mature_after_h >= rule.max_age_h:
        yield f"mature_after_h {rule.mature_after_h} must be less than max_age_h {rule.max_age_h}"
    if max(rule.for_windows, rule.resolve_windows) > MOST_WINDOWS:
        yield f"for_windows and resolve_windows may be at most {MOST_WINDOWS}"
    if isinstance(rule, ThresholdRule):
        yield from _threshold(rule)
    else:
        yield from _anomaly(rule)


def _threshold(rule: ThresholdRule) -> Iterator[str]:
    if (rule.below is None) == (rule.above is None):
        yield "give `below` or `above`, one of the two"
    elif rule.below is not None:
        if rule.below <= 0:
            yield f"{rule.metric} is never below {rule.below:g}"
        if rule.resolve is not None and rule.resolve < rule.below:
            yield f"resolve {rule.resolve:g} lies below the limit {rule.below:g}: it would be over before it began"
    elif rule.above is not None:
        if rule.metric is MetricName.CTR and rule.above >= 100:
            yield f"ctr is a percentage, never above {rule.above:g}"
        if rule.resolve is not None and rule.resolve > rule.above:
            yield f"resolve {rule.resolve:g} lies above the limit {rule.above:g}: it would be over before it began"
        if rule.resolve is not None and rule.resolve < 0:
            yield f"{rule.metric} never falls to {rule.resolve:g}: the alert would never be over"


def _anomaly(rule: AnomalyRule) -> Iterator[str]:
    if rule.resolve_sigma > rule.sigma:
        yield f"resolve_sigma {rule.resolve_sigma:g} must not be above sigma {rule.sigma:g}"
    if rule.at_once_sigma < rule.sigma:
        yield f"at_once_sigma {rule.at_once_sigma:g} must not be below sigma {rule.sigma:g}"
    if rule.direction is Direction.DOWN and rule.sigma * rule.floor_percent >= 100:
        yield (
            f"sigma {rule.sigma:g} with floor_percent {rule.floor_percent:g} reaches below zero, "
            f"and {rule.metric} never does"
        )
