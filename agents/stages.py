"""Every stage there is. A stage that is not in this list does not run."""

from pathlib import Path

from agents.stage import Stage
from connectors.kafka_producer import pack
from connectors.settings import Settings
from pipeline.alerts.judge import Judge
from pipeline.alerts.rule_file import rules_from_toml
from pipeline.alerts.shared_budget_state import SharedBudgets
from pipeline.codes import Stage as StageName
from pipeline.counted import CountedState
from pipeline.reported import ReportedState
from schemas.topics import (
    BUDGET_DAYS,
    RAW_EVENTS,
    RAW_GOOGLE_ADS,
    STATE_BUDGETS,
    STATE_COUNTED,
    STATE_JUDGE,
    STATE_REPORTED,
    TOTALS,
)

DEFAULT_RULES = Path(__file__).resolve().parent.parent / "infra" / "rules" / "default.toml"


def build_stages(settings: Settings) -> tuple[Stage, ...]:
    """Raises Misconfigured when the rules are wrong."""
    rules = rules_from_toml((settings.worker.rules_file or DEFAULT_RULES).read_text())
    horizon_h = settings.worker.dedupe_horizon_h

    def counted(partition: int, topic_id: str, generation: int) -> CountedState:
        return CountedState(
            RAW_EVENTS,
            partition,
            topic_id=topic_id,
            generation=generation,
            dedupe_horizon_h=horizon_h,
            pack=pack,
        )

    def reported(partition: int, topic_id: str, generation: int) -> ReportedState:
        return ReportedState(
            RAW_GOOGLE_ADS, partition, topic_id=topic_id, generation=generation, project_of=settings.project_of
        )

    def judge(partition: int, topic_id: str, generation: int) -> Judge:
        return Judge(
            rules, partition, project_of=settings.project_of, topic_id=topic_id, link_base=settings.worker.link_base
        )

    def budgets(partition: int, topic_id: str, generation: int) -> SharedBudgets:
        return SharedBudgets(
            rules, partition, project_of=settings.project_of, topic_id=topic_id, link_base=settings.worker.link_base
        )

    return (
        Stage("counted", StageName.AGGREGATE, RAW_EVENTS, STATE_COUNTED, counted),
        Stage("reported", StageName.AGGREGATE, RAW_GOOGLE_ADS, STATE_REPORTED, reported),
        Stage("judge", StageName.JUDGE, TOTALS, STATE_JUDGE, judge),
        Stage("budgets", StageName.JUDGE, BUDGET_DAYS, STATE_BUDGETS, budgets),
    )
