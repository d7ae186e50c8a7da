"""Strategies: they see, they return intents, they touch nothing."""

from trader.strategy.base import Strategy, StrategyError, View
from trader.strategy.registry import load

__all__ = ["Strategy", "StrategyError", "View", "load"]
