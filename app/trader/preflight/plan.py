"""Which checks there are, in the order of the table."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from trader.preflight import host, venue
from trader.preflight.bounds import PreflightSettings
from trader.preflight.checks import Check, Finding, blocking, fail, ok, warn
from trader.preflight.dead_man import dead_man
from trader.preflight.venue import AskedVenue
from trader.venue.venues import Market, VenueRule, ids_fit, rule_of


@dataclass(frozen=True, slots=True)
class Subject:
    """What is looked at; the settings, without knowing the file they came from.

    Args:
        longest_sequence: client ids must fit until this order.
        clock_limit_ms: largest difference between the venue's clock and ours.
        checked_by: who looked up at the venue that the key cannot withdraw; None = nobody.
        owner: user id that the state folder should belong to; None = any but root.
        load_credentials: reads them; raises with one line that never quotes them.
        limits_problems: what is wrong with the risk limits; empty = nothing.
        timer_refresh_seconds: how often the venue's dead man's timer is set anew.
        watched_by: hosts that watch this one.
    """

    venue_id: str
    host: str
    account: str
    epoch: int
    symbols: list[str]
    journal: Path
    latch: Path
    longest_sequence: int
    clock_limit_ms: float
    checked_by: str | None
    owner: int | None
    load_credentials: Callable[[], object]
    limits_problems: Callable[[], list[str]] = list
    timer_refresh_seconds: float = 10.0
    watched_by: tuple[str, ...] = ()
    bounds: PreflightSettings = field(default_factory=PreflightSettings)


def plan(subject: Subject, asked: AskedVenue) -> list[Check]:
    """The checks of one host."""
    bounds = subject.bounds
    journal = subject.journal
    return [
        blocking("sqlite library", host.sqlite_library),
        blocking("host clock", host.kernel_clock),
        blocking("state folder", lambda: host.state_folder(journal.parent, subject.owner)),
        blocking(
            "disk", lambda: host.disk(journal, bounds.min_free_mb, bounds.min_free_days, time.time_ns())
        ),
        blocking("journal chain", lambda: host.journal_chain(journal), timeout_seconds=60),
        blocking("journal owner", lambda: host.journal_owner(journal, subject.host, subject.account)),
        blocking("epoch", lambda: host.journal_epoch(journal, subject.epoch)),
        blocking("latch", lambda: host.latch_state(subject.latch, journal)),
        blocking("client ids", lambda: _client_ids(subject)),
        blocking("funding", lambda: funding(rule_of(subject.venue_id))),
        blocking("risk limits", lambda: host.limits(subject.limits_problems())),
        blocking("dead man", lambda: _dead_man(subject)),
        blocking("credentials", lambda: _credentials(subject.load_credentials)),
        Check("venue", lambda: venue.symbols(asked, subject.symbols), timeout_seconds=30),
        Check("venue clock", lambda: venue.clock_offset(asked, subject.clock_limit_ms), 15),
        Check("key permissions", lambda: venue.key_permissions(asked, subject.checked_by), 15),
    ]


def _client_ids(subject: Subject) -> Finding:
    wrong = ids_fit(subject.venue_id, subject.host, subject.epoch, subject.longest_sequence)
    if wrong is not None:
        return fail(wrong, "give the host a shorter name")
    return ok(f"fit at {subject.venue_id} until order {subject.longest_sequence}")


def funding(rule: VenueRule) -> Finding:
    """Whether a perpetual's funding payments are explained."""
    if rule.market is Market.SPOT:
        return ok("no perpetuals here")
    if rule.funding:
        return ok(f"payments are read from {rule.id}'s list")
    return warn(
        f"payments at {rule.id} cannot be read: each is a difference that halts",
        "hold no position over a payment, or accept each with: trader accept-baseline",
    )


def _dead_man(subject: Subject) -> Finding:
    rule = rule_of(subject.venue_id)
    return dead_man(rule, len(subject.symbols), subject.timer_refresh_seconds, subject.watched_by)


def _credentials(load: Callable[[], object]) -> Finding:
    try:
        load()
    except Exception as error:  # noqa: BLE001 - the message is made for a person, whatever its class
        return fail(
            str(error), "run it with the unit's credentials: systemd-run -p LoadCredentialEncrypted=..."
        )
    return ok("readable")
