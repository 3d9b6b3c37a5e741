"""The compose file: a real parser takes it, and what it says is true of the code it starts."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from compose_spec import PyCompose, PyOptions

from agents.cli.main import run
from connectors.settings import load_settings
from tests.contract.generated import ROOT

TEXT = (ROOT / "docker-compose.yml").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load(TEXT)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if "build" in service}
KAFKA_POM = (ROOT / "infra" / "kafka" / "pom.xml").read_text()


def environment(service: dict[str, Any]) -> dict[str, str]:
    """As compose hands it over when nothing is set on the host."""
    return {
        name: re.sub(r"\$\{\w+(?::-([^}]*))?\}", lambda match: match[1] or "", str(value))
        for name, value in service.get("environment", {}).items()
    }


def test_a_real_compose_parser_takes_it() -> None:
    parsed = PyOptions(apply_merge=True).from_yaml(TEXT)
    parsed.validate()
    assert set(parsed.service_names()) == set(SERVICES)


def test_the_parser_is_one_that_refuses() -> None:
    with pytest.raises(ValueError, match="imaeg"):
        PyCompose.from_yaml("services:\n  a:\n    imaeg: x:1\n")


def test_everything_a_host_needs_is_in_it() -> None:
    assert {"kafka", "clickhouse", "prometheus", "grafana"} <= set(SERVICES) - set(OURS)
    assert {"migrate", "intake", "google-ads", "worker-1", "worker-2", "sink", "simulator"} == set(OURS)
    assert SERVICES["simulator"]["profiles"] == ["demo"]


@pytest.mark.parametrize("name", SERVICES)
def test_every_image_is_pinned(name: str) -> None:
    _, _, tag = SERVICES[name]["image"].partition(":")
    assert re.fullmatch(r"v?\d+\.\d+(\.\d+)*", tag)


def test_the_broker_is_the_one_the_tests_run_against() -> None:
    version = re.search(r"<kafka.version>(.+)</kafka.version>", KAFKA_POM)
    assert version is not None
    assert SERVICES["kafka"]["image"] == f"apache/kafka:{version[1]}"


@pytest.mark.parametrize("name", OURS)
def test_every_variable_is_a_setting_and_every_value_is_taken(name: str) -> None:
    settings = load_settings(environ=environment(OURS[name]))
    assert settings.kafka.bootstrap_servers == "kafka:19092"
    assert settings.clickhouse.host == "clickhouse"


@pytest.mark.parametrize("name", OURS)
def test_every_command_is_one_of_pulse_with_options_it_knows(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    command = [str(word) for word in OURS[name]["command"]]
    assert run([*command, "--help"]) == 0
    options = {word for word in command if word.startswith("--")}
    assert options <= set(re.findall(r"--[a-z-]+", capsys.readouterr().out))


@pytest.mark.parametrize("name", SERVICES)
def test_every_file_that_is_mounted_or_built_from_exists(name: str) -> None:
    service = SERVICES[name]
    for mount in service.get("volumes", []):
        source = mount.partition(":")[0]
        assert (ROOT / source).exists() if source.startswith(".") else source in COMPOSE["volumes"]
    if "build" in service:
        assert (ROOT / service["build"]["dockerfile"]).is_file()


def test_grafana_finds_its_dashboards_and_is_given_what_its_data_source_asks_for() -> None:
    provisioning = ROOT / "infra" / "grafana" / "provisioning"
    asked = re.findall(r"\$\{(\w+)\}", (provisioning / "datasources" / "clickhouse.yaml").read_text())
    assert asked
    assert set(asked) <= environment(SERVICES["grafana"]).keys()
    provider = yaml.safe_load((provisioning / "dashboards" / "pulse.yaml").read_text())["providers"][0]
    mounts = {mount.split(":")[1] for mount in SERVICES["grafana"]["volumes"]}
    assert provider["options"]["path"] in mounts
    load_settings(
        environ={name: value for name, value in environment(SERVICES["grafana"]).items() if name.startswith("PULSE_")}
    )


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_that_stays_says_whether_it_is_well(name: str) -> None:
    stays = SERVICES[name].get("restart") == "unless-stopped"
    assert not stays or name == "simulator" or SERVICES[name]["healthcheck"]["test"][0] == "CMD"


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_waits_only_for_what_exists_and_reports_it(name: str) -> None:
    for other, wait in SERVICES[name].get("depends_on", {}).items():
        if wait["condition"] == "service_healthy":
            assert "healthcheck" in SERVICES[other]
        else:
            assert SERVICES[other]["restart"] == "no"


@pytest.mark.parametrize("name", SERVICES)
def test_nothing_listens_beyond_this_host(name: str) -> None:
    assert all(str(port).startswith("127.0.0.1:") for port in SERVICES[name].get("ports", []))


def test_the_image_holds_every_package_and_what_is_read_at_run_time() -> None:
    dockerfile = (ROOT / "infra" / "docker" / "Dockerfile").read_text()
    copied = set(re.findall(r"^COPY (\S+) \1$", dockerfile, re.MULTILINE))
    assert {"schemas", "pipeline", "connectors", "agents", "infra"} <= copied
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert {f"!{name}" for name in copied if "/" not in name} <= set(ignored)
    for path in copied:
        assert (ROOT / Path(path)).exists()
