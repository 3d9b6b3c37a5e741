"""What an answer of ClickHouse means for the call in hand.

Numbers and names: https://github.com/ClickHouse/ClickHouse/blob/master/src/Common/ErrorCodes.cpp
"""

from types import MappingProxyType

from clickhouse_connect.driver.exceptions import ClickHouseError, OperationalError

from pipeline.codes import MisconfiguredCode, TransientCode
from pipeline.errors import Misconfigured, PipelineError, Transient

# The server answered, and the same call may succeed later.
BUSY: MappingProxyType[int, str] = MappingProxyType(
    {
        3: "UNEXPECTED_END_OF_FILE",
        23: "CANNOT_READ_FROM_ISTREAM",
        75: "CANNOT_WRITE_TO_FILE_DESCRIPTOR",  # "No space left on device" in the middle of a part
        159: "TIMEOUT_EXCEEDED",
        164: "READONLY",  # a server in a restart, or a full disk
        201: "QUOTA_EXCEEDED",
        202: "TOO_MANY_SIMULTANEOUS_QUERIES",
        203: "NO_FREE_CONNECTION",
        209: "SOCKET_TIMEOUT",
        210: "NETWORK_ERROR",
        236: "ABORTED",
        241: "MEMORY_LIMIT_EXCEEDED",
        242: "TABLE_IS_READ_ONLY",
        243: "NOT_ENOUGH_SPACE",
        252: "TOO_MANY_PARTS",
        285: "TOO_FEW_LIVE_REPLICAS",
        319: "UNKNOWN_STATUS_OF_INSERT",
        394: "QUERY_WAS_CANCELLED",
        425: "SYSTEM_ERROR",
        473: "DEADLOCK_AVOIDED",
        999: "KEEPER_EXCEPTION",
    }
)
# What a person can do meanwhile, and how long not to ask again: these do not pass within a second.
ADVICE: MappingProxyType[int, str] = MappingProxyType(
    {
        75: "Free space on the server's disk.",
        164: "The server is read-only: look at its disk and its profile.",
        242: "The table is read-only: look at the server's disk and log.",
        243: "Free space on the server's disk.",
        252: "Merges do not keep up: raise sink.flush_s, or give the server more CPU.",
        241: "Raise the server's memory limit, or lower sink.block_rows.",
    }
)
AWAY_ADVICE = "Start it, or check clickhouse.host and clickhouse.port."
STUCK_S = 2.0
# The database is not as this release needs it.
SCHEMA: MappingProxyType[int, str] = MappingProxyType(
    {
        8: "THERE_IS_NO_COLUMN",
        10: "NOT_FOUND_COLUMN_IN_BLOCK",
        16: "NO_SUCH_COLUMN_IN_TABLE",
        20: "NUMBER_OF_COLUMNS_DOESNT_MATCH",
        44: "ILLEGAL_COLUMN",
        47: "UNKNOWN_IDENTIFIER",
        53: "TYPE_MISMATCH",
        60: "UNKNOWN_TABLE",
        81: "UNKNOWN_DATABASE",
    }
)
# The user may not.
ACCESS: MappingProxyType[int, str] = MappingProxyType(
    {192: "UNKNOWN_USER", 193: "WRONG_PASSWORD", 194: "REQUIRED_PASSWORD", 516: "AUTHENTICATION_FAILED"}
)
PERMISSION: MappingProxyType[int, str] = MappingProxyType({291: "DATABASE_ACCESS_DENIED", 497: "ACCESS_DENIED"})
BUSY_HTTP = ("HTTP 429", "HTTP 502", "HTTP 503", "HTTP 504")
DETAIL_CHARS = 300


def verdict(error: ClickHouseError, address: str) -> PipelineError | ClickHouseError:
    """Transient, Misconfigured, or the error itself when it is a bug of ours (a wrong query, a wrong block)."""
    found = getattr(error, "code", None)
    code = found if isinstance(found, int) else 0  # 0: no answer of the server
    text = " ".join(str(error).split())[:DETAIL_CHARS]
    if code in BUSY:
        detail = f"{address}: {BUSY[code]}: {text} {ADVICE.get(code, '')}".rstrip()
        return Transient(TransientCode.CLICKHOUSE_BUSY, detail, retry_after_s=STUCK_S if code in ADVICE else None)
    if code in SCHEMA:
        return Misconfigured(
            MisconfiguredCode.SCHEMA_MISMATCH,
            f"The tables at {address} are not those of this release; run `pulse migrate`. {SCHEMA[code]}: {text}",
        )
    if code in ACCESS:
        return Misconfigured(
            MisconfiguredCode.CREDENTIAL,
            f"ClickHouse at {address} refuses the login; check clickhouse.user and clickhouse.password.",
        )
    if code in PERMISSION:
        return Misconfigured(
            MisconfiguredCode.PERMISSION, f"The ClickHouse user at {address} may not do this; grant it. {text}"
        )
    if code == 0 and (isinstance(error, OperationalError) or any(word in text for word in BUSY_HTTP)):
        return Transient(TransientCode.CLICKHOUSE_AWAY, f"{address}: {text} {AWAY_ADVICE}")
    return error
