"""One process from start to stop: halted, reconciled, trading, drained."""

import asyncio
import contextlib
import signal
import time
from typing import Any

from trader import strategy
from trader.journal import Journal, JournalError
from trader.model.values import TradingState
from trader.orders.gate import Gate
from trader.orders.manager import OrderManager
from trader.orders.resolution import Resolver
from trader.reconcile import Reconciler
from trader.service.credentials import Credentials
from trader.service.drain import Drain
from trader.service.heart import Heart
from trader.service.http import HealthServer
from trader.service.notify import Notifier
from trader.service.settings import Settings
from trader.service.trading import Trading
from trader.service.venue_link import VenueLink
from trader.telemetry.events import Events
from trader.telemetry.metrics import Metrics
from trader.telemetry.release import Release
from trader.venue.exchange import VenueAccess
from trader.venue.gateway import Gateway


class Service:
    """Wires the parts; `run` is the whole life."""

    def __init__(
        self, settings: Settings, credentials: Credentials, release: Release, events: Events
    ) -> None:
        self._settings = settings
        self._release = release
        self._events = events
        self._started_ns = time.time_ns()
        self._stopping = asyncio.Event()
        self._trading_since_ns = 0
        self._started_trading = False
        self._notifier = Notifier()
        self._metrics = Metrics()
        self._gate = Gate(self._gate_changed, "not reconciled yet")
        self._journal = Journal.open(
            settings.journal.path, settings.host, settings.account, settings.epoch, release.id
        )
        snapshot = self._journal.snapshot()
        self._gateway = Gateway(_access(settings, credentials), list(settings.symbols))
        self._manager = OrderManager(self._journal, self._gateway, self._gate, self._metrics, events)
        self._resolver = Resolver(self._manager, self._gateway, self._metrics, events)
        self._manager.unproven = self._resolver.start
        self._reconciler = Reconciler(
            self._journal,
            snapshot,
            self._gateway,
            self._manager,
            self._resolver,
            self._metrics,
            settings.host,
        )
        loaded = strategy.load(settings.strategy.name, settings.strategy.parameters, list(settings.symbols))
        self._trading = Trading(loaded, self._manager, self._gate, self._metrics, events)
        self._manager.filled = self._trading.on_fill
        self._link = VenueLink(
            settings,
            self._gateway,
            self._manager,
            self._reconciler,
            self._gate,
            self._trading,
            self._notifier,
            self._metrics,
            events,
        )
        self._drain = Drain(
            settings.drain,
            self._trading,
            self._manager,
            self._reconciler,
            self._gateway,
            events,
        )
        self._snapshot = snapshot
        self._health = HealthServer(self._metrics, self.health, self._not_ready)

    async def run(self) -> int:
        """Live until a signal.

        Returns:
            The exit code: 0 = drained and closed, 1 = something was left behind, and said so.

        Raises:
            HttpError: the health address cannot be served.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stopping.set)
        port = await self._health.start(self._settings.http.host, self._settings.http.port)
        self._events.emit("listening", host=self._settings.http.host, port=port)
        self._journal.start(self._committed, self._journal_failed)
        self._manager.load(self._snapshot)
        self._metrics.release(self._release)
        self._metrics.set("trader_process_start_timestamp_seconds", self._started_ns / 1e9)
        self._metrics.refresh_with(self._refresh)
        heart = Heart(self._notifier, self._metrics, self._stalled)
        beat = asyncio.create_task(heart.run(), name="heart")
        life = asyncio.create_task(self._link.run(), name="venue link")
        ticker = asyncio.create_task(self._trading.run(), name="strategy timer")
        stopped = asyncio.create_task(self._stopping.wait(), name="stop signal")
        await asyncio.wait({beat, life, ticker, stopped}, return_when=asyncio.FIRST_COMPLETED)
        problems = [
            f"{task.get_name()} ended: {task.exception()!r}" for task in (beat, life, ticker) if task.done()
        ]
        problems += await self._stop(life, ticker)
        beat.cancel()
        stopped.cancel()
        for problem in problems:
            self._events.emit("not_clean", "error", message=problem)
        self._events.emit("stopped", exit_code=1 if problems else 0)
        return 1 if problems else 0

    async def _stop(self, *tasks: "asyncio.Task[None]") -> list[str]:
        self._notifier.send(STOPPING=1, STATUS="draining")
        self._gate.halt("drain", "the service is stopping")
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        problems = await self._drain.run()
        await self._trading.stop()
        await self._link.stop()
        await self._resolver.stop()
        with contextlib.suppress(
            Exception
        ):  # connections that do not close well are no reason to fail a drain
            await self._gateway.close()
        try:
            await self._journal.close()
        except JournalError as error:
            problems.append(str(error))
        await self._health.stop()
        return problems

    # -- what others see

    def health(self) -> dict[str, Any]:
        """The body of /healthz."""
        book = self._manager.book
        return {
            "release": self._release.id,
            "sha256": self._release.sha256,
            "version": self._release.version,
            "state": self._gate.state.name.lower(),
            "reasons": self._gate.reasons,
            "host": self._settings.host,
            "account": self._settings.account,
            "epoch": self._settings.epoch,
            "started_at_ns": self._started_ns,
            "trading_since_ns": self._trading_since_ns,
            "last_order_at_ns": self._manager.last_acknowledged_ns,
            "last_reconciled_at_ns": self._reconciler.last_success_ns,
            "open_orders": len(book.working()),
            "in_flight_orders": len(book.in_flight()),
            "unknown_orders": len(book.unknown()),
            "positions": {symbol: str(quantity) for symbol, quantity in book.positions.items()},
        }

    def _not_ready(self) -> dict[str, str]:
        return self._gate.reasons

    def _refresh(self) -> None:
        book, metrics = self._manager.book, self._metrics
        unknown = book.unknown()
        oldest_ns = min((order.unknown_since_ns for order in unknown), default=0)
        metrics.set("trader_trading_state", self._gate.state)
        metrics.set("trader_open_orders", len(book.working()))
        metrics.set("trader_unknown_orders", len(unknown))
        metrics.set("trader_unknown_oldest_age_seconds", (time.time_ns() - oldest_ns) / 1e9 if unknown else 0)
        metrics.set("trader_last_order_timestamp_seconds", self._manager.last_acknowledged_ns / 1e9)
        for stream, age in self._link.stream_ages().items():
            metrics.set("trader_stream_age_seconds", age, stream=stream)

    def _stalled(self, limit_seconds: float) -> list[str]:
        stalled = []
        if time.monotonic() - self._trading.beat > limit_seconds:
            stalled.append("strategy timer")
        if self._journal.busy_seconds > limit_seconds:
            stalled.append("journal")
        return stalled

    def _gate_changed(self, state: TradingState, reasons: dict[str, str]) -> None:
        text = "trading" if state is TradingState.ACTIVE else "halted: " + "; ".join(reasons.values())
        self._notifier.send(STATUS=text)
        if state is TradingState.ACTIVE:
            self._events.emit("trading_resumed" if self._started_trading else "trading_started")
            self._started_trading = True
            self._trading_since_ns = time.time_ns()
        else:
            self._trading_since_ns = 0
            self._events.emit("trading_halted", reasons=reasons)

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
        self._gate.halt("journal", str(error))

    def _journal_is_down(self) -> bool:
        return "journal" in self._gate.reasons


def _access(settings: Settings, credentials: Credentials) -> VenueAccess:
    return VenueAccess(
        id=settings.venue.id,
        hostname=settings.venue.hostname,
        ca_file=settings.venue.ca_file,
        recv_window_ms=settings.venue.recv_window_ms,
        timeout_ms=settings.venue.timeout_ms,
        api_key=credentials.api_key,
        api_secret=credentials.api_secret,
    )
