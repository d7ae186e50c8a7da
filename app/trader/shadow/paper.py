"""A venue that fills on paper: real instruments, clock and quotes, simulated orders.

The model: a market order, and a limit order that reaches the other side's best price, is filled at once and
whole, at that price. Any other limit order rests, and is filled whole at its own price as soon as the other
side's best price reaches it.

It is optimistic: no latency, no queue (a real order waits behind those that came first, and the touch may
come and go without filling it), no size (the touch takes any quantity), no effect of our orders on the
market, no funding of perpetuals, no refusal but for lack of balance. Results are an upper bound of what the
real venue would give.

Nothing private ever reaches the inner venue: it is asked for its markets and its clock.

After a restart the account is what the journal says: balances = baseline + changes, positions, and the
orders that it holds for open rest again. A fill that did not reach the journal never happened. An order
without an answer is not here and is proven absent. So a reconciliation is clean by construction.
"""

import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal

from trader.model.orders import ZERO, Order
from trader.model.transitions import WORKING, OrderState, Signal
from trader.model.values import Fill, Instrument, OrderKind, OrderReport, Payment, Quote, Side
from trader.shadow.account import STEP, Account, needs
from trader.shadow.settings import PaperSettings
from trader.venue.interface import Found, Lookup, Placement, Venue, VenueError
from trader.venue.outcomes import Outcome

BASIS_POINTS = Decimal(10_000)
REMEMBERED = 2_000  # ended orders, for queries
TRADES = 10_000  # far more than come between two reconciliations


class PaperVenue:
    """See the module's text; the methods are those of `Venue`.

    Attributes:
        report, fill: told everything that happens to an order, as the venue's streams do; set by the caller.

    Args:
        inner: the real venue.
        balances: total by asset now: the settings', or after the first start the journal's baseline plus
            its changes.
        positions: of derivatives, by symbol, as the journal has them.
        orders: those of the journal that are not final; the ones that are working rest here again.
        cursors: last trade by symbol, as the journal has them.
    """

    def __init__(
        self,
        inner: Venue,
        settings: PaperSettings,
        balances: Mapping[str, Decimal],
        positions: Mapping[str, Decimal],
        orders: Iterable[Order] = (),
        cursors: Mapping[str, str] | None = None,
    ) -> None:
        self._inner = inner
        self._maker = settings.maker_fee_bps / BASIS_POINTS
        self._taker = settings.taker_fee_bps / BASIS_POINTS
        self._positions = dict(positions)
        self._account = Account(balances, {})
        self._quotes: dict[str, Quote] = {}
        self._resting: dict[str, Order] = {}
        self._ended: OrderedDict[str, OrderReport] = OrderedDict()
        self._trades: deque[Fill] = deque(maxlen=TRADES)
        # By the clock, so that ids rise over a restart too; above the last one if the clock has gone back.
        self._last_id = max([time.time_ns(), *(int(cursor) for cursor in (cursors or {}).values())])
        self.report: Callable[[OrderReport], None] = lambda report: None
        self.fill: Callable[[Fill], object] = lambda fill: None
        for order in orders:
            if order.state in WORKING:
                copy = self._rest(order)
                if copy.filled >= copy.quantity:  # its last fill reached the journal, its end did not
                    self._file(copy, _report(copy, Signal.FILLED))

    # -- the market

    @property
    def instruments(self) -> dict[str, Instrument]:
        return self._inner.instruments

    @property
    def recv_window_ms(self) -> int:
        return self._inner.recv_window_ms

    async def connect(self) -> None:
        """Load the markets of the inner venue.

        Raises:
            VenueError: it is away, or does not know a symbol.
        """
        await self._inner.connect()
        derivatives = {s for s, instrument in self.instruments.items() if instrument.settle is not None}
        held = {symbol: quantity for symbol, quantity in self._positions.items() if symbol in derivatives}
        self._account = Account(self._account.balances, held)

    async def time_ms(self) -> int:
        return await self._inner.time_ms()

    async def close(self) -> None:
        await self._inner.close()

    def on_quote(self, quote: Quote) -> None:
        """Take a new quote, before the strategy sees it: fills what it reaches."""
        self._quotes[quote.symbol] = quote
        for order in [order for order in self._resting.values() if order.symbol == quote.symbol]:
            price = order.price
            if price is not None and _reaches(order.side, price, quote):
                self._tell(order, self._execute(order, price, self._maker))

    # -- orders

    async def place(self, order: Order) -> Placement:
        """Fill one new order, let it rest, or refuse it."""
        quote, instrument = self._quotes.get(order.symbol), self.instruments[order.symbol]
        if quote is None:
            return _refused(f"{order.symbol}: no quote yet")
        touch = quote.ask if order.side is Side.BUY else quote.bid
        price = touch if order.price is None else order.price
        lacking = self._account.lacks(
            order, instrument, price, max(self._taker, self._maker), self._reserved()
        )
        if lacking is not None:
            return _refused(f"insufficient balance: {lacking}")
        copy = self._rest(order)
        if order.kind is OrderKind.MARKET or _reaches(order.side, price, quote):
            report = self._execute(copy, touch, self._taker)
        else:
            report = _report(copy, Signal.OPENED)
        self._tell(copy, report)
        return Placement(Outcome.ACKNOWLEDGED, report=report)

    async def close_out(self, order: Order) -> Placement:
        """The same: on paper nothing waits."""
        return await self.place(order)

    async def cancel(self, order: Order) -> Lookup:
        """Cancel an order that rests; for one that has ended, its end."""
        resting = self._resting.get(order.client_id)
        if resting is not None:
            self._tell(resting, _report(resting, Signal.CANCELED))
        return await self.lookup(order)

    async def cancel_stranger(self, report: OrderReport) -> None:
        """Nobody else trades here.

        Raises:
            VenueError: always.
        """
        raise VenueError(f"cancel of {report.venue_order_id}: no such order on paper")

    async def lookup(self, order: Order) -> Lookup:
        """Ask for an order by our client id."""
        resting = self._resting.get(order.client_id)
        report = self._ended.get(order.client_id) if resting is None else _report(resting, _working(resting))
        if report is None:
            return Lookup(Found.ABSENT, error=VenueError(f"{order.client_id}: no such order on paper"))
        return Lookup(Found.FOUND, report=report)

    async def forgotten(self, venue_order_id: str, symbol: str) -> tuple[Order, OrderReport] | None:
        """None: a paper account is only what the journal says."""
        return None

    async def open_orders(self) -> list[OrderReport]:
        """Every order that rests."""
        return [_report(order, _working(order)) for order in self._resting.values()]

    async def trades(self, symbol: str, after: str | None) -> list[Fill]:
        """Trades of this process after the trade `after` (None: the last one only), oldest first."""
        fills = [fill for fill in self._trades if fill.symbol == symbol]
        return fills[-1:] if after is None else [fill for fill in fills if int(fill.trade_id) > int(after)]

    async def balances(self) -> dict[str, Decimal]:
        """Total by asset, without the empty ones."""
        return {asset: amount for asset, amount in self._account.balances.items() if amount}

    async def positions(self) -> dict[str, Decimal]:
        """Signed quantity of derivatives by symbol, without the flat ones."""
        return dict(self._account.positions)

    async def payments(self, since_ms: int) -> list[Payment]:
        """None: on paper no funding is paid."""
        return []

    # -- within

    def _rest(self, order: Order) -> Order:
        """A copy of ours: what the venue knows of an order must not change with what we think of it."""
        copy = Order(
            client_id=order.client_id,
            symbol=order.symbol,
            side=order.side,
            kind=order.kind,
            quantity=order.quantity,
            price=order.price,
            created_ns=order.created_ns,
            state=OrderState.OPEN,
            venue_order_id=order.venue_order_id or str(self._next_id()),
            filled=order.filled,
        )
        self._resting[copy.client_id] = copy
        return copy

    def _execute(self, order: Order, price: Decimal, fee: Decimal) -> OrderReport:
        """Fill what is left of an order."""
        instrument, left = self.instruments[order.symbol], order.quantity - order.filled
        fill = Fill(
            symbol=order.symbol,
            trade_id=str(self._next_id()),
            venue_order_id=str(order.venue_order_id),
            side=order.side,
            quantity=left,
            price=price,
            fee=(left * price * fee).quantize(STEP),
            fee_asset=instrument.settle or instrument.quote,
            at_ms=time.time_ns() // 1_000_000,
            realized=self._account.realized(order.symbol, order.side, left, price, instrument),
        )
        self._account.book(fill, instrument)
        self._trades.append(fill)
        order.book(fill)
        return _report(order, Signal.FILLED, fill)

    def _tell(self, order: Order, report: OrderReport) -> None:
        """File an order by its report, then tell: whoever is told may ask or place at once."""
        if report.signal is not Signal.OPENED:
            self._file(order, report)
        self.report(report)
        for fill in report.fills:
            self.fill(fill)

    def _file(self, order: Order, end: OrderReport) -> None:
        del self._resting[order.client_id]
        self._ended[order.client_id] = end
        if len(self._ended) > REMEMBERED:
            self._ended.popitem(last=False)

    def _reserved(self) -> dict[str, Decimal]:
        reserved: dict[str, Decimal] = {}
        for order in self._resting.values():
            instrument = self.instruments.get(order.symbol)
            if instrument is not None and instrument.settle is None and order.price is not None:
                asset, amount = needs(order, instrument, order.price, max(self._taker, self._maker))
                reserved[asset] = reserved.get(asset, ZERO) + amount
        return reserved

    def _next_id(self) -> int:
        self._last_id += 1
        return self._last_id


def _reaches(side: Side, price: Decimal, quote: Quote) -> bool:
    """Whether the other side's best price is at our price or better."""
    return quote.ask <= price if side is Side.BUY else quote.bid >= price


def _working(order: Order) -> Signal:
    return Signal.PARTLY_FILLED if order.filled else Signal.OPENED


def _report(order: Order, signal: Signal, *fills: Fill) -> OrderReport:
    return OrderReport(order.client_id, str(order.venue_order_id), order.symbol, signal, order.filled, fills)


def _refused(reason: str) -> Placement:
    return Placement(Outcome.NOT_PLACED, error=VenueError(reason))
