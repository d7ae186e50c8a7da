"""What exporters expose and when it is scraped, read from the project's files."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from prometheus_client.utils import floatToGoString

from ops import paths
from ops.errors import OperatorError
from ops.slo.lint.book import seconds
from ops.slo.lint.model import Metric

OF_THE_SERVICE = paths.ROOT / "app" / "trader" / "telemetry" / "metrics.yml"
OF_OTHERS = paths.ROOT / "monitoring" / "foreign_metrics.yml"
RUNBOOKS = paths.ROOT / "docs" / "runbooks"
TYPES = ("counter", "gauge", "histogram", "summary")
# Prometheus writes these itself for every target: https://prometheus.io/docs/concepts/jobs_instances/
_OF_EVERY_TARGET = (
    "up",
    "scrape_duration_seconds",
    "scrape_samples_scraped",
    "scrape_samples_post_metric_relabeling",
    "scrape_series_added",
)


def metrics(service: Path = OF_THE_SERVICE, others: Path = OF_OTHERS) -> dict[str, Metric]:
    """Every metric that a rule may read, by name.

    Args:
        service: what the trading service exposes; bounds of buckets are numbers.
        others: what everything else exposes, with `jobs`; bounds of buckets are texts, as they are exposed.

    Raises:
        OperatorError: names the file and the metric that is wrong.
    """
    found = {name: Metric(name, "gauge") for name in _OF_EVERY_TARGET}
    for path, jobs in ((service, frozenset({"trader"})), (others, frozenset[str]())):
        for entry in _entries(path):
            metric = _metric(path, entry, jobs)
            # The state files tell some of the service's metrics too, by another job.
            before = found.get(metric.name)
            if before and (before.type, before.labels.keys()) != (metric.type, metric.labels.keys()):
                raise OperatorError(f"{path.name}: {metric.name} differs from what {service.name} says of it")
            if before:
                metric = Metric(
                    metric.name, metric.type, metric.labels, before.buckets, before.jobs | metric.jobs
                )
            found[metric.name] = metric
    return found


def _entries(path: Path) -> list[Mapping[str, Any]]:
    try:
        return list(yaml.safe_load(path.read_text())["metrics"])
    except OSError as error:
        raise OperatorError(f"{path}: {error.strerror}") from None
    except (yaml.YAMLError, KeyError, TypeError):
        raise OperatorError(f"{path.name}: must be YAML with a list `metrics`") from None


def _metric(path: Path, entry: Mapping[str, Any], jobs: frozenset[str]) -> Metric:
    name = str(entry.get("name", ""))
    kind = entry.get("type")
    jobs |= {str(job) for job in entry.get("jobs", ())}
    if not name or kind not in TYPES or not jobs:
        raise OperatorError(
            f"{path.name}: {name or 'an entry'} needs name, type ({', '.join(TYPES)}) and jobs"
        )
    labels = entry.get("labels") or {}
    return Metric(
        name=name,
        type=kind,
        labels={str(label): tuple(str(value) for value in values) for label, values in labels.items()},
        buckets=tuple(_bound(bound) for bound in entry.get("buckets", ())),
        jobs=jobs,
    )


def _bound(bound: object) -> str:
    if isinstance(bound, str):
        return bound
    # As Python's client writes it: 1 becomes 1.0.
    return str(floatToGoString(bound))  # type: ignore[no-untyped-call]


def intervals(configuration: str) -> tuple[dict[str, float], float]:
    """Scrape interval of each job, and the evaluation interval, both in seconds.

    Args:
        configuration: text of prometheus.yml as Prometheus reads it.

    Raises:
        OperatorError: a key is missing.
    """
    try:
        content = yaml.safe_load(configuration)
        everywhere = content["global"]
        of_jobs = {
            str(job["job_name"]): seconds(str(job.get("scrape_interval", everywhere["scrape_interval"])))
            for job in content["scrape_configs"]
        }
        return of_jobs, seconds(str(everywhere["evaluation_interval"]))
    except (yaml.YAMLError, KeyError, TypeError, ValueError) as error:
        raise OperatorError(f"prometheus.yml: {' '.join(str(error).split())} is missing or wrong") from None


def runbooks(folder: Path = RUNBOOKS) -> frozenset[str]:
    """Names of the alerts that have a page."""
    return frozenset(path.stem for path in folder.glob("*.md"))
