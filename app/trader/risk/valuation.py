"""What an amount is worth in USD."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Final

from trader.model.values import Instrument, Quote

Usd = Callable[[str], Decimal | None]

ONE: Final = Decimal(1)
# Policy: these count as one US dollar each, whatever they trade at. A limit or a loss in USD therefore does
# not see a stablecoin losing its peg; that is watched elsewhere, by people. The order is that of preference.
STABLE: Final = ("USDT", "USD", "USDC", "FDUSD")


class Valuation:
    """Values by mid prices.

    Args:
        quotes: the last quote by symbol, the live mapping; symbols are written as ccxt does it
            (`BTC/USDT`, linear derivatives `BTC/USDT:USDT`).
    """

    def __init__(self, quotes: Mapping[str, Quote]) -> None:
        self._quotes = quotes

    def usd(self, key: str) -> Decimal | None:
        """USD for one unit of an asset, or for one base unit of a derivative (its symbol).

        An asset is valued by its market against a stablecoin, spot before perpetual.

        Returns:
            None when there is no such quote: an unknown value is never 0.
        """
        if key in STABLE:
            return ONE
        if ":" in key:
            return self._derivative(key)
        for stable in STABLE:
            if (mid := self._mid(f"{key}/{stable}")) is not None:
                return mid
        for stable in STABLE:
            if (mid := self._mid(f"{key}/{stable}:{stable}")) is not None:
                return mid
        return None

    def value(self, key: str, amount: Decimal) -> Decimal | None:
        """USD for an amount; nothing of anything is worth 0."""
        if amount == 0:
            return Decimal(0)
        unit = self.usd(key)
        return None if unit is None else amount * unit

    def _derivative(self, symbol: str) -> Decimal | None:
        settle = symbol.partition(":")[2].partition("-")[0]
        mid, unit = self._mid(symbol), self.usd(settle)
        return None if mid is None or unit is None else mid * unit

    def _mid(self, symbol: str) -> Decimal | None:
        quote = self._quotes.get(symbol)
        return None if quote is None or quote.mid <= 0 else quote.mid


def holding(instrument: Instrument) -> str:
    """What an order of this instrument makes us hold: an asset, or a derivative by its symbol."""
    return instrument.base if instrument.settle is None else instrument.symbol


def is_linear(instrument: Instrument) -> bool:
    """Whether profit is paid in the asset that prices are in; only such derivatives are valued here."""
    return instrument.settle in (None, instrument.quote)
