"""What every request to the venue passes on its way: the rate budget, then the endpoint's circuit breaker.

Who asks says so with `asking`; ccxt's own requests in between (listen keys, markets) count as queries.
"""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import TypeVar

from trader.telemetry.events import Events
from trader.telemetry.metrics import Metrics
from trader.venue import address_file
from trader.venue.breaker import Breakers, Rules, State
from trader.venue.budget import Budget, BudgetCore, Priority
from trader.venue.endpoints import Endpoint, tariff
from trader.venue.resolver import LastGoodResolver
from trader.venue.wire_errors import NotSentError

T = TypeVar("T")
_OTHER = (Endpoint.EXCHANGE_INFO, Priority.QUERY)
_ASKING: ContextVar[tuple[Endpoint, Priority]] = ContextVar("asking", default=_OTHER)


@contextmanager
def asking(endpoint: Endpoint, priority: Priority = Priority.QUERY) -> Iterator[None]:
    """Name the requests that are made in this block."""
    token = _ASKING.set((endpoint, priority))
    try:
        yield
    finally:
        _ASKING.reset(token)


class Wire:
    """Budget, breakers and names of one venue.

    Args:
        venue: ccxt's id.
        rate_limit_ms: ccxt's `rateLimit`, for venues without a tariff of their own.
        state_folder: where the last good addresses are kept; None = names are resolved by the system alone.

    Attributes:
        halted: asked in the last moment before a new order is signed, and once more when it has a connection,
            because it may have waited while trading was halted.
    """

    def __init__(
        self, venue: str, rate_limit_ms: float, state_folder: Path | None, metrics: Metrics, events: Events
    ) -> None:
        self._metrics = metrics
        self._events = events
        self.budget = Budget(BudgetCore(tariff(venue, rate_limit_ms)))
        self.breakers = Breakers(Rules(), self._breaker_moved)
        self.resolver = (
            None
            if state_folder is None
            else LastGoodResolver(state_folder / address_file.NAME, report=self._name_told)
        )
        self.halted: Callable[[], bool] = lambda: False
        metrics.refresh_with(self._refresh)

    async def send(self, request: Callable[[], Awaitable[T]]) -> T:
        """Wait for the request's turn, then make it.

        Raises:
            NotSentError: it was not made: no room in time, a ban, an open breaker, or trading was halted.
        """
        endpoint, priority = _ASKING.get()
        await self.budget.acquire(priority, endpoint)
        self.check_halted()
        with self.breakers.call(endpoint, priority):
            return await request()

    def check_halted(self) -> None:
        """Whether what is asked for in this block may still leave; also before its first byte does.

        Raises:
            NotSentError: it is a new order, and trading was halted meanwhile.
        """
        if _ASKING.get()[1] is Priority.NEW and self.halted():
            raise NotSentError("trading was halted while it waited for its turn")

    def learn(self, status: int, headers: Mapping[str, str]) -> None:
        """Take what an answer over REST says of limits and bans."""
        self.budget.learn(headers, status)

    def entry_changed(self, ready: bool, why: str) -> None:
        """The order entry connection is there, or is not."""
        self._metrics.set("trader_order_entry_ready", int(ready))
        if not ready:
            self._metrics.count("trader_order_entry_reconnects_total")
        self._events.emit("order_entry", "info" if ready else "warning", ready=ready, message=why)

    def _breaker_moved(self, endpoint: Endpoint, state: State) -> None:
        level = "info" if state is State.CLOSED else "warning"
        self._events.emit("breaker", level, endpoint=endpoint, state=state.name.lower())

    def _name_told(self, event: str, text: str) -> None:
        if event == "dns_fallback":
            self._metrics.count("trader_dns_fallbacks_total")
        self._events.emit(event, "warning", message=text)

    def _refresh(self) -> None:
        usage = self.budget.usage()
        self._metrics.set("trader_budget_used_weight", usage.used)
        self._metrics.set("trader_budget_weight_limit", usage.limit)
        self._metrics.set("trader_venue_blocked_seconds", usage.banned_seconds)
        for priority, count in usage.waiting.items():
            self._metrics.set("trader_budget_waiting", count, priority=priority.name.lower())
        for endpoint, state in self.breakers.states().items():
            self._metrics.set("trader_breaker_state", state, endpoint=endpoint)
