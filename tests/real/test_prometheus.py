"""The real Prometheus scrapes four nodes that have worked: every alert and every query of the dashboard is answered.

Expressions that are empty while all is well are answered in their parts: each figure in them must be there, or it is said here
why it is empty by nature."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from typing import Any

import httpx2 as httpx
import pytest
import yaml

from services.harness.stack.prometheus import DELIVERED, PrometheusServer, promtool, require_prometheus
from tests.real.stage import Stage
from tests.real.waiting import Measured, until

pytestmark = [pytest.mark.kafka, pytest.mark.prometheus]

DASHBOARD = DELIVERED.parent / "grafana" / "dashboards" / "quanyu.json"
ALERTS = [rule for group in yaml.safe_load((DELIVERED / "alerts.yml").read_text())["groups"] for rule in group["rules"]]
QUERIES = [target["expr"] for panel in json.loads(DASHBOARD.read_text())["panels"] for target in panel["targets"]]
FIGURE = re.compile(r"\b(?:(?:quanyu|process)_[a-z_]+|up)\b(?:\{[^}]*\})?")  # with what it selects
EMPTY_BY_NATURE = {
    "quanyu_dead_letters": "nobody has written a message that a person must look at",
    "quanyu_owed": "every answer has come",
    "quanyu_owed_oldest_seconds": "every answer has come",
    "quanyu_loop_restarts_total": "no loop has failed",
    'quanyu_receipts_total{outcome="refused"}': "nobody has sent what must be refused",
    'quanyu_questions_total{outcome="no_answer"}': "every peer has answered",
    'quanyu_http_seconds_count{status=~"5.."}': "no answer was an error of ours",
    'quanyu_http_seconds_count{status=~"5..",route!~"/health/.*"}': "no answer was an error of ours",
}
"""Figures of trouble, which have no series while there is none."""


class Asked:
    """Prometheus' own interface for queries."""

    def __init__(self, url: str) -> None:
        self._client = httpx.AsyncClient(base_url=url, trust_env=False)

    async def series(self, expression: str) -> list[Any]:
        answer = await self._client.get("/api/v1/query", params={"query": expression})
        body = answer.json()
        assert body["status"] == "success", f"{expression}: {body}"
        found: list[Any] = body["data"]["result"]
        return found

    async def rules(self) -> list[dict[str, Any]]:
        body = (await self._client.get("/api/v1/rules")).json()
        return [rule for group in body["data"]["groups"] for rule in group["rules"]]

    async def close(self) -> None:
        await self._client.aclose()


@pytest.fixture(scope="module")
async def prometheus(stage: Stage, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Asked]:
    """Prometheus has looked at each node several times, while a transfer went its way."""
    targets = {bureau: f"127.0.0.1:{node.ports.web}" for bureau, node in stage.nodes.items()}
    server = PrometheusServer(tmp_path_factory.mktemp("prometheus"), targets)
    await asyncio.to_thread(server.start)
    asked = Asked(server.url)
    try:
        for origin, destination in (("zhejiang", "shanghai"), ("jiangsu", "anhui")):
            transfer = await stage.begin(origin, destination)
            await transfer.at_destination(transfer.destination.counter, "look-up")
            await transfer.run()

        async def is_seen() -> bool:
            return len(await asked.series('rate(quanyu_receipts_total{outcome="applied"}[5m]) >= 0')) == len(targets)

        await until(is_seen)
        yield asked
    finally:
        await asked.close()
        await asyncio.to_thread(server.stop)


def test_configuration_and_rules_are_right_and_every_alert_comes_when_it_should() -> None:
    require_prometheus()
    assert "SUCCESS" in promtool("check", "config", "prometheus.yml")
    assert f"SUCCESS: {len(ALERTS)} rules found" in promtool("check", "rules", "alerts.yml")
    assert "SUCCESS" in promtool("test", "rules", "alerts_test.yml")
    tested = (DELIVERED / "alerts_test.yml").read_text()
    assert [rule["alert"] for rule in ALERTS if f'alertname="{rule["alert"]}"' not in tested] == []


async def test_every_alert_is_evaluated_and_none_comes_on_an_ordinary_day(prometheus: Asked) -> None:
    rules = await prometheus.rules()
    assert {rule["name"]: rule["health"] for rule in rules} == {rule["alert"]: "ok" for rule in ALERTS}
    assert [rule["name"] for rule in rules if rule["state"] == "firing"] == []


@pytest.mark.parametrize("rule", ALERTS, ids=[rule["alert"] for rule in ALERTS])
async def test_every_figure_of_an_alert_is_there(rule: dict[str, Any], prometheus: Asked) -> None:
    await prometheus.series(rule["expr"])
    await figures_are_there(rule["expr"], prometheus)


@pytest.mark.parametrize("expression", QUERIES)
async def test_every_query_of_the_dashboard_is_answered(expression: str, prometheus: Asked) -> None:
    found = await prometheus.series(expression)
    await figures_are_there(expression, prometheus)
    assert found or set(FIGURE.findall(expression)) <= EMPTY_BY_NATURE.keys()


async def figures_are_there(expression: str, prometheus: Asked) -> None:
    for name in set(FIGURE.findall(expression)):
        assert name in EMPTY_BY_NATURE or await prometheus.series(name) != [], name


async def test_a_node_that_is_killed_is_noticed(stage: Stage, prometheus: Asked, measured: Measured) -> None:
    stage.nodes["anhui"].kill9()

    async def is_pending() -> bool:
        return any(rule["name"] == "NodeDown" and rule["state"] in ("pending", "firing") for rule in await prometheus.rules())

    measured("node killed: Prometheus' alert is pending (then 1 minute)", await until(is_pending))
    await stage.heal()
