"""What a piece of Python does, counted instead of timed: the same on every machine, at any load, in any order.

Counted are executed bytecodes in every Python frame below the call, and calls into C. Work inside a C call is not
seen: whoever moves work there is measured by the bench.
"""

import gc
import sys
from collections.abc import Callable
from dataclasses import dataclass
from types import FrameType
from typing import Any

C_CALL_WEIGHT = 10  # a call into C costs about as much as ten bytecodes


@dataclass(slots=True)
class Operations:
    """`opcodes` and `c_calls` of one call."""

    opcodes: int = 0
    c_calls: int = 0

    @property
    def weighted(self) -> int:
        return self.opcodes + C_CALL_WEIGHT * self.c_calls


def operations_of(work: Callable[[], object]) -> Operations:
    """Run `work` once and count. Slower by a factor of about 30; caches must be warm before."""
    found = Operations()

    def each_opcode(_: FrameType, event: str, __: Any) -> Any:
        if event == "opcode":
            found.opcodes += 1
        return each_opcode

    def each_frame(frame: FrameType, _: str, __: Any) -> Any:
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        return each_opcode

    def each_call(_: FrameType, event: str, __: Any) -> None:
        if event == "c_call":
            found.c_calls += 1

    before = sys.gettrace(), sys.getprofile()
    collecting = gc.isenabled()
    gc.disable()  # whoever listens to collections would be counted when one happens to fall in here
    sys.setprofile(each_call)
    sys.settrace(each_frame)
    try:
        work()
    finally:
        sys.settrace(None)
        sys.setprofile(None)
        if collecting:
            gc.enable()
        sys.setprofile(before[1])
        sys.settrace(before[0])
    found.c_calls -= 3  # those that switch tracing on and off
    return found
