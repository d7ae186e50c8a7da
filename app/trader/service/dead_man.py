"""Keeps the venue's dead man's timer running while we are alive, and only then.

When it may have fired, journal and venue are compared before anything new is sent. Orders that it has
cancelled are gone for good; at every venue the timer is off then, until it is set again, which comes first.
"""

import asyncio
import math
from collections.abc import Awaitable, Callable

from trader.journal import JournalError
from trader.orders.gate import LATCH
from trader.service.dead_man_state import Act, Moment, TimerState, decide
from trader.service.stack import Stack
from trader.venue.dead_man import TimerError, set_timer
from trader.venue.interface import VenueError
from trader.venue.venues import Scope, rule_of

KEY = "dead_man"
DRAIN = "drain"
TURN_SECONDS = 0.2  # so late is the timer set after the first order
RETRY_SECONDS = 2.0  # after a comparison that the venue did not answer
TOLD_FROM = 2  # failures in a row
STOP_SECONDS = 2.0  # of each attempt to stop it at the end
STOP_ATTEMPTS = 2
FIRED = "the venue's dead man's timer may have cancelled our orders; not compared since"


class DeadMan:
    """Runs beside trading; does nothing where the venue has no timer, or where nothing is sent.

    Args:
        reconcile: compares journal and venue; raises VenueError or JournalError.
        stalled: names what has not moved for so many seconds.
    """

    def __init__(
        self,
        stack: Stack,
        reconcile: Callable[[], Awaitable[object]],
        stalled: Callable[[float], list[str]],
    ) -> None:
        settings = stack.settings
        self._stack = stack
        self._settings = settings.dead_man
        self._keeps_orders = settings.drain.open_orders == "keep"
        self._symbols = list(settings.symbols)
        self._reconcile = reconcile
        self._stalled = stalled
        self._events, self._metrics = stack.events, stack.metrics
        self._rule = rule_of(settings.venue.id)
        self._exists = settings.mode == "live" and self._rule.dead_man.scope is not Scope.NONE
        self._state = TimerState(self._settings.timeout_seconds)
        self._last = Moment(-math.inf, -math.inf)  # of the last request
        self._failures = 0
        self._lapses = 0  # how often it may have fired
        self._doubt = False
        self._begun = asyncio.Event()
        self._request: asyncio.Task[bool] | None = None
        self._running: asyncio.Task[None] | None = None
        if self._exists:
            stack.gate.ask(KEY, self.why)
        self._metrics.refresh_with(self._publish)

    def why(self) -> str | None:
        """The gate's question. It finds the lapse before any order, also right after a sleep."""
        if not self._doubt and self._state.may_have_fired(Moment.now()):
            self._lapsed()
        return FIRED if self._doubt else None

    def may_have_fired(self) -> bool:
        """Whether it may have cancelled orders of ours that are not compared since."""
        return self.why() is not None

    async def begin(self) -> None:
        """To be called once the venue is connected, before the first comparison.

        A timer of the process before us may still run. Set anew it cannot fire between that comparison and
        our first order.
        """
        if self._exists and not await self._set(self._settings.timeout_seconds) and not self._state.off:
            self._doubt = True
        self._begun.set()

    async def run(self) -> None:
        """Keep it until cancelled."""
        self._running = asyncio.current_task()
        if not self._exists:
            await asyncio.Event().wait()
        await self._begun.wait()
        async with asyncio.TaskGroup() as work:
            work.create_task(self._keep(), name="timer")
            work.create_task(self._settle(), name="comparison")

    async def stop(self, *, in_order: bool) -> list[str]:
        """At the end: stopped when orders stay open on purpose, else left to fire.

        Returns:
            What could not be done, one line each.
        """
        if self._running is not None:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)
        if self._request is not None:
            # One that is still on its way could set it after we have stopped it.
            await asyncio.wait({self._request})
        if self._state.off:
            return []
        if in_order and self._keeps_orders:
            for _ in range(STOP_ATTEMPTS):
                if await self._set(0, STOP_SECONDS):
                    return []
            return ["the venue's dead man's timer could not be stopped: it will cancel the orders that stay"]
        self._events.emit("dead_man_left", seconds_left=round(self._state.seconds_left(Moment.now()), 1))
        return []

    # -- beside trading

    async def _keep(self) -> None:
        while True:
            act = self._act()
            if act is not Act.LEAVE and self._due(act):
                seconds = self._settings.timeout_seconds if act is Act.SET else 0
                self._request = asyncio.create_task(self._set(seconds))
                await asyncio.shield(self._request)
            await asyncio.sleep(TURN_SECONDS)

    def _act(self) -> Act:
        gate = self._stack.gate
        draining = DRAIN in gate.halts
        return decide(
            # While draining the strategy no longer moves, and the drain has a deadline of its own.
            moves=draining or not self._stalled(self._settings.refresh_seconds),
            tripped=self._stack.latch.tripped or LATCH in gate.halts,
            draining=draining,
            trades=not gate.halted or gate.halts.keys() == {KEY},
            live=bool(self._stack.manager.book.live()),
        )

    def _due(self, act: Act) -> bool:
        if act is Act.STOP and self._state.off:
            return False
        if act is Act.SET and self._state.off and not self._failures:
            return True
        # A stop waits for its turn too: halts are often over by then.
        pause = self._settings.refresh_seconds / (2 if self._failures else 1)
        return Moment.now().since(self._last) >= pause

    async def _settle(self) -> None:
        """After a lapse: once it is certain what the timer does, compare."""
        while True:
            if self._doubt and self._state.certain(Moment.now()):
                await self._compare()
            await asyncio.sleep(TURN_SECONDS)

    async def _compare(self) -> None:
        lapses = self._lapses
        try:
            await self._reconcile()
        except (VenueError, JournalError) as error:
            self._events.error("dead_man_not_compared", error)
            await asyncio.sleep(RETRY_SECONDS)
            return
        if self._state.certain(Moment.now()) and self._lapses == lapses:
            # Whatever it has cancelled is known now; what the comparison cannot explain halts by itself.
            self._doubt = False
            self._stack.gate.clear(KEY)
            self._events.emit("dead_man_compared")

    # -- requests

    async def _set(self, seconds: int, limit_seconds: float | None = None) -> bool:
        """One request to set or, with 0, to stop it.

        Returns:
            Whether the venue has confirmed it.
        """
        was_off, sent = self._state.off, Moment.now()
        self._last = sent
        if seconds:
            self._state.asked(sent)
        try:
            await set_timer(
                self._stack.gateway.exchange,
                self._rule,
                self._symbols,
                seconds,
                limit_seconds or self._settings.refresh_seconds,
            )
        except TimerError as error:
            self._failed(sent, error, seconds)
            return False
        answered = Moment.now()
        if self._state.confirmed(sent, answered) if seconds else self._state.stopped(answered):
            self._lapsed()
        if self._failures or was_off or not seconds:
            self._events.emit("dead_man_set" if seconds else "dead_man_stopped", seconds=seconds)
        self._failures = 0
        return True

    def _failed(self, sent: Moment, error: TimerError, seconds: int) -> None:
        if error.untouched:
            self._state.refused(sent)
        self._failures += 1
        self._metrics.count("trader_errors_total", **{"class": "dead_man"})
        if self._failures >= TOLD_FROM:
            left = round(self._state.seconds_left(Moment.now()), 1)
            self._events.emit(
                "dead_man_not_set" if seconds else "dead_man_not_stopped",
                "error",
                failures=self._failures,
                seconds_left=left,
                message=str(error),
            )

    def _lapsed(self) -> None:
        self._lapses += 1
        if not self._doubt:
            self._doubt = True
            self._events.emit("dead_man_may_have_fired", "error", message=self._rule.dead_man.note)

    def _publish(self) -> None:
        left = self._state.seconds_left(Moment.now()) if self._exists else math.nan
        self._metrics.set("trader_dead_man_seconds_left", left)
        self._metrics.set("trader_dead_man_armed", float(left > 0) if self._exists else math.nan)
