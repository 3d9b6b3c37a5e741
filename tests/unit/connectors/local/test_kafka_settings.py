"""The broker's settings as a file."""

from pathlib import Path

from connectors.local.kafka_settings import SETTINGS, new_cluster_id, text


def read(content: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in content.splitlines())


def test_overrides_win_and_everything_else_stays() -> None:
    lines = read(text(Path("/data"), {"broker": 1, "controller": 2}, {"num.partitions": "9", "extra": "x"}))
    assert lines["num.partitions"] == "9"
    assert lines["extra"] == "x"
    assert lines["log.dirs"] == "/data"
    assert SETTINGS.items() - lines.items() == {("num.partitions", "4")}


def test_the_quorum_names_the_controllers_port_and_clients_get_the_brokers() -> None:
    lines = read(text(Path("/data"), {"broker": 1, "controller": 2}, {}))
    assert lines["controller.quorum.bootstrap.servers"] == "127.0.0.1:2"
    assert lines["listeners"] == "PLAINTEXT://127.0.0.1:1,CONTROLLER://127.0.0.1:2"


def test_a_backslash_survives_the_properties_form() -> None:
    assert "extra=a\\\\b\n" in text(Path("/data"), {"broker": 1, "controller": 2}, {"extra": "a\\b"})


def test_cluster_ids_differ_and_are_never_taken_for_an_option() -> None:
    made = {new_cluster_id() for _ in range(500)}
    assert len(made) == 500
    assert all(len(each) == 22 and not each.startswith("-") for each in made)
