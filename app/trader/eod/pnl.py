"""Profit and loss of one market over one day, exact, by first-in-first-out and by average cost.

What was held at the start of the day costs its mark of that moment, so a day's result is its own. Both ways
must come to the same total, and that total to what the cash and the position did: realised + unrealised =
cash + value at the end - value at the start. Fractions, because an average has no end in decimals.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from trader.model.values import Fill

ZERO = Fraction(0)


@dataclass(frozen=True, slots=True)
class Result:
    """In quote units, before fees and funding.

    Args:
        position: at the end, in base units.
        realised, unrealised: of the method; their sum is the same for all.
    """

    position: Fraction
    realised: Fraction
    unrealised: Fraction

    @property
    def total(self) -> Fraction:
        return self.realised + self.unrealised


class Fifo:
    """What was bought first is sold first; short positions the other way round."""

    def __init__(self, position: Decimal, mark: Decimal) -> None:
        self._lots: deque[tuple[Fraction, Fraction]] = deque()
        self.realised = ZERO
        if position:
            self._lots.append((Fraction(position), Fraction(mark)))

    def trade(self, signed: Fraction, price: Fraction) -> None:
        """One trade; bought is above 0."""
        while signed and self._lots and (self._lots[0][0] > 0) is not (signed > 0):
            held, cost = self._lots.popleft()
            closed = min(abs(held), abs(signed)) * (1 if held > 0 else -1)
            self.realised += closed * (price - cost)
            if held != closed:
                self._lots.appendleft((held - closed, cost))
            signed += closed
        if signed:
            self._lots.append((signed, price))

    def result(self, mark: Decimal) -> Result:
        position = sum((held for held, _ in self._lots), ZERO)
        cost = sum((held * price for held, price in self._lots), ZERO)
        return Result(position, self.realised, position * Fraction(mark) - cost)


class Average:
    """Everything that is held costs the same."""

    def __init__(self, position: Decimal, mark: Decimal) -> None:
        self._position = Fraction(position)
        self._cost = self._position * Fraction(mark)
        self.realised = ZERO

    def trade(self, signed: Fraction, price: Fraction) -> None:
        """One trade; bought is above 0."""
        if self._position and (self._position > 0) is not (signed > 0):
            closed = min(abs(self._position), abs(signed)) * (1 if self._position > 0 else -1)
            average = self._cost / self._position
            self.realised += closed * (price - average)
            self._cost -= closed * average
            self._position -= closed
            signed += closed
        self._position += signed
        self._cost += signed * price

    def result(self, mark: Decimal) -> Result:
        return Result(self._position, self.realised, self._position * Fraction(mark) - self._cost)


@dataclass(frozen=True, slots=True)
class DayResult:
    """One market's day.

    Args:
        cash: what the trades brought into the quote currency, without fees.
        value_start, value_end: of the position, in quote units.
    """

    symbol: str
    fifo: Result
    average: Result
    cash: Fraction
    value_start: Fraction
    value_end: Fraction

    @property
    def identity_error(self) -> Fraction:
        """0, or the calculation is wrong."""
        total = self.cash + self.value_end - self.value_start
        return abs(self.fifo.total - total) + abs(self.average.total - total)


def day_result(
    symbol: str, opening: Decimal, mark_start: Decimal, fills: Iterable[Fill], mark_end: Decimal
) -> DayResult:
    """The day of one market.

    Args:
        opening: position at the start, in base units.
        mark_start, mark_end: prices in quote units.
        fills: of this symbol, each once, oldest first.
    """
    fifo, average, cash = Fifo(opening, mark_start), Average(opening, mark_start), ZERO
    for fill in fills:
        signed, price = fill.side.sign * Fraction(fill.quantity), Fraction(fill.price)
        fifo.trade(signed, price)
        average.trade(signed, price)
        cash -= signed * price
    by_fifo, by_average = fifo.result(mark_end), average.result(mark_end)
    value_start = Fraction(opening) * Fraction(mark_start)
    value_end = by_fifo.position * Fraction(mark_end)
    return DayResult(symbol, by_fifo, by_average, cash, value_start, value_end)


def curve(opening: Decimal, mark_start: Decimal, fills: Iterable[Fill]) -> Iterator[tuple[int, Fraction]]:
    """Time (UTC ms) and result so far, in quote units and before fees, each trade's price being the mark."""
    position, cash = Fraction(opening), -Fraction(opening) * Fraction(mark_start)
    for fill in fills:
        signed, price = fill.side.sign * Fraction(fill.quantity), Fraction(fill.price)
        position += signed
        cash -= signed * price
        yield fill.at_ms, cash + position * price
