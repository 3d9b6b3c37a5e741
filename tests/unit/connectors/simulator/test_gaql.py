"""Reading GAQL, and refusing it by the API's own codes."""

import pytest

from connectors.simulator.gaql import Condition, parse
from connectors.simulator.google_ads_refusal import Refusal


def test_a_report_query_is_read_whole_whatever_its_line_breaks() -> None:
    query = parse(
        "SELECT campaign.id,\n  metrics.clicks\nFROM campaign\n"
        "WHERE segments.date BETWEEN '2026-11-01' AND '2026-11-19' AND campaign.id IN (1, '2') "
        "ORDER BY metrics.clicks DESC, campaign.id LIMIT 5 PARAMETERS include_drafts=true"
    )
    assert query.fields == ("campaign.id", "metrics.clicks")
    assert query.resource == "campaign"
    assert query.conditions == (
        Condition("segments.date", "BETWEEN", ("2026-11-01", "2026-11-19")),
        Condition("campaign.id", "IN", ("1", "2")),
    )
    assert query.order_by == (("metrics.clicks", True), ("campaign.id", False))
    assert query.limit == 5


def test_keywords_may_be_written_small() -> None:
    query = parse("select campaign.id from campaign where campaign.status != 'REMOVED' order by campaign.id asc")
    assert query.conditions == (Condition("campaign.status", "!=", ("REMOVED",)),)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "EXPECTED_SELECT"),
        ("campaign.id FROM campaign", "EXPECTED_SELECT"),
        ("SELECT campaign.id", "EXPECTED_FROM"),
        ("SELECT FROM campaign", "UNEXPECTED_INPUT"),
        ("SELECT campaign.id, FROM campaign", "UNEXPECTED_INPUT"),
        ("SELECT campaign.id FROM 'x'", "BAD_RESOURCE_TYPE_IN_FROM_CLAUSE"),
        ("SELECT campaign.id FROM campaign WHERE campaign.id ~ 1", "BAD_SYMBOL"),
        ("SELECT campaign.id FROM campaign WHERE campaign.id NEAR 1", "BAD_OPERATOR"),
        ("SELECT campaign.id FROM campaign WHERE campaign.id = 1 campaign.id = 2", "EXPECTED_AND"),
        ("SELECT campaign.id FROM campaign WHERE campaign.id IN 1", "EXPECTED_LIST"),
        ("SELECT campaign.id FROM campaign WHERE campaign.id IN (1, 2", "EXPECTED_LIST"),
        ("SELECT campaign.id FROM campaign WHERE segments.date BETWEEN '1'", "EXPECTED_VALUE_WITH_BETWEEN_OPERATOR"),
        ("SELECT campaign.id FROM campaign ORDER campaign.id", "EXPECTED_BY"),
        ("SELECT campaign.id FROM campaign LIMIT 0", "BAD_LIMIT_VALUE"),
        ("SELECT campaign.id FROM campaign; DROP", "BAD_SYMBOL"),
        ("SELECT campaign.id FROM campaign LIMIT 1 campaign.id", "UNEXPECTED_INPUT"),
    ],
)
def test_a_malformed_query_is_refused_with_its_code(text: str, code: str) -> None:
    with pytest.raises(Refusal) as refused:
        parse(text)
    assert (refused.value.http, refused.value.family, refused.value.code) == (400, "queryError", code)
