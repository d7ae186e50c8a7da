"""One process from start to stop: halted, reconciled, trading, drained."""

import asyncio
import contextlib
import math
import signal
import time
from collections.abc import Callable
from typing import Any

from trader import strategy
from trader.journal import JournalError
from trader.service.clock_guard import ClockGuard
from trader.service.control import ControlServer
from trader.service.credentials import Credentials
from trader.service.day import Day
from trader.service.dead_man import DeadMan
from trader.service.desk import Desk
from trader.service.drain import Drain
from trader.service.flatten import Flattener
from trader.service.heart import Heart
from trader.service.heartbeat_file import EVERY_SECONDS, HeartbeatFile
from trader.service.http import HealthServer
from trader.service.killer import Killer
from trader.service.notify import Notifier
from trader.service.reloader import Reloader
from trader.service.settings import Settings
from trader.service.stack import build
from trader.service.state_file import State, StateFile
from trader.service.state_teller import StateTeller
from trader.service.trading import Trading
from trader.service.venue_link import VenueLink
from trader.service.watch import Watch
from trader.telemetry.events import Events
from trader.telemetry.metrics import Metrics
from trader.telemetry.release import Release

SHIPPED_SECONDS = 1.0  # that the last records get to reach the vault
KILL_SECONDS = 2.0  # that a kill gets at the end, however long the drain took


class Service:
    """Wires the parts; `run` is the whole life.

    Args:
        reload: reads the settings again; raises SettingsError when they are wrong.
    """

    def __init__(
        self,
        settings: Settings,
        credentials: Credentials,
        release: Release,
        events: Events,
        metrics: Metrics,
        reload: Callable[[], Settings],
    ) -> None:
        self._settings = settings
        self._release = release
        self._events = events
        self._stopping = asyncio.Event()
        self._notifier = Notifier()
        self._metrics = metrics
        self._state = StateTeller(self._notifier, events)
        stack = build(settings, credentials, release.id, self._metrics, events, self._state.changed)
        self._stack = stack
        loaded = strategy.load(settings.strategy.name, settings.strategy.parameters, list(settings.symbols))
        self._trading = Trading(
            loaded, stack.manager, stack.admission.quotes, stack.gate, self._metrics, events
        )
        stack.manager.filled = self._trading.on_fill
        self._link = VenueLink(stack, self._trading, self._notifier)
        self._drain = Drain(
            settings.drain, self._trading, stack.manager, stack.reconciler, stack.venue, events
        )
        self._dead_man = DeadMan(stack, self._link.reconcile_now, self._stalled)
        self._link.connected = self._dead_man.begin
        self._clock = ClockGuard(settings.clock, stack.venue, stack.gate, self._metrics, events)
        self._day = Day(stack.admission, stack.journal, stack.kill_switch, events)
        self._reloader = Reloader(settings, reload, stack.admission, stack.gate, events)
        flattener = Flattener(stack.manager, stack.admission, stack.kill_switch, self._link.reconcile_now)
        self._killer = Killer(
            stack.kill_switch,
            stack.account,
            settings.symbols,
            stack.manager.book,
            stack.manager.cancel,
            self._metrics,
            events,
            settle=self._link.reconcile_soon,
            flatten=flattener.run if settings.kill_switch.flatten else None,
        )
        self._watch = Watch(
            settings.kill_switch,
            stack.kill_switch,
            stack.manager,
            stack.admission,
            stack.gate,
            self._link.quotes_age,
            self._link.account_age,
            self._silent,
            self._state.started_ns,
            self._dead_man.may_have_fired,
        )
        self._link.compared = self._watch.compared
        self._link.saw = self._killer.saw
        self._link.strange = self._killer.look_again
        self._heartbeat_file = HeartbeatFile(settings.latch.textfiles, events)
        self._state_file = StateFile(settings.latch.textfiles, events)
        self._beat_at = time.monotonic()
        self._desk = Desk(stack, self._link, self._clock, self._reloader, self._killer, self.health)
        self._control = ControlServer(settings.control.socket, self._desk.handlers(), events)
        self._health = HealthServer(self._metrics, self.health, lambda: stack.gate.reasons)

    async def run(self) -> int:
        """Live until a signal.

        Returns:
            The exit code: 0 = drained and closed, 1 = something was left behind, and said so.

        Raises:
            HttpError, ControlError: the health address or the control socket cannot be served.
        """
        stack = self._stack
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stopping.set)
        loop.add_signal_handler(signal.SIGHUP, self._reloader.on_signal)
        port = await self._health.start(self._settings.http.host, self._settings.http.port)
        self._events.emit("listening", host=self._settings.http.host, port=port)
        stack.journal.start(self._committed, self._journal_failed)
        stack.manager.load(stack.snapshot)
        stack.kill_switch.begin(stack.snapshot)
        self._metrics.release(self._release)
        self._metrics.set("trader_process_start_timestamp_seconds", self._state.started_ns / 1e9)
        self._metrics.refresh_with(self._refresh)
        await self._control.start()
        # First: with the latch down everything is cancelled again before anything else is asked of the
        # account.
        killer = asyncio.create_task(self._killer.run(), name="killer")  # goes on through the drain
        heart = Heart(self._notifier, self._metrics, self._stalled, self._beat)
        beat = asyncio.create_task(heart.run(), name="heart")
        timer = asyncio.create_task(self._dead_man.run(), name="dead man's timer")
        shipping = asyncio.create_task(stack.shipper.run(), name="shipping")  # goes on through the drain
        work = [
            asyncio.create_task(self._link.run(), name="venue link"),
            asyncio.create_task(self._trading.run(), name="strategy timer"),
            asyncio.create_task(self._clock.run(), name="clock guard"),
            asyncio.create_task(self._day.run(), name="day"),
            asyncio.create_task(self._watch.run(), name="watch"),
        ]
        stopped = asyncio.create_task(self._stopping.wait(), name="stop signal")
        parts = (beat, timer, killer, shipping, *work)
        await asyncio.wait({stopped, *parts}, return_when=asyncio.FIRST_COMPLETED)
        problems = [f"{task.get_name()} ended: {task.exception()!r}" for task in parts if task.done()]
        problems += await self._stop(killer, *work)
        beat.cancel()
        shipping.cancel()
        await asyncio.gather(shipping, return_exceptions=True)
        stopped.cancel()
        for problem in problems:
            self._events.emit("not_clean", "error", message=problem)
        self._events.emit("stopped", exit_code=1 if problems else 0)
        return 1 if problems else 0

    async def _stop(self, killer: "asyncio.Task[None]", *tasks: "asyncio.Task[None]") -> list[str]:
        self._notifier.send(STOPPING=1, STATUS="draining")
        self._stack.gate.halt("drain", "the service is stopping")
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        until = time.monotonic() + self._settings.drain.deadline_seconds
        problems = await self._drain.run()
        if killer.done() or not await self._killer.done(max(KILL_SECONDS, until - time.monotonic())):
            problems.append("the kill was not done: the venue has not said twice that nothing is open")
        killer.cancel()
        await asyncio.gather(killer, return_exceptions=True)
        problems += await self._dead_man.stop(in_order=not problems)
        if not await self._stack.kill_switch.durable():
            problems.append("the latch is tripped and could not be written; mend the disk before a start")
        nothing_open = not problems and not list(self._stack.manager.book.live())
        await self._heartbeat_file.stop(nothing_open=nothing_open)
        await self._trading.stop()
        await self._link.stop()
        await self._stack.resolver.stop()
        if not await self._stack.shipper.settled(SHIPPED_SECONDS):
            # No reason to fail the stop: the journal has it, and the next start ships it before it trades.
            self._events.emit("shipping_unfinished", "warning", **self._stack.shipper.state)
        await self._control.stop()
        with contextlib.suppress(
            Exception
        ):  # connections that do not close well are no reason to fail a drain
            await self._stack.gateway.close()
        try:
            await self._stack.journal.close()
        except JournalError as error:
            problems.append(str(error))
        await self._health.stop()
        return problems

    # -- what others see

    def health(self) -> dict[str, Any]:
        """The body of /healthz."""
        stack, book = self._stack, self._stack.manager.book
        return {
            "release": self._release.id,
            "sha256": self._release.sha256,
            "version": self._release.version,
            "state": stack.gate.state.name.lower(),
            "reasons": stack.gate.reasons,
            "mode": self._settings.mode,
            "host": self._settings.host,
            "account": self._settings.account,
            "epoch": self._settings.epoch,
            "shipping": stack.shipper.state,
            "started_at_ns": self._state.started_ns,
            "heartbeats": self._heartbeat_file.beats,
            "trading_since_ns": self._state.trading_since_ns,
            "last_order_at_ns": stack.manager.last_acknowledged_ns,
            "last_reconciled_at_ns": stack.reconciler.last_success_ns,
            "open_orders": len(book.working()),
            "in_flight_orders": len(book.in_flight()),
            "unknown_orders": len(book.unknown()),
            "positions": {symbol: str(quantity) for symbol, quantity in book.positions.items()},
        }

    def _refresh(self) -> None:
        stack, metrics = self._stack, self._metrics
        book = stack.manager.book
        unknown, oldest_ns = book.unknown(), self._oldest_unknown_ns()
        metrics.set("trader_trading_state", stack.gate.state)
        metrics.set("trader_open_orders", len(book.working()))
        metrics.set("trader_unknown_orders", len(unknown))
        metrics.set("trader_unknown_oldest_age_seconds", (time.time_ns() - oldest_ns) / 1e9 if unknown else 0)
        metrics.set("trader_last_order_timestamp_seconds", stack.manager.last_acknowledged_ns / 1e9)
        pnl = stack.admission.pnl_usd()
        metrics.set("trader_daily_pnl_usd", math.nan if pnl is None else float(pnl))
        metrics.set("trader_daily_loss_limit_usd", float(stack.admission.limits.max_daily_loss_usd))
        metrics.set("trader_slippage_worst_bps", float(stack.manager.slippage.worst_bps(time.monotonic())))
        for stream, age in self._link.stream_ages().items():
            metrics.set("trader_stream_age_seconds", age, stream=stream)

    def _late(self) -> dict[str, float]:
        """What must move beside the loop, and for how long it has not, in seconds."""
        return {
            "the strategy's timer": self._trading.late_seconds,
            "the journal": self._stack.journal.busy_seconds,
        }

    def _silent(self) -> dict[str, float]:
        """The same for the heartbeat: a journal that has failed has none.

        The watchdog is not the answer to that: a restart mends no disk, and who lives cancels and says why.
        """
        late = self._late()
        return late | {"the journal": max(late["the journal"], self._stack.journal.failed_seconds)}

    def _stalled(self, limit_seconds: float) -> list[str]:
        return [part for part, late in self._late().items() if late > limit_seconds]

    def _beat(self) -> None:
        self._stack.kill_switch.beat()
        now = time.monotonic()
        fresh = self._link.quotes_age() <= self._settings.streams.stale_seconds
        self._metrics.add(
            "trader_feed_seconds_total", now - self._beat_at, feed="fresh" if fresh else "stale"
        )
        self._beat_at = now
        self._state_file.tell(self._money(), now)
        if all(late <= EVERY_SECONDS for late in self._silent().values()):
            self._heartbeat_file.beat(time.monotonic())

    def _oldest_unknown_ns(self) -> int:
        """Since when an order has had no proven outcome (UTC); 0 = there is none."""
        return min((order.unknown_since_ns for order in self._stack.manager.book.unknown()), default=0)

    def _money(self) -> State:
        """What the state file tells of the account."""
        stack = self._stack
        pnl, limit = stack.admission.pnl_usd(), stack.admission.limits.max_daily_loss_usd
        drift, agreed_ns = stack.reconciler.drift_usd, stack.reconciler.last_success_ns
        return State(
            daily_loss_share=None if pnl is None else float(-pnl / limit),
            drift_usd=None if drift is None else float(abs(drift)),
            unknown_since_timestamp_seconds=self._oldest_unknown_ns() / 1e9,
            reconciled_timestamp_seconds=agreed_ns / 1e9 if agreed_ns else None,
        )

    # -- the journal's callbacks

    def _committed(self, seconds: float, records: int) -> None:
        self._metrics.observe("trader_journal_commit_seconds", seconds)
        self._metrics.add("trader_journal_records_total", records)

    def _journal_failed(self, error: JournalError) -> None:
        if self._journal_is_down():
            return
        self._metrics.set("trader_journal_failed", 1)
        self._metrics.count("trader_errors_total", **{"class": "journal"})
        self._events.error("journal_failed", error)
        self._stack.gate.halt("journal", str(error))

    def _journal_is_down(self) -> bool:
        return "journal" in self._stack.gate.reasons
