"""Totals put together from pieces are, byte for byte, those that the codec of all totals makes."""

from hypothesis import given
from hypothesis import strategies as st

from pipeline.counted_rows import FINAL, Campaign, measures_in, name_of
from pipeline.counted_slots import Slot
from pipeline.counted_totals import TotalTexts
from pipeline.per_record import BUILT
from pipeline.total_codec import encode_total, total_id, total_out
from pipeline.versions import offset_of, order_of, version_of
from schemas.measures import MEASURES
from schemas.window import Window

IDS = st.text("abcXYZ019_.-", min_size=1, max_size=12)
INSTANTS = st.integers(0, 2**42).map(lambda s: s * 1000)
ROWS = st.tuples(
    st.integers(0, 499),
    st.integers(0, 2**41),
    INSTANTS,
    st.integers(0, 10_000),
    st.integers(0, 3),
    st.lists(
        st.one_of(st.integers(0, 3), st.integers(0, 2**63 - 1), st.integers(2**63, 2**70)), max_size=len(MEASURES)
    ),
)


@given(
    st.tuples(st.sampled_from(["meta", "google_ads"]), IDS, IDS),
    st.one_of(st.just(""), IDS),
    st.sampled_from(sorted(map(str, Window))),
    st.tuples(INSTANTS, INSTANTS),
    st.tuples(st.sampled_from(["UTC", "America/Argentina/Buenos_Aires"]), st.sampled_from(["", "EUR"])),
    st.lists(ROWS, min_size=1, max_size=3),
    st.booleans(),
    st.sampled_from([False, BUILT]),
)
def test_the_bytes_are_those_of_the_codec(
    parts: tuple[str, str, str],
    ad_id: str,
    window: str,
    bounds: tuple[int, int],
    place: tuple[str, str],
    rows: list[tuple[int, int, int, int, int, list[int]]],
    settled: bool,
    in_c: bool,
) -> None:
    key = ":".join(parts)
    campaign, slot = Campaign(key, zone=place[0], currency=place[1]), Slot(window, *bounds)
    kept = [[order_of(generation, offset), *rest, *measures] for generation, offset, *rest, measures in rows]
    texts = TotalTexts("raw.%events.v1", 7, {key.encode(): campaign}, in_c=in_c)
    found = texts.totals([(slot, name_of(key, ad_id), row) for row in kept], settled=settled)
    for (name, value), row in zip(found, kept, strict=True):
        expected = total_out(
            1, total_id(key, "", ad_id, "counted", window, bounds[0]), key, *parts, "ad" if ad_id else "campaign", "",
            ad_id, "counted", window, *bounds, *place, *measures_in(row), row[1], row[2], bool(row[3] & FINAL), settled,
            version_of(row[0], settled=settled, is_final=bool(row[3] & FINAL)), "raw.%events.v1", 7, offset_of(row[0]),
        )  # fmt: skip
        assert (name, value) == (expected.total_id.encode(), encode_total(expected))
