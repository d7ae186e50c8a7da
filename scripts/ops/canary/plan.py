"""The batch planner: a plan file and a list of hosts become phases with exact hosts. Pure.

Shares are cumulative and rounded up. Ansible's `serial` is not used for this: its entries are sizes of
batches, so that "10 %, 25 %, 50 %" would be 10 %, 35 %, 85 %, and an unreachable host does not stop its
later batches.
"""

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator, ValidationError
from jsonschema.exceptions import best_match

from ops.bounds import Comparison, holds
from ops.errors import OperatorError

SCHEMA = Path(__file__).with_name("plan.schema.json")
# Fewer scrapes than this make no window.
MINIMUM_SCRAPES = 3
_HOST = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_PLACEHOLDER = re.compile(r"\$\w+")


@dataclass(frozen=True)
class Criterion:
    """One success criterion. `bound` is in `unit`; see plan.schema.json for the meaning of each field."""

    name: str
    description: str
    unit: str
    kind: Comparison
    bound: float
    query: str
    minimum_samples_query: str | None
    minimum_samples: float | None

    def holds(self, value: float) -> bool:
        """Whether a finite value is within the bound."""
        return holds(value, self.kind, self.bound)


@dataclass(frozen=True)
class Phase:
    """One phase. `batch` are the hosts that change in it, `updated` all that have the release at its end."""

    number: int
    percent: int
    batch: tuple[str, ...]
    updated: tuple[str, ...]
    soak_seconds: float


@dataclass(frozen=True)
class Plan:
    """What a rollout will do, fixed before the first change."""

    inventory: str
    release: str
    sha256: str
    prometheus_url: str
    scrape_interval_seconds: float
    hosts: tuple[str, ...]
    phases: tuple[Phase, ...]
    criteria: tuple[Criterion, ...]
    notes: tuple[str, ...]

    def phase(self, number: int) -> Phase:
        """The phase of a number, counted from 1.

        Raises:
            OperatorError: there is none.
        """
        if not 1 <= number <= len(self.phases):
            raise OperatorError(f"phase {number} is not in the plan: it has 1 to {len(self.phases)}")
        return self.phases[number - 1]

    def to_json(self) -> dict[str, Any]:
        """The plan as JSON, with the sha256 of its content as `plan_sha256`."""
        content: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
        return content | {"plan_sha256": hashlib.sha256(canonical.encode()).hexdigest()}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "Plan":
        """Read what `to_json` wrote.

        Raises:
            OperatorError: it was changed since.
        """
        content = {key: value for key, value in data.items() if key != "plan_sha256"}
        phases = tuple(
            Phase(**phase | {"batch": tuple(phase["batch"]), "updated": tuple(phase["updated"])})
            for phase in content.pop("phases")
        )
        criteria = tuple(Criterion(**criterion) for criterion in content.pop("criteria"))
        hosts, notes = tuple(content.pop("hosts")), tuple(content.pop("notes"))
        plan = cls(**content, hosts=hosts, notes=notes, phases=phases, criteria=criteria)
        if plan.to_json()["plan_sha256"] != data.get("plan_sha256"):
            raise OperatorError("plan.json was changed after the rollout began; start another rollout")
        return plan


def make_plan(
    settings: object, hosts: Sequence[object], *, inventory: str, release: str, sha256: str
) -> Plan:
    """Validate a plan file's content and lay its phases over the hosts.

    Args:
        settings: value of the inventory's variable `canary`.
        hosts: names in the order in which they shall change.
        inventory: name of the inventory, for the record.
        release: id of the release to roll out.
        sha256: hex sha256 of its artifact.
    Raises:
        OperatorError: one line that names the key, or the group when it is empty.
    """
    names = _hosts(hosts)
    checked = _validate(settings)
    phases, notes = lay_out(
        [(int(phase["percent"]), float(phase["soak_seconds"])) for phase in checked["phases"]], names
    )
    return Plan(
        inventory=inventory,
        release=release,
        sha256=sha256,
        prometheus_url=checked["prometheus_url"].rstrip("/"),
        scrape_interval_seconds=float(checked["scrape_interval_seconds"]),
        hosts=names,
        phases=phases,
        criteria=tuple(_criterion(criterion) for criterion in checked["criteria"]),
        notes=notes,
    )


def lay_out(
    shares: Sequence[tuple[int, float]], hosts: tuple[str, ...]
) -> tuple[tuple[Phase, ...], tuple[str, ...]]:
    """Turn cumulative shares into phases; shares that mean the same hosts become one phase.

    Args:
        shares: (percent, soak in seconds), percents increasing and the last one 100.
        hosts: names, not empty.
    Returns:
        The phases (a merged one has the longest soak), and one sentence for each share that fell together
        with another.
    """
    steps: list[
        tuple[int, int, float, list[int]]
    ] = []  # percent, hosts updated, soak, percents that fell into it
    for percent, soak_seconds in shares:
        updated = -(-len(hosts) * percent // 100)
        if steps and steps[-1][1] == updated:
            previous = steps.pop()
            merged = [*previous[3], previous[0]]
            steps.append((percent, updated, max(previous[2], soak_seconds), merged))
        else:
            steps.append((percent, updated, soak_seconds, []))
    phases: list[Phase] = []
    notes = []
    done = 0
    for number, (percent, updated, soak_seconds, merged) in enumerate(steps, start=1):
        phases.append(Phase(number, percent, hosts[done:updated], hosts[:updated], soak_seconds))
        done = updated
        if merged:
            shares_text = ", ".join(f"{one} %" for one in merged) + f" and {percent} %"
            notes.append(
                f"{shares_text} of {len(hosts)} hosts are the same {updated}: one phase (number {number}), "
                f"soak {soak_seconds:g} s"
            )
    return tuple(phases), tuple(notes)


def render(query: str, hosts: Sequence[str], window_seconds: float) -> str:
    """Fill the placeholders of a query.

    Args:
        query: PromQL with $hosts and $window.
        hosts: names for the regular expression.
        window_seconds: length of the window; whole seconds are used.
    """
    pattern = "|".join(host.replace(".", "[.]") for host in hosts)
    return query.replace("$hosts", pattern).replace("$window", f"{int(window_seconds)}s")


@cache
def _validator() -> Draft202012Validator:
    return Draft202012Validator(json.loads(SCHEMA.read_text()))


def _hosts(hosts: Sequence[object]) -> tuple[str, ...]:
    if not hosts:
        raise OperatorError("the group to roll out to is empty; is the lab up, and is --limit right?")
    names = []
    for host in hosts:
        if not isinstance(host, str) or not _HOST.fullmatch(host):
            raise OperatorError(f"{host!r} is not a host name; the hosts are a list of inventory names")
        if host in names:
            raise OperatorError(f"host {host} is in the list twice")
        names.append(host)
    return tuple(names)


def _validate(settings: object) -> dict[str, Any]:
    error = best_match(_validator().iter_errors(settings))
    if error is not None:
        raise OperatorError(_explain(error))
    assert isinstance(settings, dict)
    interval = settings["scrape_interval_seconds"]
    last = 0
    for index, phase in enumerate(settings["phases"]):
        key = f"canary.phases[{index}]"
        if phase["percent"] <= last:
            raise OperatorError(
                f"{key}.percent: {phase['percent']} must be greater than {last}, the phase before it; "
                "shares are cumulative"
            )
        last = phase["percent"]
        shortest = MINIMUM_SCRAPES * interval
        if phase["soak_seconds"] < shortest:
            raise OperatorError(
                f"{key}.soak_seconds: {phase['soak_seconds']:g} is too short to judge; scrapes come every "
                f"{interval:g} s, so at least {shortest:g}"
            )
    if last != 100:
        key = f"canary.phases[{len(settings['phases']) - 1}]"
        raise OperatorError(f"{key}.percent: {last} must be 100, it is the last")
    names = set()
    for index, criterion in enumerate(settings["criteria"]):
        key = f"canary.criteria[{index}]"
        if criterion["name"] in names:
            raise OperatorError(f"{key}.name: {criterion['name']!r} is used twice")
        names.add(criterion["name"])
        for field in ("query", "minimum_samples_query"):
            unknown = set(_PLACEHOLDER.findall(criterion.get(field, ""))) - {"$window", "$hosts"}
            if unknown:
                raise OperatorError(f"{key}.{field}: {min(unknown)} is unknown; there are $window and $hosts")
    return settings


def _criterion(data: dict[str, Any]) -> Criterion:
    kinds: tuple[Comparison, ...] = ("max", "below", "min")
    kind = next(kind for kind in kinds if kind in data)
    return Criterion(
        name=data["name"],
        description=data.get("description", ""),
        unit=data["unit"],
        kind=kind,
        bound=float(data[kind]),
        query=data["query"],
        minimum_samples_query=data.get("minimum_samples_query"),
        minimum_samples=data.get("minimum_samples"),
    )


def _explain(error: ValidationError) -> str:
    parts = error.absolute_path
    key = "canary" + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in parts)
    found: Any = error.instance
    limit: Any = error.validator_value
    value = json.dumps(found, default=str)
    shown = value if len(value) <= 60 else value[:57] + "..."
    match error.validator:
        case "required":
            return f"{key}.{next(name for name in limit if name not in found)} is missing"
        case "dependentRequired":
            return f"{key}: minimum_samples and minimum_samples_query must be given together"
        case "oneOf":
            return f"{key}: exactly one of max, below and min must be given"
        case "additionalProperties":
            known = error.schema["properties"] if isinstance(error.schema, dict) else {}
            return f"{key}.{min(set(found) - set(known))} is unknown; known are {', '.join(known)}"
        case "type":
            kinds = {"integer": "a whole number", "array": "a list", "object": "a mapping", "string": "text"}
            return f"{key}: {shown} must be {kinds.get(limit, 'a number')}"
        case "minItems":
            return f"{key}: at least one is needed"
        case "pattern" if "window" in limit:
            return f"{key}: it must use $window, so that it judges the soak"
        case "pattern":
            return f"{key}: {shown} must be a URL such as http://monitor:9090"
        case "minimum":
            return f"{key}: {shown} must be at least {limit}"
        case "exclusiveMinimum":
            return f"{key}: {shown} must be more than {limit}"
        case "maximum":
            return f"{key}: {shown} must be at most {limit}"
    return f"{key}: {error.message}"
