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
