"""`pulse worker`: one worker of the group; start as many as there are partitions, at most."""

import os

import typer

from agents.worker import run_worker
from connectors import telemetry
from connectors.clock import Clock
from connectors.settings import load_settings


def worker() -> None:
    """Count and judge until told to stop. Several workers share the partitions."""
    settings = load_settings()
    telemetry.configure_logging(settings.log_level, json=True)
    raise typer.Exit(run_worker(settings, Clock.from_environment(os.environ)))
