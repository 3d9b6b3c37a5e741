"""Ports on the loopback that a data directory keeps from start to start."""

import os
import random
import socket
from collections.abc import Mapping
from pathlib import Path

import orjson

from pipeline.codes import MisconfiguredCode
from pipeline.errors import Misconfigured

HOST = "127.0.0.1"
# Below the ephemeral range (32768 and up on Linux): a client that keeps asking for a stopped server's port
# could be given that very port as its own source port, connect to itself, and keep the server from coming back.
LOWEST, HIGHEST = 20_000, 32_000


def choose_ports(remembered: Path, wanted: Mapping[str, int]) -> dict[str, int]:
    """One port per name: the wanted one (0: any), else the remembered one while it is free, else a free one.

    The choice is written to `remembered` (JSON, name to number). Raises Misconfigured(PORT_IN_USE) when a
    wanted port is taken.
    """
    before = _read(remembered)
    chosen: dict[str, int] = {}
    for name, port in wanted.items():
        if port:
            if not is_free(port):
                raise Misconfigured(
                    MisconfiguredCode.PORT_IN_USE,
                    f"Port {port} on {HOST} ({name}) is taken by another program; "
                    "end that program, choose another port, or leave the port 0 to have a free one found.",
                )
            chosen[name] = port
        elif (last := before.get(name)) and last not in chosen.values() and is_free(last):
            chosen[name] = last
        else:
            chosen[name] = _any_free(avoid={*chosen.values(), *before.values()})
    if chosen != before:
        remembered.parent.mkdir(parents=True, exist_ok=True)
        beside = remembered.with_name(remembered.name + ".new")
        beside.write_bytes(orjson.dumps(chosen))
        os.replace(beside, remembered)
    return chosen


def is_free(port: int) -> bool:
    """Whether a server could listen there now. Connections of an ended server that linger do not count."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def answers(port: int) -> bool:
    """Whether something accepts a connection there."""
    with socket.socket() as probe:
        probe.settimeout(1.0)
        return probe.connect_ex((HOST, port)) == 0


def _any_free(avoid: set[int]) -> int:
    dice = random.SystemRandom()
    for _ in range(1000):
        port = dice.randint(LOWEST, HIGHEST)
        if port not in avoid and is_free(port):
            return port
    raise Misconfigured(
        MisconfiguredCode.PORT_IN_USE, f"No free port between {LOWEST} and {HIGHEST} on {HOST}; end other programs."
    )


def _read(remembered: Path) -> dict[str, int]:
    """A file that is missing or damaged costs only new port numbers."""
    try:
        saved = orjson.loads(remembered.read_bytes())
    except (FileNotFoundError, orjson.JSONDecodeError):
        return {}
    if not isinstance(saved, dict):
        return {}
    return {str(name): port for name, port in saved.items() if isinstance(port, int)}
