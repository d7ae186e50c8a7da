"""Starts the real `trader run` against a real emulator, and values that many tests need."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

from benchmarks.trader_process import APP as APP
from benchmarks.trader_process import PROGRAM as PROGRAM
from benchmarks.trader_process import TraderProcess
from benchmarks.trader_process import settings_of as settings_of
from benchmarks.trader_process import until as until
from tests.venue_sim.support import RunningVenue
from trader.model.orders import Order
from trader.model.transitions import OrderState, Signal
from trader.model.values import Fill, Instrument, OrderKind, OrderReport, Side
from trader.risk import Limits

MANY = 1_000_000
NO_LIMITS = Limits(
    max_quote_age_ms=60_000,
    max_order_notional_usd=Decimal(MANY),
    max_position_usd=Decimal(MANY),
    max_gross_exposure_usd=Decimal(MANY),
    max_open_orders_per_symbol=MANY,
    max_open_orders=MANY,
    max_orders_per_second=1_000,
    max_repeated_executions=MANY,
    repeated_execution_window_seconds=0,
    identical_intent_window_ms=0,
    max_daily_loss_usd=Decimal(MANY),
)
BTC = Instrument(
    "BTC/USDT",
    "BTC",
    "USDT",
    tick_size=Decimal("0.01"),
    step_size=Decimal("0.00001"),
    min_notional=Decimal(5),
)


def make_order(
    client_id: str = "trader-01-1-1", state: OrderState = OrderState.PENDING, **fields: Any
) -> Order:
    """A limit order for 0.01 BTC at 60000."""
    values: dict[str, Any] = {
        "client_id": client_id,
        "symbol": "BTC/USDT",
        "side": Side.BUY,
        "kind": OrderKind.LIMIT,
        "quantity": Decimal("0.01"),
        "price": Decimal(60_000),
        "created_ns": 1,
        "state": state,
    }
    return Order(**{**values, **fields})


def make_fill(
    trade_id: str = "1", quantity: str = "0.004", venue_order_id: str = "77", **fields: Any
) -> Fill:
    """A buy at 60000 with a fee in the base asset."""
    values: dict[str, Any] = {
        "symbol": "BTC/USDT",
        "trade_id": trade_id,
        "venue_order_id": venue_order_id,
        "side": Side.BUY,
        "quantity": Decimal(quantity),
        "price": Decimal(60_000),
        "fee": Decimal("0.00001"),
        "fee_asset": "BTC",
        "at_ms": 1,
    }
    return Fill(**{**values, **fields})


def make_report(signal_: Signal, client_id: str = "trader-01-1-1", *fills: Fill) -> OrderReport:
    """The venue's word on the order 77."""
    return OrderReport(
        client_id, "77", "BTC/USDT", signal_, sum((f.quantity for f in fills), Decimal(0)), fills
    )


class RunningTrader(TraderProcess):
    """`trader run` on an account of a test's emulator."""

    def __init__(self, folder: Path, venue: RunningVenue, account: str = "trader-01", **changes: Any) -> None:
        keys = venue.accounts[account]
        pair, prefix = (keys.api_key, keys.api_secret), venue.command_prefix()
        super().__init__(folder, venue.hostname, venue.ca_file, pair, prefix=prefix, **changes)
