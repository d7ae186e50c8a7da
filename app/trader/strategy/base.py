"""What a strategy is."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Protocol

from trader.model.intents import Intent
from trader.model.orders import Order
from trader.model.values import Fill, Instrument, Quote


class StrategyError(Exception):
    """The strategy's settings do not fit; one line that names the key."""


class View(Protocol):
    """What a strategy may look at."""

    def quote(self, symbol: str) -> Quote | None:
        """The last quote; None before the first."""

    def instrument(self, symbol: str) -> Instrument:
        """The trading rules."""

    def orders(self, symbol: str) -> Sequence[Order]:
        """Our orders that are not final."""

    def position(self, symbol: str) -> Decimal:
        """Sum of our fills, in base units; what was there before is not in it."""


class Strategy(Protocol):
    """Called on the event loop, so each method returns at once. An exception halts trading on this host."""

    @property
    def interval_seconds(self) -> float:
        """How often `on_timer` is called."""

    def on_timer(self, view: View, now_ns: int) -> list[Intent]:
        """Time has passed; `now_ns` is monotonic and becomes the intents' `signal_ns`."""

    def on_book(self, view: View, quote: Quote) -> list[Intent]:
        """A new quote."""

    def on_fill(self, view: View, fill: Fill) -> list[Intent]:
        """A new fill of ours."""
