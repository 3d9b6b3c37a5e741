"""The sections of the settings: what can be set, its unit and its default. `connectors/settings.py` puts them together.

Every field's description is the text of `infra/CONFIGURATION.md`; secrets are of a type that prints as stars.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr

Port = Annotated[int, Field(ge=0, le=65535)]
Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
HttpUrl = Annotated[str, Field(pattern=r"^https?://[^/\s]+", json_schema_extra={"expected": "an http(s) address"})]
HEALTH_PORT = "Port of /metrics, /healthz and /readyz on this machine; 0 takes a free one."


def split_list(value: object) -> object:
    """The environment writes a list as `a,b`; TOML has lists of its own."""
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


def split_pairs(value: object) -> object:
    """The environment writes a table as `key=value,key=value`; TOML has tables of its own."""
    if not isinstance(value, str):
        return value
    pairs = [part.partition("=") for part in value.split(",") if part.strip()]
    if any(not equals for _, equals, _ in pairs):
        raise ValueError("write it as key=value,key=value")
    return {key.strip(): text.strip() for key, _, text in pairs}


List = Annotated[tuple[str, ...], BeforeValidator(split_list)]
Pairs = Annotated[Mapping[str, str], BeforeValidator(split_pairs)]


class Section(BaseModel):
    """Frozen, and refuses what it does not know: a misspelt key never passes for a default."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class KafkaSettings(Section):
    bootstrap_servers: str = Field(
        default="127.0.0.1:9092",
        pattern=r"^[^\s,:]+:\d+(,[^\s,:]+:\d+)*$",
        description="Brokers as host:port,host:port. When it is set, `pulse up` uses them and starts no broker.",
        json_schema_extra={"expected": "host:port, several separated by commas"},
    )
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        default="PLAINTEXT", description="How the brokers are spoken to."
    )
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] | None = Field(
        default=None, description="Needed when the protocol is SASL_*."
    )
    sasl_username: str = Field(default="", description="Needed when the protocol is SASL_*.")
    sasl_password: SecretStr = Field(default=SecretStr(""), description="Needed when the protocol is SASL_*.")
    ca_file: Path | None = Field(
        default=None, description="PEM file of the authority that signed the brokers; the system's own when absent."
    )

    @property
    def external(self) -> bool:
        """Somebody else's brokers were named."""
        return "bootstrap_servers" in self.model_fields_set

    def faust_credentials(self) -> Any:  # Faust has no types; None is "no credentials" there
        from connectors.kafka import faust_credentials

        return faust_credentials(self)


class ClickHouseSettings(Section):
    host: str = Field(
        default="127.0.0.1",
        min_length=1,
        description="HTTP host. When it is set, `pulse up` uses that server and starts none.",
    )
    port: Annotated[int, Field(ge=1, le=65535)] = Field(default=8123, description="HTTP port.")
    user: str = Field(default="default", min_length=1, description="User that may create tables and insert.")
    password: SecretStr = Field(default=SecretStr(""), description="Its password.")
    database: str = Field(
        default="pulse",
        pattern=r"^[A-Za-z_][A-Za-z0-9_]*$",
        description="Database of all tables and views; created by `pulse migrate`.",
        json_schema_extra={"expected": "a plain identifier"},
    )
    secure: bool = Field(default=False, description="HTTPS instead of HTTP.")
    raw_retention_days: int = Field(default=90, ge=1, description="How long raw records are kept.")
    totals_retention_days: int = Field(default=400, ge=1, description="How long totals are kept.")

    @property
    def external(self) -> bool:
        """Somebody else's server was named."""
        return "host" in self.model_fields_set


class IntakeSettings(Section):
    host: str = Field(default="127.0.0.1", min_length=1, description="Address `POST /v1/events` listens on.")
    port: Port = Field(default=8080, description="Port of the intake, its /metrics and health; 0 takes a free one.")
    max_body_bytes: int = Field(default=10 << 20, ge=1 << 10, description="Largest request body.")
    max_event_bytes: int = Field(default=64 << 10, ge=1 << 10, description="Largest single event.")
    tick_s: Seconds = Field(default=1.0, description="How often a tick tells quiet partitions the time.")


class GoogleAdsSettings(Section):
    enabled: bool = Field(default=False, description="Read Google Ads; the credentials below are then required.")
    base_url: HttpUrl = Field(default="https://googleads.googleapis.com", description="Address of the API.")
    token_url: HttpUrl = Field(
        default="https://oauth2.googleapis.com/token", description="Where access tokens come from."
    )
    client_id: str = Field(default="", description="OAuth client.")
    client_secret: SecretStr = Field(default=SecretStr(""), description="Secret of the OAuth client.")
    refresh_token: SecretStr = Field(default=SecretStr(""), description="Refresh token with the adwords scope.")
    developer_token: SecretStr | None = Field(
        default=None, description="Sent when set; servers have ignored it since 2026-09-09."
    )
    login_customer_id: str = Field(
        default="",
        pattern=r"^\d*$",
        description="Manager account the access goes through, digits only.",
        json_schema_extra={"expected": "digits only, no dashes"},
    )
    accounts: List = Field(
        default=(), description="Customer ids, digits only; empty asks the manager for every enabled account below it."
    )
    api_version: str = Field(
        default="v26",
        pattern=r"^v\d+$",
        description="Major version in the address.",
        json_schema_extra={"expected": "v and a number"},
    )
    interval_s: Seconds = Field(default=900.0, description="Pulse seconds between two runs over an account.")
    requests_per_second: Annotated[float, Field(gt=0, le=1000)] = Field(
        default=2.0, description="Requests per real second and account."
    )
    timeout_s: Seconds = Field(default=60.0, description="Longest wait for one answer.")
    lookback_days: int = Field(default=1, ge=0, le=90, description="Days before today that every run reads again.")
    daily_lookback_days: int = Field(default=7, ge=0, le=90, description="Days before today read once a day.")
    weekly_lookback_days: int = Field(default=30, ge=0, le=90, description="Days before today read once a week.")
    http_port: Port = Field(default=0, description=HEALTH_PORT)

    def missing_credentials(self) -> tuple[str, ...]:
        """Names of the credentials without which no request can be signed."""
        required = {
            "client_id": self.client_id,
            "client_secret": self.client_secret.get_secret_value(),
            "refresh_token": self.refresh_token.get_secret_value(),
        }
        return tuple(name for name, value in required.items() if not value)


class WorkerSettings(Section):
    group: str = Field(default="pulse-worker", min_length=1, description="Consumer group of all workers.")
    instance: str = Field(
        default="", description="Stable name of this worker's slot, so that a restart rejoins at once; empty for none."
    )
    publish_s: Seconds = Field(
        default=0.010, description="Least time from one publishing of totals and alerts to the next."
    )
    flush_s: Seconds = Field(default=1.0, description="How often state is written and records are acknowledged.")
    session_s: Annotated[float, Field(ge=1, le=300)] = Field(
        default=6.0, description="Silence after which the group gives a worker's partitions to the others."
    )
    dedupe_horizon_h: Annotated[int, Field(ge=1, le=24 * 30)] = Field(
        default=24, description="Hours for which an event id is remembered."
    )
    rules_file: Path | None = Field(default=None, description="TOML file of alert rules; the built-in when absent.")
    link_base: str = Field(default="", description="Start of the link in every alert, such as a Grafana address.")
    failpoints: str = Field(default="", description="Ends the process at a named place; only tests set it.")
    http_port: Port = Field(default=0, description=HEALTH_PORT)


class SinkSettings(Section):
    flush_s: Seconds = Field(default=1.0, description="Longest time a record waits for its block.")
    block_rows: int = Field(default=50_000, ge=1, le=1_000_000, description="Largest block of one insert.")
    failpoints: str = Field(default="", description="Ends the process at a named place; only tests set it.")
    http_port: Port = Field(default=0, description=HEALTH_PORT)
