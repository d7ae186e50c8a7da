"""What a comparison must not lose, whatever comes first: strangers' trades, unproven orders, odd answers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path

import pytest

from tests.trader.ledger_support import PERP, Ledger, MovedVenue
from tests.trader.support import BTC, make_order, make_report
from tests.trader.test_funding import bodies
from trader.model.orders import Order
from trader.model.transitions import OrderState, Signal
from trader.orders.resolution import MARGIN_MS
from trader.reconcile import AcceptanceError, reconciler
from trader.venue.interface import Found, Lookup, VenueError


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconciler, "PAUSE_SECONDS", 0)


@pytest.fixture
async def ledger(tmp_path: Path) -> AsyncIterator[Ledger]:
    running = Ledger(tmp_path / "j.sqlite", MovedVenue(BTC, PERP))
    assert await running.kinds() == []
    yield running
    if not running.closed:
        await running.journal.close()


def ours(ledger: Ledger, state: OrderState = OrderState.OPEN, number: int = 1, **fields: str) -> Order:
    order = make_order(f"trader-01-1-{number}", state, quantity=Decimal(1), **fields)
    ledger.book.add(order)
    return order


def cursors(ledger: Ledger) -> dict[str, str]:
    """As the journal would give them to the next start."""
    found: dict[str, str] = {}
    for body in bodies(ledger.path, "cursor"):
        found |= body["cursors"]
    return found


async def test_a_cursor_never_moves_past_a_strangers_trade(ledger: Ledger) -> None:
    """Else it would be told once, and the account would look whole at the second look."""
    ledger.venue.reports = [make_report(Signal.OPENED)]
    order = ours(ledger, venue_order_id="77")
    ledger.venue.trade(4, BTC.symbol, order="77")
    assert await ledger.kinds() == []
    ledger.venue.trade(5, BTC.symbol)
    ledger.venue.trade(6, BTC.symbol, order="77")
    for _ in range(3):
        assert "foreign_fill" in await ledger.kinds()
        assert cursors(ledger) == {BTC.symbol: "4"}
    assert order.filled == Decimal("0.008"), "ours, which came after it, is booked all the same"
    again = await ledger.again()
    assert again.snapshot.cursors[BTC.symbol] == "4"
    assert "foreign_fill" in await again.kinds()
    await again.journal.close()


async def test_a_stranger_on_one_symbol_holds_up_no_other(ledger: Ledger) -> None:
    ledger.venue.reports = [make_report(Signal.OPENED)]
    ours(ledger, venue_order_id="77")
    ledger.venue.trade(5)
    ledger.venue.trade(6, BTC.symbol, order="77")
    assert "foreign_fill" in await ledger.kinds()
    assert cursors(ledger) == {BTC.symbol: "6"}


async def test_an_order_that_cannot_be_proven_is_a_difference(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger.venue, "recv_window_ms", 0)
    monkeypatch.setattr(reconciler, "PATIENCE_SECONDS", -MARGIN_MS / 1_000 + 0.01)
    monkeypatch.setattr(reconciler, "ATTEMPTS", 1)
    ours(ledger, OrderState.UNKNOWN).reason = "the answer was lost"
    report = await ledger.compare()
    assert [(d.kind, d.text) for d in report.differences] == [
        ("unresolved", "trader-01-1-1: the answer was lost")
    ]
    assert ledger.reconciler.last_success_ns > 0
    ledger.venue.transfer("USDT", "5")
    with pytest.raises(AcceptanceError, match="first: unresolved trader-01-1-1"):
        await ledger.reconciler.proposal()
    await ledger.parts.resolver.stop()


async def test_an_order_that_ends_while_the_venue_is_asked_is_not_missing(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stream has told its end before the list came, which no longer has it."""
    monkeypatch.setattr(reconciler, "ATTEMPTS", 1)
    order = ours(ledger, venue_order_id="77")
    ledger.venue.answer = Lookup(Found.ABSENT)
    ledger.venue.before["open_orders"] = lambda: ledger.manager.signal(order, Signal.CANCELED)
    assert await ledger.kinds() == []


async def test_a_question_for_one_order_without_an_answer_is_no_agreement(ledger: Ledger) -> None:
    ours(ledger, venue_order_id="77")
    with pytest.raises(VenueError, match="order trader-01-1-1: VenueError: no answer"):
        await ledger.compare()
