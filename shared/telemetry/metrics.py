"""What a node counts and measures, for Prometheus. One registry per node: one process may hold four."""

from time import perf_counter

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HTTP_BUCKETS_SECONDS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
KNOWN_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
UNKNOWN_ROUTE = "unknown"  # one label for everything that no route matches: a scanner must not fill our memory


class NodeMetrics:
    """Counters are counted where it happens, gauges read when Prometheus asks; times are Unix seconds of the machine clock."""

    def __init__(self, bureau: str) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        info = Gauge("quanyu_node", "Which bureau's node this is", ["bureau"], registry=self.registry)
        info.labels(bureau).set(1)
        self.http_seconds = Histogram(
            "quanyu_http_seconds",
            "Time from a request's arrival to the end of its answer",
            ["method", "route", "status"],
            buckets=HTTP_BUCKETS_SECONDS,
            registry=self.registry,
        )
        self.questions = self._counter("questions", "Questions asked of peers", "peer", "question", "outcome")
        self.outbox_unsent = self._gauge("outbox_unsent", "Sealed messages not yet acknowledged by the bus")
        self.outbox_oldest_seconds = self._gauge("outbox_oldest_seconds", "Age of the oldest unsent message")
        self.receipts = self._counter("receipts", "Messages received", "outcome")
        self.dead_letters = self._gauge("dead_letters", "Messages that wait for a person", "reason")
        self.owed = self._gauge("owed", "Answers that are owed", "owed_by")
        self.owed_oldest_seconds = self._gauge("owed_oldest_seconds", "Age of the oldest owed answer", "owed_by")
        self.loop_progress = self._gauge("loop_progress_timestamp_seconds", "When a loop last got on", "loop")
        self.loop_restarts = self._counter("loop_restarts", "Restarts of a loop after an exception", "loop")
        # Ends as times and not as time left: an alert computes with Prometheus' own clock, also when a node has stopped.
        self.signing_key_end = self._gauge(
            "signing_key_end_timestamp_seconds", "When the key that signs now ends; 0: there is none"
        )
        self.trust_list_end = self._gauge("trust_list_end_timestamp_seconds", "By when the trust list in force must be renewed")
        self.certificate_end = self._gauge(
            "certificate_end_timestamp_seconds", "When a TLS certificate ends; 0: it cannot be read", "certificate"
        )
        self.up = self._gauge("up", "1: can be reached; 0: cannot", "part")

    def _gauge(self, name: str, documentation: str, *labels: str) -> Gauge:
        return Gauge(f"quanyu_{name}", documentation, labels, registry=self.registry)

    def _counter(self, name: str, documentation: str, *labels: str) -> Counter:
        return Counter(f"quanyu_{name}", documentation, labels, registry=self.registry)

    def render(self) -> tuple[bytes, str]:
        """Body and content type for `GET /metrics` (Prometheus text format)."""
        return generate_latest(self.registry), CONTENT_TYPE_LATEST


class MetricsMiddleware:
    """Measures every answered request under its route's template, never under its path, which holds ids."""

    def __init__(self, app: ASGIApp, *, metrics: NodeMetrics) -> None:
        self.app = app
        self.metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        status = 500

        async def send_and_note(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        method = scope["method"] if scope["method"] in KNOWN_METHODS else "OTHER"
        started = perf_counter()
        try:
            await self.app(scope, receive, send_and_note)
        finally:
            self.metrics.http_seconds.labels(method, _template(scope), str(status)).observe(perf_counter() - started)


def _template(scope: Scope) -> str:
    """The route's whole template: FastAPI keeps it beside a nested router's route, whose own `path` lacks the prefixes."""
    route = scope.get("fastapi", {}).get("effective_route_context") or scope.get("route")
    return getattr(route, "path", None) or UNKNOWN_ROUTE
