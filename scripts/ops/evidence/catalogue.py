"""What every name of evidence stands for, from catalogue.yml: read by judges, records, report and metrics."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, get_args

import yaml

from ops.bounds import Comparison, holds
from ops.errors import OperatorError

FILE = Path(__file__).with_name("catalogue.yml")


@dataclass(frozen=True)
class Figure:
    """A figure without which there is no pass. `bound` is in `unit`."""

    name: str
    unit: str
    comparison: Comparison
    bound: float

    def measured(self, value: float | None) -> dict[str, Any]:
        """The figure as an entry of a record's `values`; None when it could not be measured."""
        return {
            "name": self.name,
            "value": value,
            "unit": self.unit,
            "bound": self.bound,
            "comparison": self.comparison,
            "held": None if value is None else holds(value, self.comparison, self.bound),
        }


@dataclass(frozen=True)
class Entry:
    """One kind of run: what it proves (`controls`), by which figures, and how long that counts."""

    name: str
    kind: str
    title: str
    max_age_days: float
    controls: tuple[str, ...]
    red_twin: str
    figures: Mapping[str, Figure]


@dataclass(frozen=True)
class Catalogue:
    """All entries by name, and the text of each control."""

    entries: Mapping[str, Entry]
    controls: Mapping[str, str]

    def entry(self, name: object) -> Entry:
        """The entry of a name.

        Raises:
            OperatorError: there is none.
        """
        found = self.entries.get(name) if isinstance(name, str) else None
        if found is None:
            raise OperatorError(f"name: {name!r} is not in scripts/ops/evidence/{FILE.name}")
        return found


@cache
def catalogue() -> Catalogue:
    """Read catalogue.yml.

    Raises:
        OperatorError: it cannot be used; names the entry.
    """
    try:
        content = yaml.safe_load(FILE.read_text())
        controls = {str(name): str(text) for name, text in content["controls"].items()}
        entries = {name: _entry(name, data, controls) for name, data in content["entries"].items()}
    except (OSError, yaml.YAMLError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise OperatorError(f"{FILE}: cannot be used: {error!r:.200}") from None
    return Catalogue(entries, controls)


def _entry(name: str, data: Mapping[str, Any], controls: Mapping[str, str]) -> Entry:
    unknown = set(data["controls"]) - set(controls)
    if unknown:
        raise ValueError(f"{name}: control {min(unknown)} has no text under `controls`")
    return Entry(
        name=name,
        kind=data["kind"],
        title=data["title"],
        max_age_days=float(data["max_age_days"]),
        controls=tuple(data["controls"]),
        red_twin=data["red_twin"],
        figures={figure: _figure(name, figure, bound) for figure, bound in data["figures"].items()},
    )


def _figure(entry: str, name: str, data: Mapping[str, Any]) -> Figure:
    kinds: tuple[Comparison, ...] = get_args(Comparison)
    given = [kind for kind in kinds if kind in data]
    if len(given) != 1 or set(data) != {"unit", *given}:
        raise ValueError(f"{entry}.figures.{name}: needs unit and one of {', '.join(kinds)}")
    return Figure(name, data["unit"], given[0], data[given[0]])
