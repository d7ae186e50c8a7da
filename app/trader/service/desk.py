"""What a person may ask of the running service, over the control socket."""

import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from trader.journal import JournalError
from trader.kill_switch import LatchError, ProvenFlat
from trader.reconcile import AcceptanceError
from trader.service.clock_guard import ClockGuard
from trader.service.control import Handler, RefusedError
from trader.service.killer import Killer
from trader.service.reloader import Reloader
from trader.service.settings import SettingsError
from trader.service.stack import Stack
from trader.service.venue_link import VenueLink
from trader.venue.interface import VenueError

PATIENCE_SECONDS = 5.0
KILL_PATIENCE_SECONDS = 2.0  # for a kill that is nearly done; after a restart it has only just begun
DURABLE_SECONDS = 0.5


class Desk:
    """The handlers of the control socket; each answers with JSON-ready values.

    Args:
        health: what /healthz tells too.
    """

    def __init__(
        self,
        stack: Stack,
        link: VenueLink,
        clock: ClockGuard,
        reloader: Reloader,
        killer: Killer,
        health: Callable[[], dict[str, Any]],
    ) -> None:
        self._stack = stack
        self._link = link
        self._clock = clock
        self._reloader = reloader
        self._killer = killer
        self._health = health

    def handlers(self) -> dict[str, Handler]:
        """By the name of the call."""
        return {
            "status": self.status,
            "orders": self.orders,
            "reconcile": self.reconcile,
            "accept_baseline": self.accept_baseline,
            "rearm": self.rearm,
            "reload": self.reload,
            "kill": self.kill,
            "kill_progress": self.kill_progress,
        }

    async def status(self) -> dict[str, Any]:
        """What /healthz tells, and what only the desk needs to know."""
        stack = self._stack
        estimate = self._clock.estimate()
        usage = stack.gateway.wire.budget.usage()
        pnl, admission = stack.admission.pnl_usd(), stack.admission
        return {
            **self._health(),
            "latch": stack.kill_switch.status.fields(),
            "kill": None if self._killer.progress is None else self._killer.progress.fields(),
            "streams": self._link.stream_ages(),
            "orders": dict(Counter(order.state.value for order in stack.manager.book.live())),
            "clock": estimate
            and {"offset_ms": round(estimate.offset_ns / 1e6, 1), "limit_ms": self._clock.limit_ms},
            "pnl": {
                "day": None if admission.day is None else admission.day.isoformat(),
                "usd": None if pnl is None else f"{pnl:.2f}",
                "limit_usd": f"-{admission.limits.max_daily_loss_usd}",
            },
            "budget": {
                "used_weight": usage.used,
                "limit": usage.limit,
                "waiting": sum(usage.waiting.values()),
                "blocked_seconds": round(usage.banned_seconds, 1),
            },
        }

    async def orders(self) -> dict[str, Any]:
        """The orders that are not final."""
        return {
            "orders": [
                {
                    "client_id": order.client_id,
                    "symbol": order.symbol,
                    "side": order.side.value,
                    "kind": order.kind.value,
                    "quantity": str(order.quantity),
                    "price": None if order.price is None else str(order.price),
                    "filled": str(order.filled),
                    "state": order.state.value,
                    "venue_order_id": order.venue_order_id,
                    "created_ns": order.created_ns,
                    "reason": order.reason,
                }
                for order in self._stack.manager.book.live()
            ]
        }

    async def reconcile(self) -> dict[str, Any]:
        """Compare journal and venue now."""
        try:
            report = await self._link.reconcile_now()
        except (VenueError, JournalError) as error:
            raise RefusedError(f"no comparison: {error}") from error
        drift = report.drift_usd
        return {
            "clean": report.clean,
            "seconds": report.seconds,
            "drift_usd": None if drift is None else str(drift),
            "differences": [{"kind": d.kind, "text": d.text} for d in report.differences],
        }

    async def accept_baseline(
        self,
        by: str,
        reason: str,
        shown: dict[str, Any] | None = None,
        above_limit: bool = False,
    ) -> dict[str, Any]:
        """Take the venue's word for the new beginning, after a trade or transfer by hand.

        Args:
            shown: of an earlier answer: what the person has seen. Without it nothing is changed, and the
                answer says what would be.
        """
        if not by.strip() or not reason.strip():
            raise RefusedError("by and reason: both need a text, they are kept for the next person")
        reconciler, limit = self._stack.reconciler, self._stack.settings.reconcile.max_accepted_usd
        if "reconcile" not in self._stack.gate.reasons:
            raise RefusedError("trading is not halted by differences; there is nothing to accept")
        differs = None
        try:
            if shown is None:
                proposal = await reconciler.proposal()
            else:
                proposal = await reconciler.accept(by, reason, shown, None if above_limit else limit)
                differs = await self._differs()
        except (AcceptanceError, VenueError, JournalError) as error:
            raise RefusedError(str(error)) from error
        worth = proposal.usd
        return {
            "host": self._stack.settings.host,
            "rows": proposal.table(),
            "shown": proposal.shown(),
            "usd": None if worth is None else f"{worth:.2f}",
            "limit_usd": str(limit),
            "above_limit": worth is None or worth > limit,
            "accepted": shown is not None,
            "differs": differs,
        }

    async def _differs(self) -> str | None:
        """What is not explained now: it opens the gate, or says why not. No failure undoes what was done."""
        try:
            report = await self._link.reconcile_now()
        except (VenueError, JournalError) as error:
            return f"not compared yet: {error}"
        return None if report.clean else f"still not explained: {report.differences[0].text}"

    async def rearm(self, by: str, reason: str) -> dict[str, Any]:
        """Arm the kill switch again, if the venue says that nothing is open; one that is armed stays so."""
        switch = self._stack.kill_switch
        if not switch.look():  # it trades: orders in flight are no obstacle then
            return {"latch": switch.status.fields()}
        if in_flight := self._stack.manager.book.in_flight():
            raise RefusedError(f"{in_flight[0].client_id} is {in_flight[0].state}: it may still appear; wait")
        emptied = await self._killer.done(KILL_PATIENCE_SECONDS)
        asked = time.monotonic()
        listed = await self._stack.account.open_orders(PATIENCE_SECONDS)
        if not listed.whole:
            raise RefusedError(f"the venue does not say what is open: {listed.missing}; the latch stays")
        if not emptied and not listed.orders:
            raise RefusedError("the venue has not said twice that no order is open; wait, then re-arm")
        try:
            proof = ProvenFlat(len(listed.orders), asked)
            status = await switch.rearm(by, reason, proof)
        except (LatchError, JournalError) as error:
            raise RefusedError(str(error)) from error
        return {"latch": status.fields()}

    async def kill(self, by: str, reason: str) -> dict[str, Any]:
        """Trip the latch; answers once it is on the disk, but soon, while the cancels are on their way."""
        if not by.strip() or not reason.strip():
            raise RefusedError("by and reason: both need a text, they are kept for who re-arms")
        self._stack.kill_switch.trip(by.strip(), reason, "manual")
        self._killer.again()
        await self._stack.kill_switch.durable(DURABLE_SECONDS)
        return await self.kill_progress()

    async def kill_progress(self) -> dict[str, Any]:
        """How far it is; `open_orders` is null until the venue has told, `latch` until it is on the disk."""
        progress = self._killer.progress
        if progress is None:
            raise RefusedError("the kill switch is not tripped")
        switch = self._stack.kill_switch
        latch = switch.status.fields() if await switch.durable(0) else None
        return {**progress.fields(), "latch": latch, "problem": progress.problem}

    async def reload(self) -> dict[str, Any]:
        """As SIGHUP does."""
        try:
            return {"changes": self._reloader.reload()}
        except SettingsError as error:
            raise RefusedError(str(error)) from error
