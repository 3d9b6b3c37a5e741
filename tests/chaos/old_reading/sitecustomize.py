"""Loaded by the interpreter at its start, if this folder is on its path: refuses events that are longer than they
may be in this "older version", though they are good. A mended version is one without this."""

import os

MOST_BYTES = 400


def read_as_before() -> None:
    from pipeline import counted, event_refusal, events

    for module in (event_refusal, events, counted):
        vars(module)["MAX_EVENT_BYTES"] = MOST_BYTES


if os.environ.get("CHAOS_OLD_READING"):
    read_as_before()
