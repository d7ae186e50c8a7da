"""The real `trader run` over funding payments, and over a person's acceptance of what was done by hand."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from tests.trader.live import BUSY, LIMITS, MakeTrader, command, fills, open_orders, position
from tests.trader.support import RunningTrader, until
from tests.trader.test_cli import trader as typed
from tests.venue_sim.clients import ccxt_client, usdm_client
from tests.venue_sim.support import USDM, RunningVenue
from trader.journal import audit

PERPETUAL = "BTC/USDT:USDT"
QUANTITY = Decimal("0.01")
NEVER = 86_400
OFTEN = {"interval_seconds": 1}
WHO = ("--by", "ann", "--reason", "done by hand", "--yes")


def by_hand(client: Any, *orders: tuple[Any, ...]) -> None:
    """A person at the venue, with its public client and an account's key."""

    async def place() -> None:
        async with client as person:
            for order in orders:
                await person.create_order(*order)

    asyncio.run(place())


@pytest.fixture
def futures(make_venue: Callable[..., RunningVenue]) -> RunningVenue:
    """A lively market with one price, 59990 to 60010: funding alone moves the P&L."""
    venue = make_venue(
        usdm={**USDM, "balance": "10000000"}, background={"spread_bps": 20, "band_bps": 0, "notional": "100"}
    )
    by_hand(
        usdm_client(venue, "trader-02"),
        (PERPETUAL, "limit", "sell", 1_000, 60_010),
        (PERPETUAL, "limit", "buy", 1_000, 59_990),
    )
    return venue


def holding(make_trader: MakeTrader, venue: RunningVenue) -> RunningTrader:
    """A service that has bought its quantity and holds it."""
    strategy = {
        "name": "twap",
        "parameters": {
            "symbol": PERPETUAL,
            "side": "buy",
            "quantity": str(QUANTITY),
            "duration_seconds": 10,
            "slices": 1,
        },
    }
    trader = make_trader(
        venue,
        at={"id": "binanceusdm"},
        symbols=[PERPETUAL],
        strategy=strategy,
        reconcile=OFTEN,
        risk={**LIMITS, "max_order_notional_usd": 1_000},
    ).start()
    trader.event("trading_started")
    until(lambda: held(trader) == QUANTITY, "the position")
    return trader


def held(trader: RunningTrader) -> Decimal:
    return Decimal(trader.health()["positions"].get(PERPETUAL, "0"))


def pay(venue: RunningVenue, rate: str = "0.01", **more: Any) -> Decimal:
    """Let funding be paid; what the service's account got."""
    body = {"symbol": "BTCUSDT", "rate": rate, **more}
    status, paid = venue.admin("POST", "/usdm/funding", body)
    assert status == 200, paid
    return Decimal(paid["trader-01"]["paid"])


def pnl(trader: RunningTrader) -> str:
    """Of the day, as the desk sees it."""
    answer = json.loads(command(trader, "status", "--json").stdout)
    return str(answer["pnl"]["usd"])


def booked(trader: RunningTrader) -> list[dict[str, Any]]:
    shown = command_on_journal(trader, "--funding")
    return [row for row in shown if row["symbol"] == PERPETUAL]


def command_on_journal(trader: RunningTrader, what: str) -> list[dict[str, Any]]:
    """`trader journal show`, beside the running service."""
    done = typed("journal", "show", trader.journal_path, what, "--json")
    assert done.returncode == 0, done.stderr
    rows: list[dict[str, Any]] = json.loads(done.stdout)
    return rows


def no_difference(trader: RunningTrader) -> None:
    assert not [event for event in trader.events if event["event"] == "difference"]


def test_funding_is_explained_counted_and_holds_over_restarts(
    futures: RunningVenue, make_trader: MakeTrader
) -> None:
    trader = holding(make_trader, futures)
    start = QUANTITY * (60_000 - 60_010)
    assert pnl(trader) == f"{start:.2f}"
    paid = [pay(futures), pay(futures, "-0.003"), pay(futures, "0.02")]
    assert min(paid) < -1 < 1 < max(paid)
    until(lambda: len(booked(trader)) == 3, "the payments")
    assert pnl(trader) == f"{start + sum(paid):.2f}"
    done = command(trader, "reconcile")
    assert (done.returncode, done.stdout.startswith("journal and venue agree")) == (0, True)
    no_difference(trader)
    assert trader.terminate() == 0

    paid.append(pay(futures, "-0.005"))  # while nobody is there
    trader.start()
    assert trader.event("reconciled")["differences"] == 0
    until(lambda: len(booked(trader)) == 4, "the payment that came meanwhile")
    until(lambda: pnl(trader) == f"{start + sum(paid):.2f}", "the P&L of before, and that payment")
    trader.kill()
    trader.start()
    assert trader.event("reconciled")["differences"] == 0
    until(lambda: pnl(trader) == f"{start + sum(paid):.2f}", "the same P&L")
    no_difference(trader)
    assert [row["amount"] for row in booked(trader)] == [f"{amount:.8f}" for amount in paid]
    assert trader.terminate() == 0
    assert audit.verify(trader.journal_path).sound


def test_a_payment_that_the_list_hides_halts_until_a_person_accepts_it(
    futures: RunningVenue, make_trader: MakeTrader
) -> None:
    trader = holding(make_trader, futures)
    before = pnl(trader)
    hidden = pay(futures, listed_after_seconds=NEVER)
    difference = trader.event("difference", kind="balance")
    assert f"(USD {-hidden:.2f})" in difference["message"]
    until(lambda: trader.get("/readyz")[0] == 503, "halted")
    assert "reconcile" in trader.health()["reasons"]
    assert command(trader, "reconcile").returncode == 1

    done = command(trader, "accept-baseline", *WHO)
    assert (done.returncode, done.stderr) == (0, "")
    head, row, last = done.stdout.splitlines()
    assert head == "asset\tours\tvenue\tusd"
    assert row == f"USDT\t10000000\t{(10_000_000 + hidden).normalize():f}\t{-hidden:.2f}"
    assert last == "accepted by ann; journal and venue agree"
    trader.event("trading_resumed")
    assert pnl(trader) == before, "what was accepted is neither profit nor loss"
    again = command(trader, "accept-baseline", *WHO)
    assert again.returncode == 2
    assert "trading is not halted by differences" in again.stderr
    assert trader.terminate() == 0

    trader.start()
    assert trader.event("reconciled")["differences"] == 0
    trader.event("trading_started")
    assert pnl(trader) == before
    [accepted] = command_on_journal(trader, "--accepted")
    assert (accepted["by"], accepted["reason"]) == ("ann", "done by hand")
    assert trader.terminate() == 0
    assert audit.verify(trader.journal_path).sound


def test_a_trade_by_hand_is_accepted_and_the_position_is_right(
    venue: RunningVenue, make_trader: MakeTrader
) -> None:
    # So much would trip the kill switch before anybody could accept it.
    patient = {"drift_usd": "100000"}
    trader = make_trader(venue, strategy=BUSY, risk=LIMITS, reconcile=OFTEN, kill_switch=patient).start()
    trader.event("trading_started")
    until(lambda: len(fills(venue)) >= 4, "fills")
    by_hand(ccxt_client(venue), ("BTC/USDT", "market", "sell", 0.05))
    trader.event("difference", kind="foreign_fill")
    until(lambda: not open_orders(venue) and not trader.health()["open_orders"], "its orders to be pulled")

    def refused() -> str:
        return command(trader, "accept-baseline", *WHO).stderr

    until(lambda: "give --above-limit" in refused(), "nothing but the worth to be in the way")
    done = command(trader, "accept-baseline", *WHO, "--above-limit")
    assert done.returncode == 0, done.stderr
    assert "trades by hand: BTC/USDT " in done.stdout
    trader.event("trading_resumed")
    before = len(fills(venue))
    until(lambda: len(fills(venue)) > before + 2, "fills after it")
    until(lambda: Decimal(trader.health()["positions"]["BTC/USDT"]) == position(venue), "one position")
    trader.kill()
    trader.start()
    assert trader.event("reconciled")["differences"] == 0
    trader.event("trading_started")
    assert trader.terminate() == 0
    assert audit.verify(trader.journal_path).sound
