"""Fetches are asked for and understood as aiokafka does it; what is broken it is left to say."""

from collections.abc import Callable, Iterator
from io import BytesIO
from typing import Any

import pytest
from aiokafka.protocol.fetch import FetchRequest, FetchRequest_v11, FetchResponse_v11
from aiokafka.protocol.struct import Struct
from hypothesis import given
from hypothesis import strategies as st

from connectors.fetch_messages import speak_quickly

described = FetchResponse_v11.__mro__[1].__dict__.get("decode") or Struct.__dict__["decode"]


@pytest.fixture(autouse=True, scope="module")
def _quickly() -> Iterator[None]:
    speak_quickly()
    yield
    del FetchRequest_v11.encode, FetchResponse_v11.decode


def as_described(data: bytes) -> Any:
    decode: Callable[[Any, bytes], Any] = described.__func__
    return decode(FetchResponse_v11, data)


def int_(bits: int) -> st.SearchStrategy[int]:
    return st.integers(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


_name = st.text(max_size=12).filter(lambda text: text.isprintable())
_place = st.tuples(int_(32), int_(64), int_(32))
_part = st.tuples(
    int_(32),
    int_(16),
    int_(64),
    int_(64),
    int_(64),
    st.one_of(st.none(), st.lists(st.tuples(int_(64), int_(64)), max_size=3)),
    int_(32),
    st.one_of(st.none(), st.binary(max_size=50)),
)
_topics = st.one_of(st.none(), st.lists(st.tuples(_name, st.lists(_part, max_size=4)), max_size=4))


@given(st.lists(st.tuples(_name, st.lists(_place, max_size=4)), max_size=4), int_(32), int_(8), _name)
def test_what_is_asked_goes_out_as_the_same_bytes(topics: list[Any], number: int, isolation: int, rack: str) -> None:
    request = FetchRequest(number, 1, 2, isolation, topics, rack_id=rack).prepare({1: (0, 11)})
    assert isinstance(request, FetchRequest_v11)
    assert request.encode() == Struct.encode(request)


def test_a_request_that_forgets_partitions_does_too() -> None:
    request = FetchRequest(1, 1, 2, 0, [("t", [(0, 5, 6)])]).prepare({1: (0, 11)})
    request.__dict__["forgotten_topics_data"] = [("t", [1, 2])]
    assert request.encode() == Struct.encode(request)


@given(int_(32), int_(16), int_(32), _topics)
def test_the_answer_is_understood_alike(throttled_ms: int, failed: int, session: int, topics: Any) -> None:
    data = Struct.encode(FetchResponse_v11(throttled_ms, failed, session, topics))
    for form in (data, BytesIO(data)):
        assert FetchResponse_v11.decode(form).__dict__ == as_described(data).__dict__


@given(_topics, st.data())
def test_a_broken_answer_is_told_as_aiokafka_tells_it(topics: Any, data: st.DataObject) -> None:
    whole = bytearray(Struct.encode(FetchResponse_v11(0, 0, 0, topics)))
    if data.draw(st.booleans()):
        whole = whole[: data.draw(st.integers(0, len(whole)))]
    if whole and data.draw(st.booleans()):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 2))
    try:
        theirs: Any = as_described(bytes(whole)).__dict__
    except Exception as error:  # noqa: BLE001
        theirs = type(error)
    try:
        ours: Any = FetchResponse_v11.decode(BytesIO(bytes(whole))).__dict__
    except Exception as error:  # noqa: BLE001
        ours = type(error)
    assert ours == theirs


def test_an_answer_read_behind_its_header_begins_there() -> None:
    data = Struct.encode(FetchResponse_v11(1, 2, 3, [("t", [(0, 0, 9, 9, 0, None, -1, b"records")])]))
    stream = BytesIO(b"head" + data)
    stream.read(4)
    assert FetchResponse_v11.decode(stream).topics == [("t", [(0, 0, 9, 9, 0, None, -1, b"records")])]
