from pipeline.alerts.campaign_state import LATE_MS, BasisState, RuleState
from pipeline.alerts.rule import NOT_ENOUGH, QUIET
from pipeline.alerts.series import END, HOUR_WIDTH, SPEND, START, Series


def series(*starts: int) -> Series:
    made = Series(HOUR_WIDTH)
    for start in starts:
        made.insert([start, start + 1, 1, 0, 0, 0, 0, start * 10, 0, 0], local_hour=start % 24)
    return made


def test_windows_are_in_time_order_however_they_come() -> None:
    made = series(5, 1, 3)
    assert list(made.columns[START]) == [1, 3, 5]
    assert list(made.columns[SPEND]) == [10, 30, 50]
    assert list(made.local_hours) == [1, 3, 5]
    assert made.newest_end_ms == 6


def test_a_window_is_found_by_its_start_only() -> None:
    made = series(1, 3)
    assert [made.find(start) for start in (0, 1, 2, 3, 4)] == [None, 0, None, 1, None]
    assert Series(HOUR_WIDTH).find(1) is None
    assert Series(HOUR_WIDTH).newest_end_ms == -1


def test_a_series_survives_its_dump_and_negative_figures_do_too() -> None:
    made = series(1, 3)
    made.replace(0, [1, 2, 9, -5, 0, 0, 0, -(2**62), 0, 0])
    again = Series.restore(made.dump())
    assert again.columns == made.columns
    assert again.local_hours == made.local_hours
    again.drop_first(1)
    assert list(again.columns[END]) == [4]


def test_verdicts_that_depend_on_a_changed_hour_are_taken_back_and_others_stay() -> None:
    state = BasisState(hours=series(1, 2, 3, 4))
    state.rules = {name: RuleState(codes=bytearray([QUIET] * 4)) for name in ("spend", "ctr")}
    state.hour_changed(2, frozenset({SPEND}), {"spend": frozenset({SPEND}), "ctr": frozenset()})
    assert len(state.rules["spend"].codes) == 2
    assert len(state.rules["ctr"].codes) == 4


def test_an_hour_first_heard_of_days_late_is_baseline_and_its_verdict_is_not_enough_data() -> None:
    state = BasisState(hours=series(1, 2, LATE_MS + 10))
    state.rules = {"spend": RuleState(codes=bytearray([QUIET] * 2))}
    state.hour_changed(0, None, {})
    assert list(state.rules["spend"].codes) == [NOT_ENOUGH, QUIET, QUIET]
