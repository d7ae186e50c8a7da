"""What a dashboard shows, before it is Grafana's JSON."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from ops.slo.model import Model
from ops.slo.rules import all_alerts

GREEN, ORANGE, RED, BLUE, GREY = "green", "orange", "red", "blue", "text"

Kind = Literal["stat", "lines", "bars", "table", "states"]
# A bound from which on a colour holds; the first has none.
Steps = tuple[tuple[float | None, str], ...]
PLAIN: Steps = ((None, BLUE),)


@dataclass(frozen=True, slots=True)
class Query:
    """An expression and how its series are named: a legend, or the heading of a column."""

    expr: str
    legend: str = ""


@dataclass(frozen=True, slots=True)
class Column:
    """How a column of a table looks, by its heading."""

    heading: str
    unit: str = ""
    decimals: int | None = None
    steps: Steps = ()
    texts: Mapping[str, tuple[str, str]] | None = None


@dataclass(frozen=True, slots=True)
class Picture:
    """One panel.

    Args:
        width: of 24.
        texts: value to (text, colour), so that a state is a word.
        alerts: their runbooks are linked.
        columns: of a table.
        join: label by which a table's queries become one row each; "" = one query, each series a row.
        keep: further labels of the table that are columns, with their headings.
        named: a stat shows the name of its series instead of the value.
        share: a value between 0 and 1 whose scale ends there.
    """

    kind: Kind
    title: str
    about: str
    queries: tuple[Query, ...]
    unit: str = "none"
    width: int = 8
    height: int = 8
    steps: Steps = PLAIN
    texts: Mapping[str, tuple[str, str]] | None = None
    alerts: tuple[str, ...] = ()
    decimals: int | None = None
    stacked: bool = False
    named: bool = False
    share: bool = False
    columns: tuple[Column, ...] = ()
    join: str = ""
    keep: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """A heading and the panels below it."""

    title: str
    pictures: tuple[Picture, ...]


@dataclass(frozen=True, slots=True)
class Board:
    """One dashboard; `slug` names its file and its address.

    Args:
        one_host: it shows one host at a time, else all that are chosen.
    """

    slug: str
    title: str
    about: str
    rows: tuple[Row, ...]
    one_host: bool = False

    @property
    def uid(self) -> str:
        return "breakwater-" + self.slug.replace("_", "-")


STATE = {"0": ("halted", RED), "1": ("reduce-only", ORANGE), "2": ("active", GREEN)}
LATCH = {"0": ("armed", GREEN), "1": ("TRIPPED", RED)}
YES_IS_BAD = {"0": ("no", GREEN), "1": ("YES", RED)}
YES_IS_GOOD = {"0": ("NO", RED), "1": ("yes", GREEN)}
NONE_IS_GOOD: Steps = ((None, GREEN), (1, RED))


def limits(model: Model, *names: str, below: bool = False) -> Steps:
    """Colours from the thresholds of alerts: a ticket's is orange, a page's red.

    Args:
        below: the alerts fire below their thresholds.
    """
    alerts = {alert.name: alert for alert in all_alerts(model)}
    found = sorted((alerts[name].threshold, alerts[name].severity) for name in names)
    colours = [RED if severity == "page" else ORANGE for _, severity in found]
    bounds: list[float | None] = [threshold for threshold, _ in found]
    order = [*colours, GREEN] if below else [GREEN, *colours]
    return tuple(zip([None, *bounds], order, strict=True))


def target(model: Model, slug: str) -> float:
    """An objective's target as a share."""
    return next(one.target for one in model.objectives if one.slug == slug)


def bound(model: Model, slug: str) -> float:
    """The limit of an objective that counts a histogram's bucket, in the histogram's unit."""
    good = next(one.good for one in model.objectives if one.slug == slug)
    return float(good.partition('le="')[2].partition('"')[0])
