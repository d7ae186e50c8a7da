"""Registers the metrics of metrics.yml, and nothing that is not in it."""

from collections.abc import Callable
from importlib.resources import files
from itertools import product

import prometheus_client
import yaml
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.registry import Collector

from trader.telemetry.release import Release

Metric = Counter | Gauge | Histogram


class Metrics:
    """The service's metrics by their exposed names.

    Raises:
        KeyError: (every method) the name is not in metrics.yml.
    """

    def __init__(self) -> None:
        # The `_created` series would double the number of series and tell nothing that the process start
        # does not.
        prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]
        self._registry = CollectorRegistry()
        self._metrics: dict[str, Metric] = {}
        self._refresh: list[Callable[[], None]] = []
        # Registered first: collectors run in order, and these fill the gauges that are computed when read.
        self._registry.register(_Refresh(self._refresh))
        ProcessCollector(registry=self._registry)
        for entry in yaml.safe_load(files("trader.telemetry").joinpath("metrics.yml").read_text())["metrics"]:
            self._metrics[entry["name"]] = self._register(entry)

    def _register(self, entry: dict[str, object]) -> Metric:
        labels = entry.get("labels") or {}
        assert isinstance(labels, dict)
        name, help_text, names = str(entry["name"]), str(entry["help"]), list(labels)
        metric: Metric
        match entry["type"]:
            case "counter":
                metric = Counter(name, help_text, names, registry=self._registry)
            case "gauge":
                metric = Gauge(name, help_text, names, registry=self._registry)
            case "histogram":
                buckets = entry["buckets"]
                assert isinstance(buckets, list)
                metric = Histogram(name, help_text, names, registry=self._registry, buckets=buckets)
            case other:
                raise ValueError(f"metrics.yml: {name}: unknown type {other!r}")
        if labels and all(labels.values()):
            for values in product(*labels.values()):
                metric.labels(*values)
        return metric

    def count(self, name: str, **labels: str) -> None:
        """Add one to a counter."""
        self.add(name, 1, **labels)

    def add(self, name: str, amount: float, **labels: str) -> None:
        """Add to a counter."""
        metric = self._metrics[name]
        assert isinstance(metric, Counter)
        (metric.labels(**labels) if labels else metric).inc(amount)

    def set(self, name: str, value: float, **labels: str) -> None:
        """Set a gauge."""
        metric = self._metrics[name]
        assert isinstance(metric, Gauge)
        (metric.labels(**labels) if labels else metric).set(value)

    def observe(self, name: str, value: float) -> None:
        """Add one observation to a histogram."""
        metric = self._metrics[name]
        assert isinstance(metric, Histogram)
        metric.observe(value)

    def refresh_with(self, function: Callable[[], None]) -> None:
        """Call this before every scrape, to set gauges that are ages or counts of something alive."""
        self._refresh.append(function)

    def release(self, release: Release) -> None:
        """Publish which release runs."""
        labels = {"release": release.id, "sha256": release.sha256, "version": release.version}
        self.set("trader_build_info", 1, **labels)

    def expose(self) -> bytes:
        """The text that Prometheus scrapes."""
        return prometheus_client.generate_latest(self._registry)


class _Refresh(Collector):
    def __init__(self, functions: list[Callable[[], None]]) -> None:
        self._functions = functions

    def collect(self) -> list[prometheus_client.Metric]:
        for function in self._functions:
            function()
        return []
