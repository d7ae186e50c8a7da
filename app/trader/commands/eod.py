"""`trader eod`: the day's account, compared with the venue."""

import sys
import time
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from trader.commands.output import AS_JSON, CONFIG, UserError, print_fields, print_json, print_rows

if TYPE_CHECKING:
    from trader.eod.journal_day import Bounds
    from trader.service.settings import Settings

NOT_RECONCILED = 1
ATTEMPTS, PAUSE_SECONDS = 4, 2.0
METRICS_FILE = "breakwater_eod.prom"


@click.command()
@CONFIG
@click.option("--day", default="yesterday", show_default=True, help="The UTC day, such as 2026-01-31.")
@click.option(
    "--to",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="Keep the report here as DAY.json, and take yesterday's closing prices from here.",
)
@AS_JSON
def eod(config: Path, day: str, folder: Path | None, as_json: bool) -> None:
    """Report one UTC day of the account: orders, fills, fees, funding, balances, profit and loss.

    Everything is compared with the venue, trade by trade; what does not agree is named with its worth in USD.
    The service may go on trading. $CREDENTIALS_DIRECTORY/venue is the key.

    \b
    Exit code 0: journal and venue agree on the day. 1: they do not, and the report says on what. 2: it could
    not be made.

    \b
    Example:
      trader eod --config /etc/trader/trader.yml --day 2026-01-31 --to /var/lib/trader/eod
    """
    import asyncio

    from trader.eod.journal_day import Bounds
    from trader.journal import JournalError
    from trader.service.settings import SettingsError, check_files, load_current
    from trader.venue.interface import VenueError

    bounds = Bounds.of(_day(day))
    try:
        settings = load_current(config)
        check_files(settings)
        report = asyncio.run(_report(settings, bounds, _marks(folder, bounds.day)))
    except (SettingsError, JournalError, VenueError) as error:
        raise UserError(str(error)) from error
    if folder is not None:
        _keep(report, folder, settings.latch.textfiles)
    if as_json:
        print_json(report)
    else:
        _show(report)
    sys.exit(0 if report["reconciled"] else NOT_RECONCILED)


def _day(text: str) -> date:
    today = datetime.now(UTC).date()
    if text == "yesterday":
        return today - timedelta(days=1)
    try:
        day = date.fromisoformat(text)
    except ValueError as error:
        raise UserError(f"--day: {text!r} is no day such as 2026-01-31") from error
    if day > today:
        raise UserError(f"--day: {text} has not begun")
    return day


async def _report(settings: "Settings", bounds: "Bounds", marks_start: dict[str, Decimal]) -> dict[str, Any]:
    import asyncio

    from trader.commands.venue_access import quiet_gateway
    from trader.eod import journal_day, report, venue_day

    gateway = quiet_gateway(settings)
    path = settings.journal.path
    try:
        for attempt in range(ATTEMPTS):
            before = journal_day.read(path, bounds)
            theirs = await venue_day.ask(gateway, bounds, before.cursors, list(settings.mark_symbols))
            # A trade of the last moments may be at the venue and not here yet.
            await asyncio.sleep(0.2)
            ours = journal_day.read(path, bounds)
            later = journal_day.changes_since(path, before.sequence)
            made_at = datetime.now(UTC).isoformat(timespec="seconds")
            built = report.build(ours, theirs, later, before.open_orders, marks_start, made_at)
            if built["reconciled"] or attempt == ATTEMPTS - 1:
                return built
            await asyncio.sleep(PAUSE_SECONDS)
    finally:
        await gateway.close()
    raise AssertionError("the last attempt returns")


def _marks(folder: Path | None, day: date) -> dict[str, Decimal]:
    """Closing prices of the day before."""
    import orjson

    if folder is None:
        return {}
    try:
        kept = orjson.loads((folder / f"{day - timedelta(days=1)}.json").read_bytes())
        return {symbol: Decimal(mark) for symbol, mark in kept["marks"].items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, ArithmeticError) as error:
        raise UserError(f"{folder}: the report of the day before cannot be read: {error}") from error


def _keep(report: dict[str, Any], folder: Path, textfiles: Path | None) -> None:
    """The report, whole or not at all, and what node_exporter tells of it."""
    import orjson

    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _write(folder / f"{report['day']}.json", orjson.dumps(report, option=orjson.OPT_INDENT_2))
        if textfiles is not None:
            _write(textfiles / METRICS_FILE, _metrics(report).encode(), 0o644)
    except OSError as error:
        raise UserError(f"{error.filename or folder}: {error.strerror}; the report was not kept") from error


def _write(path: Path, content: bytes, mode: int = 0o600) -> None:
    fresh = path.with_name(f".{path.name}.new")
    fresh.write_bytes(content)
    fresh.chmod(mode)
    fresh.rename(path)


def _metrics(report: dict[str, Any]) -> str:
    """NaN = not known, which is never 0."""
    day_start = datetime.fromisoformat(report["day"]).replace(tzinfo=UTC).timestamp()
    values = {
        "breakwater_eod_day_timestamp_seconds": day_start,
        "breakwater_eod_made_timestamp_seconds": time.time(),
        "breakwater_eod_reconciled": int(report["reconciled"]),
        "breakwater_eod_discrepancies": report["discrepancy_count"],
        "breakwater_eod_drift_usd": report["drift_usd"] or "NaN",
        "breakwater_eod_pnl_usd": report["pnl_usd"]["net"] or "NaN",
    }
    return "".join(f"{name} {value}\n" for name, value in values.items())


def _show(report: dict[str, Any]) -> None:
    pnl = report["pnl_usd"]
    print_fields(
        [
            ("day", f"{report['day']} (UTC), {report['host']}"),
            (
                "orders",
                ", ".join(f"{count} {state}" for state, count in sorted(report["orders"].items())) or "none",
            ),
            ("fills", f"{report['fills']}, turnover {report['turnover_usd']} USD"),
            ("trading", f"{pnl['trading']} USD"),
            ("fees", f"{pnl['fees']} USD"),
            ("funding", f"{pnl['funding']} USD"),
            ("net", f"{pnl['net']} USD"),
            ("drift", f"{report['drift_usd']} USD in {report['discrepancy_count']} discrepancies"),
        ]
    )
    if report["discrepancies"]:
        print_rows(
            ("kind", "what", "usd"),
            [(one["kind"], one["text"], one["usd"]) for one in report["discrepancies"]],
        )
    click.echo(
        "journal and venue agree" if report["reconciled"] else "Error: journal and venue do NOT agree",
        err=not report["reconciled"],
    )
