"""The bench tells right totals from wrong ones, on real parts, at a small size. How fast anything is, is no test."""

import shutil
from pathlib import Path

import pytest

from tests.bench import peer_run
from tests.bench.cluster import Cluster
from tests.bench.dataset import Dataset, write
from tests.bench.our_run import OURS, run_ours
from tests.bench.peer import PEERS, Peer, prepare, read_peer
from tests.bench.peer_run import Run, run_peer

EVENTS, CAMPAIGNS = 5_000, 50
BUILT_HERE = ["aiokafka_batches", *(["c_floor"] if shutil.which("gcc") else [])]


@pytest.fixture(scope="module")
def cluster(kafka_bootstrap: str) -> Cluster:
    return Cluster(kafka_bootstrap, prefix="bench-test")


@pytest.fixture(scope="module")
def data(cluster: Cluster) -> Dataset:
    return write(cluster, EVENTS, CAMPAIGNS)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(peer_run, "STALL_S", 8.0)


def run(peer: Peer, data: Dataset, cluster: Cluster) -> Run:
    prepare(peer)
    return run_peer(peer, data, cluster)


def altered(tmp_path: Path, line: str, by: str) -> Peer:
    """The peer with one line of its job changed."""
    folder = tmp_path / "altered"
    shutil.copytree(PEERS / "aiokafka_batches", folder, ignore=shutil.ignore_patterns("__pycache__"))
    job = (folder / "job.py").read_text()
    assert job.count(line) == 1
    (folder / "job.py").write_text(job.replace(line, by))
    return read_peer(folder)


def test_the_recount_has_every_event_once(data: Dataset) -> None:
    assert sum(sum(row[:3]) for row in data.expected.values()) == EVENTS
    assert len({campaign for campaign, _ in data.expected}) == CAMPAIGNS


@pytest.mark.parametrize("name", BUILT_HERE)
def test_a_peer_has_the_totals_of_the_recount(name: str, data: Dataset, cluster: Cluster) -> None:
    found = run(read_peer(PEERS / name), data, cluster)
    assert found.void == ""
    assert found.rss_mb > 1
    assert found.samples[-1][0] == EVENTS


def test_our_program_has_the_totals_of_the_recount(data: Dataset, cluster: Cluster) -> None:
    found = run_ours(next(each for each in OURS if each.name == "ours_2"), data, cluster)
    assert found.void == ""
    assert found.cpu_s > 0


def test_a_run_with_another_sum_is_void(tmp_path: Path, data: Dataset, cluster: Cluster) -> None:
    wrong = altered(tmp_path, "row[3] += event.spend_micros", "row[3] += event.spend_micros + (event.at % 1000 == 7)")
    assert "differ from the recount" in run(wrong, data, cluster).void


def test_a_run_that_counts_twice_is_void(tmp_path: Path, data: Dataset, cluster: Cluster) -> None:
    wrong = altered(tmp_path, "row[measure[event.type]] += 1", "row[measure[event.type]] += 1 + (event.at % 1000 == 7)")
    assert "differ from the recount" in run(wrong, data, cluster).void


def test_a_run_that_loses_events_is_void(tmp_path: Path, data: Dataset, cluster: Cluster) -> None:
    wrong = altered(tmp_path, "for record in records:\n", "for record in records[1:]:\n")
    assert f"of {EVENTS:,} events" in run(wrong, data, cluster).void


def test_a_run_that_ends_early_is_void_with_its_last_words(tmp_path: Path, data: Dataset, cluster: Cluster) -> None:
    wrong = altered(tmp_path, "asyncio.run(main())", 'raise SystemExit("no such setting")')
    assert run(wrong, data, cluster).void == "it ended before its totals were complete; its last words: no such setting"
