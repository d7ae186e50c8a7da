"""The rate budget: who may send now. Strict priority, a reserve for cancels, bans honoured.

ccxt's own limiter is one queue without priority, in which a cancel waits behind every query, and it knows
nothing of Retry-After; it is switched off. The core is pure: time is an argument (monotonic).
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from itertools import chain
from typing import Any

from trader.venue.endpoints import Cost, Counted, Endpoint, Tariff
from trader.venue.interface import now_ms
from trader.venue.rate_windows import RateWindows
from trader.venue.wire_errors import BudgetError

RETRY_AFTER = "retry-after"
LIMITED, BANNED = 429, 418
# When an answer does not say how long: the window that a 429 speaks of is over after a minute, and the
# shortest ban is two.
UNSAID_SECONDS = {LIMITED: 60.0, BANNED: 120.0}
SECOND_NS = 1_000_000_000
SOON_SECONDS = 0.001  # a timer may fire a little early, and must not be set again for no time at all


class Priority(IntEnum):
    """The lower, the sooner."""

    KILL = 0
    CANCEL = 1
    QUERY = 2
    NEW = 3

    @property
    def reserve(self) -> bool:
        """Whether it may use the reserve."""
        return self <= Priority.CANCEL


@dataclass(slots=True, eq=False)
class Ticket:
    """A request that asks to be sent."""

    priority: Priority
    cost: Cost
    deadline_ns: int
    answer: asyncio.Future[bool] | None = None


@dataclass(frozen=True, slots=True)
class Turn:
    """What `BudgetCore.advance` decided, and when to ask it again (None: nobody waits)."""

    granted: list[Ticket]
    refused: list[Ticket]
    wake_at_ns: int | None


@dataclass(frozen=True, slots=True)
class Usage:
    """For metrics.

    Args:
        used, limit: of the fullest window of request weight.
        waiting: requests by priority.
        banned_seconds: for how long the venue wants nothing from us (after a 429: next to nothing); 0 = no
            ban.
    """

    used: int
    limit: int
    waiting: dict[Priority, int]
    banned_seconds: float


class BudgetCore:
    """Decides who may send.

    Args:
        tariff: limits and costs of the venue.
        reserve_share: part of every limit that only CANCEL and KILL may use.
        max_wait_seconds: a new order that has waited so long is refused: a stale order is worse than none.
        patience_seconds: the same for all others, so that nobody waits out a long ban without being told.
        pace_seconds: from one cancel to the next, after a 429.
        kill_pace_seconds: from one request of a kill to the next, after a 429. Each further 429 in a row
            makes it half as long again, up to `pace_seconds`: a storm that refuses some of them is got
            through, and a venue that refuses all of them is asked once a second.
    """

    def __init__(
        self,
        tariff: Tariff,
        reserve_share: float = 0.1,
        max_wait_seconds: float = 0.5,
        patience_seconds: float = 10.0,
        pace_seconds: float = 1.0,
        kill_pace_seconds: float = 0.01,
    ) -> None:
        self._tariff = tariff
        self._wait_ns = dict.fromkeys(Priority, round(patience_seconds * SECOND_NS))
        self._wait_ns[Priority.NEW] = round(max_wait_seconds * SECOND_NS)
        self._pace_ns = round(pace_seconds * SECOND_NS)
        self._queues: dict[Priority, deque[Ticket]] = {priority: deque() for priority in Priority}
        self._until_ns = {LIMITED: 0, BANNED: 0}
        self._paced_ns = 0
        self._kill_pace_ns = self._first_kill_pace_ns = round(kill_pace_seconds * SECOND_NS)
        self._kill_paced_ns = 0
        self.windows = RateWindows(tariff.limits, reserve_share)

    def request(self, priority: Priority, endpoint: Endpoint, now_ns: int) -> Ticket:
        """Take a place in the queue; `advance` says when it is granted or refused.

        Raises:
            BudgetError: it can never be granted, or not in time.
        """
        ticket = Ticket(priority, self._tariff.cost(endpoint), now_ns + self._wait_ns[priority])
        if not self.windows.fits(ticket.cost, priority.reserve):
            raise BudgetError(f"{endpoint}: costs more than the whole of a limit of the venue")
        if (until_ns := self._not_before_ns(priority)) >= ticket.deadline_ns:
            seconds = (until_ns - now_ns) / SECOND_NS
            raise BudgetError(f"{endpoint}: the venue wants no requests for {seconds:.0f} s more")
        self._queues[priority].append(ticket)
        return ticket

    def withdraw(self, ticket: Ticket) -> None:
        """The caller no longer wants it. What was granted already stays counted."""
        if ticket in self._queues[ticket.priority]:
            self._queues[ticket.priority].remove(ticket)

    def advance(self, now_ns: int) -> Turn:
        """Grant what fits, in order, and refuse what has waited too long.

        The first that does not fit holds back everything behind it, however small, or heavy requests would
        wait for ever. One that lacks nothing but room in a count of orders holds back orders alone: an order
        that closes a position must not delay a cancel.
        """
        refused = [t for t in self._waiting() if t.deadline_ns <= now_ns]
        for ticket in refused:
            self._queues[ticket.priority].remove(ticket)
        granted: list[Ticket] = []
        wakes_ns: list[int] = []
        orders_full = False
        for ticket in self._waiting():
            if orders_full and ticket.cost.orders:
                continue
            weight_ns, orders_ns = self._free_at_ns(ticket, now_ns)
            if weight_ns > now_ns:
                wakes_ns.append(weight_ns)
                break
            if orders_ns > now_ns:
                wakes_ns.append(orders_ns)
                orders_full = True
                continue
            self._queues[ticket.priority].remove(ticket)
            self.windows.add(ticket.cost, now_ns)
            self._paced_ns = now_ns + self._pace_ns
            self._kill_paced_ns = now_ns + self._kill_pace_ns
            granted.append(ticket)
        wakes_ns += [ticket.deadline_ns for ticket in self._waiting()]
        return Turn(granted, refused, min(wakes_ns, default=None))

    def learn(self, headers: Mapping[str, str], status: int, now_ns: int) -> None:
        """Take the venue's own counts, and its bans, from an answer's headers and HTTP status."""
        self.windows.learn_headers(headers, now_ns)
        said = [value for name, value in headers.items() if name.lower() == RETRY_AFTER and value.isdigit()]
        self.learn_ban(status, float(said[0]) if said else None, now_ns)

    def learn_ban(self, status: int, seconds: float | None, now_ns: int) -> None:
        """Take a 429 or a 418; no other status bans, and none ends a ban.

        Args:
            seconds: how long to stay away, as the venue said; None = it did not say.
        """
        if status in UNSAID_SECONDS:
            seconds = UNSAID_SECONDS[status] if seconds is None else seconds
            self._until_ns[status] = max(self._until_ns[status], now_ns + round(seconds * SECOND_NS))
        if status == LIMITED:
            self._kill_pace_ns = min(self._kill_pace_ns * 3 // 2, self._pace_ns)
        else:
            self._kill_pace_ns = self._first_kill_pace_ns

    def usage(self, now_ns: int) -> Usage:
        """The state, for metrics."""
        waiting = {priority: len(queue) for priority, queue in self._queues.items()}
        banned_ns = max(0, max(self._until_ns.values()) - now_ns)
        return Usage(*self.windows.tightest(now_ns), waiting, banned_ns / SECOND_NS)

    def _waiting(self) -> list[Ticket]:
        return list(chain.from_iterable(self._queues.values()))

    def _free_at_ns(self, ticket: Ticket, now_ns: int) -> tuple[int, int]:
        """When there is room for its weight and no ban, and when there is room for it as an order."""
        reserve = ticket.priority.reserve
        weight_ns = self.windows.free_at_ns(Counted.WEIGHT, ticket.cost, reserve, now_ns)
        orders_ns = self.windows.free_at_ns(Counted.ORDERS, ticket.cost, reserve, now_ns)
        return max(weight_ns, self._not_before_ns(ticket.priority)), orders_ns

    def _not_before_ns(self, priority: Priority) -> int:
        """What bans leave.

        418: the address is shut out. Nothing is served, no cancel and no kill either, and every attempt makes
        the ban longer (up to three days), which would keep us from the orders for longer: nobody sends.
        429: the venue still serves us once its window has moved on, but whoever goes on as before is banned.
        One cancel at a time, at a slow pace, is worth that risk, and in a kill at a faster one; nothing else
        is.
        """
        limited_ns = self._until_ns[LIMITED]
        if priority is Priority.KILL:
            refused = self._kill_pace_ns > self._first_kill_pace_ns  # also where the venue said "after 0 s"
            limited_ns = self._kill_paced_ns if refused else min(limited_ns, self._kill_paced_ns)
        elif priority.reserve:
            limited_ns = min(limited_ns, self._paced_ns)
        return max(self._until_ns[BANNED], limited_ns)


class Budget:
    """The core with a clock and with callers that wait."""

    def __init__(self, core: BudgetCore, clock_ns: Callable[[], int] = time.monotonic_ns) -> None:
        self._core = core
        self._clock_ns = clock_ns
        self._timer: asyncio.TimerHandle | None = None

    async def acquire(self, priority: Priority, endpoint: Endpoint) -> None:
        """Return when the request may be sent; it is counted from then on.

        Raises:
            BudgetError: it may not be sent; nothing was.
        """
        ticket = self._core.request(priority, endpoint, self._clock_ns())
        ticket.answer = asyncio.get_running_loop().create_future()
        self._advance()
        try:
            granted = await ticket.answer
        except asyncio.CancelledError:
            self._core.withdraw(ticket)
            self._advance()
            raise
        if not granted:
            raise BudgetError(f"{endpoint}: no room in the venue's limits in time")

    def learn(self, headers: Mapping[str, str], status: int) -> None:
        """Learn from an answer over REST, good or bad (see `BudgetCore.learn`)."""
        self._core.learn(headers, status, self._clock_ns())
        self._advance()

    def learn_rows(
        self, rows: Iterable[Mapping[str, Any]], status: int = 200, retry_after_ms: int | None = None
    ) -> None:
        """Learn from the `rateLimits` of exchangeInfo, or of an answer over the WebSocket API, good or bad.

        Args:
            retry_after_ms: UTC time until which the venue wants nothing.
        """
        seconds = None if retry_after_ms is None else max(0, retry_after_ms - now_ms()) / 1_000
        self._core.windows.learn_rows(rows, self._clock_ns())
        self._core.learn_ban(status, seconds, self._clock_ns())
        self._advance()

    def usage(self) -> Usage:
        """The state, for metrics."""
        return self._core.usage(self._clock_ns())

    def _advance(self) -> None:
        now_ns = self._clock_ns()
        turn = self._core.advance(now_ns)
        for tickets, granted in ((turn.granted, True), (turn.refused, False)):
            for ticket in tickets:
                if ticket.answer is not None and not ticket.answer.done():
                    ticket.answer.set_result(granted)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if turn.wake_at_ns is not None:
            delay = max(SOON_SECONDS, (turn.wake_at_ns - now_ns) / SECOND_NS)
            self._timer = asyncio.get_running_loop().call_later(delay, self._advance)
