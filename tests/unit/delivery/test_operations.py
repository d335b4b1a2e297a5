"""deploy/README.md speaks of every alert and of commands that there are; alerts and dashboard of figures that there are."""

import json
import re
from typing import Any

import pytest
import yaml

from services.cli.program import build
from services.harness.network import BUREAUS
from shared.telemetry import NodeMetrics
from tests.unit.delivery.conftest import DEPLOY, compose

README = (DEPLOY / "README.md").read_text()
RULES = yaml.safe_load((DEPLOY / "prometheus" / "alerts.yml").read_text())["groups"][0]["rules"]
DASHBOARD = json.loads((DEPLOY / "grafana" / "dashboards" / "quanyu.json").read_text())


def test_every_alert_says_what_to_do_and_nothing_is_said_of_alerts_that_there_are_not() -> None:
    alerts = README.split("## Alerts\n")[1].split("\n## ")[0]
    assert re.findall(r"^### (\w+)$", alerts, re.MULTILINE) == [rule["alert"] for rule in RULES]
    assert {rule["labels"]["severity"] for rule in RULES} == {"page", "ticket"}


def commands(command: Any, path: tuple[str, ...] = ()) -> set[tuple[str, ...]]:
    below = getattr(command, "commands", {})
    return {path}.union(*(commands(one, (*path, name)) for name, one in below.items()))


def test_every_command_that_is_named_is_there() -> None:
    there = commands(build())
    named = {tuple(words.split()) for words in re.findall(r"`quanyu ((?:keys|bus|database) [a-z]+|node)", README)}
    assert named
    assert named <= there


def figures() -> set[str]:
    """The names of all series that a node shows."""
    made = set[str]()
    for family in NodeMetrics("anhui").registry.collect():
        endings = {"counter": ["_total"], "histogram": ["_bucket", "_count", "_sum"]}.get(family.type, [""])
        made |= {family.name + ending for ending in endings}
    return made


@pytest.mark.parametrize(
    "expression",
    [rule["expr"] for rule in RULES] + [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]],
)
def test_every_figure_is_one_that_nodes_show(expression: str) -> None:
    named = set(re.findall(r"\b(?:quanyu|process)_[a-z_]+", expression))
    assert named <= figures() | {"process_resident_memory_bytes"}
    assert named or "up{" in expression


def test_prometheus_and_grafana_find_what_they_are_told_of() -> None:
    services = compose()["services"]
    scrapes = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text())["scrape_configs"]
    targets = {one["labels"]["bureau"]: one["targets"] for one in scrapes[0]["static_configs"]}
    assert targets == {bureau: [f"{bureau}:8080"] for bureau in BUREAUS}
    assert all(set(services[name]["networks"]) & set(services["prometheus"]["networks"]) for name in BUREAUS)
    [source] = yaml.safe_load((DEPLOY / "grafana/provisioning/datasources/prometheus.yml").read_text())["datasources"]
    assert source["url"] == "http://prometheus:9090"
    assert {panel["datasource"]["uid"] for panel in DASHBOARD["panels"]} == {source["uid"]}
    [provider] = yaml.safe_load((DEPLOY / "grafana/provisioning/dashboards/quanyu.yml").read_text())["providers"]
    assert provider["options"]["path"] in {
        mount.split(":")[1] for mount in services["grafana"]["volumes"] if isinstance(mount, str)
    }
