"""`trader journal`: look at a journal, prove it, make its tables anew."""

import re
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from trader.commands.output import (
    AS_JSON,
    FILE,
    UserError,
    print_fields,
    print_json,
    print_rows,
    progress,
    utc,
)

_AGE = re.compile(r"(?P<number>[0-9]+)(?P<unit>[smhd])")
_UNIT_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


@click.group()
def journal() -> None:
    """Look at a journal, prove it, or make its tables anew.

    \b
    Example:
      trader journal verify /var/lib/trader/journal.sqlite
    """


@journal.command()
@click.argument("file", type=FILE)
@AS_JSON
def verify(file: Path, as_json: bool) -> None:
    """Prove that no event of FILE was changed or lost, and that the tables are what the events lead to.

    Works beside a running service. Exit code 1: something does not hold, and it is named. Keep the head's
    hash elsewhere: only against it can a cut-off end be seen.

    \b
    Example:
      trader journal verify /var/lib/trader/journal.sqlite
    """
    from trader.journal import JournalError, audit

    try:
        found = audit.verify(file, progress("verifying"))
    except JournalError as error:
        raise UserError(str(error)) from error
    if as_json:
        print_json(
            {
                "events": found.events,
                "first_ns": found.first_ns,
                "last_ns": found.last_ns,
                "head": found.head,
                "broken": found.broken,
                "difference": found.difference,
                "sound": found.sound,
            }
        )
    else:
        print_fields(
            [
                ("events", found.events),
                ("first", utc(found.first_ns) if found.events else None),
                ("last", utc(found.last_ns) if found.events else None),
                ("head", found.head),
                ("chain", found.broken or "holds"),
                ("tables", found.difference or "agree with the events"),
            ]
        )
    if not found.sound:
        click.echo(f"Error: {file}: {_next_step(found)}", err=True)
        sys.exit(1)


def _next_step(found: Any) -> str:
    if found.broken is not None:
        return f"{found.broken}; restore the journal from a backup"
    return f"{found.difference}; stop the service and run: trader journal rebuild"


@journal.command()
@click.argument("file", type=FILE)
def rebuild(file: Path) -> None:
    """Drop the tables of FILE and make them anew from its events, all or nothing.

    Refuses while a service has the journal, and when its chain is broken.

    \b
    Example:
      systemctl stop trader
      trader journal rebuild /var/lib/trader/journal.sqlite
    """
    from trader.journal import JournalError, audit

    try:
        events = audit.rebuild(file, progress("rebuilding"))
    except JournalError as error:
        raise UserError(str(error)) from error
    click.echo(f"{file}: tables made anew from {events} events")


@journal.command()
@click.argument("file", type=FILE)
@click.option("--orders", "what", flag_value="orders", default=True, help="Orders (this is the default).")
@click.option("--fills", "what", flag_value="fills", help="Fills.")
@click.option("--events", "what", flag_value="events", help="Events as they were written.")
@click.option("--positions", "what", flag_value="positions", help="Position by symbol: the sum of the fills.")
@click.option("--funding", "what", flag_value="funding", help="Funding payments of perpetuals.")
@click.option("--accepted", "what", flag_value="accepted", help="Baselines that a person accepted.")
@click.option(
    "--since", help="Only from then on: an age (90s, 15m, 2h, 7d) or a time (2026-01-31T08:00, UTC)."
)
@click.option("--client-id", help="Only of this order.")
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="The last so many.")
@AS_JSON
def show(file: Path, what: str, since: str | None, client_id: str | None, limit: int, as_json: bool) -> None:
    """Show the last rows of FILE, the newest at the end.

    Reads only, and takes no lock: it may be used while the service trades.

    \b
    Example:
      trader journal show /var/lib/trader/journal.sqlite --fills --since 1h
    """
    from trader.journal import JournalError, reader

    view = reader.VIEWS[what]
    if what == "positions" and (since or client_id):
        raise UserError(
            "--positions: they have neither a time nor an order; leave --since and --client-id out"
        )
    since_ns = None if since is None else _since_ns(since, time.time_ns())
    try:
        with reader.reading(file) as connection:
            rows = reader.rows(connection, view, since_ns, client_id, limit)
    except JournalError as error:
        raise UserError(str(error)) from error
    names = reader.names(view)
    if as_json:
        print_json([dict(zip(names, row, strict=True)) for row in rows])
    else:
        print_rows(names, [_for_people(names, row) for row in rows])


def _for_people(names: list[str], row: tuple[Any, ...]) -> list[Any]:
    """Times as text."""
    unit_ns = {"at_ns": 1, "created_ns": 1, "at_ms": 1_000_000}
    return [
        utc(value * unit_ns[name]) if name in unit_ns else value
        for name, value in zip(names, row, strict=True)
    ]


def _since_ns(text: str, now_ns: int) -> int:
    """UTC ns of an age or a time."""
    if age := _AGE.fullmatch(text):
        return now_ns - int(age["number"]) * _UNIT_SECONDS[age["unit"]] * 1_000_000_000
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise UserError(f"--since: {text!r} is neither an age (15m) nor a time (2026-01-31T08:00)") from error
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return int(moment.timestamp()) * 1_000_000_000
