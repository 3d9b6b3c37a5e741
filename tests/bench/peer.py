"""A peer: another system doing the plain job. What its folder says, its parts made ready once, and how it is started.

`tests/bench/peers/README.md` is the protocol.
"""

import hashlib
import os
import shutil
import string
import subprocess
import sys
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

PEERS = Path(__file__).parent / "peers"
DEFAULT_CACHE = Path.home() / ".cache" / "campaign-pulse" / "bench"
PREPARE_LIMIT_S = 900
TAIL_CHARACTERS = 160

Kind = Literal["python", "jvm", "c"]
# (short, long) events. A JVM has one length: its cost is the slope within the run, once it is warm.
LENGTHS: Mapping[Kind, tuple[int, int]] = {
    "c": (1_000_000, 4_000_000),
    "python": (200_000, 1_000_000),
    "jvm": (0, 4_000_000),
}
QUICK_LENGTHS: Mapping[Kind, tuple[int, int]] = {
    "c": (250_000, 1_000_000),
    "python": (50_000, 250_000),
    "jvm": (0, 1_000_000),
}


class Missing(Exception):
    """A peer cannot run here; the text says which part is missing, in plain words."""


@dataclass(frozen=True, slots=True)
class Peer:
    """`lengths` and `quick_lengths` are events of a short and a long run; short is 0 for a JVM."""

    name: str
    folder: Path
    title: str
    version: str
    kind: Kind
    note: str
    plain_job: bool
    prepare: tuple[tuple[str, ...], ...]
    run: tuple[str, ...]
    needs: tuple[str, ...]
    lengths: tuple[int, int]
    quick_lengths: tuple[int, int]
    progress: Literal["totals", "committed"] = "totals"
    environment: tuple[tuple[str, str], ...] = ()

    @property
    def digest(self) -> str:
        """12 hexadecimal digits over names and contents of the folder."""
        whole = hashlib.sha256()
        for path in _files(self.folder):
            whole.update(path.relative_to(self.folder).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
        return whole.hexdigest()[:12]

    @property
    def cache(self) -> Path:
        """Where `prepare` builds, once per digest."""
        return Path(os.environ.get("BENCH_CACHE") or DEFAULT_CACHE) / f"{self.name}-{self.digest}"

    def command(self, parts: tuple[str, ...], variables: Mapping[str, str]) -> list[str]:
        """`$NAME` of the run's environment, $PYTHON and $HERE filled in."""
        known = {**variables, "PYTHON": sys.executable, "HERE": str(self.cache / "src"), "BENCH_CACHE": str(self.cache)}
        return [string.Template(part).safe_substitute(known) for part in parts]


def read_peer(folder: Path) -> Peer:
    """Out of `peer.toml`; KeyError or ValueError name what is wrong in it."""
    told = tomllib.loads((folder / "peer.toml").read_text())
    kind: Kind = told["kind"]
    if kind not in LENGTHS:
        raise ValueError(f"{folder.name}/peer.toml: kind is {kind!r}; it can be {', '.join(LENGTHS)}")
    progress = told.get("progress", "totals")
    if progress not in {"totals", "committed"}:
        raise ValueError(f"{folder.name}/peer.toml: progress is {progress!r}; it can be totals, committed")
    return Peer(
        name=folder.name,
        folder=folder,
        title=told["title"],
        version=told["version"],
        kind=kind,
        note=told.get("note", ""),
        plain_job=told.get("plain_job", True),
        prepare=tuple(tuple(command) for command in told.get("prepare", ())),
        run=tuple(told["run"]),
        needs=tuple(told.get("needs", ())),
        lengths=_pair(told.get("lengths", LENGTHS[kind])),
        quick_lengths=_pair(told.get("quick_lengths", QUICK_LENGTHS[kind])),
        progress=progress,
        environment=tuple(sorted(told.get("environment", {}).items())),
    )


def all_peers() -> list[Peer]:
    """Every folder with a `peer.toml`, by name."""
    return [read_peer(path.parent) for path in sorted(PEERS.glob("*/peer.toml"))]


def prepare(peer: Peer) -> None:
    """Builds into the cache unless it is there. Raises Missing when a program or a package cannot be had."""
    for program in peer.needs:
        if shutil.which(program) is None:
            raise Missing(f"no {program} here")
    ready = peer.cache / "ready"
    if ready.exists():
        return
    shutil.rmtree(peer.cache, ignore_errors=True)
    peer.cache.mkdir(parents=True)
    # Builds work on a copy: what they write next to the sources must not change the digest, or the checkout.
    shutil.copytree(peer.folder, peer.cache / "src", ignore=shutil.ignore_patterns("__pycache__"))
    with (peer.cache / "prepare.log").open("wb") as log:
        for parts in peer.prepare:
            _build(peer, peer.command(parts, os.environ), log.fileno())
    ready.touch()


def _build(peer: Peer, command: list[str], log: int) -> None:
    environment = {**os.environ, "BENCH_CACHE": str(peer.cache), "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    try:
        ended = subprocess.run(
            command,
            cwd=peer.cache / "src",
            env=environment,
            stdout=log,
            stderr=log,
            timeout=PREPARE_LIMIT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Missing(f"`{Path(command[0]).name}` did not work: {error}") from None
    if ended.returncode:
        lines = (peer.cache / "prepare.log").read_text(errors="replace").strip().splitlines() or [""]
        raise Missing(f"`{' '.join([Path(command[0]).name, *command[1:3]])}` failed: {lines[-1][:TAIL_CHARACTERS]}")


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)


def _pair(lengths: Sequence[int]) -> tuple[int, int]:
    short, long = lengths
    if not 0 <= short < long:
        raise ValueError(f"lengths are (short, long), not {lengths}")
    return short, long
