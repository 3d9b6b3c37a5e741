"""Counted states as they can be made here: in Python, and in C where that was built."""

from collections.abc import Callable
from typing import Any

import pytest

from pipeline.counted import CountedState
from pipeline.per_record import native

IN_C = [False] if native is None else [False, True]
each_kind = pytest.mark.parametrize("in_c", IN_C, ids=["c" if in_c else "python" for in_c in IN_C])


def maker(topic: str, in_c: bool, **options: Any) -> Callable[[], CountedState]:
    return lambda: CountedState(topic, 0, in_c=in_c, **options)
