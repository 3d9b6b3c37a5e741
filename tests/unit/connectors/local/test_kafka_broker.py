"""How the broker of this machine is started: for a test, or for minutes of load."""

from pathlib import Path

import pytest

from connectors.local import kafka_jars, kafka_settings
from connectors.local.kafka_broker import KafkaBroker
from connectors.local.kafka_jars import KafkaJars


@pytest.mark.parametrize("lasting", [False, True])
def test_a_lasting_broker_compiles_its_code_as_brokers_elsewhere_do(
    lasting: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jars = KafkaJars(Path("/java"), "4", tmp_path, tmp_path, None)
    monkeypatch.setattr(kafka_jars, "resolve", lambda _progress: jars)
    broker = KafkaBroker(tmp_path, lasting=lasting)
    monkeypatch.setattr(broker, "_format", lambda _formatted: None)
    argv = broker._command({"broker": 1, "controller": 2}).argv
    level = [flag for flag in argv if flag.startswith("-XX:TieredStopAtLevel=")][-1]  # the last one counts
    assert (level in kafka_settings.LASTING_FLAGS) is lasting
