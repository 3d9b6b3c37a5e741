"""Apache Kafka as jars: fetched by Maven once per machine, with what makes every later start quick.

The cache holds, under a name made of Kafka's version and the pom's digest:
`libs/` (the jars), `formatted/` (an empty formatted data directory, copied for each new broker) and
`classes-<java>.jsa` (a class archive; a start takes a second with it and two and a half without).
Run as a program (`python -m connectors.local.kafka_jars`) it fills the cache and ends.
"""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import structlog

from connectors.local import kafka_settings
from connectors.local.ports import answers, choose_ports
from connectors.local.tether import TetheredProcess
from pipeline.codes import MisconfiguredCode
from pipeline.errors import Misconfigured

POM = Path(__file__).resolve().parents[2] / "infra" / "kafka" / "pom.xml"
JAVA_LEAST = 17  # Kafka 4's broker
MAVEN_LEAST = (3, 6, 3)  # the dependency plugin of our pom
MAVEN_LIMIT_S = 900.0
FORMAT_LIMIT_S = 120.0
VERSION_LIMIT_S = 60.0

EXTERNAL = "set KAFKA_BOOTSTRAP_SERVERS to use a broker that runs elsewhere"

log = structlog.get_logger()
Progress = Callable[[str], object]


@dataclass(frozen=True, slots=True)
class KafkaJars:
    """Where the parts are. `archive` is None when this Java could not make one: starts are slower, nothing else."""

    java: Path
    version: str
    libs: Path
    formatted: Path
    archive: Path | None

    @property
    def environment(self) -> Mapping[str, str]:
        """Ours plus the class path; in the environment, so that the process list stays readable."""
        return _environment(self.libs)


def resolve(progress: Progress | None = None) -> KafkaJars:
    """The jars, fetched first if need be (about 20 s, once). Parallel callers wait for the first.

    `progress` gets a line for people before each slow step (None: they are logged).
    Raises Misconfigured(MISSING_PART) when Java or Maven is missing or too old, or Maven cannot fetch.
    """
    say = progress or (lambda line: log.info("local_kafka_prepare", step=line))
    java, java_version = find_java()
    pom = POM.read_bytes()
    version = _kafka_version(pom)
    home = cache_directory() / f"kafka-{version}" / hashlib.sha256(pom).hexdigest()[:12]
    archive = home / f"classes-{hashlib.sha256(java_version.encode()).hexdigest()[:12]}.jsa"
    given_up = archive.with_suffix(".failed")
    jars = KafkaJars(java, version, home / "libs", home / "formatted", archive)
    if not (jars.formatted.is_dir() and (archive.exists() or given_up.exists())):
        home.mkdir(parents=True, exist_ok=True)
        with _exclusive(home / "lock", say):
            if not jars.libs.is_dir():
                _fetch(jars.libs, version, say)
            if not jars.formatted.is_dir():
                _format(jars, say)
            if not archive.exists() and not given_up.exists():
                _make_archive(jars, archive, given_up, say)
    if archive.exists():
        return jars
    return KafkaJars(java, version, jars.libs, jars.formatted, None)


def cache_directory() -> Path:
    """`$XDG_CACHE_HOME/campaign-pulse`, by default under `~/.cache`."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "campaign-pulse"


def find_java() -> tuple[Path, str]:
    """The `java` of JAVA_HOME, else of the path, and what it says of its version."""
    home = os.environ.get("JAVA_HOME")
    at_home = Path(home) / "bin" / "java" if home else None
    found = str(at_home) if at_home and at_home.is_file() else shutil.which("java")
    advice = f"install a Java runtime of version {JAVA_LEAST} or newer (Debian: apt install openjdk-17-jre-headless)"
    if found is None:
        raise _missing(f"Java was not found, and the local Kafka broker needs it; {advice}, or {EXTERNAL}.")
    text = _version_text([found, "-version"])
    match = re.search(r'version "(?:1\.)?(\d+)', text)
    if match is None or int(match[1]) < JAVA_LEAST:
        raise _missing(f'{found} is too old for Kafka 4 (it says: "{_first_line(text)}"); {advice}, or {EXTERNAL}.')
    return Path(found), text


def find_maven() -> Path:
    """Needed only to fetch the jars, once."""
    found = shutil.which("mvn")
    least = ".".join(map(str, MAVEN_LEAST))
    advice = f"install Apache Maven {least} or newer (Debian: apt install maven)"
    if found is None:
        raise _missing(f"Maven (mvn) was not found; it fetches Kafka's jars, once. Please {advice}, or {EXTERNAL}.")
    text = _version_text([found, "-B", "--version"])
    match = re.search(r"Apache Maven (\d+)\.(\d+)\.(\d+)", text)
    if match is None or tuple(map(int, match.groups())) < MAVEN_LEAST:
        raise _missing(f'{found} is too old (it says: "{_first_line(text)}"); {advice}, or {EXTERNAL}.')
    return Path(found)


def _fetch(libs: Path, version: str, say: Progress) -> None:
    maven = find_maven()
    say(f"fetching Apache Kafka {version} with Maven (44 MB, once)")
    with _beside(libs) as unfinished:
        command = [str(maven), "-q", "-B", "-f", str(POM), "dependency:copy-dependencies"]
        output = unfinished / "libs"
        code, said = _run([*command, f"-DoutputDirectory={output}"], MAVEN_LIMIT_S)
        if code or not (output / f"kafka-clients-{version}.jar").is_file():
            lines = [line for line in said.splitlines() if line.strip()]
            raise _missing(
                f"Maven could not fetch Kafka's jars (exit code {code}). Check the network and Maven's "
                f"settings.xml (proxy, mirror), then start again; or {EXTERNAL}. Maven says:\n" + "\n".join(lines[-8:])
            )
        os.replace(output, libs)


def _format(jars: KafkaJars, say: Progress) -> None:
    say("formatting a Kafka data directory")
    with _beside(jars.formatted) as unfinished:
        data = unfinished / "data"
        properties = unfinished / "server.properties"
        properties.write_text(kafka_settings.text(data, {"broker": 9092, "controller": 9093}, {}))
        tool = ["kafka.tools.StorageTool", "format", "--standalone", "-t", kafka_settings.new_cluster_id()]
        argv = [str(jars.java), *kafka_settings.JVM_FLAGS, *tool, "-c", str(properties)]
        code, said = _run(argv, FORMAT_LIMIT_S, jars.environment)
        if code:
            raise _missing(f"Kafka's format tool failed (exit code {code}):\n{said[-2000:]}")
        os.replace(data, jars.formatted)


def _make_archive(jars: KafkaJars, archive: Path, given_up: Path, say: Progress) -> None:
    """One broker's life, after which the JVM writes down the classes it has used. A failure costs only speed."""
    say("making Kafka's class archive (for quick starts)")
    with _beside(archive) as unfinished:
        data = unfinished / "data"
        shutil.copytree(jars.formatted, data)
        ports = choose_ports(unfinished / "ports.json", {"broker": 0, "controller": 0})
        properties = unfinished / "server.properties"
        properties.write_text(kafka_settings.text(data, ports, {}))
        made = unfinished / "classes.jsa"
        process = TetheredProcess(
            kafka_settings.command(jars.java, properties, [f"-XX:ArchiveClassesAtExit={made}"]),
            log_file=unfinished / "kafka.log",
            env=jars.environment,
        )
        process.start()
        end_s = time.monotonic() + 60
        while process.alive and time.monotonic() < end_s and not answers(ports["broker"]):
            time.sleep(0.05)
        process.stop(60)
        if made.is_file() and process.exit_code in (0, 143, -15):  # 143: ended by SIGTERM, after a full shutdown
            os.replace(made, archive)
        else:
            log.warning("local_kafka_class_archive_failed", log_tail=process.log_tail())
            given_up.touch()


@contextmanager
def _beside(target: Path) -> Iterator[Path]:
    """A directory on the target's file system, so that the finished thing can be renamed into place."""
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".unfinished-") as directory:
        yield Path(directory)


@contextmanager
def _exclusive(path: Path, say: Progress) -> Iterator[None]:
    """Held by one process at a time; let go by the kernel if the holder dies."""
    with path.open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("waiting for another process that prepares Kafka")
            fcntl.flock(lock, fcntl.LOCK_EX)
        for left_over in path.parent.glob(".unfinished-*"):  # of a holder that was killed
            shutil.rmtree(left_over, ignore_errors=True)
        yield


def _environment(libs: Path) -> dict[str, str]:
    return {**os.environ, "CLASSPATH": os.pathsep.join(sorted(map(str, libs.glob("*.jar"))))}


def _kafka_version(pom: bytes) -> str:
    match = re.search(rb"<kafka\.version>([\w.\-]+)</kafka\.version>", pom)
    if match is None:
        raise _missing(f"{POM} names no kafka.version; restore it from the repository.")
    return match[1].decode()


def _version_text(argv: list[str]) -> str:
    """Empty when the program does not run at all, which then reads as too old."""
    try:
        return _run(argv, VERSION_LIMIT_S)[1]
    except OSError:
        return ""


def _run(argv: list[str], limit_s: float, environment: Mapping[str, str] | None = None) -> tuple[int, str]:
    """Exit code (-9 when it took longer than `limit_s`) and all it said."""
    try:
        done = subprocess.run(
            argv,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=limit_s,
            check=False,
        )
    except subprocess.TimeoutExpired as late:
        said = late.stdout.decode(errors="replace") if isinstance(late.stdout, bytes) else late.stdout or ""
        return -9, f"{said}\nno end within {limit_s:g} s"
    return done.returncode, done.stdout


def _first_line(text: str) -> str:
    return next(iter(text.splitlines()), "nothing")


def _missing(sentence: str) -> Misconfigured:
    return Misconfigured(MisconfiguredCode.MISSING_PART, sentence)


def _say(line: str) -> None:
    sys.stderr.write(line + "\n")


def main() -> int:
    """Fills the cache, says each slow step, and ends with 78 when a person has to act."""
    try:
        jars = resolve(_say)
    except Misconfigured as error:
        _say(error.detail)
        return 78
    _say(f"Apache Kafka {jars.version} is ready in {jars.libs.parent}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
