"""What a node says about itself: logs without personal data, metrics, and the trace that joins the steps of one act."""

from shared.telemetry.logs import configure_logs, logging_as, masked
from shared.telemetry.metrics import MetricsMiddleware, NodeMetrics
from shared.telemetry.trace import Trace, TraceMiddleware, current_traceparent, trace_from

__all__ = [
    "MetricsMiddleware",
    "NodeMetrics",
    "Trace",
    "TraceMiddleware",
    "configure_logs",
    "current_traceparent",
    "logging_as",
    "masked",
    "trace_from",
]
