"""Profit and loss since midnight UTC.

One formula for everything: the change of equity that our own trading made,

    sum over holdings of (amount now * value now) - (amount at midnight * value at midnight)

where a holding is an asset or a derivative. A fill moves two of them: what was bought, and what was paid;
the fee moves a third. A funding payment moves one. For a spot market these are the balances. A linear
derivative is booked the same way: plus the quantity, minus quantity * price in the settle asset. That cash is
not on the account, but added to position * mark it gives exactly realised + unrealised profit: whatever the
average entry E is, closing at a price realises (price - E) per unit and the rest is worth (mark - E), and E
cancels out of the sum. So no average has to be kept, and nothing is rounded.

Deposits, withdrawals and transfers are neither, and so no profit here, also when a person has accepted them
into the baseline. A trade that somebody made by hand and a person has accepted is a fill like every other: it
closed (or opened) what is held from then on.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any, Final

from trader.model.orders import ZERO
from trader.model.values import Fill, Instrument, Payment
from trader.risk.valuation import Usd, holding, is_linear

DAY_MS: Final = 86_400_000
_EPOCH: Final = date(1970, 1, 1).toordinal()


def utc_day(at_ms: int) -> date:
    """The day in UTC of a time in ms."""
    return date.fromordinal(_EPOCH + at_ms // DAY_MS)


def flows_of(fill: Fill, instrument: Instrument) -> dict[str, Decimal]:
    """What a fill moves, by holding.

    Raises:
        ValueError: not a linear instrument.
    """
    if not is_linear(instrument):
        raise ValueError(f"{instrument.symbol}: P&L of an inverse instrument is not known here")
    bought = fill.side.sign * fill.quantity
    flows = {holding(instrument): bought}
    flows[instrument.quote] = flows.get(instrument.quote, ZERO) - bought * fill.price
    if fill.fee_asset is not None:
        flows[fill.fee_asset] = flows.get(fill.fee_asset, ZERO) - fill.fee
    return flows


@dataclass(slots=True)
class Opening:
    """One holding at midnight.

    Args:
        unit_usd: value of one unit; None = not known yet, the first one that is known is taken.
    """

    amount: Decimal
    unit_usd: Decimal | None = None


@dataclass(slots=True)
class DailyPnl:
    """The state of one day. To rebuild it after a restart: `from_body` of the last record, then `fill` and
    `pay` with every fill and payment that the journal holds after that record, in its order.

    The values of midnight are those of the first call after it: a service that was down over midnight counts
    the day from its start.

    Args:
        day: UTC.
        opening: by holding.
        flows: what fills and payments since midnight moved, by holding.
    """

    day: date
    opening: dict[str, Opening] = field(default_factory=dict)
    flows: dict[str, Decimal] = field(default_factory=dict)

    @classmethod
    def begin(
        cls,
        now_ms: int,
        changes: Mapping[str, Decimal],
        positions: Mapping[str, Decimal],
        instruments: Mapping[str, Instrument],
    ) -> "DailyPnl":
        """Start on a journal that has no record of ours yet.

        Args:
            changes: sum of all our fills by asset, as the journal has it.
            positions: sum of all our fills by symbol; those of derivatives are holdings.
        """
        amounts = dict(changes)
        for symbol, quantity in positions.items():
            instrument = instruments.get(symbol)
            if instrument is not None and instrument.settle is not None:
                amounts[symbol] = quantity
        return cls(utc_day(now_ms), {key: Opening(amount) for key, amount in amounts.items() if amount})

    def fill(self, fill: Fill, instrument: Instrument, usd: Usd) -> None:
        """Book a new fill on its own day, by the venue's time of it: a late one of yesterday belongs to what
        was held at midnight.

        Raises:
            ValueError: not a linear instrument.
        """
        self._flow(flows_of(fill, instrument), fill.at_ms, usd)

    def pay(self, payment: Payment, usd: Usd) -> None:
        """Book a new funding payment, by the same rule."""
        self._flow({payment.asset: payment.amount}, payment.at_ms, usd)

    def _flow(self, flows: dict[str, Decimal], at_ms: int, usd: Usd) -> None:
        self.roll(at_ms, usd)
        if utc_day(at_ms) == self.day:
            for key, amount in flows.items():
                self.flows[key] = self.flows.get(key, ZERO) + amount
            return
        for key, amount in flows.items():
            self._open(key, usd).amount += amount

    def roll(self, now_ms: int, usd: Usd) -> bool:
        """Begin a new day when it is one; never goes back.

        Returns:
            Whether a new day began: the caller then writes `to_body` to the journal.
        """
        day = utc_day(now_ms)
        if day <= self.day:
            return False
        held = {key: self._amount(key) for key in self.opening.keys() | self.flows.keys()}
        self.day, self.flows = day, {}
        self.opening = {key: Opening(amount, usd(key)) for key, amount in held.items() if amount}
        return True

    def value(self, now_ms: int, usd: Usd) -> Decimal | None:
        """P&L in USD since midnight; rolls first.

        Returns:
            None while the value of something that is or was held is not known.
        """
        self.roll(now_ms, usd)
        total = ZERO
        for key in self.opening.keys() | self.flows.keys():
            now = usd(key)
            opening = self._open(key, usd)
            amount = self._amount(key)
            if (amount and now is None) or (opening.amount and opening.unit_usd is None):
                return None
            total += amount * (now or ZERO) - opening.amount * (opening.unit_usd or ZERO)
        return total

    def _amount(self, key: str) -> Decimal:
        opening = self.opening.get(key)
        return (ZERO if opening is None else opening.amount) + self.flows.get(key, ZERO)

    def _open(self, key: str, usd: Usd) -> Opening:
        opening = self.opening.setdefault(key, Opening(ZERO))
        if opening.unit_usd is None:
            opening.unit_usd = usd(key)
        return opening

    def to_body(self) -> dict[str, Any]:
        """JSON-ready, with decimals as text."""
        return {
            "day": self.day.isoformat(),
            "opening": {
                key: [str(one.amount), None if one.unit_usd is None else str(one.unit_usd)]
                for key, one in self.opening.items()
            },
            "flows": {key: str(amount) for key, amount in self.flows.items()},
        }

    @classmethod
    def from_body(cls, body: Mapping[str, Any]) -> "DailyPnl":
        """What `to_body` wrote.

        Raises:
            KeyError, TypeError, ValueError, decimal.InvalidOperation: it did not write this.
        """
        return cls(
            date.fromisoformat(body["day"]),
            {
                key: Opening(Decimal(amount), None if unit is None else Decimal(unit))
                for key, (amount, unit) in body["opening"].items()
            },
            {key: Decimal(amount) for key, amount in body["flows"].items()},
        )
