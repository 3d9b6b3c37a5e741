"""A real Apache Kafka broker on this machine: one KRaft node, broker and controller in one process."""

import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from connectors.local import kafka_jars, kafka_settings
from connectors.local.engine import Command, Engine
from connectors.local.ports import HOST, answers

ADMIN_LIMIT_S = 5.0


class KafkaBroker(Engine):
    """A broker over `directory`; see `Engine` for its life.

    `port` 0 finds a free one; `overrides` are broker settings on top of `kafka_settings.SETTINGS`.
    `lasting` ones are slower to start and cheaper after a minute of load, as brokers elsewhere are.
    `progress` gets a line for people before slow steps (the jars of a first start).
    """

    name = "kafka"

    def __init__(
        self,
        directory: Path,
        *,
        port: int = 0,
        overrides: Mapping[str, str] | None = None,
        lasting: bool = False,
        progress: kafka_jars.Progress | None = None,
    ) -> None:
        super().__init__(directory, {"broker": port, "controller": 0})
        self._overrides = dict(overrides or {})
        self._lasting = lasting
        self._progress = progress

    @property
    def address(self) -> str:
        """What clients take as bootstrap server."""
        return f"{HOST}:{self._port('broker')}"

    def _command(self, ports: Mapping[str, int]) -> Command:
        jars = kafka_jars.resolve(self._progress)
        if not self._data.exists():
            self._format(jars.formatted)
        properties = self.directory / "server.properties"
        properties.write_text(kafka_settings.text(self._data, ports, self._overrides))
        flags = list(kafka_settings.LASTING_FLAGS) if self._lasting else []
        flags += [f"-XX:SharedArchiveFile={jars.archive}"] if jars.archive else []
        return Command(kafka_settings.command(jars.java, properties, flags), env=jars.environment)

    def _answers(self) -> bool:
        # The listener opens after registration; the call proves that it is this cluster and not a stranger.
        if not self.alive or not answers(self._port("broker")):
            return False
        admin = AdminClient({"bootstrap.servers": self.address, "log_level": 0})
        try:
            seen = admin.list_topics(timeout=ADMIN_LIMIT_S)
        except KafkaException:
            return False
        return bool(seen.brokers) and seen.cluster_id == self._cluster_id()

    @property
    def _data(self) -> Path:
        return self.directory / "data"

    def _format(self, formatted: Path) -> None:
        """A copy of an empty formatted directory, under a cluster id of its own."""
        unfinished = self.directory / "data.unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        shutil.copytree(formatted, unfinished)
        meta = unfinished / "meta.properties"
        line = f"cluster.id={kafka_settings.new_cluster_id()}"
        meta.write_text(re.sub(r"(?m)^cluster\.id=.*$", line, meta.read_text()))
        os.replace(unfinished, self._data)

    def _cluster_id(self) -> str:
        match = re.search(r"(?m)^cluster\.id=(.*)$", (self._data / "meta.properties").read_text())
        return match[1].replace("\\", "") if match else ""
