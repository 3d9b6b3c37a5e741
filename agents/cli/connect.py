"""`pulse connect`: run a source, the event intake, or read a recorded file."""

import asyncio
import os
from typing import Annotated

import typer

from agents.cli.connect_events import events
from agents.cli.connect_file import file
from connectors import telemetry
from connectors.clock import Clock
from connectors.settings import load_settings
from pipeline.codes import MisconfiguredCode
from pipeline.errors import Misconfigured

connect = typer.Typer(no_args_is_help=True, help="Run a source, or the event intake.")
connect.command("events")(events)
connect.command("file")(file)


@connect.command("google-ads")
def google_ads(
    once: Annotated[bool, typer.Option("--once", help="One run over every account, then end.")] = False,
) -> None:
    """Read Google Ads reports into the raw topic, for ever at an interval."""
    from agents.run_source import run_source

    settings = load_settings()
    telemetry.configure_logging(settings.log_level, json=True)
    if not settings.google_ads.enabled:
        raise Misconfigured(
            MisconfiguredCode.SETTING, "google_ads.enabled is false: set PULSE_GOOGLE_ADS__ENABLED=true and credentials"
        )
    whole = asyncio.run(run_source(settings, Clock.from_environment(os.environ), "google-ads", once=once))
    if once and not whole:
        typer.echo("Not every report could be read; the log and feeds.v1 say why.", err=True)
        raise typer.Exit(1)
