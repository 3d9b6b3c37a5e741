"""Environment and one TOML file -> one frozen `Settings`. The only reader of the configuration.

`Settings()` without arguments is the defaults and reads nothing; processes call `load_settings`.
"""

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from connectors.setting_refusals import Origin, refusal, unknown_variable
from connectors.setting_sections import (
    ClickHouseSettings,
    GoogleAdsSettings,
    IntakeSettings,
    KafkaSettings,
    Pairs,
    SinkSettings,
    WorkerSettings,
)
from pipeline.codes import MisconfiguredCode
from pipeline.errors import Misconfigured

__all__ = [
    "ClickHouseSettings",
    "GoogleAdsSettings",
    "IntakeSettings",
    "KafkaSettings",
    "Settings",
    "SinkSettings",
    "WorkerSettings",
    "load_settings",
    "setting_fields",
    "variable_of",
]

PREFIX = "PULSE_"
CONFIG_VARIABLE = "PULSE_CONFIG"
DEFAULT_FILE = Path("pulse.toml")
KAFKA_VARIABLE = "KAFKA_BOOTSTRAP_SERVERS"  # the name every Kafka tool knows; ours wins when both are set
OTHER_VARIABLES = frozenset({"PULSE_CLOCK", CONFIG_VARIABLE})


class Settings(BaseSettings):
    """Everything that can be set. Secrets print as stars."""

    model_config = SettingsConfigDict(
        frozen=True,
        extra="forbid",
        env_prefix=PREFIX,
        env_nested_delimiter="__",
        enable_decoding=False,
        hide_input_in_errors=True,
    )

    kafka: KafkaSettings = KafkaSettings()
    clickhouse: ClickHouseSettings = ClickHouseSettings()
    intake: IntakeSettings = IntakeSettings()
    google_ads: GoogleAdsSettings = GoogleAdsSettings()
    worker: WorkerSettings = WorkerSettings()
    sink: SinkSettings = SinkSettings()
    partitions: Annotated[int, Field(ge=1, le=1000)] = Field(
        default=4, description="Partitions of every topic; fixed once the topics exist."
    )
    replication: Annotated[int, Field(ge=1, le=9)] = Field(default=1, description="Copies of every partition.")
    data_dir: Path = Field(default=Path(".pulse"), description="Folder of everything `pulse up` keeps.")
    projects: Pairs = Field(default={}, description='"platform:account_id" to the project the account belongs to.')
    default_project: str = Field(default="default", min_length=1, description="Project of every other account.")
    health_host: str = Field(
        default="127.0.0.1",
        min_length=1,
        description="Address of /metrics and health; 0.0.0.0 in a container.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(default="info", description="Least level logged.")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (init_settings,)  # building a Settings in a test must not depend on the shell it runs in

    def project_of(self, platform: str, account_id: str) -> str:
        return self.projects.get(f"{platform}:{account_id}", self.default_project)


class _Environment(EnvSettingsSource):
    """pydantic's reading of the environment, over a mapping that is handed in."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        super().__init__(Settings)

    def _load_env_vars(self) -> Mapping[str, str | None]:
        return {name.lower(): value for name, value in self._environ.items()}


def setting_fields() -> dict[str, FieldInfo]:
    """Every key as TOML writes it (`partitions`, `kafka.bootstrap_servers` ...) and what stands behind it."""
    fields: dict[str, FieldInfo] = {}
    for name, info in Settings.model_fields.items():
        inner: dict[str, FieldInfo] | None = getattr(info.annotation, "model_fields", None)
        fields.update({name: info} if inner is None else {f"{name}.{key}": value for key, value in inner.items()})
    return fields


def _forms() -> dict[str, str]:
    extras = {name: info.json_schema_extra for name, info in setting_fields().items()}
    return {name: str(extra.get("expected", "")) if isinstance(extra, dict) else "" for name, extra in extras.items()}


def variable_of(name: str) -> str:
    """`kafka.bootstrap_servers` -> `PULSE_KAFKA__BOOTSTRAP_SERVERS`."""
    return PREFIX + name.replace(".", "__").upper()


def load_settings(config_file: Path | None = None, environ: Mapping[str, str] | None = None) -> Settings:
    """Environment over file over defaults. `environ` is the process's own when absent.

    The file: `config_file`, else `PULSE_CONFIG`, else `pulse.toml` here if there is one. Raises Misconfigured
    (SETTING, or CREDENTIAL when Google Ads is on and cannot sign in) with every key that is wrong.
    """
    environ = os.environ if environ is None else environ
    file, in_file = _read_file(config_file, environ)
    _refuse_unknown_variables(environ)
    in_environment = _Environment(environ)()
    if KAFKA_VARIABLE in environ:
        in_environment.setdefault("kafka", {}).setdefault("bootstrap_servers", environ[KAFKA_VARIABLE])
    try:
        settings = Settings(**_merge(in_file, in_environment))
    except ValidationError as error:
        raise refusal(error.errors(include_url=False), _forms(), _origins(file, environ)) from None
    _refuse_incomplete(settings)
    return settings


def _read_file(config_file: Path | None, environ: Mapping[str, str]) -> tuple[Path | None, dict[str, Any]]:
    named = config_file or (Path(environ[CONFIG_VARIABLE]) if environ.get(CONFIG_VARIABLE) else None)
    path = named or DEFAULT_FILE
    try:
        return path, tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        if named is None:
            return None, {}
        raise Misconfigured(
            MisconfiguredCode.SETTING, f"There is no configuration file {path}; write it or unset {CONFIG_VARIABLE}."
        ) from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise Misconfigured(
            MisconfiguredCode.SETTING, f"The configuration file {path} cannot be read as TOML: {error}."
        ) from None


def _refuse_unknown_variables(environ: Mapping[str, str]) -> None:
    known = {variable_of(name) for name in setting_fields()} | OTHER_VARIABLES
    for name in sorted(environ):
        if name.startswith(PREFIX) and name not in known:
            raise Misconfigured(MisconfiguredCode.SETTING, unknown_variable(name, sorted(known)))


def _merge(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for name, value in above.items():
        under = merged.get(name)
        merged[name] = _merge(under, value) if isinstance(under, dict) and isinstance(value, dict) else value
    return merged


def _origins(file: Path | None, environ: Mapping[str, str]) -> Origin:
    def origin(name: str) -> str:
        if variable_of(name) in environ:
            return variable_of(name)
        if name == "kafka.bootstrap_servers" and KAFKA_VARIABLE in environ:
            return KAFKA_VARIABLE
        return f"{name} in {file}" if file else name

    return origin


def _refuse_incomplete(settings: Settings) -> None:
    kafka = settings.kafka
    if kafka.security_protocol.startswith("SASL_"):
        given = {
            "sasl_mechanism": kafka.sasl_mechanism,
            "sasl_username": kafka.sasl_username,
            "sasl_password": kafka.sasl_password.get_secret_value(),
        }
        missing = [variable_of(f"kafka.{name}") for name, value in given.items() if not value]
        if missing:
            raise Misconfigured(
                MisconfiguredCode.CREDENTIAL,
                f"kafka.security_protocol is {kafka.security_protocol}, which needs {', '.join(missing)}; set them.",
            )
    for name, path in (("kafka.ca_file", kafka.ca_file), ("worker.rules_file", settings.worker.rules_file)):
        if path is not None and not path.is_file():
            raise Misconfigured(MisconfiguredCode.SETTING, f"{name} is {path}: expected a file, found none there.")
    google_ads = settings.google_ads
    if google_ads.enabled and google_ads.missing_credentials():
        missing = [variable_of(f"google_ads.{name}") for name in google_ads.missing_credentials()]
        raise Misconfigured(
            MisconfiguredCode.CREDENTIAL,
            f"google_ads.enabled is true, which needs {', '.join(missing)}; set them, or google_ads.enabled to false.",
        )
