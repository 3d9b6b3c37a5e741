"""Alerts on ourselves: each asks for metrics that exist, of processes that are scraped."""

import re
from typing import Any

import pytest
import yaml

import connectors.clickhouse.gauges  # noqa: F401 - the sink's metrics join the registry
from connectors.telemetry import REGISTRY
from pipeline.codes import Stage
from tests.contract.generated import ROOT
from tests.contract.test_compose import SERVICES

FOLDER = ROOT / "infra" / "prometheus"
CONFIG: dict[str, Any] = yaml.safe_load((FOLDER / "prometheus.yml").read_text())
RULES: list[dict[str, Any]] = [
    rule for group in yaml.safe_load((FOLDER / "rules.yml").read_text())["groups"] for rule in group["rules"]
]


def metric_labels() -> dict[str, set[str]]:
    """Name as scraped -> its labels."""
    labels: dict[str, set[str]] = {}
    for collector in REGISTRY._collector_to_names:
        for metric in collector.describe() if hasattr(collector, "describe") else ():
            name = f"{metric.name}_total" if metric.type == "counter" else metric.name
            labels[name] = set(getattr(collector, "_labelnames", ()))
    return labels


def names_of(rule: dict[str, Any]) -> set[str]:
    return set(re.findall(r"\bpulse_\w+", rule["expr"]))


def test_the_configuration_reads_the_rules_that_are_there() -> None:
    assert CONFIG["rule_files"] == ["rules.yml"]


def test_every_service_of_ours_that_stays_is_scraped_where_it_listens() -> None:
    targets = {
        target for job in CONFIG["scrape_configs"] for static in job["static_configs"] for target in static["targets"]
    }
    listening = {
        f"{name}:{value}"
        for name, service in SERVICES.items()
        for variable, value in service.get("environment", {}).items()
        if re.fullmatch(r"PULSE_(WORKER__HTTP|SINK__HTTP|GOOGLE_ADS__HTTP|INTAKE_)_PORT", variable)
    }
    assert targets == listening


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_a_rule_asks_for_metrics_that_exist_with_labels_they_have(rule: dict[str, Any]) -> None:
    known = metric_labels()
    assert names_of(rule) <= set(known)
    ours = set().union(*(known[name] for name in names_of(rule))) | {"job", "instance"}
    grouped = {label.strip() for group in re.findall(r"by \(([^)]*)\)", rule["expr"]) for label in group.split(",")}
    selected = set(re.findall(r"(\w+)=~?\"", rule["expr"]))
    told = set(re.findall(r"\$labels\.(\w+)", " ".join(rule["annotations"].values())))
    assert grouped | selected | told <= ours


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_a_rule_says_what_it_means_and_what_to_do_first(rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in {"warning", "critical"}
    assert rule["annotations"]["summary"]
    assert rule["annotations"]["action"]


def test_stages_and_jobs_that_rules_name_exist() -> None:
    text = " ".join(rule["expr"] for rule in RULES)
    stages = {stage for choice in re.findall(r'stage=~?"([^"]+)"', text) for stage in choice.split("|")}
    assert stages <= set(Stage)
    jobs = {job["job_name"] for job in CONFIG["scrape_configs"]}
    for pattern in re.findall(r'job=~?"([^"]+)"', text):
        assert any(re.fullmatch(pattern, job) for job in jobs)


@pytest.mark.parametrize(
    "metric",
    [
        "pulse_consumer_lag_records",
        "pulse_sink_age_seconds",
        "pulse_feed_age_seconds",
        "pulse_records_dead_lettered_total",
        "pulse_flush_age_seconds",
    ],
)
def test_what_must_be_watched_is_watched(metric: str) -> None:
    assert any(metric in names_of(rule) for rule in RULES)
