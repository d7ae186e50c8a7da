"""Small values that every floor speaks: sides, fills, reports, quotes, instruments. Money is Decimal."""

from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from enum import IntEnum, StrEnum

from trader.model.transitions import Signal


class Side(StrEnum):
    BUY = "buy"
    SELL = "sell"

    @property
    def sign(self) -> int:
        return 1 if self is Side.BUY else -1


class OrderKind(StrEnum):
    LIMIT = "limit"
    MARKET = "market"


class TradingState(IntEnum):
    """What may be done on this host; the values are those of the metric trader_trading_state."""

    HALTED = 0
    REDUCE_ONLY = 1  # only orders that bring a position nearer to zero
    ACTIVE = 2


@dataclass(frozen=True, slots=True)
class Instrument:
    """One market, with the venue's steps in units of price (quote) and quantity (base).

    Args:
        settle: asset in which a derivative pays profit, loss and fees; None = spot.
        contract_size: base units in one contract of the venue; on this side of the wire all quantities are in
            base units.
        trading: whether the venue takes orders for it now.
        min_quantity: smallest order, in base units.
    """

    symbol: str
    base: str
    quote: str
    tick_size: Decimal
    step_size: Decimal
    min_notional: Decimal
    settle: str | None = None
    contract_size: Decimal = Decimal(1)
    trading: bool = True
    min_quantity: Decimal = Decimal(0)

    def passive_price(self, price: Decimal, side: Side) -> Decimal:
        """The nearest price on the tick grid that is not more aggressive than asked."""
        rounding = ROUND_FLOOR if side is Side.BUY else ROUND_CEILING
        return (price / self.tick_size).to_integral_value(rounding) * self.tick_size

    def quantity(self, quantity: Decimal) -> Decimal:
        """The quantity, cut down to the lot grid."""
        return (quantity / self.step_size).to_integral_value(ROUND_FLOOR) * self.step_size


@dataclass(frozen=True, slots=True)
class Quote:
    """Best bid and ask of one symbol and when it reached us (monotonic)."""

    symbol: str
    bid: Decimal
    ask: Decimal
    received_ns: int

    @property
    def mid(self) -> Decimal:
        return (self.bid + self.ask) / 2


@dataclass(frozen=True, slots=True)
class Fill:
    """One trade of ours as the venue tells it. The key is (symbol, trade_id).

    Args:
        realized: profit of the part that closed a derivative's position, in its settle asset; 0 on spot.
    """

    symbol: str
    trade_id: str
    venue_order_id: str
    side: Side
    quantity: Decimal
    price: Decimal
    fee: Decimal
    fee_asset: str | None
    at_ms: int
    realized: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True)
class Payment:
    """Funding of a perpetual that the account paid or got, as the venue lists it.

    The key is (symbol, payment_id).

    Args:
        asset: in which it was paid.
        amount: above 0 = received.
        at_ms: the venue's time of it (UTC).
    """

    symbol: str
    payment_id: str
    asset: str
    amount: Decimal
    at_ms: int

    @property
    def key(self) -> tuple[str, str]:
        return self.symbol, self.payment_id


@dataclass(frozen=True, slots=True)
class OrderReport:
    """What the venue says about an order, whatever the way it came (answer, stream or query)."""

    client_id: str
    venue_order_id: str
    symbol: str
    signal: Signal
    filled: Decimal
    fills: tuple[Fill, ...] = ()
