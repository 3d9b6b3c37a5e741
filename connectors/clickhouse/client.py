"""Clients of ClickHouse from the settings, whose errors are ours."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import aiohttp
import clickhouse_connect
import urllib3
from clickhouse_connect.driver.asyncclient import AsyncClient
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

from connectors.clickhouse.codes import AWAY_ADVICE, verdict
from connectors.settings import Settings
from pipeline.codes import TransientCode
from pipeline.errors import Transient

CONNECT_S = 5
ANSWER_S = 30


def address(settings: Settings) -> str:
    return f"{settings.clickhouse.host}:{settings.clickhouse.port}"


def _options(settings: Settings, *, database: bool, answer_s: int) -> dict[str, Any]:
    clickhouse = settings.clickhouse
    return {
        "host": clickhouse.host,
        "port": clickhouse.port,
        "username": clickhouse.user,
        "password": clickhouse.password.get_secret_value(),
        "secure": clickhouse.secure,
        # Named when the connection is made, so that a missing database is found out at once.
        "database": clickhouse.database if database else "__default__",
        "connect_timeout": CONNECT_S,
        "send_receive_timeout": answer_s,
        "autogenerate_session_id": False,  # sessions refuse concurrent queries
        "compress": clickhouse.host not in {"127.0.0.1", "localhost"},
        "client_name": "campaign-pulse",
    }


@contextmanager
def sorted_errors(settings: Settings) -> Iterator[None]:
    """What calls of a client raise within becomes Transient or Misconfigured; a bug goes through as it is."""
    try:
        yield
    except ClickHouseError as error:
        raise verdict(error, address(settings)) from error
    except (OSError, aiohttp.ClientError, urllib3.exceptions.HTTPError) as error:
        detail = f"{address(settings)}: {str(error) or type(error).__name__} {AWAY_ADVICE}"
        raise Transient(TransientCode.CLICKHOUSE_AWAY, detail) from None


@contextmanager
def connected(settings: Settings, *, database: bool = True, answer_s: int = ANSWER_S) -> Iterator[Client]:
    """A blocking client for commands. Raises Transient(CLICKHOUSE_AWAY | CLICKHOUSE_BUSY) or Misconfigured."""
    with sorted_errors(settings):
        client = clickhouse_connect.get_client(**_options(settings, database=database, answer_s=answer_s))
        try:
            yield client
        finally:
            client.close()


async def connect_async(settings: Settings) -> AsyncClient:
    """A client for tasks: its calls can be cancelled while ClickHouse is silent. The caller closes it."""
    with sorted_errors(settings):
        return await clickhouse_connect.get_async_client(**_options(settings, database=True, answer_s=ANSWER_S))


def rows(
    client: Client, sql: str, parameters: dict[str, Any] | None = None, options: Mapping[str, Any] | None = None
) -> list[dict[str, Any]]:
    """The result as one dictionary a row; instants are aware. `options`: settings of the query."""
    result = client.query(sql, parameters=parameters, settings=dict(options or {}), tz_mode="aware")
    return list(result.named_results())
