import pytest

from pipeline.alerts.wording import moment, money, percent


@pytest.mark.parametrize(
    ("amount", "currency", "expected"),
    [
        (1234.5, "EUR", "€1,234.50"),
        (0.004, "USD", "$0.00"),
        (-0.004, "USD", "$0.00"),
        (-3, "GBP", "-£3.00"),
        (1234.5, "JPY", "¥1,234"),
        (12, "CHF", "12.00 CHF"),
        (12, "", "12.00"),
    ],
)
def test_money_reads_as_people_write_it(amount: float, currency: str, expected: str) -> None:
    assert money(amount, currency) == expected


def test_times_are_those_of_the_account() -> None:
    assert moment(1_795_215_600_000, "Asia/Kolkata") == "04:30 on 21 Nov (Asia/Kolkata)"


def test_small_percentages_keep_two_digits() -> None:
    assert [percent(value) for value in (0.456, 9.99, 134.06)] == ["0.46 %", "9.99 %", "134.1 %"]
