"""Requests to the venue. What moves an order says what its answer proved, and never tries twice."""

import asyncio
from decimal import Decimal
from typing import Any

from trader.model.orders import Order
from trader.model.values import Fill, Instrument, OrderReport
from trader.venue import parse
from trader.venue.client_ids import RULES
from trader.venue.exchange import VenueAccess, make_exchange
from trader.venue.interface import Found, Lookup, Placement, VenueError, describe
from trader.venue.outcomes import Outcome, is_absent, judge_answer, judge_error
from trader.venue.parse import OddAnswerError
from trader.venue.slim_ccxt import errors

TRADES_PAGE = 1_000
# What a request can raise: ccxt's errors; aiohttp and ssl errors that ccxt lets through; answers that do
# not parse.
REQUEST_ERRORS = (
    errors.BaseError,
    OSError,
    ValueError,
    TypeError,
    KeyError,
    AttributeError,
    asyncio.TimeoutError,
)


class Gateway:
    """One account at one venue."""

    def __init__(self, access: VenueAccess, symbols: list[str]) -> None:
        self._access = access
        self._symbols = symbols
        self._rule = RULES[access.id]
        self._exchange = make_exchange(access)
        self.instruments: dict[str, Instrument] = {}

    @property
    def exchange(self) -> Any:
        """The ccxt instance, for the streams."""
        return self._exchange

    @property
    def recv_window_ms(self) -> int:
        return self._access.recv_window_ms

    async def connect(self) -> None:
        """Load the markets and check that each symbol is there.

        Raises:
            VenueError: the venue is away, or does not know a symbol.
        """
        try:
            markets = await self._exchange.load_markets()
        except REQUEST_ERRORS as error:
            raise VenueError(f"markets: {describe(error)}") from error
        for symbol in self._symbols:
            if symbol not in markets:
                raise VenueError(
                    f"symbols: {symbol} is not traded at {self._access.id}; correct the settings"
                )
            self.instruments[symbol] = parse.instrument(markets[symbol])

    async def place(self, order: Order) -> Placement:
        """Send one new order, once."""
        try:
            answer = await self._create(order)
        except REQUEST_ERRORS as error:
            return Placement(judge_error(error), error=error)
        outcome = judge_answer(answer, order.client_id)
        if outcome is not Outcome.ACKNOWLEDGED:
            return Placement(outcome, error=OddAnswerError("the answer does not name the order"))
        try:
            return Placement(outcome, report=parse.order_report(answer))
        except OddAnswerError as error:
            return Placement(Outcome.UNKNOWN, error=error)

    async def _create(self, order: Order) -> Any:
        price = None if order.price is None else format(order.price, "f")
        params = {self._rule.create: order.client_id}
        quantity = format(order.quantity, "f")
        return await self._exchange.create_order(
            order.symbol, order.kind.value, order.side.value, quantity, price, params
        )

    async def cancel(self, order: Order) -> Lookup:
        """Ask once for a cancel. Only FOUND with a final report ends the order; else it must be queried."""
        return await self._ask(self._exchange.cancel_order, order)

    async def lookup(self, order: Order) -> Lookup:
        """Ask for an order by our client id."""
        return await self._ask(self._exchange.fetch_order, order)

    async def _ask(self, method: Any, order: Order) -> Lookup:
        try:
            answer = await method(None, order.symbol, {self._rule.lookup: order.client_id})
            report = parse.order_report(self._named(answer))
        except REQUEST_ERRORS as error:
            return Lookup(Found.ABSENT if is_absent(error) else Found.FAILED, error=error)
        if report.client_id != order.client_id:
            return Lookup(
                Found.FAILED, error=OddAnswerError(f"asked for {order.client_id}, got {report.client_id}")
            )
        return Lookup(Found.FOUND, report=report)

    def _named(self, answer: dict[str, Any]) -> dict[str, Any]:
        """An answer to a cancel has the cancel's own id as clientOrderId; the order's is beside it."""
        own = (answer.get("info") or {}).get(self._rule.lookup)
        return {**answer, "clientOrderId": own} if own else answer

    async def open_orders(self) -> list[OrderReport]:
        """Every open order of the account on our symbols, ours or not.

        Raises:
            VenueError: a query failed.
        """
        orders = await self._gather(
            "open orders", [self._exchange.fetch_open_orders(s) for s in self._symbols]
        )
        try:
            return [parse.order_report(order) for answer in orders for order in answer]
        except OddAnswerError as error:
            raise VenueError(f"open orders: {error}") from error

    async def trades(self, symbol: str, after: str | None) -> list[Fill]:
        """Our trades on a symbol with ids above `after` (None: the last one only), oldest first.

        Raises:
            VenueError: a query failed.
        """
        fills: list[Fill] = []
        while True:
            params = {} if after is None else {"fromId": int(after) + 1}
            limit = 1 if after is None else TRADES_PAGE
            [answer] = await self._gather(
                "trades", [self._exchange.fetch_my_trades(symbol, None, limit, params)]
            )
            try:
                page = sorted((parse.fill(trade) for trade in answer), key=lambda fill: int(fill.trade_id))
            except OddAnswerError as error:
                raise VenueError(f"trades: {error}") from error
            fills += page
            if after is None or len(page) < TRADES_PAGE:
                return fills
            after = page[-1].trade_id

    async def balances(self) -> dict[str, Decimal]:
        """Total by asset.

        Raises:
            VenueError: the query failed.
        """
        [answer] = await self._gather("balances", [self._exchange.fetch_balance()])
        return parse.balances(answer)

    async def positions(self) -> dict[str, Decimal]:
        """Spot: balances are all there is."""
        return {}

    async def cancel_stranger(self, report: OrderReport) -> None:
        """Ask once for the cancel of an order that is in no journal, by the venue's own id.

        Raises:
            VenueError: the venue did not say that it is cancelled.
        """
        try:
            await self._exchange.cancel_order(report.venue_order_id, report.symbol)
        except REQUEST_ERRORS as error:
            raise VenueError(f"cancel of {report.venue_order_id}: {describe(error)}") from error

    async def time_ms(self) -> int:
        """The venue's clock (UTC).

        Raises:
            VenueError: the query failed.
        """
        [answer] = await self._gather("time", [self._exchange.fetch_time()])
        return int(answer)

    async def close(self) -> None:
        """Close connections."""
        await self._exchange.close()

    async def _gather(self, what: str, requests: list[Any]) -> list[Any]:
        try:
            return list(await asyncio.gather(*requests))
        except REQUEST_ERRORS as error:
            raise VenueError(f"{what}: {describe(error)}") from error
