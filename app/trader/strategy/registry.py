"""Finds a strategy by its name in the settings.

A package offers strategies as entry points of the group `trader.strategies`. Each names a function that
takes (parameters, symbols), validates the parameters with a pydantic model of its own and returns a
`Strategy`. Ours are declared in app/pyproject.toml like anybody else's; BUILT_IN says the same for a
developer's tree, which has no installed metadata, and a test compares the two.
"""

from collections.abc import Iterable, Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from trader.strategy.base import Strategy, StrategyError

GROUP = "trader.strategies"
BUILT_IN = {"quoter": "trader.strategy.quoter:make", "twap": "trader.strategy.twap:make"}


def table(installed: Iterable[EntryPoint]) -> dict[str, list[EntryPoint]]:
    """What there is, by name; more than one entry when packages disagree on what a name means."""
    points = {(name, value): EntryPoint(name, value, GROUP) for name, value in BUILT_IN.items()}
    points |= {(point.name, point.value): point for point in installed}
    named: dict[str, list[EntryPoint]] = {}
    for (name, _), point in points.items():
        named.setdefault(name, []).append(point)
    return named


STRATEGIES: Mapping[str, list[EntryPoint]] = table(entry_points(group=GROUP))


def load(
    name: str,
    parameters: dict[str, Any],
    symbols: list[str],
    strategies: Mapping[str, list[EntryPoint]] = STRATEGIES,
) -> Strategy:
    """Make a strategy.

    Raises:
        StrategyError: no strategy of that name, declared twice, or its code cannot be loaded.
        pydantic.ValidationError: its parameters are wrong.
    """
    points = strategies.get(name, [])
    if not points:
        raise StrategyError(
            f"strategy.name: {name!r} is no strategy; there are: {', '.join(sorted(strategies))}"
        )
    if len(points) > 1:
        meanings = " and ".join(point.value for point in points)
        raise StrategyError(f"strategy.name: {name!r} is declared as {meanings}; remove one of the packages")
    [point] = points
    try:
        make = point.load()
    except Exception as error:  # a plug-in's import may fail in any way, and one line must say which
        lines = str(error).splitlines() or [""]
        raise StrategyError(
            f"strategy.name: {name!r} ({point.value}) cannot be loaded: {type(error).__name__}: {lines[0]}"
        ) from error
    strategy: Strategy = make(parameters, symbols)
    return strategy
