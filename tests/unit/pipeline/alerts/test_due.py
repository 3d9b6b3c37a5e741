from pipeline.alerts.due import HOUR_MS, Due


def test_a_key_is_due_at_the_next_full_hour_and_until_it_is_scheduled_anew() -> None:
    due = Due()
    due.schedule("a", 1)
    assert due.at(HOUR_MS - 1) == []
    assert due.at(HOUR_MS) == ["a"]
    assert due.at(5 * HOUR_MS) == ["a"]
    due.schedule("a", 6 * HOUR_MS)
    assert due.at(7 * HOUR_MS - 1) == []
    assert due.at(7 * HOUR_MS) == ["a"]


def test_a_key_that_is_never_due_again_is_forgotten() -> None:
    due = Due()
    due.schedule("a", 1)
    due.schedule("a", None)
    due.schedule("b", None)
    assert due.at(10 * HOUR_MS) == []
