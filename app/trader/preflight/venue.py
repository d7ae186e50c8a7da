"""Checks that ask the venue: its clock, our symbols, what our key may do."""

import time
from collections.abc import Mapping
from typing import Protocol

from trader.model.values import Instrument
from trader.preflight.checks import Finding, fail, ok, warn

CLOCK_ATTEMPTS = 3


class KeyPermissions(Protocol):
    """What a key may do; None = the venue does not tell."""

    @property
    def trade(self) -> bool | None: ...

    @property
    def withdraw(self) -> bool | None: ...

    @property
    def text(self) -> str: ...


class AskedVenue(Protocol):
    """The part of a venue that the checks need."""

    @property
    def instruments(self) -> Mapping[str, Instrument]: ...

    async def connect(self) -> None: ...

    async def time_ms(self) -> int: ...

    async def permissions(self) -> KeyPermissions: ...


async def symbols(venue: AskedVenue, wanted: list[str]) -> Finding:
    """Reachable, and every symbol there and trading."""
    await venue.connect()
    absent = [symbol for symbol in wanted if symbol not in venue.instruments]
    if absent:
        return fail(f"not traded there: {', '.join(absent)}", "correct symbols in the settings")
    halted = [symbol for symbol in wanted if not venue.instruments[symbol].trading]
    if halted:
        return fail(f"takes no orders now: {', '.join(halted)}", "wait for the venue, or leave them out")
    return ok(f"trading: {', '.join(wanted)}")


async def clock_offset(venue: AskedVenue, limit_ms: float) -> Finding:
    """The venue's clock minus ours, by the quickest of a few answers: half its way is the error."""
    best: tuple[float, float] | None = None
    for _ in range(CLOCK_ATTEMPTS):
        started, began = time.time_ns(), time.monotonic_ns()
        there_ms = await venue.time_ms()
        way_ms = (time.monotonic_ns() - began) / 1e6
        offset_ms = there_ms - (started / 1e6 + way_ms / 2)
        if best is None or way_ms < best[1]:
            best = (offset_ms, way_ms)
    assert best is not None
    return judge_offset(best[0], best[1] / 2, limit_ms)


def judge_offset(offset_ms: float, error_ms: float, limit_ms: float) -> Finding:
    """Within the limit for sure, outside for sure, or not known."""
    text = f"{offset_ms:+.0f} ms (± {error_ms:.0f} ms, limit {limit_ms:g} ms)"
    if abs(offset_ms) - error_ms > limit_ms:
        return fail(text, "set the clock: timedatectl set-ntp true")
    if abs(offset_ms) + error_ms > limit_ms:
        return warn(f"{text}: not proven", "run preflight again, or look at the network")
    return ok(text)


async def key_permissions(venue: AskedVenue, checked_by: str | None) -> Finding:
    """A key that can withdraw has no business on a trading host.

    Args:
        checked_by: the person who looked at the venue's page, where its interface does not tell.
    """
    may = await venue.permissions()
    if may.trade is False:
        return fail(f"it may not trade ({may.text})", "allow trading for this key at the venue")
    if may.withdraw is True:
        return fail(f"it may withdraw ({may.text})", "take that right from the key at the venue")
    if may.withdraw is None:
        if not checked_by:
            return fail(
                f"the venue does not tell whether it may withdraw ({may.text})",
                "look at the venue's page and put your name into venue.withdrawal_checked_by",
            )
        return ok(f"withdrawal looked up by {checked_by}")
    return ok("no withdrawal" if may.trade else "no withdrawal; whether it may trade is not told")
