"""The variable `canary` of an inventory becomes a plan: every key checked, one line a mistake. Pure."""

import json
import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator, ValidationError
from jsonschema.exceptions import best_match

from ops.bounds import Comparison
from ops.canary.freeze import read_windows
from ops.canary.layout import Share, lay_out, order, read_hosts
from ops.canary.plan import MINIMUM_SCRAPES, Contrast, Criterion, Gates, Judging, Plan, Shadow
from ops.errors import OperatorError
from ops.release.store import Schema

SCHEMA = Path(__file__).with_name("plan.schema.json")
_PLACEHOLDER = re.compile(r"\$\w+")


def make_plan(
    settings: object,
    hosts: Sequence[object],
    *,
    inventory: str,
    release: str,
    sha256: str,
    schema: Schema = "unchanged",
) -> Plan:
    """Validate a plan file's content and lay its phases over the hosts.

    Args:
        settings: value of the inventory's variable `canary`.
        hosts: names, or mappings with name, exposure_usd, venue and account; in the inventory's order.
        inventory: name of the inventory, for the record.
        release: id of the release to roll out.
        sha256: hex sha256 of its artifact.
        schema: what the release does to the journal's schema.
    Raises:
        OperatorError: one line that names the key, or the group when it is empty.
    """
    known = read_hosts(hosts)
    checked = _validate(settings)
    names = (
        order(known) if checked.get("order", "exposure") == "exposure" else tuple(one.name for one in known)
    )
    phases, notes = lay_out([_share(one) for one in checked["phases"]], names, checked.get("hold_out", False))
    contrasts = tuple(_contrast(one) for one in checked.get("compare", []))
    if contrasts and len(names) > 1:
        notes += (f"phase {len(phases)} has no host left to compare with: its contrasts are not judged",)
    if contrasts and len(names) == 1:
        notes += ("one host alone has nothing to be compared with: contrasts are not judged",)
    if schema == "contracted":
        notes += (
            "the release contracts the journal's schema: fix forward only, no host is turned back by itself",
        )
    judging, gates = checked.get("judge", {}), checked.get("gates", {})
    freeze, shadow = checked.get("freeze", {}), checked.get("shadow", {})
    return Plan(
        inventory=inventory,
        release=release,
        sha256=sha256,
        schema=schema,
        prometheus_url=checked["prometheus_url"].rstrip("/"),
        scrape_interval_seconds=float(checked["scrape_interval_seconds"]),
        hosts=names,
        phases=phases,
        criteria=tuple(_criterion(criterion) for criterion in checked["criteria"]),
        contrasts=contrasts,
        judging=Judging(
            false_alarms=float(judging.get("false_alarms", 0.05)),
            before_seconds=float(judging.get("before_seconds", 3600)),
            step_seconds=float(judging.get("step_seconds", 15)),
            restart_control=judging.get("restart_control", False),
            placebo_windows=int(judging.get("placebo_windows", 0)),
        ),
        gates=Gates(
            pages=gates.get("pages", True),
            error_budget=gates.get("error_budget", False),
            clock_seconds=float(gates.get("clock_seconds", 2.0)),
            backup_hours=_number(gates.get("backup_hours")),
            restore_test_hours=_number(gates.get("restore_test_hours")),
            freeze=read_windows(freeze),
            freeze_lead_minutes=float(freeze.get("lead_minutes", 5)),
        ),
        shadow=Shadow(
            seconds=float(shadow.get("seconds", 0)),
            max_ratio=float(shadow.get("max_ratio", 2)),
            min_agreement=float(shadow.get("min_agreement", 0)),
        ),
        webhooks=tuple(checked.get("webhooks", [])),
        notes=notes,
    )


@cache
def _validator() -> Draft202012Validator:
    return Draft202012Validator(json.loads(SCHEMA.read_text()))


def _validate(settings: object) -> dict[str, Any]:
    error = best_match(_validator().iter_errors(settings))
    if error is not None:
        raise OperatorError(_explain(error))
    assert isinstance(settings, dict)
    interval = settings["scrape_interval_seconds"]
    last: Share | None = None
    for index, phase in enumerate(settings["phases"]):
        key = f"canary.phases[{index}]"
        share = _share(phase)
        what = "percent" if share.hosts is None else "hosts"
        other = last is not None and (share.hosts is None) != (last.hosts is None)
        if other and share.percent != 100:
            raise OperatorError(
                f"{key}: shares in percent and in hosts cannot be mixed, but for a last 100 %"
            )
        now = share.percent if share.hosts is None else share.hosts
        before = 0 if last is None or other else last.percent or last.hosts or 0
        assert now is not None
        if now <= before:
            raise OperatorError(
                f"{key}.{what}: {now} must be greater than {before}, the phase before it; "
                "shares are cumulative"
            )
        last = share
        shortest = MINIMUM_SCRAPES * interval
        if share.soak_seconds < shortest:
            raise OperatorError(
                f"{key}.soak_seconds: {share.soak_seconds:g} is too short to judge; scrapes come every "
                f"{interval:g} s, so at least {shortest:g}"
            )
        if share.soak_max_seconds < share.soak_seconds:
            raise OperatorError(
                f"{key}.soak_max_seconds: {share.soak_max_seconds:g} is shorter than soak_seconds"
            )
    assert last is not None
    if last.percent != 100:
        key = f"canary.phases[{len(settings['phases']) - 1}]"
        raise OperatorError(f"{key}.percent: {last.percent or 'hosts'} must be 100, it is the last")
    _check_queries(settings)
    return settings


def _check_queries(settings: dict[str, Any]) -> None:
    names = set()
    fields = ("query", "minimum_samples_query", "exposure_query")
    for part in ("criteria", "compare"):
        for index, criterion in enumerate(settings.get(part, [])):
            key = f"canary.{part}[{index}]"
            if criterion["name"] in names:
                raise OperatorError(f"{key}.name: {criterion['name']!r} is used twice")
            names.add(criterion["name"])
            for field in fields:
                unknown = set(_PLACEHOLDER.findall(criterion.get(field, ""))) - {"$window", "$hosts"}
                if unknown:
                    raise OperatorError(
                        f"{key}.{field}: {min(unknown)} is unknown; there are $window and $hosts"
                    )
            for field in ("exposure_query", "harmless_rate") if part == "compare" else ():
                if (criterion["kind"] == "count") != (field in criterion):
                    raise OperatorError(f"{key}: kind count needs {field}, and kind level has none")
            if criterion.get("kind") == "count" and criterion["margin"] <= 1:
                raise OperatorError(
                    f"{key}.margin: {criterion['margin']:g} must be more than 1: it is a ratio"
                )


def _share(data: dict[str, Any]) -> Share:
    soak = float(data["soak_seconds"])
    return Share(
        percent=data.get("percent"),
        hosts=data.get("hosts"),
        soak_seconds=soak,
        soak_max_seconds=float(data.get("soak_max_seconds", soak)),
        risk_scale=float(data.get("risk_scale", 1.0)),
    )


def _number(value: float | None) -> float | None:
    return None if value is None else float(value)


def _contrast(data: dict[str, Any]) -> Contrast:
    return Contrast(
        name=data["name"],
        description=data.get("description", ""),
        kind=data["kind"],
        query=data["query"],
        exposure_query=data.get("exposure_query"),
        harmless_rate=_number(data.get("harmless_rate")),
        margin=float(data["margin"]),
    )


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
        minimum_samples=_number(data.get("minimum_samples")),
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
            words = [choice["required"][0] for choice in limit]
            return f"{key}: exactly one of {', '.join(words[:-1])} and {words[-1]} must be given"
        case "enum":
            return f"{key}: {shown} must be one of {', '.join(map(str, limit))}"
        case "additionalProperties":
            known = error.schema["properties"] if isinstance(error.schema, dict) else {}
            return f"{key}.{min(set(found) - set(known))} is unknown; known are {', '.join(known)}"
        case "type":
            kinds = {
                "integer": "a whole number",
                "array": "a list",
                "object": "a mapping",
                "string": "text",
                "boolean": "true or false",
            }
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
        case "exclusiveMaximum":
            return f"{key}: {shown} must be less than {limit}"
        case "maximum":
            return f"{key}: {shown} must be at most {limit}"
    return f"{key}: {error.message}"
