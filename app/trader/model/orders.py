"""An order and its fills. Position is the sum of fills, never what somebody remembers."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal

from trader.model.transitions import FINAL, IN_FLIGHT, WORKING, OrderState, Signal, Verdict, step
from trader.model.values import Fill, Instrument, OrderKind, OrderReport, Side

ZERO = Decimal(0)


@dataclass(slots=True)
class Order:
    """One order of ours.

    Args:
        client_id: our name for it, sent with every request.
        quantity: in base units.
        price: in quote units; None for a market order.
        created_ns: UTC.
        sent_ms: UTC, latest moment at which the request can have been signed; 0 = not sent by this process.
        slot: the strategy's own mark; not kept over a restart.
        reduce_only: the venue shall refuse whatever of it would open or turn a position.
        reason: why it ended (or is unknown), for people.
        reported: the largest executed quantity that the venue has told, in base units.
    """

    client_id: str
    symbol: str
    side: Side
    kind: OrderKind
    quantity: Decimal
    price: Decimal | None
    created_ns: int
    state: OrderState = OrderState.PENDING
    venue_order_id: str | None = None
    sent_ms: int = 0
    unknown_since_ns: int = 0
    reason: str = ""
    slot: str = ""
    reduce_only: bool = False
    filled: Decimal = ZERO
    reported: Decimal = ZERO
    trade_ids: set[str] = field(default_factory=set)

    @property
    def names(self) -> dict[str, str]:
        """What an event must carry so that everything about one order can be found."""
        return {
            "client_id": self.client_id,
            "venue_order_id": self.venue_order_id or "",
            "symbol": self.symbol,
            "side": self.side.value,
        }

    @property
    def final(self) -> bool:
        return self.state in FINAL

    @property
    def working(self) -> bool:
        return self.state in WORKING

    @property
    def in_flight(self) -> bool:
        return self.state in IN_FLIGHT

    @property
    def lacks_fills(self) -> bool:
        """Whether the venue has told of more than the trades that we have."""
        return self.reported > self.filled

    def signal(self, signal: Signal) -> Verdict:
        """Apply what was learnt; see `transitions.step`. A refused cancel returns to what the fills say."""
        self.state, verdict = step(self.state, signal)
        if verdict is Verdict.MOVED and self.state is OrderState.OPEN and self.filled > 0:
            self.state = OrderState.PARTIALLY_FILLED
        return verdict

    def report(self, report: OrderReport) -> Verdict:
        """Apply the venue's word on the state. Fills are booked one by one with `book`."""
        if self.venue_order_id is None:
            self.venue_order_id = report.venue_order_id
        self.reported = max(self.reported, report.filled)
        return self.signal(report.signal)

    def book(self, fill: Fill) -> bool:
        """Take one fill; True when it is new. The same trade told twice counts once."""
        if fill.trade_id in self.trade_ids:
            return False
        self.trade_ids.add(fill.trade_id)
        self.filled += fill.quantity
        self.signal(Signal.FILLED if self.filled >= self.quantity else Signal.PARTLY_FILLED)
        return True


def asset_changes(fill: Fill, instrument: Instrument) -> dict[str, Decimal]:
    """What a fill does to what the account holds, by asset and by derivative (its symbol).

    Spot moves base, quote and the fee's asset. A derivative moves its own position, and of the balances its
    settle asset alone: by the profit that was realised and by the fee.
    """
    bought = fill.side.sign * fill.quantity
    if instrument.settle is not None:
        changes = {instrument.symbol: bought, instrument.settle: fill.realized}
    else:
        changes = {instrument.base: bought, instrument.quote: -bought * fill.price}
    if fill.fee_asset is not None:
        changes[fill.fee_asset] = changes.get(fill.fee_asset, ZERO) - fill.fee
    return changes


def total_changes(changes: Iterable[dict[str, Decimal]]) -> dict[str, Decimal]:
    """The sum, asset by asset."""
    total: dict[str, Decimal] = {}
    for change in changes:
        for asset, amount in change.items():
            total[asset] = total.get(asset, ZERO) + amount
    return total
