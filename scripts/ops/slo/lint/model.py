"""What the linter reads and what it says."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from promql_parser import Expr

# Prometheus adds these to whatever a target exposes; `host` comes from the configuration of every job.
TARGET_LABELS = frozenset({"host", "instance", "job"})
SEVERITIES = ("page", "ticket", "none")
HEARTBEAT = "Watchdog"

MetricType = Literal["counter", "gauge", "histogram", "summary"]


@dataclass(frozen=True, slots=True)
class Finding:
    """Something wrong with a rule.

    Args:
        about: the metric, label or alert that an exception may name.
    """

    file: str
    group: str
    rule: str
    code: str
    message: str
    about: str = ""

    def __str__(self) -> str:
        return f"{self.file}: {self.group or '-'}: {self.rule or '-'}: {self.message} [{self.code}]"


@dataclass(frozen=True, slots=True)
class Problem:
    """A finding before its place is known; the same fields."""

    code: str
    message: str
    about: str = ""


@dataclass(frozen=True, slots=True)
class Metric:
    """What an exporter exposes under a name.

    Args:
        labels: the metric's own labels with their values; no values = any.
        buckets: finite bounds of a histogram, ascending, exactly as exposed (`1.0` from Python, `1` from Go).
        jobs: the jobs whose targets expose it; empty = every job.
    """

    name: str
    type: MetricType
    labels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    buckets: tuple[str, ...] = ()
    jobs: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Burn:
    """One row of a burn-rate alert: it fires when the bad ratio exceeds `factor` x `budget`."""

    factor: float
    budget: float


@dataclass(frozen=True, slots=True)
class Allowed:
    """An exception from one check.

    Args:
        rule: name of the rule, or `*` for every rule.
        about: what the finding is about, exactly; it says so in its field of the same name.
        reason: why the rule is right all the same.
    """

    code: str
    rule: str
    about: str
    reason: str


@dataclass(frozen=True, slots=True)
class Context:
    """What the rules are compared with. `None` = not known, so not compared.

    Args:
        metrics: by name, as exporters declare them; without the suffixes of histograms.
        intervals: scrape interval in seconds of every job.
        evaluation: seconds between evaluations of a group without an interval of its own.
        runbooks: names of the alerts that have a page.
        thresholds: by alert, the numbers of slo.yml that its expression must compare with.
        burns: by alert, its rows.
        fleet: alerts that speak of no single host.
    """

    metrics: Mapping[str, Metric]
    intervals: Mapping[str, float]
    evaluation: float
    runbooks: frozenset[str] | None = None
    thresholds: Mapping[str, frozenset[float]] | None = None
    burns: Mapping[str, tuple[Burn, ...]] = field(default_factory=dict)
    fleet: frozenset[str] = frozenset()
    allowed: tuple[Allowed, ...] = ()


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of a rendered file.

    Args:
        place: its position in the group, from 0.
        interval: seconds between evaluations.
    """

    file: str
    group: str
    place: int
    interval: float
    alert: bool
    name: str
    tree: Expr
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    waits: str
    keeps: str
