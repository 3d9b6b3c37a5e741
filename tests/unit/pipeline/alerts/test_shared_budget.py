from pipeline.alerts.shared_budget import group_key, spend_by_group
from schemas.total import Total
from tests.judged import HOUR_MS, MIDNIGHT, TotalsLog


def read(log: TotalsLog) -> list[Total]:
    return [Total.model_validate_json(record.value or b"") for record in log.records]


def test_the_spend_of_a_shared_budget_is_the_sum_of_the_newest_days_of_its_campaigns() -> None:
    log = TotalsLog()
    log.day(hour=11, spend=10, budget=100, shared=True, campaign="a")
    log.day(hour=12, spend=30, budget=100, shared=True, campaign="a")
    log.day(hour=12, spend=50, budget=100, shared=True, campaign="b")
    log.day(hour=12, spend=90, budget=100, campaign="c")
    assert spend_by_group(read(log)) == {("google_ads:acc:budget:b1", "reported", MIDNIGHT): 80_000_000}


def test_only_days_of_campaigns_under_a_shared_budget_belong_to_a_group() -> None:
    log = TotalsLog()
    log.total("1h", MIDNIGHT, MIDNIGHT + HOUR_MS, budget=100, shared=True)
    log.day(hour=12, budget=100)
    log.day(hour=12, shared=True)
    assert [group_key(total) for total in read(log)] == [None, None, None]
