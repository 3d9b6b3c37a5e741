"""Every kind of rule there is. A kind that is not in this list does not exist."""

from collections.abc import Callable
from types import MappingProxyType
from typing import Any

from pipeline.alerts.rule import RuleKind
from pipeline.alerts.rules.budget_share import BudgetShare
from pipeline.alerts.rules.threshold import Threshold
from pipeline.alerts.rules.z_score import ZScore

RULE_KINDS: MappingProxyType[str, Callable[[Any], RuleKind]] = MappingProxyType(
    {
        "budget": BudgetShare,
        "threshold": Threshold.of,
        "anomaly": ZScore.of,
    }
)
