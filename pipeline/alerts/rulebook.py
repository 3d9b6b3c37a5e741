"""The rules in force, sorted by how they are judged."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import cast

from pipeline.alerts.registry import RULE_KINDS
from pipeline.alerts.rule import SeriesRuleKind
from pipeline.alerts.rules.budget_share import BudgetShare
from schemas.rule import AnomalyRule, BudgetRule, Rule, ThresholdRule

SeriesRule = tuple[SeriesRuleKind, AnomalyRule | ThresholdRule]


class Rulebook:
    """`series`: rule id -> (kind, rule), in the order of the file. `inputs`: rule id -> columns that matter to it."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self._budgets: list[BudgetShare] = []
        self.series: dict[str, SeriesRule] = {}
        self._fingerprints: dict[str, bytes] = {}
        for rule in rules:
            kind = RULE_KINDS[rule.kind](rule)
            if isinstance(rule, BudgetRule):
                self._budgets.append(cast(BudgetShare, kind))
            else:
                self.series[rule.id] = (cast(SeriesRuleKind, kind), rule)
                self._fingerprints[rule.id] = hashlib.sha256(rule.model_dump_json().encode()).digest()[:8]
        self.inputs: Mapping[str, frozenset[int]] = {rule_id: kind.inputs for rule_id, (kind, _) in self.series.items()}

    def budgets_for(self, platform: str, basis: str) -> list[BudgetShare]:
        return [kind for kind in self._budgets if _covers(kind.rule, platform, basis)]

    def series_for(self, platform: str, basis: str) -> list[str]:
        """Ids of the series rules that look at such a campaign."""
        return [rule_id for rule_id, (_, rule) in self.series.items() if _covers(rule, platform, basis)]

    def fingerprint(self, rule_id: str) -> bytes:
        """Changes when the rule reads otherwise."""
        return self._fingerprints[rule_id]


def _covers(rule: Rule, platform: str, basis: str) -> bool:
    return (not rule.platforms or platform in rule.platforms) and (not rule.bases or basis in rule.bases)
