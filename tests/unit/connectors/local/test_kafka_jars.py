"""Kafka's jars: fetched once, by one of several callers; and sentences that help when a part is missing.

Java and Maven are scripts here, which do what the real ones do to files; the real ones are in the integration tests.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from connectors.local import kafka_jars
from pipeline.codes import MisconfiguredCode
from pipeline.errors import Misconfigured

JAVA = """#!/bin/sh
case "$*" in
  *-version*) echo 'openjdk version "{version}" 2025-04-15' >&2 ;;
  *StorageTool*) for last; do :; done
    data="$(sed -n s/^log.dirs=//p "$last")"
    mkdir -p "$data"; echo cluster.id=x > "$data/meta.properties" ;;
  *) exit 1 ;;
esac
"""
MAVEN = """#!/bin/sh
case "$*" in
  *--version*) echo "Apache Maven {version} (Debian)"; exit 0 ;;
esac
echo fetched >> {calls}
sleep 0.5
for each; do case "$each" in -DoutputDirectory=*) out="${{each#*=}}" ;; esac; done
mkdir -p "$out"; touch "$out/kafka-clients-4.3.1.jar" "$out/a.jar"
{end}
"""


class Machine:
    """A path with scripts in the place of Java and Maven, and an empty cache."""

    def __init__(self, directory: Path) -> None:
        self.bin = directory / "bin"
        self.cache = directory / "cache"
        self.calls = directory / "calls"
        self.bin.mkdir()
        for tool in ("sh", "sed", "mkdir", "touch", "sleep"):
            (self.bin / tool).symlink_to(f"/bin/{tool}")
        self.environment = {"PATH": str(self.bin), "XDG_CACHE_HOME": str(self.cache), "HOME": str(directory)}

    def script(self, name: str, text: str) -> None:
        path = self.bin / name
        path.write_text(text)
        path.chmod(0o755)

    def java(self, version: str = "17.0.15") -> None:
        self.script("java", JAVA.format(version=version))

    def maven(self, version: str = "3.8.7", end: str = "exit 0") -> None:
        self.script("mvn", MAVEN.format(version=version, calls=self.calls, end=end))


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    made = Machine(tmp_path)
    monkeypatch.delenv("JAVA_HOME", raising=False)
    for name, value in made.environment.items():
        monkeypatch.setenv(name, value)
    return made


def refusal() -> str:
    with pytest.raises(Misconfigured) as refused:
        kafka_jars.resolve(lambda _: None)
    assert refused.value.code == MisconfiguredCode.MISSING_PART
    return refused.value.detail


def test_without_java_the_sentence_says_what_to_install(machine: Machine) -> None:
    machine.maven()
    said = refusal()
    assert "Java was not found" in said
    assert "17" in said
    assert "KAFKA_BOOTSTRAP_SERVERS" in said


@pytest.mark.parametrize("version", ["1.8.0_392", "11.0.2", "16"])
def test_a_java_that_is_too_old_is_named_with_its_version(machine: Machine, version: str) -> None:
    machine.java(version)
    machine.maven()
    said = refusal()
    assert "too old" in said
    assert version in said


@pytest.mark.parametrize("version", ["17", "21.0.1", "25-ea"])
def test_a_newer_java_is_taken(machine: Machine, version: str) -> None:
    machine.java(version)
    assert kafka_jars.find_java()[0] == machine.bin / "java"


def test_java_home_comes_before_the_path(machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    machine.java("11.0.2")
    home = tmp_path / "jdk"
    (home / "bin").mkdir(parents=True)
    newer = home / "bin" / "java"
    newer.write_text(JAVA.format(version="21.0.1"))
    newer.chmod(0o755)
    monkeypatch.setenv("JAVA_HOME", str(home))
    assert kafka_jars.find_java()[0] == newer


def test_without_maven_the_sentence_says_what_to_install(machine: Machine) -> None:
    machine.java()
    assert "apt install maven" in refusal()


def test_a_maven_that_is_too_old_is_named_with_its_version(machine: Machine) -> None:
    machine.java()
    machine.maven("3.3.9")
    said = refusal()
    assert "too old" in said
    assert "3.3.9" in said


def test_when_maven_fails_its_own_words_are_shown_and_nothing_is_kept(machine: Machine) -> None:
    machine.java()
    machine.maven(end="echo '[ERROR] Unknown host repo'; exit 1")
    said = refusal()
    assert "exit code 1" in said
    assert "Unknown host repo" in said
    assert not list(machine.cache.rglob("libs"))
    assert not list(machine.cache.rglob("*.jar"))


def test_the_second_call_fetches_nothing_and_needs_no_maven(machine: Machine) -> None:
    machine.java()
    machine.maven()
    first = kafka_jars.resolve(lambda _: None)
    (machine.bin / "mvn").unlink()
    said: list[str] = []
    assert kafka_jars.resolve(said.append) == first
    assert said == []
    assert machine.calls.read_text() == "fetched\n"
    assert first.environment["CLASSPATH"].split(":") == [
        str(first.libs / "a.jar"),
        str(first.libs / "kafka-clients-4.3.1.jar"),
    ]
    assert (first.formatted / "meta.properties").is_file()
    assert first.archive is None, "the script cannot make a class archive, and that is no failure"


def test_several_callers_at_once_fetch_once(machine: Machine) -> None:
    machine.java()
    machine.maven()
    environment = {**os.environ, **machine.environment}
    program = [sys.executable, "-m", "connectors.local.kafka_jars"]
    callers = [subprocess.Popen(program, env=environment, stderr=subprocess.PIPE, text=True) for _ in range(3)]
    said = [caller.communicate(timeout=60)[1] for caller in callers]
    assert [caller.returncode for caller in callers] == [0, 0, 0]
    assert machine.calls.read_text() == "fetched\n"
    assert sum("fetching" in each for each in said) == 1
    assert all("is ready" in each for each in said)


def test_what_a_killed_caller_left_is_swept(machine: Machine) -> None:
    machine.java()
    machine.maven()
    home = kafka_jars.resolve(lambda _: None).libs.parent
    (home / ".unfinished-x").mkdir()
    (home / "formatted" / "meta.properties").unlink()
    (home / "formatted").rmdir()
    kafka_jars.resolve(lambda _: None)
    assert not list(home.glob(".unfinished-*"))


def test_as_a_program_it_ends_with_78_when_a_person_has_to_act(machine: Machine) -> None:
    program = [sys.executable, "-m", "connectors.local.kafka_jars"]
    done = subprocess.run(
        program, env={**os.environ, **machine.environment}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 78
    assert "Java was not found" in done.stderr
    assert "Traceback" not in done.stderr
