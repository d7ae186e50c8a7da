"""The WebSocket way of an order: request, answer, and what the lack of one proves.

The venue's refusals are judged exactly as over REST: they are given to ccxt as the answer of the same
request, so that class, code and text are the same there and here.
"""

import ssl
from collections.abc import Awaitable, Callable
from typing import Any

import orjson

from trader.model.orders import Order
from trader.venue import entry_dialect
from trader.venue.exchange import VenueAccess
from trader.venue.interface import Found, Lookup, Placement
from trader.venue.order_entry import OrderEntry, WsAnswer
from trader.venue.outcomes import Outcome, is_absent, judge_error
from trader.venue.parse import OddAnswerError
from trader.venue.request_errors import REQUEST_ERRORS
from trader.venue.wire import Wire
from trader.venue.wire_errors import RefusedError

MILLISECOND = 1_000


def has_entry(venue: str) -> bool:
    """Whether this venue takes orders over a WebSocket that we speak."""
    return venue in entry_dialect.ADDRESSES


class EntryPath:
    """Places and cancels over `OrderEntry`."""

    def __init__(self, exchange: Any, access: VenueAccess, wire: Wire, life_ms: int) -> None:
        self._exchange = exchange
        self._venue = access.id
        self._wire = wire
        self._life_ms = life_ms
        kind = entry_dialect.ADDRESSES[access.id]
        context = None if access.ca_file is None else ssl.create_default_context(cafile=str(access.ca_file))
        self._entry = OrderEntry(
            str(exchange.urls["api"]["ws"]["ws-api"][kind]),
            access.api_key,
            access.api_secret,
            ssl_context=context,
            resolver=wire.resolver,
            request_timeout_seconds=access.timeout_ms / MILLISECOND,
            changed=wire.entry_changed,
        )
        self._cancelled_by = "origClientOrderId" if access.id == "binance" else "clientOrderId"

    @property
    def ready(self) -> bool:
        """Whether a request would be written now."""
        return self._entry.ready

    @property
    def reconnects(self) -> int:
        return self._entry.reconnects

    def start(self) -> None:
        """Begin to connect."""
        self._entry.start()

    async def stop(self) -> None:
        """Close the connection."""
        await self._entry.stop()

    async def place(self, order: Order, wire_id: str) -> Placement:
        """Send one new order, once."""
        market_id = str(self._exchange.market(order.symbol)["id"])
        params = entry_dialect.new_order(order, market_id, wire_id, self._life_ms)
        try:
            answer = await self._ask(lambda: self._entry.place(params))
            report = entry_dialect.read(answer.result, order, wire_id, "clientOrderId")
        except OddAnswerError as error:
            return Placement(Outcome.UNKNOWN, error=error)
        except REQUEST_ERRORS as error:
            return Placement(judge_error(error, self._venue), error=error)
        return Placement(Outcome.ACKNOWLEDGED, report=report)

    async def cancel(self, order: Order, wire_id: str) -> Lookup:
        """Ask once for a cancel."""
        market_id = str(self._exchange.market(order.symbol)["id"])
        params = entry_dialect.named(market_id, wire_id, self._life_ms)
        try:
            answer = await self._ask(lambda: self._entry.cancel(params))
            report = entry_dialect.read(answer.result, order, wire_id, self._cancelled_by)
        except REQUEST_ERRORS as error:
            absent = is_absent(error, self._venue)
            return Lookup(Found.ABSENT if absent else Found.FAILED, error=error)
        return Lookup(Found.FOUND, report=report)

    async def _ask(self, request: Callable[[], Awaitable[WsAnswer]]) -> WsAnswer:
        try:
            answer = await self._wire.send(request)
        except RefusedError as refusal:
            self._wire.budget.learn_rows(refusal.rate_limits, refusal.status, refusal.retry_after_ms)
            raise self._as_over_rest(refusal) from refusal
        self._wire.budget.learn_rows(answer.rate_limits)
        return answer

    def _as_over_rest(self, refusal: RefusedError) -> Exception:
        """The error that ccxt raises when REST answers with this."""
        urls = self._exchange.urls["api"]
        url = f"{urls.get('private') or urls.get('fapiPrivate')}/order"
        content = {"code": refusal.code, "msg": refusal.message}
        body = orjson.dumps(content).decode()
        seconds = {} if refusal.retry_after_ms is None else {"Retry-After": self._seconds(refusal)}
        try:
            self._exchange.handle_errors(refusal.status, "", url, "POST", seconds, body, content, {}, "")
            self._exchange.handle_http_status_code(refusal.status, "", url, "POST", body)
        except REQUEST_ERRORS as error:
            return error
        return refusal

    def _seconds(self, refusal: RefusedError) -> str:
        assert refusal.retry_after_ms is not None
        left_ms = refusal.retry_after_ms - self._exchange.milliseconds()
        return str(max(1, -(-left_ms // MILLISECOND)))
