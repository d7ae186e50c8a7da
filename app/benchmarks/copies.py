"""Copies of a journal: what a backup costs who writes, a large journal's way out and back, and a day's
report.

    python -m benchmarks.copies [--gigabytes G]

Progress on stderr's behalf goes to stdout; the last line is the result as JSON.
"""

import json
import resource
import statistics
import sys
import tempfile
import threading
import time
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import click

from trader.eod import journal_day, report
from trader.eod.compare import Side
from trader.eod.venue_day import VenueDay
from trader.journal import Journal, backup, records, restore, storage
from trader.journal.lines import line
from trader.journal.reader import reading
from trader.model.orders import Order, asset_changes
from trader.model.transitions import OrderState
from trader.model.values import Fill, Instrument, OrderKind
from trader.model.values import Side as Direction

HOST = "trader-01"
RATE, SECONDS = 100, 12.0  # commits a second, and for how long each way
BODY = "x" * 900
SPOT = Instrument("BTC/USDT", "BTC", "USDT", Decimal("0.01"), Decimal("0.00001"), Decimal(5))
FILLS = 10_000


def opened(path: Path) -> Any:
    journal = Journal.open(path, HOST, HOST, 1, "bench")
    return journal._connection


def append(connection: Any, written: list[records.Record]) -> None:
    with storage.transaction(connection):
        rows = storage.append(connection, written, *storage.tail(connection))
        storage.fold(connection, written, rows[-1][0])


def grow(path: Path, size: int) -> int:
    """A journal of about this many bytes; the number of its events."""
    connection = opened(path)
    count = size // 1_150
    for first in range(0, count, 5_000):
        append(
            connection,
            [records.note(BODY, number=number) for number in range(first, min(first + 5_000, count))],
        )
    events, _ = storage.tail(connection)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return events


def commits(path: Path, seconds: float) -> list[float]:
    """How long each of so many commits a second took, in seconds."""
    connection = storage.open_database(path)
    took = []
    end = time.monotonic() + seconds
    due = time.monotonic()
    while due < end:
        time.sleep(max(0.0, due - time.monotonic()))
        began = time.perf_counter()
        storage.append(connection, [records.note("commit")], *storage.tail(connection))
        took.append(time.perf_counter() - began)
        due += 1 / RATE
    connection.close(True)
    return took


def p99(values: list[float]) -> float:
    return statistics.quantiles(values, n=100)[98]


def writer(folder: Path) -> dict[str, Any]:
    """Commits with and without backups beside them, in turn, on a journal of 100 MB."""
    path = folder / "busy.sqlite"
    grow(path, 100 << 20)
    alone, beside, copied = [], [], []
    for _ in range(2):
        alone += commits(path, SECONDS / 2)
        stop = threading.Event()

        def back_up(stop: threading.Event = stop) -> None:
            # In a process of its own, as the timer does it.
            while not stop.is_set():
                copied.append(_in_process("make", path, folder / "copy")["seconds"])

        thread = threading.Thread(target=back_up)
        thread.start()
        beside += commits(path, SECONDS / 2)
        stop.set()
        thread.join()
    backup.check(folder / "copy", HOST)
    return {
        "alone_p99": p99(alone),
        "beside_p99": p99(beside),
        "backups": len(copied),
        "backup_seconds": statistics.median(copied),
    }


def large(folder: Path, size: int) -> dict[str, Any]:
    """A large journal: out, and back with its shipped records."""
    path, lines = folder / "large.sqlite", folder / "records.jsonl"
    events = grow(path, size)
    made = _in_process("make", path, folder / "large")
    with reading(path) as connection, lines.open("wb") as file:
        for row in connection.execute("SELECT seq, at_ns, kind, body, hash FROM events ORDER BY seq"):
            file.write(line(row))
    restored = _in_process("restore", folder / "back.sqlite", folder / "large", lines)
    alone = _in_process("restore", folder / "alone.sqlite", Path("-"), lines)
    return {
        "bytes": path.stat().st_size,
        "events": events,
        "backup_seconds": made["seconds"],
        "backup_mb": made["mb"],
        "restore_seconds": restored["seconds"],
        "restore_mb": restored["mb"],
        "records_alone_seconds": alone["seconds"],
    }


def day(folder: Path) -> dict[str, Any]:
    """The report of a day with many fills, without the venue's own answers."""
    path = folder / "day.sqlite"
    connection = opened(path)
    now = datetime.now(UTC)
    bounds = journal_day.Bounds.of(now.date())
    fills = []
    batch: list[records.Record] = [records.baseline({"USDT": Decimal(100_000), "BTC": Decimal(2)}, {})]
    for number in range(FILLS):
        side = Direction.BUY if number % 2 else Direction.SELL
        at_ms = bounds.start + number * 8_000
        price = Decimal(60_000) + number % 97
        order = Order(
            f"{HOST}-1-{number}",
            SPOT.symbol,
            side,
            OrderKind.LIMIT,
            Decimal("0.001"),
            price,
            at_ms * 1_000_000,
        )
        fill = Fill(
            SPOT.symbol, str(number), str(number), side, order.quantity, price, Decimal("0.06"), "USDT", at_ms
        )
        fills.append(fill)
        order.state, order.venue_order_id = OrderState.FILLED, str(number)
        batch += [
            records.intent(order),
            records.fill(order.client_id, fill, asset_changes(fill, SPOT)),
            records.state(order),
        ]
    append(connection, batch)
    began = time.perf_counter()
    ours = journal_day.read(path, bounds)
    there = VenueDay(
        Side(fills, [], ours.now, frozenset()), {SPOT.symbol: SPOT}, {SPOT.symbol: Decimal(60_000)}
    )
    built = report.build(ours, there, [], frozenset(), {}, now.isoformat())
    seconds = time.perf_counter() - began
    assert built["reconciled"], built["discrepancies"][:3]
    return {"fills": built["fills"], "seconds": seconds, "bytes": len(json.dumps(built))}


def _in_process(act: str, *words: Path) -> dict[str, Any]:
    """One act in a process of its own: its time, and its largest memory."""
    import subprocess

    argv = [sys.executable, "-m", "benchmarks.copies", "--act", act, *map(str, words)]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)  # noqa: S603 - this module
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def _act(act: str, words: tuple[str, ...]) -> dict[str, Any]:
    began = time.perf_counter()
    if act == "make":
        backup.make(Path(words[0]), Path(words[1]))
    else:
        wish = restore.Wish(HOST, HOST, 2, "bench", "measured")
        restore.restore(Path(words[0]), None if words[1] == "-" else Path(words[1]), Path(words[2]), wish)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"seconds": time.perf_counter() - began, "mb": peak}


@click.command()
@click.option("--gigabytes", default=1.0, show_default=True, help="Size of the large journal.")
@click.option("--disk", type=click.Path(path_type=Path, file_okay=False), help="Where the journals lie.")
@click.option("--act", hidden=True)
@click.argument("words", nargs=-1)
def main(gigabytes: float, disk: Path | None, act: str | None, words: tuple[str, ...]) -> None:
    """Measure; the last line is JSON."""
    if act:
        click.echo(json.dumps(_act(act, words)))
        return
    with tempfile.TemporaryDirectory(dir=disk) as name:
        folder = Path(name)
        click.echo("commits beside backups ...")
        busy = writer(folder)
        click.echo("a large journal ...")
        big = large(folder, int(gigabytes * (1 << 30)))
        click.echo("a day ...")
        click.echo(json.dumps({"writer": busy, "large": big, "day": day(folder)}))


if __name__ == "__main__":
    main()
