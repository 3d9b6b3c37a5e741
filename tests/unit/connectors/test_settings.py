"""Settings: what is read from where, and what a person is told about a wrong one."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from connectors.settings import Settings, load_settings, setting_fields, variable_of
from pipeline.codes import MisconfiguredCode
from pipeline.errors import Misconfigured

HUNTER = "hunter2-very-secret"


def refused(environ: dict[str, str], file: Path | None = None) -> Misconfigured:
    with pytest.raises(Misconfigured) as caught:
        load_settings(file, environ)
    return caught.value


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "some.toml"
    path.write_text(text)
    return path


def test_nothing_set_is_the_defaults(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert load_settings(environ={}) == Settings()
    assert (Settings().partitions, Settings().kafka.bootstrap_servers) == (4, "127.0.0.1:9092")


def test_building_settings_in_code_reads_neither_environment_nor_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pulse.toml").write_text("partitions = 9")
    monkeypatch.setenv("PULSE_PARTITIONS", "8")
    assert Settings().partitions == 4


def test_the_environment_wins_over_the_file_key_by_key(tmp_path: Path) -> None:
    file = written(tmp_path, 'partitions = 2\n[clickhouse]\nport = 9000\nuser = "reader"\n')
    settings = load_settings(file, {"PULSE_CLICKHOUSE__PORT": "9001"})
    assert (settings.partitions, settings.clickhouse.port, settings.clickhouse.user) == (2, 9001, "reader")


def test_pulse_toml_of_the_working_directory_is_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pulse.toml").write_text("partitions = 9")
    assert load_settings(environ={}).partitions == 9
    assert load_settings(environ={"PULSE_CONFIG": str(written(tmp_path, "partitions = 5"))}).partitions == 5


def test_a_named_file_that_is_absent_is_refused(tmp_path: Path) -> None:
    assert "nowhere.toml" in refused({"PULSE_CONFIG": str(tmp_path / "nowhere.toml")}).detail


def test_a_file_that_is_not_toml_is_refused_with_its_line(tmp_path: Path) -> None:
    assert "line 1" in refused({}, written(tmp_path, "partitions == 4")).detail


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("PULSE_PARTITION", "PULSE_PARTITIONS"),
        ("PULSE_KAFKA__BOOTSTRAP_SERVER", "PULSE_KAFKA__BOOTSTRAP_SERVERS"),
        ("PULSE_KAFKA_BOOTSTRAP_SERVERS", "PULSE_KAFKA__BOOTSTRAP_SERVERS"),
        ("PULSE_CLICKHOSUE__PASSWORD", "PULSE_CLICKHOUSE__PASSWORD"),
    ],
)
def test_an_unknown_variable_is_refused_with_the_nearest_right_name(name: str, near: str) -> None:
    detail = refused({name: HUNTER}).detail
    assert f"{name} is not a setting; did you mean {near}?" in detail
    assert HUNTER not in detail


@pytest.mark.parametrize(
    ("text", "key", "near"),
    [
        ("partitons = 4", "partitons", "partitions"),
        ("[clickhouse]\nprot = 1", "clickhouse.prot", "clickhouse.port"),
        ("[kafak]\nca_file = 'x'", "kafak", "kafka"),
        ("[kafka]\ndatabase = 'x'", "kafka.database", "clickhouse.database"),
    ],
)
def test_an_unknown_key_is_refused_with_the_nearest_right_name(tmp_path: Path, text: str, key: str, near: str) -> None:
    detail = refused({}, written(tmp_path, text)).detail
    assert detail.startswith(key)
    assert f"did you mean {near}?" in detail


def test_a_name_near_to_nothing_points_to_the_reference() -> None:
    assert "infra/CONFIGURATION.md" in refused({"PULSE_QQQQ__ZZZZ": "1"}).detail


def test_variables_that_are_not_settings_are_left_alone() -> None:
    assert load_settings(environ={"PULSE_CLOCK": "0,0,1", "PATH": "/bin", "pulse_x": "1"}) == Settings()


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("PULSE_CLICKHOUSE__PORT", "eight", "a whole number"),
        ("PULSE_CLICKHOUSE__PORT", "0", "a number from 1"),
        ("PULSE_CLICKHOUSE__PORT", "65536", "a number up to 65535"),
        ("PULSE_WORKER__FLUSH_S", "0", "a number above 0"),
        ("PULSE_WORKER__FLUSH_S", "nan", "a number"),
        ("PULSE_CLICKHOUSE__SECURE", "perhaps", "true or false"),
        ("PULSE_KAFKA__SECURITY_PROTOCOL", "TLS", "'SASL_SSL'"),
        ("PULSE_KAFKA__BOOTSTRAP_SERVERS", "broker", "host:port"),
        ("KAFKA_BOOTSTRAP_SERVERS", "broker", "host:port"),
        ("PULSE_GOOGLE_ADS__LOGIN_CUSTOMER_ID", "123-456-7890", "digits only"),
        ("PULSE_GOOGLE_ADS__BASE_URL", "googleads", "http(s)"),
        ("PULSE_PROJECTS", "google_ads:1", "key=value"),
        ("PULSE_LOG_LEVEL", "loud", "'debug'"),
    ],
)
def test_a_wrong_value_is_refused_with_key_expectation_and_what_was_found(name: str, value: str, expected: str) -> None:
    error = refused({name: value})
    assert error.code == MisconfiguredCode.SETTING
    assert error.detail.startswith(f"{name}: expected ")
    assert expected in error.detail
    assert f'found "{value}"' in error.detail


def test_a_wrong_value_in_the_file_is_named_with_the_file(tmp_path: Path) -> None:
    file = written(tmp_path, "[sink]\nblock_rows = 2.5")
    assert f"sink.block_rows in {file}: expected a whole number, found 2.5." in refused({}, file).detail


def test_every_wrong_key_is_named_at_once() -> None:
    detail = refused({"PULSE_PARTITIONS": "x", "PULSE_REPLICATION": "y"}).detail
    assert "PULSE_PARTITIONS" in detail
    assert "PULSE_REPLICATION" in detail


def test_a_secret_is_never_shown(tmp_path: Path) -> None:
    file = written(tmp_path, '[clickhouse]\npassword = ["hunter2-very-secret"]')
    assert "found ***" in refused({}, file).detail
    assert HUNTER not in refused({}, file).detail
    settings = load_settings(environ={"PULSE_CLICKHOUSE__PASSWORD": HUNTER, "PULSE_GOOGLE_ADS__REFRESH_TOKEN": HUNTER})
    assert HUNTER not in repr(settings) + str(settings) + str(settings.model_dump())
    assert settings.clickhouse.password.get_secret_value() == HUNTER


def test_lists_and_tables_read_the_same_from_environment_and_file(tmp_path: Path) -> None:
    environ = {"PULSE_GOOGLE_ADS__ACCOUNTS": "1, 2", "PULSE_PROJECTS": "google_ads:1=acme,meta:2=b"}
    file = written(
        tmp_path, '[google_ads]\naccounts = ["1", "2"]\n[projects]\n"google_ads:1" = "acme"\n"meta:2" = "b"\n'
    )
    assert load_settings(environ=environ) == load_settings(file, {})
    assert load_settings(environ=environ).google_ads.accounts == ("1", "2")


def test_an_account_without_a_project_belongs_to_the_default_one() -> None:
    settings = load_settings(environ={"PULSE_PROJECTS": "google_ads:1=acme", "PULSE_DEFAULT_PROJECT": "rest"})
    assert (settings.project_of("google_ads", "1"), settings.project_of("meta", "1")) == ("acme", "rest")


def test_kafkas_own_variable_is_known_and_ours_wins() -> None:
    both = {"KAFKA_BOOTSTRAP_SERVERS": "a:1,b:2", "PULSE_KAFKA__BOOTSTRAP_SERVERS": "c:3"}
    assert load_settings(environ={"KAFKA_BOOTSTRAP_SERVERS": "a:1,b:2"}).kafka.bootstrap_servers == "a:1,b:2"
    assert load_settings(environ=both).kafka.bootstrap_servers == "c:3"


def test_a_server_that_is_named_is_somebody_elses() -> None:
    assert not Settings().kafka.external
    assert not Settings().clickhouse.external
    settings = load_settings(environ={"KAFKA_BOOTSTRAP_SERVERS": "a:1", "PULSE_CLICKHOUSE__HOST": "h"})
    assert settings.kafka.external
    assert settings.clickhouse.external


@pytest.mark.parametrize(
    ("environ", "missing"),
    [
        ({"PULSE_GOOGLE_ADS__ENABLED": "true"}, "PULSE_GOOGLE_ADS__REFRESH_TOKEN"),
        ({"PULSE_KAFKA__SECURITY_PROTOCOL": "SASL_SSL"}, "PULSE_KAFKA__SASL_PASSWORD"),
    ],
)
def test_a_missing_credential_is_named(environ: dict[str, str], missing: str) -> None:
    error = refused(environ)
    assert error.code == MisconfiguredCode.CREDENTIAL
    assert missing in error.detail


def test_a_file_a_setting_names_must_be_there(tmp_path: Path) -> None:
    assert "kafka.ca_file" in refused({"PULSE_KAFKA__CA_FILE": str(tmp_path / "ca.pem")}).detail


def test_settings_cannot_be_changed_afterwards() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Settings().kafka.ca_file = Path("x")  # type: ignore[misc]


def test_every_setting_is_described() -> None:
    assert [name for name, info in setting_fields().items() if not info.description] == []
    assert variable_of("kafka.ca_file") == "PULSE_KAFKA__CA_FILE"
