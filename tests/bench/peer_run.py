"""One run of one peer: fresh topics and group, start, follow what it publishes, end it, judge its totals."""

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tests.bench.cluster import Cluster, OutTopic
from tests.bench.dataset import Dataset, Totals
from tests.bench.figures import Sample
from tests.bench.peer import Peer
from tests.bench.process_cpu import ended, orphans_of, usage

POLL_S = 0.1
STALL_S = 60.0
LIMIT_S = 900.0
TERM_S = 3.0
TAIL_CHARACTERS = 300


@dataclass(frozen=True, slots=True)
class Run:
    """`void` says why a run does not count; empty when its totals equal the recount."""

    system: str
    events: int
    cpu_s: float
    wall_s: float
    rss_mb: float
    void: str
    samples: list[Sample] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def run_peer(peer: Peer, data: Dataset, cluster: Cluster) -> Run:
    """CPU from the start to complete totals; what it spends on ending does not count."""
    name = cluster.next_run(peer.name)
    out = f"{name}.out"
    cluster.create(out)
    with tempfile.TemporaryDirectory(prefix="pulse-bench-") as folder:
        variables = {
            "BENCH_BOOTSTRAP": cluster.bootstrap,
            "BENCH_IN": data.topic,
            "BENCH_OUT": out,
            "BENCH_GROUP": name,
            "BENCH_PARTITIONS": str(cluster.partitions),
            "BENCH_EVENTS": str(data.events),
            "BENCH_STATE": str(Path(folder) / "state"),
            "BENCH_CACHE": str(peer.cache),
            **dict(peer.environment),
        }
        (Path(folder) / "state").mkdir()
        log = Path(folder) / "log"
        published = OutTopic(cluster, out)
        committed: Callable[[], int] | None = (
            (lambda: cluster.committed(name, data.topic)) if peer.progress == "committed" else None
        )
        with log.open("wb") as sink:
            process = subprocess.Popen(
                peer.command(peer.run, variables),
                cwd=peer.cache / "src",
                env={**os.environ, **variables},
                stdout=sink,
                stderr=sink,
                start_new_session=True,
            )
        try:
            followed = follow(process.pid, data, published, committed)
        finally:
            end(process)
        published.read_to_end()
        published.close()
        void = followed.stopped or difference(published.totals, data.expected)
        if followed.stopped:
            void += f"; its last words: {last_words(log)}"
        cluster.delete_of(name)
        facts = {"records_out": published.records}
        return Run(
            peer.name, data.events, followed.cpu_s, followed.wall_s, followed.rss_mb, void, followed.samples, facts
        )


@dataclass(slots=True)
class Followed:
    """`stopped`: why it will never be complete; empty when it was."""

    cpu_s: float = 0.0
    wall_s: float = 0.0
    rss_mb: float = 0.0
    stopped: str = ""
    samples: list[Sample] = field(default_factory=list)


def follow(pid: int, data: Dataset, published: OutTopic, committed: Callable[[], int] | None) -> Followed:
    """Until the totals hold every event, the process ended, or nothing has moved for a minute."""
    found, started = Followed(), time.monotonic()
    moved, last = started, (-1, -1)
    while True:
        gone = ended(pid)
        published.read(POLL_S)
        used, now = usage([pid]), time.monotonic()
        done = committed() if committed is not None else published.events
        if not found.samples or done != found.samples[-1][0]:
            found.samples.append((done, round(used.cpu_s, 3)))
        found.cpu_s, found.wall_s, found.rss_mb = used.cpu_s, now - started, max(found.rss_mb, used.rss_mb)
        if published.events >= data.events:
            return found
        if (done, published.records) != last:
            moved, last = now, (done, published.records)
        if gone:
            published.read_to_end()
            found.stopped = "" if published.events >= data.events else "it ended before its totals were complete"
            return found
        if now - moved > STALL_S or now - started > LIMIT_S:
            found.stopped = f"totals hold {published.events:,} of {data.events:,} events after {now - started:.0f} s"
            return found


def end(process: "subprocess.Popen[bytes]") -> None:
    """SIGTERM to the group, then SIGKILL; leaves no process behind, and no zombie."""
    for number, patience_s in ((signal.SIGTERM, TERM_S), (signal.SIGKILL, TERM_S)):
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            break
        deadline = time.monotonic() + patience_s
        while not ended(process.pid) and time.monotonic() < deadline:
            time.sleep(0.02)
        if number == signal.SIGTERM and ended(process.pid) and not orphans_of(process.pid, alive=True):
            break
    for pid in orphans_of(process.pid, alive=False):
        os.waitpid(pid, 0)
    process.wait(TERM_S)


def last_words(log: Path) -> str:
    """The end of a log in one line, fit for a table's note."""
    return " ".join(log.read_text(errors="replace").split())[-TAIL_CHARACTERS:]


def difference(found: Totals, expected: Totals) -> str:
    """What is other than the recount, with one example; empty when nothing is."""
    wrong = [place for place in expected.keys() | found.keys() if found.get(place) != expected.get(place)]
    if not wrong:
        return ""
    campaign, window_ms = min(wrong)
    place = (campaign, window_ms)
    return (
        f"{len(wrong):,} of {len(expected):,} totals differ from the recount, "
        f"e.g. {campaign} at {window_ms}: {found.get(place)} instead of {expected.get(place)}"
    )
