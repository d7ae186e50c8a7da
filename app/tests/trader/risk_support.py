"""A market in which an order for 0.001 BTC passes every check."""

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

from tests.trader.support import BTC
from trader.model.intents import Place
from trader.model.orders import Order
from trader.model.values import Instrument, OrderKind, Quote, Side, TradingState
from trader.risk import Limits, RejectCode, Rejection, RiskEngine, RiskInput

ETH = Instrument(
    "ETH/USDT",
    "ETH",
    "USDT",
    tick_size=Decimal("0.01"),
    step_size=Decimal("0.0001"),
    min_notional=Decimal(5),
    min_quantity=Decimal("0.0002"),
)
NOW_NS = 1_000_000_000_000
USD = {"USDT": Decimal(1), "BTC": Decimal(60_000), "ETH": Decimal(3_000)}
QUOTE = Quote("BTC/USDT", Decimal(59_999), Decimal(60_001), NOW_NS)


def intent(
    side: Side = Side.BUY, price: str | None = "59990", quantity: str = "0.001", **fields: Any
) -> Place:
    """A limit order for BTC; a market order without a price."""
    values: dict[str, Any] = {
        "symbol": "BTC/USDT",
        "kind": OrderKind.MARKET if price is None else OrderKind.LIMIT,
        "signal_ns": NOW_NS,
    }
    return Place(
        side=side,
        quantity=Decimal(quantity),
        price=None if price is None else Decimal(price),
        **values | fields,
    )


def view(*orders: Order, **fields: Any) -> RiskInput:
    """What the engine sees; `fields` replace parts of it."""
    values: dict[str, Any] = {
        "state": TradingState.ACTIVE,
        "instruments": {"BTC/USDT": BTC, "ETH/USDT": ETH},
        "quotes": {"BTC/USDT": QUOTE, "ETH/USDT": Quote("ETH/USDT", Decimal(2_999), Decimal(3_001), NOW_NS)},
        "positions": {},
        "orders": orders,
        "usd": USD.get,
        "daily_pnl_usd": Decimal(0),
    }
    return RiskInput(**values | fields)


def code(rejection: Rejection | None) -> RejectCode | None:
    return None if rejection is None else rejection.code


def check(
    intent: Place,
    view: RiskInput,
    now_ns: int = NOW_NS,
    before: Sequence[tuple[Place, int]] = (),
    **limits: Any,
) -> Rejection | None:
    """One check with an engine of its own, that has admitted `before`."""
    engine = RiskEngine(Limits(**limits))
    for earlier, at_ns in before:
        engine.admitted(earlier, at_ns)
    return engine.check(intent, view, now_ns)


Check = Callable[[], Rejection | None]
