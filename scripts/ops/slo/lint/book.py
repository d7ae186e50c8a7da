"""All rules of all files, and what a name in them means."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import promql_parser
import yaml
from promql_parser import VectorSelector

from ops.slo.lint import tree
from ops.slo.lint.model import Context, Finding, Metric, Rule

SUFFIXES = {"histogram": ("_bucket", "_count", "_sum"), "summary": ("_count", "_sum")}


@dataclass(frozen=True, slots=True)
class Series:
    """What a name selects: the metric behind it, and whether its values only grow."""

    metric: Metric
    counter: bool
    own_labels: Mapping[str, tuple[str, ...]]


class Book:
    """The rules, findable by what they record."""

    def __init__(self, rules: list[Rule], context: Context) -> None:
        self.rules = rules
        self.context = context
        self.recorded: dict[str, list[Rule]] = defaultdict(list)
        for rule in rules:
            if not rule.alert:
                self.recorded[rule.name].append(rule)

    def series(self, name: str) -> Series | None:
        """What an exporter exposes under this name; None = none does."""
        metric = self.context.metrics.get(name)
        if metric and metric.type in ("counter", "gauge"):
            return Series(metric, metric.type == "counter", metric.labels)
        if metric and metric.type == "summary":
            return Series(metric, False, {**metric.labels, "quantile": ()})
        for kind, suffixes in SUFFIXES.items():
            for suffix in suffixes:
                base = self.context.metrics.get(name.removesuffix(suffix)) if name.endswith(suffix) else None
                if base and base.type == kind:
                    le = {"le": ()} if suffix == "_bucket" else {}
                    return Series(base, True, {**base.labels, **le})
        return None

    def interval(self, selector: VectorSelector) -> float:
        """Seconds between two samples, the longest that the selector may meet."""
        name = tree.metric_name(selector)
        if name in self.recorded:
            return max(rule.interval for rule in self.recorded[name])
        series = self.series(name)
        jobs = series.metric.jobs if series else frozenset()
        wanted = {m.value for m in tree.matchers(selector) if m.name == "job" and tree.is_equal(m)}
        chosen = (wanted or jobs or self.context.intervals.keys()) & self.context.intervals.keys()
        return max((self.context.intervals[job] for job in chosen), default=self.context.evaluation)


def read(files: Mapping[str, str], context: Context) -> tuple[list[Rule], list[Finding]]:
    """Parse rendered rule files.

    Returns:
        The rules that could be read, and a finding `syntax` for each that could not.
    """
    rules: list[Rule] = []
    findings: list[Finding] = []
    for file, text in files.items():
        try:
            content = yaml.safe_load(text)
            groups = [] if content is None else content["groups"] or []
            entries = [
                (group, place, entry) for group in groups for place, entry in enumerate(group["rules"] or [])
            ]
        except yaml.YAMLError as error:
            findings.append(Finding(file, "", "", "syntax", f"not YAML: {' '.join(str(error).split())}"))
            continue
        except (KeyError, TypeError, AttributeError):
            findings.append(
                Finding(file, "", "", "syntax", "not a rule file: groups, each with name and rules")
            )
            continue
        for group, place, entry in entries:
            name = f"rule {place + 1}"
            try:
                name = str(entry.get("alert") or entry["record"])
                rules.append(_rule(file, group, place, entry, name, context))
            except (AttributeError, KeyError, TypeError, ValueError) as error:
                message = f"cannot be read: {' '.join(str(error).split())}"
                findings.append(Finding(file, str(group.get("name", "")), name, "syntax", message))
    return rules, findings


def _rule(
    file: str,
    group: Mapping[str, object],
    place: int,
    entry: Mapping[str, object],
    name: str,
    context: Context,
) -> Rule:
    interval = group.get("interval")
    return Rule(
        file=file,
        group=str(group["name"]),
        place=place,
        interval=seconds(str(interval)) if interval else context.evaluation,
        alert="alert" in entry,
        name=name,
        tree=promql_parser.parse(str(entry["expr"])),
        labels=_texts(entry.get("labels")),
        annotations=_texts(entry.get("annotations")),
        waits=_duration(entry.get("for")),
        keeps=_duration(entry.get("keep_firing_for")),
    )


def seconds(duration: str) -> float:
    """A duration as Prometheus writes it, such as 1m30s.

    Raises:
        ValueError: it is none.
    """
    return promql_parser.parse_duration(duration).total_seconds()


def _duration(value: object) -> str:
    """Empty when it is missing or 0: both are the same to Prometheus."""
    text = str(value or "")
    return text if text.strip("0smhdwy") else ""


def _texts(value: object) -> dict[str, str]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise TypeError("labels and annotations are maps")
    return {str(key): str(text) for key, text in value.items()}


def by_group(rules: list[Rule]) -> Iterator[tuple[tuple[str, str], list[Rule]]]:
    """The rules of each group, in order."""
    groups: dict[tuple[str, str], list[Rule]] = defaultdict(list)
    for rule in rules:
        groups[rule.file, rule.group].append(rule)
    yield from groups.items()
