"""The orders that this process knows, and the sums of their fills."""

from collections import OrderedDict, deque
from collections.abc import Collection
from dataclasses import dataclass
from decimal import Decimal

from trader.model.orders import ZERO, Order, asset_changes
from trader.model.transitions import OrderState
from trader.model.values import Fill, Instrument

REMEMBERED = 2_000  # final orders kept in memory, for late messages; older ones are in the journal
RECENT = 1_000  # fills and payments


@dataclass(frozen=True, slots=True)
class Booked:
    """A fill or payment: when we learnt of it (monotonic), and what it does to the balances."""

    booked_ns: int
    changes: dict[str, Decimal]


class OrderBook:
    """Live orders and the last final ones, by client id and by the venue's id; positions as sums of fills."""

    def __init__(self) -> None:
        self._live: dict[str, Order] = {}
        self._final: OrderedDict[str, Order] = OrderedDict()
        self._by_venue_id: dict[str, str] = {}
        self.positions: dict[str, Decimal] = {}
        self.changes: dict[str, Decimal] = {}
        self.recent: deque[Booked] = deque(maxlen=RECENT)

    def add(self, order: Order) -> None:
        """Take an order in."""
        self._live[order.client_id] = order
        self.index(order)

    def index(self, order: Order) -> None:
        """File an order by what is known of it now: its venue id, and whether it is final."""
        if order.venue_order_id is not None:
            self._by_venue_id[order.venue_order_id] = order.client_id
        if order.final and self._live.pop(order.client_id, None) is not None:
            self._final[order.client_id] = order
            if len(self._final) > REMEMBERED:
                _, oldest = self._final.popitem(last=False)
                self._by_venue_id.pop(oldest.venue_order_id or "", None)

    def remove(self, order: Order) -> None:
        """Forget an order that was never made durable, and so never sent."""
        self._live.pop(order.client_id, None)

    def get(self, client_id: str) -> Order | None:
        return self._live.get(client_id) or self._final.get(client_id)

    def by_venue_id(self, venue_order_id: str) -> Order | None:
        client_id = self._by_venue_id.get(venue_order_id)
        return None if client_id is None else self.get(client_id)

    def live(self) -> Collection[Order]:
        """Orders that are not final; the live view, not to be kept over a suspension."""
        return self._live.values()

    def working(self) -> list[Order]:
        """Orders that rest at the venue."""
        return [order for order in self._live.values() if order.working]

    def in_flight(self) -> list[Order]:
        """Orders without an answer yet, or without proof."""
        return [order for order in self._live.values() if order.in_flight]

    def unknown(self) -> list[Order]:
        return [order for order in self._live.values() if order.state is OrderState.UNKNOWN]

    def unproven(self) -> list[Order]:
        """Orders whose state only a question can settle: a lost answer, or a cancel without its end."""
        asked = (OrderState.UNKNOWN, OrderState.CANCEL_PENDING)
        return [order for order in self._live.values() if order.state in asked]

    def book(
        self, order: Order, fill: Fill, instrument: Instrument, now_ns: int
    ) -> dict[str, Decimal] | None:
        """Add one fill to its order and to the sums.

        Returns:
            The change of each asset's balance; None when this trade was known.
        """
        if not order.book(fill):
            return None
        return self.book_trade(fill, instrument, now_ns)

    def book_trade(self, fill: Fill, instrument: Instrument, now_ns: int) -> dict[str, Decimal]:
        """Add a trade to the sums; the caller knows that it is new.

        Returns:
            The change of each asset's balance.
        """
        changes = asset_changes(fill, instrument)
        signed = fill.side.sign * fill.quantity
        self.positions[fill.symbol] = self.positions.get(fill.symbol, ZERO) + signed
        self.book_changes(changes, now_ns)
        return changes

    def book_changes(self, changes: dict[str, Decimal], now_ns: int) -> None:
        """Add to the sums what changed the balances."""
        for asset, amount in changes.items():
            self.changes[asset] = self.changes.get(asset, ZERO) + amount
        self.recent.append(Booked(now_ns, changes))
