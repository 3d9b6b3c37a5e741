"""What an answer means, by its number; and without one, by whether anybody answered."""

import pytest
from clickhouse_connect.driver.exceptions import DatabaseError, OperationalError, ProgrammingError

from connectors.clickhouse.codes import ACCESS, ADVICE, BUSY, PERMISSION, SCHEMA, verdict
from pipeline.errors import Misconfigured, Transient

PLACE = "127.0.0.1:8123"


def failure(code: int) -> DatabaseError:
    error = DatabaseError(f"Received ClickHouse exception, code: {code}")
    error.code = code
    return error


@pytest.mark.parametrize("code", BUSY)
def test_a_busy_server_is_asked_again(code: int) -> None:
    found = verdict(failure(code), PLACE)
    assert isinstance(found, Transient)
    assert found.code == "clickhouse_busy"
    assert BUSY[code] in found.detail


@pytest.mark.parametrize("code", ADVICE)
def test_a_server_that_takes_no_rows_is_left_alone_for_a_while_and_says_what_to_do(code: int) -> None:
    found = verdict(failure(code), PLACE)
    assert isinstance(found, Transient)
    assert found.detail.endswith(ADVICE[code])
    assert (found.retry_after_s or 0) >= 1


@pytest.mark.parametrize(
    ("table", "code"), [(SCHEMA, "schema_mismatch"), (ACCESS, "credential"), (PERMISSION, "permission")]
)
def test_what_a_person_must_mend_says_what_to_do(table: dict[int, str], code: str) -> None:
    advice = {"schema_mismatch": "pulse migrate", "credential": "clickhouse.password", "permission": "grant it"}
    for number in table:
        found = verdict(failure(number), PLACE)
        assert isinstance(found, Misconfigured)
        assert found.code == code
        assert advice[code] in found.detail


@pytest.mark.parametrize("code", [6, 36, 62, 386])
def test_a_wrong_query_or_block_is_a_bug_and_goes_through(code: int) -> None:
    error = failure(code)
    assert verdict(error, PLACE) is error


def test_nobody_there_is_away_and_a_gateways_refusal_too() -> None:
    for error in (OperationalError("cannot connect"), DatabaseError("HTTP 503 from a proxy")):
        found = verdict(error, PLACE)
        assert isinstance(found, Transient)
        assert found.code == "clickhouse_away"


def test_misuse_of_the_client_is_a_bug() -> None:
    error = ProgrammingError("no such option")
    assert verdict(error, PLACE) is error


def test_no_number_has_two_meanings() -> None:
    numbers = [*BUSY, *SCHEMA, *ACCESS, *PERMISSION]
    assert len(set(numbers)) == len(numbers)
