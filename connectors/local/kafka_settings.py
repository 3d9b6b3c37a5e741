"""How the local broker is set: one node, small memory, quick groups, quick restarts."""

import base64
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path

from connectors.local.ports import HOST

# C1 only: half the processor time to the first answer and 40 MB less.
JVM_FLAGS = ("-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
# With C2, behind those: after half a minute at 5,000 events a second the broker costs 0.40 of a core instead of 0.61.
LASTING_FLAGS = ("-XX:TieredStopAtLevel=4",)

LOGGING: Mapping[str, str] = {
    "defaultLogLevel": "warn",  # at info every start prints 300 settings
    "showDateTime": "true",
    "dateTimeFormat": "yyyy-MM-dd'T'HH:mm:ss.SSSXXX",
}

SETTINGS: Mapping[str, str] = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    "inter.broker.listener.name": "PLAINTEXT",
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
    "num.partitions": "4",
    # A send to a topic that is missing shall fail, not make a wrong one.
    "auto.create.topics.enable": "false",
    # One node: every internal topic with one replica and few partitions.
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "4",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    # A directory left alone for a month still knows where every reader stood (a year; the default is a week).
    "offsets.retention.minutes": "525600",
    # A clock that runs faster than real time writes timestamps ahead of the broker's.
    "log.message.timestamp.after.max.ms": "9223372036854775807",
    "group.initial.rebalance.delay.ms": "0",
    "group.min.session.timeout.ms": "1000",
    # By default the controller refuses a killed broker's return for 9 s.
    "broker.session.timeout.ms": "2000",
    "broker.heartbeat.interval.ms": "500",
    # The default buffer, 128 MiB, is half of the heap.
    "log.cleaner.dedupe.buffer.size": "4194304",
    "log.cleaner.backoff.ms": "500",
    # Two index files a partition, 10 MiB each by default; 1 MiB indexes 350 MB of log.
    "log.index.size.max.bytes": "1048576",
}


def text(data: Path, ports: Mapping[str, int], overrides: Mapping[str, str]) -> str:
    """`server.properties` for a data directory; `ports` has `broker` and `controller`."""
    listeners = f"PLAINTEXT://{HOST}:{ports['broker']},CONTROLLER://{HOST}:{ports['controller']}"
    lines = {
        **SETTINGS,
        "controller.quorum.bootstrap.servers": f"{HOST}:{ports['controller']}",
        "listeners": listeners,
        "advertised.listeners": listeners,
        "log.dirs": str(data),
        **overrides,
    }
    return "".join(f"{key}={_escaped(value)}\n" for key, value in lines.items())


def command(java: Path, properties: Path, extra_flags: Sequence[str] = ()) -> list[str]:
    """The broker's argv; the class path comes by the environment."""
    logging = (f"-Dorg.slf4j.simpleLogger.{name}={value}" for name, value in LOGGING.items())
    return [str(java), *JVM_FLAGS, *extra_flags, *logging, "kafka.Kafka", str(properties)]


def new_cluster_id() -> str:
    """Kafka's form of a random id: 16 bytes, URL-safe base64 without padding; no leading dash, options begin so."""
    while True:
        made = base64.urlsafe_b64encode(uuid.uuid4().bytes).rstrip(b"=").decode()
        if not made.startswith("-"):
            return made


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\")
