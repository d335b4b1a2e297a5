"""Each node counts for itself, by route and not by path."""

from uuid import uuid4

from fastapi import APIRouter, FastAPI
from fastapi.testclient import TestClient

from shared.telemetry import MetricsMiddleware, NodeMetrics


def count(metrics: NodeMetrics, **labels: str) -> float | None:
    return metrics.registry.get_sample_value("quanyu_http_seconds_count", labels)


def build_client(metrics: NodeMetrics) -> TestClient:
    app, router = FastAPI(), APIRouter(prefix="/cases")

    @router.get("/{case}")
    async def read(case: str) -> str:
        if case == "broken":
            raise RuntimeError(case)
        return case

    app.include_router(router)
    app.add_middleware(MetricsMiddleware, metrics=metrics)
    return TestClient(app, raise_server_exceptions=False)


def test_requests_are_counted_under_their_route() -> None:
    metrics = NodeMetrics("shanghai")
    client = build_client(metrics)
    for _ in range(3):
        client.get(f"/cases/{uuid4()}")
    assert count(metrics, method="GET", route="/cases/{case}", status="200") == 3


def test_paths_and_methods_that_nobody_knows_share_a_label() -> None:
    metrics = NodeMetrics("shanghai")
    client = build_client(metrics)
    for number in range(3):
        client.get(f"/scan/{number}")
    client.request("BREW", "/scan")
    assert count(metrics, method="GET", route="unknown", status="404") == 3
    assert count(metrics, method="OTHER", route="unknown", status="404") == 1


def test_request_that_broke_is_counted_as_500() -> None:
    metrics = NodeMetrics("shanghai")
    build_client(metrics).get("/cases/broken")
    assert count(metrics, method="GET", route="/cases/{case}", status="500") == 1


def test_four_nodes_in_one_process_do_not_mix() -> None:
    shanghai, zhejiang = NodeMetrics("shanghai"), NodeMetrics("zhejiang")
    shanghai.receipts.labels("applied").inc()
    shanghai.owed.labels("zhejiang").set(2)
    text, media_type = shanghai.render()
    assert media_type.startswith("text/plain")
    assert 'quanyu_receipts_total{outcome="applied"} 1.0' in text.decode()
    assert 'quanyu_owed{owed_by="zhejiang"} 2.0' in text.decode()
    assert 'quanyu_node{bureau="shanghai"} 1.0' in text.decode()
    other = zhejiang.render()[0].decode()
    assert 'outcome="applied"' not in other
    assert 'quanyu_node{bureau="zhejiang"} 1.0' in other
