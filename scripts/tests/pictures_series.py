"""What each exporter of a small fleet says."""

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from ops import paths
from ops.slo.lint import known
from ops.slo.lint.model import Metric

TRADERS = ("trader-01", "trader-02", "trader-03", "trader-04")
GROUPS: Mapping[str, tuple[str, ...]] = {
    "trader": TRADERS,
    "monitor": ("monitor-01",),
    "vault": ("vault-01",),
    "all": ("monitor-01", *TRADERS, "vault-01"),
}
# By job and host, series with their labels; a value, or what monitoring/healthy.yml writes instead of one.
Content = dict[tuple[str, str], dict[str, Any]]


@dataclass(slots=True)
class Fleet:
    """What each exporter says.

    Args:
        series: by job and host.
        silent: targets that do not answer now, and have not for `silent_seconds`.
        recorded: what rules recorded in the past two hours, by name with labels.
        recorded_until: so many seconds ago; negative: ahead.
    """

    series: Content
    silent: frozenset[tuple[str, str]] = frozenset()
    silent_seconds: int = 600
    recorded: dict[str, Any] = field(default_factory=dict)
    # Two minutes of what is to come: a slow machine looks at the page long after it was recorded.
    recorded_until: int = -120

    def change(self, job: str, host: str, **values: Any) -> None:
        """Set series by name; one without labels of its own, or every one of that name."""
        content = self.series[job, host]
        for name, value in values.items():
            found = [series for series in content if series.partition("{")[0] == name]
            assert found, f"{job} of {host} has no {name}"
            for series in found:
                content[series] = value


def healthy() -> Fleet:
    """The fleet of monitoring/healthy.yml, with whatever else the exporters are declared to expose."""
    metrics = known.metrics()
    content: Content = {}
    for host in GROUPS["all"]:
        content["node", host] = _machine()
        if host in TRADERS:
            content["trader", host] = {
                name: value
                for metric in metrics.values()
                if metric.name.startswith("trader_") and "trader" in metric.jobs
                for name, value in _service(metric).items()
            }
            peers = (peer for peer in TRADERS if peer != host)
            content["node", host] |= {f'trader_peer_state{{peer="{peer}"}}': 0 for peer in peers}
            content["node", host]["trader_state_written_timestamp_seconds"] = {"age": 5}
    for job, host in (("prometheus", "monitor-01"), ("alertmanager", "monitor-01"), ("deadman", "vault-01")):
        content[job, host] = {}
    for group, entries in yaml.safe_load((paths.ROOT / "monitoring" / "healthy.yml").read_text()).items():
        for series, value in entries.items():
            for host in GROUPS[group]:
                _add(content, series, host, value)
    for host in TRADERS:
        fleet = content["trader", host]
        fleet.pop('trader_build_info{sha256="a1"}')
        fleet[release("1.4.0", "a1b2c3d4e5f60718")] = 1
        fleet["trader_process_start_timestamp_seconds"] = int(time.time()) - 86_400
        fleet["trader_last_order_timestamp_seconds"] = {"age": 2}
        fleet |= latency(0.5, 0.02)
    for (job, _), series in content.items():
        for name in list(series):
            if not _declared(metrics, name.partition("{")[0], job):
                del series[name]
    return Fleet(content)


def release(version: str, sha256: str) -> str:
    """The series that names the running release."""
    return (
        f'trader_build_info{{release="trader-{version}-{sha256[:12]}",sha256="{sha256}",version="{version}"}}'
    )


def latency(rate: float, typical: float) -> dict[str, Any]:
    """A histogram of order latency.

    Args:
        rate: orders a second.
        typical: seconds within which 90 % of them are answered; the rest is within twice that.
    """
    name = "trader_order_latency_seconds"
    bounds = [float(bucket) for bucket in known.metrics()[name].buckets]
    shares = {bound: min(1.0, 0.9 * bound / typical if bound <= typical else 1.0) for bound in bounds}
    series: dict[str, Any] = {
        f'{name}_bucket{{le="{bound}"}}': {"rate": rate * share} for bound, share in shares.items()
    }
    series[f'{name}_bucket{{le="+Inf"}}'] = series[f"{name}_count"] = {"rate": rate}
    series[f"{name}_sum"] = {"rate": rate * typical / 2}
    return series


def _service(metric: Metric) -> dict[str, Any]:
    if metric.type == "histogram":
        bounds = (*metric.buckets, "+Inf")
        shares = {bound: min(1.0, (place + 1) / 6) for place, bound in enumerate(bounds)}
        series: dict[str, Any] = {
            f'{metric.name}_bucket{{le="{bound}"}}': {"rate": 0.2 * shares[bound]} for bound in bounds
        }
        return series | {f"{metric.name}_count": {"rate": 0.2}, f"{metric.name}_sum": {"rate": 0.01}}
    value: Any = {"rate": 0.0} if metric.type == "counter" else 0
    usual: dict[str, Any] = {
        "trader_fills_total": {"rate": 0.4},
        "trader_cancels_total": {"rate": 0.1},
        "trader_budget_weight_limit": 6000,
        "trader_budget_used_weight": 900,
        "trader_order_entry_ready": 1,
        "trader_open_orders": 3,
        "trader_loop_lag_seconds": 0.001,
        "trader_resident_memory_bytes": 60e6,
        "trader_stream_age_seconds": 0.4,
        "trader_dead_man_armed": 1,
        "trader_dead_man_seconds_left": 90,
        "trader_clock_uncertainty_seconds": 0.004,
    }
    labels = {label: values or ("x",) for label, values in metric.labels.items()}
    if metric.name == "trader_build_info":
        return {}
    if not labels:
        return {metric.name: usual.get(metric.name, value)}
    ((label, values),) = labels.items()
    return {f'{metric.name}{{{label}="{one}"}}': usual.get(metric.name, value) for one in values}


def _machine() -> dict[str, Any]:
    series: dict[str, Any] = {
        f'node_cpu_seconds_total{{cpu="{cpu}",mode="{mode}"}}': {"rate": rate}
        for cpu in (0, 1)
        for mode, rate in (("idle", 0.8), ("user", 0.2))
    }
    series |= {
        'node_disk_io_time_seconds_total{device="sda"}': {"rate": 0.05},
        "node_load1": 0.4,
        "node_memory_MemAvailable_bytes": 6e9,
        "node_memory_MemTotal_bytes": 8e9,
        'node_network_receive_bytes_total{device="eth0"}': {"rate": 20_000},
        'node_network_transmit_bytes_total{device="eth0"}': {"rate": 9_000},
    }
    return series | {
        f'node_systemd_unit_state{{name="trader.service",state="{state}",type="simple"}}': int(
            state == "active"
        )
        for state in ("active", "failed")
    }


def _add(content: Content, series: str, host: str, value: Any) -> None:
    name, _, rest = series.rstrip("}").partition("{")
    labels = dict(re.findall(r'(\w+)="([^"]*)"', rest))
    job = labels.pop("job")
    del labels["host"]
    # Prometheus writes these itself, and the latency's buckets come whole.
    if name in ("up", "scrape_samples_post_metric_relabeling") or name.startswith(
        "trader_order_latency_seconds"
    ):
        return
    inside = ",".join(f'{label}="{text}"' for label, text in labels.items())
    content[job, host][f"{name}{{{inside}}}" if inside else name] = value


def _declared(metrics: Mapping[str, Metric], name: str, job: str) -> bool:
    base = re.sub(r"_(bucket|count|sum)$", "", name)
    metric = metrics.get(name) or metrics.get(base)
    return metric is not None and (not metric.jobs or job in metric.jobs)


def number(value: Any, now: float) -> float:
    if not isinstance(value, Mapping):
        return float(value)
    ((kind, amount),) = value.items()
    # Counters run since a fixed time, so that history and present fit together.
    values = {"rate": amount * (now - 1_700_000_000), "age": now - amount, "ahead": now + amount}
    return float(values[kind])


def text_of(series: Mapping[str, Any], now: float) -> str:
    return "".join(f"{name} {number(value, now):.15g}\n" for name, value in series.items())
