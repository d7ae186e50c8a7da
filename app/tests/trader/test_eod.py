"""`trader eod` against the real emulator, beside a service that trades."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import apsw
import pytest

from tests.trader.live import command
from tests.trader.support import RunningTrader, until
from tests.venue_sim.support import RunningVenue

MakeTrader = Callable[..., RunningTrader]
TODAY = datetime.now(UTC).date()


BUSY = {"name": "quoter", "parameters": {"take_interval_seconds": 0.3, "order_size": "0.002", "seed": 1}}


def traded(trader: RunningTrader, fills: int = 5) -> RunningTrader:
    trader.start()
    trader.event("trading_started")
    until(lambda: trader.metric("trader_fills_total") >= fills, "some fills", 60)
    return trader


def report(trader: RunningTrader, *words: str) -> tuple[subprocess.CompletedProcess[str], dict[str, Any]]:
    done = command(trader, "eod", "--json", *words)
    return done, json.loads(done.stdout) if done.stdout.startswith("{") else {}


def test_a_day_that_agrees(venue: RunningVenue, make_trader: MakeTrader, tmp_path: Path) -> None:
    trader = traded(make_trader(venue, strategy=BUSY, latch={"textfiles": str(tmp_path)}))
    folder = tmp_path / "eod"
    done, found = report(trader, "--day", str(TODAY), "--to", str(folder))
    assert done.returncode == 0, done.stderr + json.dumps(found["discrepancies"])
    assert found["reconciled"] is True
    assert found["fills"] >= 5
    assert found["pnl_usd"]["exact"] is True
    net = sum(Decimal(found["pnl_usd"][name]) for name in ("trading", "fees", "funding"))
    assert abs(net - Decimal(found["pnl_usd"]["net"])) < Decimal("0.000001")
    for row in found["balances"]:
        parts = (Decimal(row[name]) for name in ("start", "trades", "funding"))
        assert sum(parts) == Decimal(row["end"]), row
    assert json.loads((folder / f"{TODAY}.json").read_text()) == found
    metrics = (tmp_path / "breakwater_eod.prom").read_text()
    assert "breakwater_eod_reconciled 1\n" in metrics
    assert found["curve"]


def test_a_day_before_we_were_here(venue: RunningVenue, make_trader: MakeTrader) -> None:
    trader = traded(make_trader(venue, strategy=BUSY))
    done, found = report(trader, "--day", str(TODAY - timedelta(days=3)))
    assert done.returncode == 0, done.stderr
    assert (found["fills"], found["orders"], found["pnl_usd"]["trading"]) == (0, {}, "0")


def edit(trader: RunningTrader, sql: str) -> None:
    connection = apsw.Connection(str(trader.folder / "journal.sqlite"))
    connection.execute(sql)
    connection.close()


def stopped(venue: RunningVenue, make_trader: MakeTrader) -> RunningTrader:
    trader = traded(make_trader(venue, strategy=BUSY))
    trader.terminate()
    return trader


def test_a_lost_fill_is_found(venue: RunningVenue, make_trader: MakeTrader) -> None:
    trader = stopped(venue, make_trader)
    edit(trader, "DELETE FROM events WHERE seq = (SELECT max(seq) FROM events WHERE kind = 'fill')")
    done, found = report(trader, "--day", str(TODAY))
    assert done.returncode == 1
    assert "missing_fill" in {one["kind"] for one in found["discrepancies"]}
    assert found["reconciled"] is False
    assert Decimal(found["drift_usd"]) > 0


def test_money_that_moved_is_found(venue: RunningVenue, make_trader: MakeTrader) -> None:
    trader = stopped(venue, make_trader)
    edit(trader, "UPDATE balances SET baseline = '100250' WHERE asset = 'USDT'")
    done, found = report(trader, "--day", str(TODAY))
    assert done.returncode == 1
    (one,) = found["discrepancies"]
    assert (one["kind"], one["key"]) == ("balance", "USDT")


def test_bad_input_is_one_line(venue: RunningVenue, make_trader: MakeTrader) -> None:
    trader = stopped(venue, make_trader)
    for words, said in (
        (("--day", "tomorrow"), "--day: 'tomorrow' is no day"),
        (("--day", str(TODAY + timedelta(days=1))), "has not begun"),
    ):
        done, _ = report(trader, *words)
        assert done.returncode == 2
        assert said in done.stderr
        assert "Traceback" not in done.stderr
    venue.fault(kind="error", code=-1000, http_status=503, account="trader-01", transport="rest")
    started = time.monotonic()
    done, _ = report(trader, "--day", str(TODAY))
    assert done.returncode == 2
    assert "balances" in done.stderr
    assert time.monotonic() - started < 30


@pytest.mark.parametrize("symbols", [["BTC/USDT:USDT"]])
def test_futures(
    make_venue: Callable[..., RunningVenue], make_trader: MakeTrader, symbols: list[str]
) -> None:
    from tests.venue_sim.support import USDM

    venue = make_venue(usdm={**USDM, "fees": {"maker": "0.0002", "taker": "0.0005"}})
    trader = traded(make_trader(venue, at={"id": "binanceusdm"}, symbols=symbols, strategy=BUSY), 3)
    done, found = report(trader, "--day", str(TODAY))
    assert done.returncode == 0, done.stderr + json.dumps(found.get("discrepancies"))
    assert found["markets"][0]["symbol"] == symbols[0]
