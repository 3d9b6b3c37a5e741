"""Closed sets of codes. Every one is a metric label, so a set only grows by a line here."""

from enum import StrEnum


class BadRecordCode(StrEnum):
    """Why a record went to the dead letters."""

    MALFORMED = "malformed"  # not JSON, or not an object
    MISSING_FIELD = "missing_field"
    BAD_TYPE = "bad_type"
    BAD_VALUE = "bad_value"  # out of range, negative, NaN, unknown enum member
    BAD_TIME = "bad_time"  # not an instant, no zone, before 2000 or too far ahead of its receipt
    BAD_ID = "bad_id"
    BAD_ZONE = "bad_zone"
    BAD_CURRENCY = "bad_currency"
    OVERSIZED = "oversized"
    WRONG_KEY = "wrong_key"  # the Kafka key is not the campaign key of the record
    UNKNOWN_KIND = "unknown_kind"
    BEYOND_HORIZON = "beyond_horizon"  # so late that its windows have been given up


class TransientCode(StrEnum):
    """Why a call is tried again."""

    NETWORK = "network"
    UPSTREAM_BUSY = "upstream_busy"
    UPSTREAM_ERROR = "upstream_error"
    QUOTA = "quota"
    BROKER_AWAY = "broker_away"
    CLICKHOUSE_AWAY = "clickhouse_away"
    CLICKHOUSE_BUSY = "clickhouse_busy"


class MisconfiguredCode(StrEnum):
    """What a person has to mend before a process can run."""

    SETTING = "setting"
    CREDENTIAL = "credential"
    PERMISSION = "permission"
    API_VERSION_ENDED = "api_version_ended"
    TOPIC_RECREATED = "topic_recreated"
    TOPIC_MISSING = "topic_missing"
    STATE_VERSION = "state_version"
    SCHEMA_MISMATCH = "schema_mismatch"
    MISSING_PART = "missing_part"  # Java, Maven, the engine
    PORT_IN_USE = "port_in_use"
    ALREADY_RUNNING = "already_running"  # another process has this data directory
    QUERY = "query"
    RULE = "rule"


class DropReason(StrEnum):
    """Why a record changed nothing, on purpose."""

    DUPLICATE = "duplicate"
    REPLAYED = "replayed"  # its offset was counted already
    STALE_REVISION = "stale_revision"
    UNCHANGED = "unchanged"
    TICK = "tick"
    SUPERSEDED = "superseded"  # a later version of the same total, known within the same minute, is stored with it
    NOT_JUDGED = "not_judged"  # an ad, a live window or one beyond the horizon: no rule looks at it


class Stage(StrEnum):
    """Where a record is. received = emitted + dropped + dead-lettered holds for each."""

    SOURCE = "source"
    INTAKE = "intake"
    AGGREGATE = "aggregate"
    JUDGE = "judge"
    SINK = "sink"
