"""What the venue keeps: symbols, accounts, orders and fills. No I/O."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from decimal import ROUND_DOWN, Decimal

ZERO = Decimal(0)
DECIMALS = 8
UNIT = Decimal(1).scaleb(-DECIMALS)

SPOT = "spot"
USDM = "usdm"
MARGIN_ASSET = "USDT"  # of USDM futures

BUY = "BUY"
SELL = "SELL"

NEW = "NEW"
PARTIALLY_FILLED = "PARTIALLY_FILLED"
FILLED = "FILLED"
CANCELED = "CANCELED"
EXPIRED = "EXPIRED"
TRADE = "TRADE"  # an execution type only, never an order status


def money(value: Decimal) -> str:
    """A value as the venue writes it, with eight decimals. Nothing is rounded: amounts never have more."""
    return format(value, ".8f")


def floor_to_unit(value: Decimal) -> Decimal:
    """Cut a value down to eight decimals."""
    return value.quantize(UNIT, rounding=ROUND_DOWN)


@dataclass(slots=True, frozen=True)
class Rules:
    """A symbol and its filters; `price` is where the background market starts."""

    symbol: str
    base: str
    quote: str
    price: Decimal
    tick_size: Decimal
    step_size: Decimal
    min_notional: Decimal
    max_price: Decimal = Decimal(1_000_000)
    max_quantity: Decimal = Decimal(9_000_000)
    max_open_orders: int = 200


@dataclass(slots=True)
class Balance:
    """One asset of one account."""

    free: Decimal = ZERO
    locked: Decimal = ZERO


@dataclass(slots=True, eq=False)
class Order:
    """An order at the venue; `locked` is what it still holds back of the asset that it spends."""

    order_id: int
    account: Account
    rules: Rules
    client_order_id: str
    side: str
    type: str
    time_in_force: str
    price: Decimal
    quantity: Decimal
    created_ms: int
    updated_ms: int
    quote_quantity: Decimal = ZERO
    executed: Decimal = ZERO
    executed_quote: Decimal = ZERO
    locked: Decimal = ZERO
    status: str = NEW
    on_book: bool = False
    extra: dict[str, int] | None = None
    """Client's own tags (strategyId, strategyType), echoed back."""

    @property
    def remaining(self) -> Decimal:
        """Quantity not yet executed."""
        return self.quantity - self.executed

    @property
    def is_open(self) -> bool:
        """Whether the order may still trade or be cancelled."""
        return self.status in (NEW, PARTIALLY_FILLED)


@dataclass(slots=True, frozen=True, eq=False)
class Fill:
    """One side of a trade."""

    trade_id: int
    order: Order
    price: Decimal
    quantity: Decimal
    quote: Decimal
    commission: Decimal
    commission_asset: str
    is_maker: bool
    time_ms: int
    realised: Decimal = ZERO
    """Futures: profit on the part of a position that this fill closed, before commission."""


@dataclass(slots=True, frozen=True)
class Trade:
    """A trade as the public sees it."""

    trade_id: int
    price: Decimal
    quantity: Decimal
    quote: Decimal
    time_ms: int
    buyer_is_maker: bool


@dataclass(slots=True, eq=False)
class ApiKey:
    """One API key of an account. Each is disabled by itself; the account's first has the name ""."""

    name: str
    api_key: str = field(repr=False)
    api_secret: bytes = field(repr=False)
    enabled: bool = True
    withdrawals: bool = False
    """Whether it may withdraw."""


@dataclass(slots=True, eq=False)
class Account:
    """An account with its keys, money, orders and fills in one market.

    The house account of the background flow has `is_house` set: it may go below zero, so that its balance is
    the exact counterpart of what the real accounts gained or lost. Closed orders and fills beyond `history`
    are forgotten here; the record keeps them.
    """

    name: str
    uid: int
    keys: dict[str, ApiKey] = field(default_factory=dict)
    """By name, the first one first."""
    is_house: bool = False
    market: str = SPOT
    history: int = 20_000
    balances: dict[str, Balance] = field(default_factory=dict)
    usdm_balance: Decimal | None = None
    """First balance of its futures wallet; None: there are no futures."""
    orders: dict[int, Order] = field(default_factory=dict)
    open_orders: dict[int, Order] = field(default_factory=dict)
    by_client_id: dict[str, Order] = field(default_factory=dict)
    fills: deque[Fill] = field(default_factory=deque)
    updated_ms: int = 0

    def balance(self, asset: str) -> Balance:
        """The balance of an asset, made at zero when it is new."""
        held = self.balances.get(asset)
        if held is None:
            held = self.balances[asset] = Balance()
        return held

    def remember(self, order: Order) -> None:
        """File a new order."""
        self.orders[order.order_id] = order
        self.open_orders[order.order_id] = order
        self.by_client_id[order.client_order_id] = order

    def close(self, order: Order) -> None:
        """Take a finished order out of the open ones."""
        self.open_orders.pop(order.order_id, None)
        if self.is_house:
            self.orders.pop(order.order_id, None)
            self.by_client_id.pop(order.client_order_id, None)
        elif len(self.orders) > self.history + len(self.open_orders):
            self._forget_oldest_closed()

    def add_fill(self, fill: Fill) -> None:
        """File a fill."""
        if self.is_house:
            return
        self.fills.append(fill)
        if len(self.fills) > self.history:
            self.fills.popleft()

    def _forget_oldest_closed(self) -> None:
        oldest = next((order for order in self.orders.values() if not order.is_open), None)
        if oldest is None:
            return
        del self.orders[oldest.order_id]
        if self.by_client_id.get(oldest.client_order_id) is oldest:
            del self.by_client_id[oldest.client_order_id]
