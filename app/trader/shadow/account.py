"""Balances and positions of a paper account."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from trader.model.orders import ZERO, Order, asset_changes
from trader.model.values import Fill, Instrument, Side

STEP: Final = Decimal("1e-8")  # amounts are booked in these, as venues do: sums stay exact in any order


class Account:
    """What fills do to the account, by the same rule as our book (`asset_changes`), so that the two agree.

    Args:
        balances: total by asset.
        positions: signed quantity of derivatives by symbol. The prices at which they were opened are not
            known: realised profit counts from the first price at which each one trades again.
    """

    def __init__(self, balances: Mapping[str, Decimal], positions: Mapping[str, Decimal]) -> None:
        self.balances = dict(balances)
        self.positions = {symbol: quantity for symbol, quantity in positions.items() if quantity}
        self._entries: dict[str, Decimal] = {}

    def book(self, fill: Fill, instrument: Instrument) -> None:
        """Apply a fill whose `realized` is what `realized` said."""
        for asset, amount in asset_changes(fill, instrument).items():
            self.balances[asset] = self.balances.get(asset, ZERO) + amount
        if instrument.settle is None:
            return
        held = self.positions.get(fill.symbol, ZERO)
        bought = fill.side.sign * fill.quantity
        after = held + bought
        if held * bought >= 0:
            entry = self._entries.get(fill.symbol, fill.price)
            self._entries[fill.symbol] = (held * entry + bought * fill.price) / after
        elif held * after < 0:
            self._entries[fill.symbol] = fill.price
        self.positions[fill.symbol] = after
        if after == 0:
            del self.positions[fill.symbol], self._entries[fill.symbol]

    def realized(
        self, symbol: str, side: Side, quantity: Decimal, price: Decimal, instrument: Instrument
    ) -> Decimal:
        """Profit of the part that would close a derivative's position, in its settle asset."""
        held = self.positions.get(symbol, ZERO)
        if instrument.settle is None or held * side.sign >= 0:
            return ZERO
        entry = self._entries.setdefault(symbol, price)
        closed = min(quantity, abs(held)) * (1 if held > 0 else -1)
        return (closed * (price - entry)).quantize(STEP)

    def lacks(
        self,
        order: Order,
        instrument: Instrument,
        price: Decimal,
        fee: Decimal,
        reserved: Mapping[str, Decimal],
    ) -> str | None:
        """What a spot order needs and the account does not have free; None = enough.

        Args:
            fee: share of the value.
            reserved: by asset, what orders that rest may take.
        """
        if instrument.settle is not None:
            return None
        asset, amount = needs(order, instrument, price, fee)
        free = self.balances.get(asset, ZERO) - reserved.get(asset, ZERO)
        return None if amount <= free else f"{amount} {asset} needed, {free} free"


def needs(order: Order, instrument: Instrument, price: Decimal, fee: Decimal) -> tuple[str, Decimal]:
    """The asset that a spot order spends, and how much of it what is left of the order may take."""
    left = order.quantity - order.filled
    if order.side is Side.SELL:
        return instrument.base, left
    return instrument.quote, left * price * (1 + fee)
