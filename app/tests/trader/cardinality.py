"""Which labels the service may expose: few names, and of each only what metrics.yml lists.

What has no bound (order ids, error text, addresses) belongs into the log; as a label it is a series for each,
for as long as Prometheus remembers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

# Whoever adds a name here states that its values are few and known before the service starts.
NAMES = frozenset(
    {
        "class",
        "code",
        "endpoint",
        "feed",
        "outcome",
        "priority",
        "reason",
        "release",
        "sha256",
        "stream",
        "trigger",
        "version",
    }
)
ONE_EACH = frozenset({"trader_build_info"})  # its labels are set once, from the release that runs
MOST_VALUES = 40
VALUE = re.compile(r"[a-z][a-z0-9_]{0,31}")
RELEASE_VALUE = re.compile(r"[A-Za-z0-9_.+-]{0,64}")
SERIES_BOUND = 600  # per host and scrape; TooManySeries of monitoring/slo.yml

Declared = list[dict[str, Any]]


def declaration_problems(declared: Declared) -> Iterator[str]:
    """What metrics.yml may not declare, one line each."""
    for entry in declared:
        for label, values in (entry.get("labels") or {}).items():
            where = f"{entry['name']}: {label}"
            if label not in NAMES:
                yield f"{where} is no label that is allowed"
            if not values and entry["name"] not in ONE_EACH:
                yield f"{where} has no list of values"
            if len(values) > MOST_VALUES:
                yield f"{where} has {len(values)} values, more than {MOST_VALUES}"
            wrong = (value for value in values if not VALUE.fullmatch(value))
            yield from (f"{where} is {value!r}, which is no short name" for value in wrong)


def exposed_problems(text: str, declared: Declared) -> list[str]:
    """What a scrape shows and metrics.yml does not list, one line each."""
    labels_of = {entry["name"]: entry.get("labels") or {} for entry in declared}
    problems = []
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name.startswith("process_"):
                wanted: dict[str, list[str]] = {}
            else:
                name = next((one for one in (sample.name, family.name) if one in labels_of), "")
                if not name:
                    problems.append(f"{sample.name} is not in metrics.yml")
                    continue
                wanted = labels_of[name]
            own = {label: value for label, value in sample.labels.items() if label != "le"}
            if set(own) != set(wanted):
                problems.append(f"{sample.name} has the labels {sorted(own)}, not {sorted(wanted)}")
                continue
            for label, value in own.items():
                fits = value in wanted[label] if wanted[label] else RELEASE_VALUE.fullmatch(value)
                if not fits:
                    problems.append(f"{sample.name}: {label}={value!r} is not in metrics.yml")
        if family.name in ONE_EACH and len(family.samples) != 1:
            problems.append(f"{family.name} has {len(family.samples)} series, not 1")
    return problems


def series(text: str) -> int:
    """Number of series in a scrape."""
    return sum(not line.startswith("#") for line in text.splitlines() if line)
