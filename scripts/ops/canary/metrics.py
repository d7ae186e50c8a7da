"""The service's metric names, from the data file that the service registers them from.

A criterion on a name that does not exist would find "no data" only in the first soak; here the plan is
refused.
"""

import re
from pathlib import Path

import yaml

from ops.canary.plan import Plan
from ops.errors import OperatorError

FILE = Path("app/trader/telemetry/metrics.yml")
_NAME = re.compile(r"\btrader_[a-z0-9_]+\b")
_HISTOGRAM_PARTS = ("_bucket", "_sum", "_count")


def known_names(path: Path) -> set[str]:
    """Every series name of app/trader/telemetry/metrics.yml.

    Raises:
        OperatorError: the file is missing or malformed.
    """
    try:
        metrics = yaml.safe_load(path.read_text())["metrics"]
        histograms = {metric["name"] for metric in metrics if metric["type"] == "histogram"}
        plain = {metric["name"] for metric in metrics} - histograms
    except (OSError, yaml.YAMLError, KeyError, TypeError) as error:
        raise OperatorError(f"{path}: cannot read the service's metrics: {error!r:.200}") from None
    return plain | {name + part for name in histograms for part in _HISTOGRAM_PARTS}


def check_plan(plan: Plan, known: set[str]) -> None:
    """Refuse a plan that asks for a metric of the service which there is not.

    Raises:
        OperatorError: names the key and the metric.
    """
    for index, criterion in enumerate(plan.criteria):
        for field in ("query", "minimum_samples_query"):
            unknown = set(_NAME.findall(getattr(criterion, field) or "")) - known
            if unknown:
                raise OperatorError(
                    f"canary.criteria[{index}].{field}: the service has no metric {min(unknown)} "
                    "(app/trader/telemetry/metrics.yml)"
                )
