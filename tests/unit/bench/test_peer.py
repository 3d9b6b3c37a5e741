"""What a peer's folder says, and that what cannot be had is missing in plain words."""

from pathlib import Path

import pytest

from tests.bench.peer import Missing, all_peers, prepare, read_peer

TOLD = 'title = "A peer"\nversion = "1"\nkind = "c"\nrun = ["$BENCH_CACHE/job", "$BENCH_IN", "$PYTHON"]\n'


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))
    made = tmp_path / "a_peer"
    made.mkdir()
    (made / "peer.toml").write_text(TOLD)
    return made


def test_every_peer_of_the_checkout_can_be_read() -> None:
    names = {peer.name for peer in all_peers()}
    assert {"c_floor", "aiokafka_batches", "confluent", "faust_table", "quix", "bytewax"} <= names


def test_variables_of_a_command_are_filled_in(folder: Path) -> None:
    peer = read_peer(folder)
    command = peer.command(peer.run, {"BENCH_IN": "events"})
    assert command[:2] == [f"{peer.cache}/job", "events"]
    assert Path(command[2]).exists()


def test_another_content_is_another_cache(folder: Path) -> None:
    before = read_peer(folder).cache
    (folder / "job.c").write_text("int main(void) { return 0; }")
    assert read_peer(folder).cache != before
    assert read_peer(folder).cache.name.startswith("a_peer-")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('kind = "cobol"', "kind is 'cobol'"),
        ('progress = "guess"', "progress is 'guess'"),
        ("lengths = [9, 3]", "lengths"),
    ],
)
def test_a_folder_that_says_nonsense_is_refused(folder: Path, line: str, said: str) -> None:
    text = TOLD.replace('kind = "c"\n', "") if line.startswith("kind") else TOLD
    (folder / "peer.toml").write_text(f"{text}{line}\n")
    with pytest.raises(ValueError, match=said):
        read_peer(folder)


def test_a_missing_program_is_named(folder: Path) -> None:
    (folder / "peer.toml").write_text(f'{TOLD}needs = ["no-such-compiler"]\n')
    with pytest.raises(Missing, match="no no-such-compiler here"):
        prepare(read_peer(folder))


def test_a_build_that_fails_leaves_the_peer_missing_and_is_tried_again(folder: Path) -> None:
    (folder / "peer.toml").write_text(f'{TOLD}prepare = [["sh", "-c", "echo no network; exit 3"]]\n')
    for _ in range(2):
        with pytest.raises(Missing, match="failed: no network"):
            prepare(read_peer(folder))


def test_a_build_happens_once_and_beside_the_checkout(folder: Path) -> None:
    count = folder.parent / "builds"
    (folder / "peer.toml").write_text(f'{TOLD}prepare = [["sh", "-c", "echo x >> {count}; touch litter"]]\n')
    for _ in range(2):
        prepare(read_peer(folder))
    assert count.read_text() == "x\n"
    assert sorted(path.name for path in folder.iterdir()) == ["peer.toml"]
