"""Requests to the venue. What moves an order says what its answer proved, and never tries twice.

How the venues differ is stated in `venues`; what they call our orders and their quantities ends at `edge`.
"""

import sys
from collections.abc import Awaitable
from decimal import Decimal
from typing import Any

from trader.model.orders import Order
from trader.model.values import Fill, Instrument, OrderReport, Payment
from trader.telemetry.events import Events
from trader.telemetry.metrics import Metrics
from trader.venue import account, by_client_id, funding, parse
from trader.venue.budget import Priority
from trader.venue.edge import Edge
from trader.venue.endpoints import Endpoint
from trader.venue.entry_path import EntryPath, has_entry
from trader.venue.exchange import VenueAccess, make_exchange
from trader.venue.interface import (
    Found,
    KeyPermissions,
    Lookup,
    Placement,
    VenueError,
    describe,
)
from trader.venue.open_orders import fetch_open_orders
from trader.venue.outcomes import Outcome, is_absent, judge_answer, judge_error
from trader.venue.parse import OddAnswerError
from trader.venue.request_errors import REQUEST_ERRORS
from trader.venue.slim_ccxt import exchange_class
from trader.venue.trades import TradeWalk
from trader.venue.venues import Answer, Cancel, Market, rule_of
from trader.venue.wire import Wire, asking
from trader.venue.wire_ids import WireForm

TRADES_PAGE = 1_000


class Gateway:
    """One account at one venue.

    Raises:
        ValueError: the settings do not go together with the venue; one line that names the key.
    """

    def __init__(
        self,
        access: VenueAccess,
        symbols: list[str],
        metrics: Metrics | None = None,
        events: Events | None = None,
    ) -> None:
        self._access = access
        self._symbols = symbols
        self._rule = rule_of(access.id)
        if self._rule.form is WireForm.HEX and not access.host:
            raise ValueError(f"host: {access.id} carries our host's name in another form, and none is given")
        rate_limit_ms = float(exchange_class(access.id)().rateLimit)
        self._wire = Wire(
            access.id, rate_limit_ms, access.state_folder, metrics or Metrics(), events or Events(sys.stderr)
        )
        self._exchange = make_exchange(access, self._wire)
        self._entry: EntryPath | None = None
        self._life_ms = self._rule.lifetime_ms(access.recv_window_ms)
        self._by_id = self._rule.id in ("binance", "binanceusdm")
        self._walks: dict[str, TradeWalk] = {}
        self.instruments: dict[str, Instrument] = {}
        self._edge = Edge(self._exchange, self._rule, access.host, self._life_ms, self.instruments)

    @property
    def exchange(self) -> Any:
        """The ccxt instance, for the streams."""
        return self._exchange

    @property
    def edge(self) -> Edge:
        """Reads orders and trades in ccxt's form, for the streams."""
        return self._edge

    @property
    def recv_window_ms(self) -> int:
        return self._life_ms

    async def connect(self) -> None:
        """Load the markets and check that each symbol is there.

        Raises:
            VenueError: the venue is away, or does not know a symbol.
        """
        try:
            markets = await self._exchange.load_markets()
            for symbol in self._symbols:
                self.instruments[symbol] = parse.instrument(self._traded(markets, symbol))
        except REQUEST_ERRORS as error:
            raise VenueError(f"markets: {describe(error)}") from error
        if self._access.order_entry and self._entry is None and has_entry(self._rule.id):
            self._entry = EntryPath(self._exchange, self._access, self._wire, self._life_ms)
            self._entry.start()

    @property
    def entry(self) -> "EntryPath | None":
        """The WebSocket way of orders, where there is one."""
        return self._entry

    @property
    def wire(self) -> Wire:
        """Budget, breakers and names."""
        return self._wire

    def _traded(self, markets: dict[str, Any], symbol: str) -> dict[str, Any]:
        market: dict[str, Any] | None = markets.get(symbol)
        if market is None:
            raise VenueError(f"symbols: {symbol} is not traded at {self._access.id}; correct the settings")
        linear = self._rule.market is Market.SPOT or market.get("linear")
        if not market.get(self._rule.market.value) or not linear:
            kind = "spot market" if self._rule.market is Market.SPOT else "linear perpetual"
            raise VenueError(f"symbols: {symbol} is no {kind} of {self._access.id}; correct the settings")
        return market

    # -- what moves an order

    async def place(self, order: Order) -> Placement:
        """Send one new order, once: over the WebSocket API while that is ready, else by REST."""
        return await self._place(order, Priority.NEW)

    async def close_out(self, order: Order) -> Placement:
        """The same for an order of the kill switch, which closes a position while trading is halted."""
        return await self._place(order, Priority.KILL)

    async def _place(self, order: Order, priority: Priority) -> Placement:
        with asking(Endpoint.PLACE, priority):
            if self._entry is not None and self._entry.ready:
                return await self._entry.place(order, self._edge.wire_id(order))
            return await self._place_by_rest(order)

    async def _place_by_rest(self, order: Order) -> Placement:
        try:
            answer = await self._exchange.create_order(*self._edge.new_order(order))
        except REQUEST_ERRORS as error:
            return Placement(judge_error(error, self._rule.id), error=error)
        if self._rule.answer is Answer.BARE:
            return await self._confirmed(order, answer)
        outcome = judge_answer(answer, self._edge.wire_id(order))
        if outcome is not Outcome.ACKNOWLEDGED:
            return Placement(outcome, error=OddAnswerError("the answer does not name the order"))
        try:
            return Placement(outcome, report=self._edge.acknowledged(order, answer))
        except REQUEST_ERRORS as error:
            return Placement(Outcome.UNKNOWN, error=error)

    async def _confirmed(self, order: Order, answer: Any) -> Placement:
        """The answer has the venue's id alone: only a query by our id proves whose order it is."""
        venue_id = answer.get("id") if isinstance(answer, dict) else None
        looked = await self.lookup(order) if venue_id else Lookup(Found.FAILED)
        if looked.report is None or looked.report.venue_order_id != venue_id:
            error = looked.error or OddAnswerError("the answer does not name the order")
            return Placement(Outcome.UNKNOWN, error=error)
        return Placement(Outcome.ACKNOWLEDGED, report=looked.report)

    async def cancel(self, order: Order) -> Lookup:
        """Ask once for a cancel. Only FOUND with a final report ends the order; else it must be queried."""
        with asking(Endpoint.CANCEL, Priority.CANCEL):
            if self._entry is not None and self._entry.ready:
                return await self._entry.cancel(order, self._edge.wire_id(order))
            return await self._ask(by_client_id.cancel, order, tells=self._rule.cancel is Cancel.STATE)

    async def lookup(self, order: Order) -> Lookup:
        """Ask for an order by our client id."""
        with asking(Endpoint.QUERY):
            return await self._ask(by_client_id.find, order, tells=True)

    async def _ask(self, way: Any, order: Order, *, tells: bool) -> Lookup:
        try:
            wire_id = self._edge.wire_id(order)
            answer = await way(self._exchange, self._rule, order, wire_id)
            if not tells:
                return Lookup(Found.TAKEN)
            if answer is None:
                return Lookup(Found.ABSENT)
            report = self._edge.read_order(answer)
        except REQUEST_ERRORS as error:
            absent = is_absent(error, self._rule.id)
            return Lookup(Found.ABSENT if absent else Found.FAILED, error=error)
        if report.client_id != order.client_id:
            wrong = OddAnswerError(f"asked for {order.client_id}, got {report.client_id}")
            return Lookup(Found.FAILED, error=wrong)
        return Lookup(Found.FOUND, report=report)

    async def cancel_stranger(self, report: OrderReport) -> None:
        """Ask once for the cancel of an order that is in no journal, by the venue's own id.

        Raises:
            VenueError: the venue did not say that it has taken the cancel.
        """
        what = f"cancel of {report.venue_order_id}"
        with asking(Endpoint.CANCEL, Priority.CANCEL):
            await self._query(what, self._exchange.cancel_order(report.venue_order_id, report.symbol))

    # -- queries

    async def forgotten(self, venue_order_id: str, symbol: str) -> tuple[Order, OrderReport] | None:
        """The order behind the venue's own id, for one that our record does not have.

        Returns:
            None when the venue has no such order, or none that it can describe.

        Raises:
            VenueError: the query failed.
        """
        with asking(Endpoint.QUERY):
            try:
                answer = await self._exchange.fetch_order(venue_order_id, symbol)
                return self._edge.read_forgotten(answer)
            except OddAnswerError:
                return None
            except REQUEST_ERRORS as error:
                if is_absent(error, self._rule.id):
                    return None
                raise VenueError(f"order {venue_order_id}: {describe(error)}") from error

    async def open_orders(self) -> list[OrderReport]:
        """Every open order of the account on our symbols, ours or not.

        Raises:
            VenueError: a query failed.
        """
        with asking(Endpoint.OPEN_ORDERS):
            orders = await self._query(
                "open orders", fetch_open_orders(self._exchange, self._rule, self._symbols)
            )
        try:
            return [self._edge.read_order(order) for order in orders]
        except REQUEST_ERRORS as error:
            raise VenueError(f"open orders: {error}") from error

    async def trades(self, symbol: str, after: str | None) -> list[Fill]:
        """Our trades on a symbol that come after the trade `after` (None: the last one only), oldest first.

        Raises:
            VenueError: a query failed, or the venue no longer lists the trade `after`.
        """
        with asking(Endpoint.TRADES):
            if self._by_id:
                return await self._trades_by_id(symbol, after)
            walk = self._walks.setdefault(symbol, TradeWalk(self._exchange, self._rule.id, symbol))
            return self._read_fills(await self._query("trades", walk.after(after)))

    async def _trades_by_id(self, symbol: str, after: str | None) -> list[Fill]:
        fills: list[Fill] = []
        while True:
            params = {} if after is None else {"fromId": int(after) + 1}
            limit = 1 if after is None else TRADES_PAGE
            answer = await self._query("trades", self._exchange.fetch_my_trades(symbol, None, limit, params))
            page = sorted(self._read_fills(answer), key=lambda fill: int(fill.trade_id))
            fills += page
            if after is None or len(page) < TRADES_PAGE:
                return fills
            after = page[-1].trade_id

    def _read_fills(self, trades: list[dict[str, Any]]) -> list[Fill]:
        try:
            return [self._edge.read_fill(trade) for trade in trades]
        except REQUEST_ERRORS as error:
            raise VenueError(f"trades: {error}") from error

    async def balances(self) -> dict[str, Decimal]:
        """Total by asset.

        Raises:
            VenueError: the query failed.
        """
        with asking(Endpoint.BALANCES):
            held: dict[str, Decimal] = await self._query(
                "balances", account.balances(self._exchange, self._rule)
            )
        return held

    async def positions(self) -> dict[str, Decimal]:
        """Signed quantity by symbol, in base units, without the flat ones; empty on a spot venue.

        Raises:
            VenueError: the query failed.
        """
        with asking(Endpoint.POSITIONS):
            held: dict[str, Decimal] = await self._query(
                "positions", account.positions(self._exchange, self._rule)
            )
        return held

    async def payments(self, since_ms: int) -> list[Payment]:
        """Funding payments of the account from a time on (UTC ms, inclusive), oldest first.

        Raises:
            VenueError: a query failed.
        """
        if not self._rule.funding:
            return []
        with asking(Endpoint.FUNDING):
            listed: list[Payment] = await self._query(
                "funding", funding.payments(self._exchange, self._rule.id, since_ms)
            )
        return listed

    async def permissions(self) -> KeyPermissions:
        """What our key may do.

        Raises:
            VenueError: the query failed, or its answer cannot be read.
        """
        may: KeyPermissions = await self._query(
            "permissions", account.permissions(self._exchange, self._rule)
        )
        return may

    async def time_ms(self) -> int:
        """The venue's clock (UTC).

        Raises:
            VenueError: the query failed.
        """
        with asking(Endpoint.TIME):
            return int(await self._query("time", self._time()))

    async def _time(self) -> int:
        if self._exchange.has["fetchTime"]:
            return int(await self._exchange.fetch_time())
        # Kraken Futures has no question for its clock, and tells it in every answer.
        symbol = self._exchange.market(self._symbols[0])["id"]
        answer = await self._exchange.publicGetInstrumentsSymbolStatus({"symbol": symbol})
        return int(self._exchange.parse8601(answer["serverTime"]))

    async def close(self) -> None:
        """Close connections."""
        if self._entry is not None:
            await self._entry.stop()
        await self._exchange.close()

    async def _query(self, what: str, request: Awaitable[Any]) -> Any:
        """Every other request goes through here.

        Raises:
            VenueError: it failed.
        """
        try:
            return await request
        except REQUEST_ERRORS as error:
            raise VenueError(f"{what}: {describe(error)}") from error
