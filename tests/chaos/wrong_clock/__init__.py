"""This folder on PYTHONPATH gives a Python process a wall clock that is wrong: see `sitecustomize`."""

from pathlib import Path

from tests.chaos.wrong_clock.sitecustomize import VARIABLE

FOLDER = str(Path(__file__).parent)


def environment(wrong_s: float, *, after_s: float = 0.0) -> dict[str, str]:
    """For a process whose clock is `wrong_s` ahead (negative: behind) from `after_s` after its start on."""
    return {"PYTHONPATH": FOLDER, VARIABLE: f"{wrong_s},{after_s}"}
