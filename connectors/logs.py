"""Structured logs on stderr: JSON lines, or text for a person; ours, Faust's and every library's alike, secrets masked.

Levels: DEBUG a batch, INFO the life of a process, WARNING a person should look, ERROR a person must come.
"""

import logging
import logging.config
import re
import sys
import time
from collections.abc import Mapping, MutableMapping
from typing import Any

import orjson
import structlog
from pydantic import SecretStr

from connectors.setting_refusals import MASK, is_secret

# At INFO they log every request, rebalance step or address with its query; the last two tell as a warning, at every
# try, what comes back to us as an exception anyway.
QUIET = {
    **dict.fromkeys(("httpx", "httpcore", "uvicorn.access", "asyncio", "aiokafka", "faust", "mode"), "WARNING"),
    **dict.fromkeys(("clickhouse_connect", "urllib3"), "ERROR"),
}
# Tells the same several times a second for as long as a broker is away; health says it all the time.
REPEATS, SELDOM_S = "aiokafka", 60.0
_BEARER = re.compile(r"(?i)\b(bearer|basic)\s+[\w.~+/=-]+")
_ASSIGNED = re.compile(r"(?i)\b(\w*(?:password|secret|token|api_key))(\"?\s*[=:]\s*\"?)[^\s&,\"'}]+")


def masked(value: object, name: str = "") -> object:
    """`value` with every secret as stars: by its type, by the name it stands under, or inside a text."""
    if isinstance(value, SecretStr) or (name and is_secret(name) and value not in (None, "")):
        return MASK
    if isinstance(value, str):
        return _ASSIGNED.sub(rf"\1\2{MASK}", _BEARER.sub(rf"\1 {MASK}", value))
    if isinstance(value, Mapping):
        return {key: masked(inner, str(key)) for key, inner in value.items()}
    if isinstance(value, list | tuple | set):
        return [masked(inner) for inner in value]
    return value


class _Seldom(logging.Filter):
    """Lets a message of `REPEATS` through once in `SELDOM_S`, whatever its arguments."""

    def __init__(self) -> None:
        super().__init__()
        self._told_s: dict[tuple[str, str], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        if record.name.partition(".")[0] != REPEATS:
            return True
        message = (record.name, str(record.msg))
        now_s = time.monotonic()
        if now_s - self._told_s.get(message, -SELDOM_S) < SELDOM_S:
            return False
        self._told_s[message] = now_s
        return True


def _mask(_: object, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    return {key: value if key.startswith("_") else masked(value, key) for key, value in event.items()}


def _json_line(_: object, __: str, event: MutableMapping[str, Any]) -> str:
    return orjson.dumps(event, default=str, option=orjson.OPT_NON_STR_KEYS).decode()


# Before the two roads (ours and the standard library's) meet in one handler.
_SHARED: tuple[Any, ...] = (
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.ExtraAdder(),
    structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
)


def handler(*, json: bool) -> logging.Handler:
    """What writes every line."""
    last: tuple[Any, ...] = (
        (structlog.processors.format_exc_info, _mask, _json_line)
        if json
        else (structlog.processors.format_exc_info, _mask, structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty()))
    )
    made = logging.StreamHandler(sys.stderr)
    made.addFilter(_Seldom())
    made.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=_SHARED,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
        )
    )
    return made


# For `faust.Worker(logging_config=...)`, which sets logging up again: the same lines as everywhere.
FAUST_LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"default": {"()": "connectors.logs.handler", "json": True}},
    "loggers": {name: {"level": level} for name, level in QUIET.items()},
    "root": {"level": "INFO", "handlers": ["default"]},
}


def configure_logging(level: str = "info", json: bool = True) -> None:  # noqa: FBT001, FBT002 - a published signature
    """Once at the start of a process; a second call replaces the first."""
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *_SHARED,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    FAUST_LOGGING["root"]["level"] = level.upper()
    FAUST_LOGGING["handlers"]["default"]["json"] = json
    root = logging.getLogger()
    root.handlers[:] = [handler(json=json)]
    root.setLevel(level.upper())
    for name, quiet_level in QUIET.items():
        logging.getLogger(name).setLevel(quiet_level)
    logging.captureWarnings(capture=True)


def log(name: str) -> structlog.stdlib.BoundLogger:
    """The logger of a module: `log("agents.shell").info("restored", partition=3)`."""
    logger: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(name)
    return logger
