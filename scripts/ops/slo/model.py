"""monitoring/slo.yml as objects, checked when it is read."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Annotated, Any, Literal, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ops import paths
from ops.errors import OperatorError

FILE = paths.ROOT / "monitoring" / "slo.yml"
UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}

Duration = Annotated[str, Field(pattern=r"^[1-9]\d*[smhd]$")]
Severity = Literal["page", "ticket", "none"]
_Kind = TypeVar("_Kind", bound=BaseModel)


def seconds(duration: str) -> int:
    """A duration of Prometheus with one unit ("5m") in seconds; "" is 0."""
    return int(duration[:-1]) * UNITS[duration[-1]] if duration else 0


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Condition(_Strict):
    """One row of burn rates: both windows must burn `factor` times the budget's even pace.

    Google's SRE workbook, chapter 5. `min_bad` and `min_total` count events of the long window.
    """

    severity: Severity
    long: Duration
    short: Duration
    factor: float = Field(gt=0)
    min_bad: int = Field(alias="minBad", ge=1)
    min_total: int = Field(default=0, alias="minTotal", ge=0)


class Symptom(_Strict):
    """What pages before any budget can tell: most of the last minutes' events are bad."""

    window: Duration
    bad_ratio: float = Field(alias="badRatio", gt=0, lt=1)
    min_bad: int = Field(alias="minBad", ge=1)
    for_: Duration = Field(alias="for")


class Policy(_Strict):
    """The rows for one size of budget."""

    description: str
    conditions: tuple[Condition, ...] = Field(min_length=1)
    symptom: Symptom


class State(_Strict):
    """A state that is an alert by itself; the header of slo.yml says what the keys mean."""

    summary: str
    expr: str
    threshold: float
    severity: Severity
    for_: Duration | Literal[""] = Field(default="", alias="for")
    keep: Duration | Literal[""] = Field(default="", alias="keepFiringFor")
    money: bool = False
    planned: bool = False
    fleet: bool = False
    no_data: Literal["fires", "keeps", "resolves"] = Field(alias="noData")


@dataclass(frozen=True, slots=True)
class Objective:
    """An SLO: `bad` and `total` are selectors of counters without a range; `good` stands where bad is total
    minus good."""

    name: str
    slug: str
    title: str
    description: str
    target: float
    bad: str
    good: str
    total: str
    policy: Policy

    @property
    def budget(self) -> float:
        return round(1 - self.target, 9)


@dataclass(frozen=True, slots=True)
class Alert:
    """One alerting rule, before its annotations.

    Args:
        threshold: as it is written in the expression; of a burn-rate alert its smallest bad ratio.
        objective: of a burn-rate alert.
    """

    name: str
    expr: str
    threshold: float
    severity: str
    topic: str
    summary: str
    for_: str = ""
    keep: str = ""
    money: bool = False
    planned: bool = False
    fleet: bool = False
    no_data: str = "resolves"
    objective: Objective | None = None

    @property
    def labels(self) -> dict[str, str]:
        labels = {"severity": self.severity, "topic": self.topic}
        if self.money:
            labels["money"] = "true"
        if self.objective:
            labels["slo"] = self.objective.slug
        return labels


@dataclass(frozen=True, slots=True)
class Model:
    """All of slo.yml."""

    objectives: tuple[Objective, ...]
    states: Mapping[str, tuple[str, State]]

    def state_alerts(self) -> tuple[Alert, ...]:
        """The alerts of the states, `$threshold` filled in."""
        return tuple(
            Alert(
                name, Template(state.expr).substitute(threshold=number(state.threshold)), state.threshold,
                state.severity, topic, state.summary, state.for_, state.keep, state.money, state.planned,
                state.fleet, state.no_data,
            )
            for name, (topic, state) in self.states.items()
        )  # fmt: skip


def number(value: float) -> str:
    """A number as PromQL and a person write it: 0.144, 100."""
    return f"{value:.10g}"


def load(path: Path = FILE) -> Model:
    """Read and check slo.yml.

    Raises:
        OperatorError: names the document and the key that is wrong.
    """
    name = path.name
    try:
        documents = [entry for entry in yaml.safe_load_all(path.read_text()) if entry]
    except OSError as error:
        raise OperatorError(f"{path}: {error.strerror}") from None
    except yaml.YAMLError as error:
        raise OperatorError(f"{name}: not YAML: {' '.join(str(error).split())}") from None
    policies: dict[str, Policy] = {}
    states: dict[str, tuple[str, State]] = {}
    slos: list[tuple[str, Mapping[str, Any]]] = []
    seen: set[tuple[str, str]] = set()
    for place, document in enumerate(documents, start=1):
        kind, title = _head(name, place, document)
        if (kind, title) in seen:
            raise OperatorError(f"{name}: {kind} {title} is there twice; remove one")
        seen.add((kind, title))
        where = f"{name}: {kind} {title}"
        match kind:
            case "AlertPolicy":
                policies[title] = _read(Policy, document.get("spec"), where)
            case "State":
                topic = str(document["metadata"].get("topic", ""))
                if not re.fullmatch(r"[A-Z][A-Za-z0-9]+", title) or not topic:
                    raise OperatorError(f"{where}: metadata needs a name like DailyLoss80 and a topic")
                states[title] = (topic, _state(_read(State, document.get("spec"), where), where))
            case "SLO":
                slos.append((where, document))
            case "Service" | "DataSource":
                pass
            case _:
                raise OperatorError(f"{where}: kind is one of SLO, AlertPolicy, State, Service, DataSource")
    return Model(tuple(_objective(where, entry, policies) for where, entry in slos), states)


def _head(name: str, place: int, document: object) -> tuple[str, str]:
    if isinstance(document, dict):
        title = (document.get("metadata") or {}).get("name")
        if document.get("kind") and title:
            return str(document["kind"]), str(title)
    raise OperatorError(f"{name}: document {place} needs kind and metadata.name")


def _read(kind: type[_Kind], content: object, where: str) -> _Kind:
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"]) or "spec"
        raise OperatorError(f"{where}: {key}: {first['msg']}") from None


def _state(state: State, where: str) -> State:
    if "$threshold" not in state.expr:
        raise OperatorError(f"{where}: expr must use $threshold, so that the figure is written once")
    if state.money and not state.keep:
        raise OperatorError(f"{where}: money needs keepFiringFor")
    return state


def _objective(where: str, document: Mapping[str, Any], policies: Mapping[str, Policy]) -> Objective:
    try:
        spec = document["spec"]
        ratio = spec["indicator"]["spec"]["ratioMetric"]
        queries = {
            key: str(ratio[key]["metricSource"]["spec"]["query"]) if key in ratio else ""
            for key in ("bad", "good", "total")
        }
        target, title = float(spec["objectives"][0]["target"]), str(spec["objectives"][0]["displayName"])
        policy_name, name = str(spec["alertPolicies"][0]), str(document["metadata"]["displayName"])
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise OperatorError(f"{where}: {error} is missing or of another form than OpenSLO's") from None
    if policy_name not in policies:
        raise OperatorError(f"{where}: alertPolicies names {policy_name}, which is not here")
    if not 0 < target < 1:
        raise OperatorError(f"{where}: target is a share between 0 and 1, not {target}")
    if not queries["total"] or bool(queries["bad"]) == bool(queries["good"]):
        raise OperatorError(f"{where}: ratioMetric needs total and one of bad and good")
    slug, description = str(document["metadata"]["name"]), str(spec["description"])
    objective = Objective(name, slug, title, description, target, **queries, policy=policies[policy_name])
    for row in objective.policy.conditions:
        # A bad ratio never exceeds 1: such an alert looks healthy for ever.
        if row.factor * objective.budget >= 1:
            raise OperatorError(
                f"{where}: factor {row.factor} x budget {objective.budget} is not below 1: it never fires"
            )
    return objective
