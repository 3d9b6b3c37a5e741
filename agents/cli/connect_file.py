"""Stub."""


def file() -> None:
    """Read a recorded file."""
