"""What is picked for the judge out of the bytes of a fetch is what Python picks, whatever keys and values say."""

from hypothesis import given
from hypothesis import strategies as st

from pipeline.alerts.worth_judging import worth_judging
from tests.property.test_wire_records import as_tuples, batch_of, built
from tests.wire_reading import WireRecords, read_batches

PARTS = st.sampled_from([b"meta:1:c", b"", b"a", b"counted", b"reported", b"1h", b"1d", b"5m", b"1790000000", b"\xff"])
KEYS = st.one_of(
    st.none(),
    st.lists(PARTS, max_size=7).map(b"|".join),
    st.builds(
        b"meta:1:c|%b|%b|%b|%b|1790000000".__mod__,
        st.tuples(st.sampled_from([b"", b"g"]), st.sampled_from([b"", b"ad"]), PARTS, PARTS),
    ),
)
VALUES = st.one_of(
    st.none(),
    st.lists(
        st.sampled_from(
            [b"{", b'"is_final":false', b'"is_final":true', b'"daily_budget_micros":null', b'"daily_budget_micros":0',
             b",", b'\\"is_final\\":false', b'"is_final":', b"false"]
        ),
        max_size=4,
    ).map(b"".join),
)  # fmt: skip


@given(st.lists(st.tuples(KEYS, VALUES), max_size=12), st.integers(-1, 12))
def test_the_records_are_those_that_python_picks(
    pairs: list[tuple[bytes | None, bytes | None]], counted_to: int
) -> None:
    batches = (
        [batch_of(built(0, [(number, key, value, []) for number, (key, value) in enumerate(pairs)]))] if pairs else []
    )
    ours, replayed = worth_judging(WireRecords(batches), counted_to)
    theirs, before = worth_judging(read_batches(batches), counted_to)
    assert (as_tuples(ours), replayed) == (as_tuples(theirs), before)


@given(st.lists(st.sampled_from([b"false", b"true ", b" true"]), max_size=12), st.integers(0, 3))
def test_what_was_said_of_one_total_is_not_taken_for_said_of_the_next(finals: list[bytes], ahead: int) -> None:
    """They are of one form, so that what differs stands in the same place."""
    pairs: list[tuple[bytes | None, bytes | None]] = []
    for number, final in enumerate(finals):
        body = b" " * (number % (ahead + 1)) + b'{"is_final":%b,"daily_budget_micros":%b}' % (
            final,
            final.replace(b"false", b"null "),
        )
        window = b"1h" if number % 2 else b"1d"
        pairs.append((b"meta:1:c|||counted|%b|1790000000" % window, body))
    batches = (
        [batch_of(built(0, [(number, key, value, []) for number, (key, value) in enumerate(pairs)]))] if pairs else []
    )
    ours, _ = worth_judging(WireRecords(batches), -1)
    theirs, _ = worth_judging(read_batches(batches), -1)
    assert as_tuples(ours) == as_tuples(theirs)
