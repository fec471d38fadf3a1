"""Figures for Prometheus; each station has a registry of its own."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

_SECONDS = (0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)


class Metrics:
    """Latency, queue, decisions, requests, failed logins and drift."""

    content_type = CONTENT_TYPE_LATEST

    def __init__(self) -> None:
        self._registry = own = CollectorRegistry()
        self._decisions = Counter("urushi_inspections", "Images by decision", ["detector", "decision"], registry=own)
        self._seconds = Histogram(
            "urushi_inspection_seconds",
            "From decoding to the row on the disk",
            ["detector"],
            buckets=_SECONDS,
            registry=own,
        )
        self.requests = Histogram(
            "urushi_request_seconds",
            "From the request to its answer",
            ["method", "status"],
            buckets=_SECONDS,
            registry=own,
        )
        self.queue = Gauge("urushi_queue_images", "Images that wait or are inspected", registry=own)
        self.failed_logins = Counter("urushi_failed_logins", "Requests with a wrong token", registry=own)
        self.deliveries = Counter(
            "urushi_deliveries",
            "Results sent to others, by what became of it",
            ["destination", "outcome"],
            registry=own,
        )
        self.deliveries_waiting = Gauge(
            "urushi_deliveries_waiting", "Results that no one has taken yet", ["destination"], registry=own
        )
        self.triggers = Counter("urushi_triggers", "Messages to cameras", ["camera", "outcome"], registry=own)
        self.verdicts = Counter("urushi_verdicts", "Verdicts by kind", ["detector", "verdict"], registry=own)
        names = ["detector", "statistic"]
        self._drift = Gauge("urushi_drift_evidence", "That it has moved; 1 raises the alarm", names, registry=own)
        self._drift_alarm = Gauge("urushi_drift_alarm", "1 while an alarm stands", names, registry=own)
        self._drifts: dict[tuple[str, str], tuple[Gauge, ...]] = {}

    def inspected(self, detector: str, decision: str, seconds: float) -> None:
        """Counts one image."""
        self._decisions.labels(detector, decision).inc()
        self._seconds.labels(detector).observe(seconds)

    def drifted(self, detector: str, statistic: str, evidence: float, *, is_alarm: bool) -> None:
        """How far a statistic of normal images has moved."""
        if (gauges := self._drifts.get((detector, statistic))) is None:
            gauges = tuple(gauge.labels(detector, statistic) for gauge in (self._drift, self._drift_alarm))
            self._drifts[detector, statistic] = gauges  # to find them takes longer than to set them
        for gauge, value in zip(gauges, (evidence, is_alarm), strict=True):
            gauge.set(value)

    def text(self) -> bytes:
        """In the text format."""
        return generate_latest(self._registry)
