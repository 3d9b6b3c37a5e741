"""Durations as people write them: 90s, 5m, 2h, 1d, or plain seconds."""

import re

import typer

UNITS_S = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400}


def seconds_of(text: str) -> float:
    """Raises typer.BadParameter with the accepted forms."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd]?)", text.strip())
    if match is None:
        raise typer.BadParameter(f"{text!r} is not a duration; write 90s, 5m, 2h, 1d, or a number of seconds")
    return float(match[1]) * UNITS_S[match[2]]
