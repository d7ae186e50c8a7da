"""Rule tests: from monitoring/cases/*.yml and monitoring/healthy.yml to what `promtool test rules` reads.

Each case changes a few series of a healthy fleet and gives, per series, the nearest value on which the alert
must fire and the nearest on which it must not. What is tested of each is in `state_cases`.
"""

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ops import paths
from ops.errors import OperatorError
from ops.slo.model import Alert, number

FOLDER = paths.ROOT / "monitoring" / "cases"
HEALTHY = paths.ROOT / "monitoring" / "healthy.yml"
HOSTS: Mapping[str, Sequence[str]] = {
    "trader": ("trader-01", "trader-02"),
    "all": ("monitor-01", "trader-01", "trader-02", "vault-01"),
    "monitor": ("monitor-01",),
    "vault": ("vault-01",),
}
STEP = 15  # seconds between samples and between evaluations
CHANGE = 630  # seconds after which the series change
TODO = "todo: true"


class Value(BaseModel):
    """What a series does: a constant, a counter's rate per second, or a time some seconds ago or ahead."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    value: float | Literal["stale"] | None = None
    rate: float | None = None
    age: float | None = None
    ahead: float | None = None

    @classmethod
    def of(cls, content: object) -> "Value":
        return cls.model_validate(content if isinstance(content, dict) else {"value": content})

    def samples(self, start: int, end: int, last: float, step: int) -> tuple[str, float]:
        """Samples in [start, end), one in `step` seconds, in promtool's short form (5+15x3 is 5 20 35 50).

        Returns:
            They, and the last value, from which a counter goes on.
        """
        more = len(range(start, end, step)) - 1
        if more < 0:
            return "", last
        if self.rate is not None:
            first, pace = last + self.rate * step, self.rate * step
            return f"{number(first)}+{number(pace)}x{more}", first + pace * more
        if self.age is not None:
            return f"{number(start - self.age)}+{step}x{more}", last
        if self.ahead is not None:
            return f"{number(start + self.ahead)}+{step}x{more}", last
        if self.value is None:
            return f"_x{more + 1}", last
        if self.value == "stale":
            return f"stale _x{more}" if more else "stale", last
        value = float(self.value)
        # There is no short form of NaN.
        return " ".join(["NaN"] * (more + 1)) if value != value else f"{number(value)}x{more}", value


class Change(BaseModel):
    """A series and the nearest values on both sides of the threshold; healthy = what healthy.yml says, "_"
    if it is not there."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    fires: Any
    silent: Any
    healthy: Any = None


class Fade(BaseModel):
    """Changed series on which an alert fires for so many seconds, though they stay changed."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    seconds: int = Field(gt=0)
    series: dict[str, Any]


class Case(BaseModel):
    """One file of monitoring/cases.

    Args:
        labels: of the alert beside those of its rule.
        change: by series.
        delay_seconds: from the change until the expression is true; a window must fill.
        after_seconds: from the recovery until it is false again; a window must drain.
        companions: alerts that rightly fire beside it.
        ends: series that end in the test without data; none = those of change.
        no_data_seconds: how long after the end the state without data is looked at.
        fires_after_seconds: of an alert that fires without data: from the end of its series in a healthy
            fleet until it does; none = its `for`.
        forgets_seconds: from the end of its series until what they said last is forgotten; none = a day of an
            alert that keeps firing, never of others.
        twin: one more series of each of the changed ones stays as it was, as after a change of address.
        absent: series that are not there from the begin, each set by name; it must fire.
        also_silent: further changes, each by name, on which it must not fire.
        also_fires: further changes on which it must fire with the same labels.
        fades: changes, each by name, that are forgotten after a time.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    labels: dict[str, str] = Field(default_factory=dict)
    change: dict[str, Change]
    delay_seconds: int = 0
    after_seconds: int = 0
    companions: tuple[str, ...] = ()
    ends: tuple[str, ...] = ()
    no_data_seconds: int = 7_200
    fires_after_seconds: int | None = None
    forgets_seconds: int | None = None
    twin: bool = False
    absent: dict[str, list[str]] = Field(default_factory=dict)
    also_silent: dict[str, dict[str, Any]] = Field(default_factory=dict)
    also_fires: dict[str, dict[str, Any]] = Field(default_factory=dict)
    fades: dict[str, Fade] = Field(default_factory=dict)
    resolves: bool = True


@dataclass(frozen=True, slots=True)
class RuleTest:
    """One test of promtool: series, and expressions with what they must give at which second.

    Args:
        whole: it needs every rule, for it looks at what else fires.
        every: the rules run once in so many samples, for only the end matters.
        step: seconds between two samples.
        without_data: its series end, and it looks at what the alert does then.
    """

    name: str
    series: Mapping[str, str]
    whole: bool = False
    every: int = 1
    step: int = STEP
    without_data: bool = False
    checks: list[tuple[int, str, list[tuple[str, float]]]] = field(default_factory=list)

    def document(self) -> dict[str, Any]:
        return {
            "interval": f"{self.step}s",
            "name": self.name,
            "input_series": [{"series": name, "values": values} for name, values in self.series.items()],
            "promql_expr_test": [
                {
                    "expr": expr,
                    "eval_time": f"{time}s",
                    "exp_samples": [{"labels": labels, "value": value} for labels, value in wanted],
                }
                for time, expr, wanted in self.checks
            ],
        }


def load(name: str, folder: Path = FOLDER) -> Case:
    """Read a case.

    Raises:
        OperatorError: it is missing, unfinished or wrong; one line that says which key.
    """
    path = folder / f"{name}.yml"
    where = f"monitoring/cases/{path.name}"
    try:
        text = path.read_text()
    except OSError:
        raise OperatorError(f"{where}: missing; ./scripts/slo generate writes its skeleton") from None
    if TODO in text:
        raise OperatorError(f"{where}: still a skeleton; fill it in and remove the line `{TODO}`")
    try:
        return Case.model_validate(yaml.safe_load(text))
    except (ValidationError, yaml.YAMLError) as error:
        first = (
            error.errors()[0] if isinstance(error, ValidationError) else {"loc": ("YAML",), "msg": str(error)}
        )
        key = ".".join(str(part) for part in first["loc"])
        raise OperatorError(f"{where}: {key}: {first['msg']}; correct it") from None


def skeleton(alert: Alert) -> str:
    """What `generate` writes for a state without a case."""
    return (
        f"# {alert.name}: the nearest value on which it fires, the nearest on which it is silent.\n"
        f"{TODO}\n"
        "labels: {host: trader-01}\n"
        "change:\n"
        f"  'SERIES': {{fires: {number(alert.threshold)}, silent: 0}}\n"
    )


def healthy() -> dict[str, Value]:
    """Every series of healthy.yml by name."""
    found = {}
    for group, series in yaml.safe_load(HEALTHY.read_text()).items():
        for host in HOSTS[group]:
            for name, value in series.items():
                found[name.replace("{host}", host)] = Value.of(value)
    return found


def series(
    base: Mapping[str, Value], phases: Sequence[tuple[int, Mapping[str, Value]]], step: int = STEP
) -> dict[str, str]:
    """Values of every series; each phase lasts to the begin of the next, the last only marks the end."""
    names = list(dict.fromkeys([*base, *(name for _, changes in phases for name in changes)]))
    written = {}
    for name in names:
        parts = []
        last = 0.0
        for (start, changes), (end, _) in itertools.pairwise(phases):
            part, last = changes.get(name, base.get(name, Value())).samples(start, end, last, step)
            parts.append(part)
        written[name] = " ".join(part for part in parts if part)
    return written


def firing(alert: Alert) -> str:
    """The series by which Prometheus says that an alert fires."""
    return f'ALERTS{{alertname="{alert.name}", alertstate="firing"}}'


def others(names: Iterable[str]) -> tuple[str, list[tuple[str, float]]]:
    """A look at every alert that fires: these and the heartbeat."""
    wanted = sorted({*names, "Watchdog"})
    return (
        'group by (alertname) (ALERTS{alertstate="firing"})',
        [(f'{{alertname="{name}"}}', 1.0) for name in wanted],
    )


def up(duration: int, step: int = STEP) -> int:
    """A multiple of the step, for it is seen no earlier."""
    return -(-duration // step) * step
