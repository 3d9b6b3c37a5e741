"""One JSON file per measurement under `results/`, and the same as a few lines for people."""

import datetime
import json
import platform
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.bench.machine import machine

RESULTS = Path(__file__).resolve().parent / "results"


@dataclass(frozen=True, slots=True)
class Result:
    """`values`: figure -> number, its unit at the end of the name. `asked`: the most the figure may be.

    `runs`: what was seen, run by run. `quick`: a short form, which is shown but not kept.
    """

    measure: str
    values: Mapping[str, float | None]
    asked: Mapping[str, float]
    runs: Sequence[Mapping[str, Any]] = field(default_factory=list)
    quick: bool = False

    def as_dict(self) -> dict[str, Any]:
        return {
            "measure": self.measure,
            "day": datetime.datetime.now(datetime.UTC).date().isoformat(),
            "machine": {**machine(), "python": platform.python_version()},
            "command": f"python -m tests.bench.{self.measure} {' '.join(sys.argv[1:])}".strip(),
            "asked": dict(self.asked),
            "values": dict(self.values),
            "runs": list(self.runs),
        }

    def write(self, *, as_json: bool) -> None:
        """To `results/<measure>.json` unless it is a short form, and to stdout."""
        found = self.as_dict()
        if not self.quick:
            RESULTS.mkdir(exist_ok=True)
            (RESULTS / f"{self.measure}.json").write_text(json.dumps(found, indent=1) + "\n")
        sys.stdout.write(json.dumps(found) + "\n" if as_json else "".join(self._lines()))

    def _lines(self) -> list[str]:
        lines = [f"{self.measure}{' (short form)' if self.quick else ''}\n"]
        for name, value in self.values.items():
            limit = self.asked.get(name)
            asked = "" if limit is None else f"  asked {limit:g}{'' if value is None or value <= limit else '  MISSED'}"
            lines.append(f"  {name:<44} {'-' if value is None else f'{value:,.2f}':>12}{asked}\n")
        return lines


def percentile(values: Sequence[float], share: float) -> float | None:
    """The smallest value that `share` (0 to 1) of the values do not exceed; None of nothing."""
    if not values:
        return None
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, -int(-share * len(ordered) // 1) - 1))]
