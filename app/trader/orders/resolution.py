"""Proves what became of an order whose answer was lost. It asks, it never sends again.

"Not found" proves absence only once the venue's clock has passed the request's receive window: from then
on the venue refuses the request should it still arrive. Until then it may be on its way.
"""

import asyncio

from trader.model.orders import Order
from trader.model.transitions import OrderState, Signal
from trader.orders.manager import OrderManager
from trader.telemetry.events import Events
from trader.telemetry.metrics import Metrics
from trader.venue.interface import Found, Lookup, Venue, VenueError, describe, now_ms

DELAYS_SECONDS = (0.0, 0.25, 0.5, 1.0, 2.0)  # then the last one for ever: an order is never given up
MARGIN_MS = 1_000
TICK_SECONDS = 0.05


class Resolver:
    """Runs one proof per order that needs it."""

    def __init__(self, manager: OrderManager, gateway: Venue, metrics: Metrics, events: Events) -> None:
        self._manager = manager
        self._gateway = gateway
        self._metrics = metrics
        self._events = events
        self._running: dict[str, asyncio.Task[None]] = {}

    def start(self, order: Order) -> None:
        """Prove an order's state, in the background; one proof at a time per order."""
        if order.client_id in self._running:
            return
        task = asyncio.create_task(self._resolve(order), name=f"resolve {order.client_id}")
        self._running[order.client_id] = task
        task.add_done_callback(lambda _: self._running.pop(order.client_id, None))

    async def idle(self) -> None:
        """Wait until every proof is done."""
        while self._running:
            await asyncio.wait(list(self._running.values()))

    async def stop(self) -> None:
        """Give up what runs; the journal still says UNKNOWN, and the next start goes on."""
        tasks = list(self._running.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _resolve(self, order: Order) -> None:
        attempt = 0
        while _unproven(order):
            await asyncio.sleep(self._delay_seconds(order, attempt))
            attempt += 1
            if _unproven(order):
                await self._ask(order)
        self._events.emit("order_resolved", **order.names, state=order.state, attempts=attempt)

    def _delay_seconds(self, order: Order, attempt: int) -> float:
        """By the table, but no longer than until absence can be proof."""
        delay = DELAYS_SECONDS[min(attempt, len(DELAYS_SECONDS) - 1)]
        until_proof_ms = order.sent_ms + self._gateway.recv_window_ms + MARGIN_MS - now_ms()
        return min(delay, until_proof_ms / 1_000 + TICK_SECONDS) if until_proof_ms > 0 else delay

    async def _ask(self, order: Order) -> None:
        # Before that "not found" proves nothing, so the venue's clock is not asked for either.
        due = now_ms() > order.sent_ms + self._gateway.recv_window_ms + MARGIN_MS
        try:
            asked_at_ms = await self._gateway.time_ms() if due else 0
        except VenueError as error:
            self._failed(order, error)
            return
        answer = await self._gateway.lookup(order)
        match answer.found:
            case Found.FOUND:
                self._found(order, answer)
            case Found.ABSENT:
                if order.state is OrderState.UNKNOWN and is_proof(
                    order, asked_at_ms, self._gateway.recv_window_ms
                ):
                    self._manager.signal(order, Signal.ABSENT, f"not at the venue ({order.reason})")
            case Found.FAILED:
                self._failed(order, answer.error)

    def _found(self, order: Order, answer: Lookup) -> None:
        assert answer.report is not None
        self._manager.report(answer.report)
        if order.state is OrderState.CANCEL_PENDING:
            self._manager.signal(order, Signal.CANCEL_REFUSED)

    def _failed(self, order: Order, error: BaseException | None) -> None:
        self._metrics.count("trader_errors_total", **{"class": "query"})
        self._events.emit("query_failed", "warning", **order.names, message=describe(error))


def is_proof(order: Order, asked_at_ms: int, recv_window_ms: int) -> bool:
    """Whether "not found", asked at this time of the venue's clock, proves that the order will never be."""
    return asked_at_ms > order.sent_ms + recv_window_ms + MARGIN_MS


def _unproven(order: Order) -> bool:
    return order.state in (OrderState.UNKNOWN, OrderState.CANCEL_PENDING)
