"""Finds a strategy by its name in the settings."""

from collections.abc import Callable
from typing import Any

from trader.strategy.base import Strategy
from trader.strategy.quoter import Parameters, Quoter


def _quoter(parameters: dict[str, Any], symbols: list[str]) -> Strategy:
    return Quoter(Parameters.model_validate(parameters), symbols)


STRATEGIES: dict[str, Callable[[dict[str, Any], list[str]], Strategy]] = {"quoter": _quoter}


def load(name: str, parameters: dict[str, Any], symbols: list[str]) -> Strategy:
    """Make a strategy.

    Raises:
        KeyError: no strategy of that name.
        pydantic.ValidationError: its parameters are wrong.
    """
    return STRATEGIES[name](parameters, symbols)
