"""One panic from its settings to its outcome."""

import asyncio
import time
from dataclasses import dataclass
from functools import partial
from typing import Any

from trader.panic import quick_ccxt
from trader.panic.latching import LAST_PATIENCE_SECONDS, PATIENCE_SECONDS, Latching
from trader.panic.outcome import Outcome
from trader.panic.settings import Key, PanicError, Target
from trader.telemetry.events import Events

CLOSE_SECONDS = 0.5
OWN_WINDOW_MS = 10_000  # a cancel that arrives late does no harm, one that is refused as too old does


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do.

    Args:
        deadline_seconds: how long it goes on while orders are left; the pause before the second zero is
            added.
        latching: of this host; None = the account is another host's.
        began: monotonic seconds.
    """

    target: Target
    key: Key
    deadline_seconds: float
    latching: Latching | None
    began: float


async def panic(plan: Plan, events: Events) -> Outcome:
    """Cancel everything and verify it.

    Raises:
        PanicError: it could not begin.
    """
    quick_ccxt.load()
    from trader.panic.canceller import Canceller
    from trader.panic.line import KeyRefusedError, Line
    from trader.panic.venue_ways import WAYS
    from trader.venue.venues import rule_of

    target = plan.target
    exchange = own_exchange(target, plan.key, events)
    way = WAYS[target.venue]
    line = Line(exchange, events, way.together)
    window_seconds = rule_of(target.venue).lifetime_ms(target.window_ms) / 1_000
    canceller = Canceller(exchange, way, line, events, target.symbols, window_seconds)
    pause = canceller.zeros.pause_seconds
    events.emit("panic_began", "warning", venue=target.venue, verify_pause_seconds=pause)
    if plan.latching is not None:
        plan.latching.wait(PATIENCE_SECONDS)
    stopped_by = ""
    try:
        async with asyncio.timeout(plan.deadline_seconds + pause):
            await canceller.run()
    except TimeoutError:
        stopped_by = (
            f"gave up after {plan.deadline_seconds:g} s; run it again, or cancel at the venue's own page"
        )
        if why := canceller.last_error or line.last_limit:
            stopped_by += f"; a request failed: {why}"
        if line.silent_seconds:
            stopped_by += f"; the venue takes nothing from this address for {line.silent_seconds:.0f} s more"
    except KeyRefusedError as error:
        if not line.served:
            raise PanicError(
                f"the venue refuses the key: {error}; give another one with --credential"
            ) from error
        stopped_by = f"the venue refuses the key: {error}; give another one with --credential"
    finally:
        await _close(exchange)
    left = canceller.left
    gone = len(canceller.gone - canceller.answered - (left or set()))
    return Outcome(
        left=None if left is None else frozenset(left),
        cancelled=len(canceller.seen) - len(left or ()) - gone,
        already_gone=gone,
        seconds=time.monotonic() - plan.began,
        **latch_fields(plan.latching),
        verified_twice=canceller.zeros.proven,
        stopped_by=stopped_by,
    )


def latch_fields(latching: Latching | None) -> dict[str, Any]:
    """The latch's part of an outcome."""
    if latching is None:
        return {"latch": None, "latch_problem": None}
    latching.wait(LAST_PATIENCE_SECONDS)
    status = latching.status
    return {"latch": None if status is None else status.fields(), "latch_problem": latching.problem}


def own_exchange(target: Target, key: Key, events: Events) -> Any:
    """A ccxt instance of our own.

    Raises:
        PanicError: the venue is not covered or cannot be had by these settings.
    """
    from trader.panic.names import LastResortResolver
    from trader.venue import address_file
    from trader.venue.exchange import VenueAccess, make_exchange
    from trader.venue.resolver import use_resolver

    access = VenueAccess(
        id=target.venue,
        hostname=target.hostname,
        ca_file=target.ca_file,
        recv_window_ms=OWN_WINDOW_MS,
        timeout_ms=OWN_WINDOW_MS,
        api_key=key.api_key,
        api_secret=key.api_secret,
        passphrase=key.passphrase,
    )
    try:
        exchange = make_exchange(access)
    except ValueError as error:
        raise PanicError(str(error)) from error
    if target.state_folder is not None:
        path = target.state_folder / address_file.NAME
        report = partial(_tell, events)
        use_resolver(exchange, LastResortResolver(path, report))
    return exchange


def _tell(events: Events, text: str) -> None:
    events.emit("dns_fallback", "warning", message=text)


async def _close(exchange: Any) -> None:
    try:
        async with asyncio.timeout(CLOSE_SECONDS):
            await exchange.close()
    except Exception:  # noqa: BLE001, S110 - the process ends; what hangs here ends with it
        pass
