"""`pulse`: the one command line. Commands are a literal; the module of a command is imported when it is called.

Exit codes: 0 done; 1 a check failed or a difference was found; 2 wrong usage; 70 a bug of ours; 75 a part is away, try
again; 78 a person must mend the configuration first.
"""

import importlib
import os
import sys
import traceback
import zoneinfo
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from connectors.settings import CONFIG_VARIABLE
from connectors.telemetry import configure_logging
from pipeline.errors import Misconfigured, Transient

# Commands that a person calls beside `pulse up`; the processes it starts are told where everything is.
FINDS_LOCAL_SYSTEM = frozenset({"connect", "verify", "dead-letters", "migrate", "replay"})
OK, CHECK_FAILED, USAGE, BUG, AWAY, MISCONFIGURED = 0, 1, 2, 70, 75, 78


@dataclass(frozen=True, slots=True)
class Command:
    """`module` holds a function or a Typer application of the command's name, with `_` for `-`."""

    name: str
    module: str
    help: str


COMMANDS: tuple[Command, ...] = (
    Command("up", "agents.cli.up", "Start everything on this machine; show totals and alerts."),
    Command("status", "agents.cli.status", "Show what runs, where, and how far it is."),
    Command("down", "agents.cli.down", "End what `pulse up` started."),
    Command("worker", "agents.cli.worker", "Run one worker: count and judge."),
    Command("sink", "agents.cli.sink", "Run one sink: topics into ClickHouse."),
    Command("connect", "agents.cli.connect", "Run a source, or the event intake."),
    Command("simulate", "agents.cli.simulate", "Serve the simulated platform APIs."),
    Command("migrate", "agents.cli.migrate", "Create and update topics, tables and views."),
    Command("replay", "agents.cli.replay", "Read raw records again."),
    Command("dead-letters", "agents.cli.dead_letters", "List, show and put back what could not go on."),
    Command("verify", "agents.cli.verify", "Recount the totals from the stored raw records."),
    Command("chaos", "agents.cli.chaos", "Hurt a system of its own on purpose; judge what is left."),
    Command("doctor", "agents.cli.doctor", "Check everything, change nothing."),
    Command("bench", "agents.cli.bench", "Measure this program and its peers."),
)


def main() -> None:
    """The console script."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Runs one command and returns its exit code; what went wrong is said on stderr."""
    zoneinfo.reset_tzpath(to=())  # the pinned tzdata, not what the host happens to have
    try:
        application(arguments)(list(arguments))
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else OK if end.code is None else CHECK_FAILED
    except Misconfigured as error:
        return _say(error.detail, MISCONFIGURED)
    except Transient as error:
        return _say(f"A part is away ({error}); try again when it is back.", AWAY)
    except BaseExceptionGroup as group:
        return _of_group(group)
    except Exception:  # noqa: BLE001 - the outermost place: a bug must have its own exit code
        return _bug(traceback.format_exc())
    return OK


def application(arguments: Sequence[str]) -> typer.Typer:
    """The Typer application. Only commands that `arguments` name are imported; of the others the help stands in."""
    app = typer.Typer(
        name="pulse",
        help="Campaign Pulse: live campaign totals, alerts that follow restated figures, ClickHouse underneath.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_before_any)
    for command in COMMANDS:
        body = _load(command) if command.name in arguments else _stand_in
        if isinstance(body, typer.Typer):
            app.add_typer(body, name=command.name, help=command.help)
        else:
            app.command(command.name, help=command.help)(body)
    return app


def _before_any(
    config: Annotated[
        Path | None, typer.Option("--config", help="TOML file of settings; otherwise PULSE_CONFIG, or pulse.toml here.")
    ] = None,
) -> None:
    configure_logging("info", json=not sys.stderr.isatty())
    if set(sys.argv[1:2]) & FINDS_LOCAL_SYSTEM:
        _find_local_system()
    if config is not None:
        os.environ[CONFIG_VARIABLE] = str(config.absolute())  # the processes we start read it as well


def _find_local_system() -> None:
    """What `pulse up` runs over the data folder here is what other commands mean, unless the environment says else."""
    from agents.local_stack import environment_of

    directory = Path(os.environ.get("PULSE_DATA_DIR", ".pulse")).absolute()
    for name, value in (environment_of(directory) or {}).items():
        os.environ.setdefault(name, value)


def _load(command: Command) -> Callable[..., Any] | typer.Typer:
    body: Callable[..., Any] | typer.Typer = getattr(
        importlib.import_module(command.module), command.name.replace("-", "_")
    )
    return body


def _stand_in() -> None:
    """Never called: `application` imports every command that the arguments name."""


def _of_group(group: BaseExceptionGroup[BaseException]) -> int:
    """Tasks that ran together: a configuration to mend explains the others' ends."""
    for kind, code in ((Misconfigured, MISCONFIGURED), (Transient, AWAY)):
        found = group.subgroup(kind)
        if found is not None:
            error: BaseException = found
            while isinstance(error, BaseExceptionGroup):
                error = error.exceptions[0]
            return _say(error.detail if isinstance(error, Misconfigured) else str(error), code)
    return _bug("".join(traceback.format_exception(group)))


def _say(sentence: str, code: int) -> int:
    sys.stderr.write(f"pulse: {sentence}\n")
    return code


def _bug(trace: str) -> int:
    sys.stderr.write(trace)
    return _say("this is a bug; please report the lines above.", BUG)


if __name__ == "__main__":
    main()
