"""Pages pin the snapshot of their first one."""

import pytest

from connectors.simulator.google_ads_pages import TOKEN_LIFETIME_MS, Pages, Rows
from connectors.simulator.google_ads_refusal import Refusal

ROWS: Rows = [{"n": n} for n in range(7)]


def never(as_of_ms: int) -> Rows:
    raise AssertionError(as_of_ms)


def test_an_answer_is_cut_into_pages_without_loss_or_repeat() -> None:
    pages = Pages(page_rows=3)
    page = pages.first("1", "q", 100, ROWS)
    seen = list(page.rows)
    while page.token is not None:
        page = pages.next("1", "q", page.token, 200, answer_as_of=never)
        assert page.as_of_ms == 100
        seen += page.rows
    assert seen == ROWS
    assert page.total_rows == 7
    assert page.offset == 6


def test_an_answer_of_exactly_one_page_has_no_token() -> None:
    assert Pages(page_rows=7).first("1", "q", 100, ROWS).token is None


def test_a_token_outlives_the_process_by_asking_for_the_snapshot_again() -> None:
    token = Pages(page_rows=3).first("1", "q", 100, ROWS).token
    asked = []

    def again(as_of_ms: int) -> Rows:
        asked.append(as_of_ms)
        return ROWS

    page = Pages(page_rows=3).next("1", "q", token or "", 200, answer_as_of=again)
    assert page.rows == ROWS[3:6]
    assert asked == [100]


@pytest.mark.parametrize(
    ("account", "query", "token"), [("2", "q", None), ("1", "other", None), ("1", "q", "nonsense!")]
)
def test_a_token_of_another_account_or_query_is_invalid(account: str, query: str, token: str | None) -> None:
    pages = Pages(page_rows=3)
    given = token or pages.first("1", "q", 100, ROWS).token or ""
    with pytest.raises(Refusal) as refused:
        pages.next(account, query, given, 200, answer_as_of=never)
    assert refused.value.code == "INVALID_PAGE_TOKEN"


def test_a_token_expires() -> None:
    pages = Pages(page_rows=3)
    token = pages.first("1", "q", 100, ROWS).token or ""
    assert pages.next("1", "q", token, 100 + TOKEN_LIFETIME_MS, answer_as_of=never).rows == ROWS[3:6]
    with pytest.raises(Refusal) as refused:
        pages.next("1", "q", token, 101 + TOKEN_LIFETIME_MS, answer_as_of=never)
    assert refused.value.code == "EXPIRED_PAGE_TOKEN"
