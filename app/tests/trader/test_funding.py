"""Funding payments: booked once, and never a halt by themselves."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from decimal import Decimal
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import apsw
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.trader.ledger_support import PERP, Ledger, MovedVenue, payment
from tests.trader.support import BTC, make_fill
from tests.trader.test_journal_audit import FAST
from trader.journal import FUNDING, FUNDING_OVERLAP_MS, audit, records
from trader.model.values import Payment
from trader.reconcile import funding as reading
from trader.reconcile import reconciler
from trader.venue.interface import VenueError, now_ms

D = Decimal


@pytest.fixture
async def ledger(tmp_path: Path) -> AsyncIterator[Ledger]:
    running = Ledger(tmp_path / "j.sqlite", MovedVenue(PERP))
    assert await running.kinds() == []
    yield running
    if not running.closed:
        await running.journal.close()


def bodies(path: Path, kind: str) -> list[dict[str, Any]]:
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        rows = connection.execute("SELECT body FROM events WHERE kind = ? ORDER BY seq", (kind,))
        return [json.loads(body) for (body,) in rows]
    finally:
        connection.close()


async def test_a_payment_counts_in_holdings_and_pnl_and_is_booked_once(ledger: Ledger) -> None:
    ledger.venue.pay(payment(1, "-0.5"))
    ledger.venue.pay(payment(2, "0.2"))
    for _ in range(3):
        assert await ledger.kinds() == []
    assert ledger.book.changes == {"USDT": D("-0.3")}
    assert ledger.pnl() == D("-0.3")
    assert [body["payment_id"] for body in bodies(ledger.path, "funding")] == ["1", "2"]


async def test_a_payment_that_the_list_hides_is_a_difference(ledger: Ledger) -> None:
    hidden = ledger.venue.pay(payment(1, "-0.5"), hidden=True)
    agreed_ns = ledger.reconciler.last_success_ns
    report = await ledger.compare()
    assert ledger.reconciler.last_success_ns == agreed_ns > 0
    assert [difference.text for difference in report.differences] == [
        "USDT: 9999.5 there, 10000 here (USD 0.50)"
    ]
    ledger.venue.listed.append(hidden)
    assert await ledger.kinds() == []


async def test_what_is_paid_while_the_venue_is_asked_halts_nothing(ledger: Ledger) -> None:
    """Between balances and list: the picture is of before, the list of after."""
    for name in ("trades", "payments"):
        ledger.venue.before[name] = lambda: ledger.venue.pay(payment(len(ledger.venue.listed) + 1))
        assert await ledger.kinds() == []
    # The wallet first, the list at the second look.
    late = ledger.venue.pay(payment(9), hidden=True)
    asked = len(ledger.venue.asked)
    ledger.venue.before["payments"] = lambda: ledger.venue.before.update(
        payments=lambda: ledger.venue.listed.append(late)
    )
    assert await ledger.kinds() == []
    assert len(ledger.venue.asked) == asked + 2, "it read again before it spoke"


async def test_a_restart_asks_from_the_cursor_and_books_nothing_twice(ledger: Ledger) -> None:
    ledger.venue.pay(payment(1))
    assert await ledger.kinds() == []
    first_ms = ledger.venue.asked[0]
    ledger.venue.pay(payment(2))
    again = await ledger.again()
    try:
        assert again.snapshot.payments.keys() == {(PERP.symbol, "1")}
        assert again.snapshot.baseline == {"USDT": D(10_000)}
        assert await again.kinds() == []
        assert again.book.changes == {"USDT": D("-1.0")}
        assert ledger.venue.asked[-1] >= first_ms
    finally:
        await again.journal.close()
    found = audit.verify(again.path)
    assert found.sound, (found.broken, found.difference)
    audit.rebuild(again.path)
    rebuilt = Ledger(again.path, again.venue)
    assert await rebuilt.kinds() == []
    await rebuilt.journal.close()


async def test_pnl_goes_on_over_a_restart(ledger: Ledger) -> None:
    ledger.venue.pay(payment(1, "-0.5"))
    assert await ledger.kinds() == []
    body = ledger.admission.day_body()
    assert body is not None
    await ledger.journal.append(records.day(body))
    ledger.venue.pay(payment(2, "-0.25"))
    yesterday = payment(3, "-7", at_ms=now_ms() - 86_400_000)
    ledger.venue.pay(yesterday)
    ledger.reconciler._funding._cursor_ms -= 2 * 86_400_000
    assert await ledger.kinds() == []
    assert ledger.pnl() == D("-0.75"), "yesterday's is yesterday's loss"
    again = await ledger.again()
    again.admission._pnl = None
    again.admission.begin_day(
        again.snapshot.day, again.snapshot.fills_after_day, again.snapshot.payments_after_day
    )
    assert [paid.payment_id for paid in again.snapshot.payments_after_day] == ["2", "3"]
    assert again.pnl() == D("-0.75")
    await again.journal.close()


async def test_what_was_paid_before_the_beginning_is_in_it(tmp_path: Path) -> None:
    venue = MovedVenue(PERP)
    venue.pay(payment(1))
    ledger = Ledger(tmp_path / "j.sqlite", venue)
    assert await ledger.kinds() == []
    assert await ledger.kinds() == []
    assert ledger.book.changes == {}
    ledger = await ledger.again()
    assert await ledger.kinds() == []
    assert ledger.pnl() == 0
    await ledger.journal.append(records.day({"day": "2026-01-31"}))
    await ledger.journal.append(records.funding(payment(1), {}))
    ledger = await ledger.again()
    assert ledger.snapshot.payments_after_day == []
    await ledger.journal.close()
    assert audit.verify(ledger.path).sound


async def test_the_tables_count_a_payment_once_however_often_it_is_written(ledger: Ledger) -> None:
    for _ in range(2):
        await ledger.journal.append(records.funding(payment(1), {"USDT": D("-0.5")}))
    ledger = await ledger.again()
    assert ledger.snapshot.changes == {"USDT": D("-0.5")}
    await ledger.journal.close()


async def test_a_beginning_is_not_taken_while_funding_is_paid(tmp_path: Path) -> None:
    venue = MovedVenue(PERP)
    ledger = Ledger(tmp_path / "j.sqlite", venue)
    venue.before["balances"] = lambda: venue.pay(payment(1))
    with pytest.raises(VenueError, match="funding was paid while the beginning was taken"):
        await ledger.compare()
    assert await ledger.kinds() == []
    assert ledger.book.changes == {}
    await ledger.journal.close()


async def test_a_journal_of_a_release_that_read_none_counts_them_from_its_baseline(tmp_path: Path) -> None:
    venue = MovedVenue(PERP)
    venue.pay(payment(1, at_ms=now_ms() - 60_000))  # before the baseline: in it
    ledger = Ledger(tmp_path / "j.sqlite", venue)
    await ledger.journal.append(records.baseline(dict(venue.held), {PERP.symbol: "-1"}))
    ledger = await ledger.again()
    venue.pay(payment(2))
    for _ in range(3):
        assert await ledger.kinds() == []
        assert ledger.book.changes == {"USDT": D("-0.5")}
    assert min(venue.asked) == ledger.snapshot.baseline_ns // 1_000_000
    await ledger.journal.close()


async def test_the_cursor_follows_and_keeps_an_overlap(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger.venue.pay(payment(1))
    assert await ledger.kinds() == []
    assert await ledger.kinds() == []
    cursors = [body["cursors"] for body in bodies(ledger.path, "cursor")]
    assert [list(cursor) for cursor in cursors] == [[FUNDING]], "one question without news writes nothing"
    late = payment(2, at_ms=int(cursors[0][FUNDING]) - FUNDING_OVERLAP_MS)
    ledger.venue.pay(late)
    assert await ledger.kinds() == [], "it was shown late, by less than the overlap"
    tomorrow_ms = now_ms() + reading.DAY_MS + 60_000
    monkeypatch.setattr(reading, "now_ms", lambda: tomorrow_ms)
    for _ in range(2):
        assert await ledger.kinds() == []
    assert ledger.book.changes == {"USDT": D("-1.0")}
    cursors = [body["cursors"] for body in bodies(ledger.path, "cursor")]
    assert [cursor[FUNDING] for cursor in cursors[2:]] == [str(tomorrow_ms)], "also without a payment, daily"


async def test_on_spot_nothing_is_asked(tmp_path: Path) -> None:
    venue = MovedVenue(BTC)
    ledger = Ledger(tmp_path / "j.sqlite", venue)
    assert await ledger.kinds() == []
    assert await ledger.kinds() == []
    assert venue.asked == []
    assert FUNDING not in ledger.journal.snapshot().cursors
    await ledger.journal.close()


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("pay"), st.integers(-500, 500).filter(bool)),
        st.tuples(st.just("late"), st.integers(-500, 500).filter(bool)),
        st.tuples(st.just("between"), st.integers(-500, 500).filter(bool)),
        st.tuples(st.sampled_from(["show", "compare", "restart", "repeat"]), st.just(0)),
    ),
    max_size=14,
)


@settings(max_examples=60, deadline=None)
@given(STEPS)
def test_whatever_the_list_does_sums_are_right_and_only_what_it_hides_differs(
    steps: list[tuple[str, int]],
) -> None:
    async def play() -> None:
        with TemporaryDirectory(dir=FAST) as folder:
            venue = MovedVenue(PERP)
            ledger = Ledger(Path(folder) / "j.sqlite", venue)
            assert await ledger.kinds() == []
            hidden: list[Payment] = []
            for number, (step, cents) in enumerate(steps):
                paid = payment(number, str(D(cents) / 100))
                if step == "pay":
                    venue.pay(paid)
                elif step == "late":
                    hidden.append(venue.pay(paid, hidden=True))
                elif step == "between":
                    venue.before["payments"] = partial(venue.pay, paid)
                    # In this look it may stand for a hidden one of the same amount; in the next it cannot.
                    await ledger.kinds()
                elif step == "show":
                    venue.listed += hidden
                    hidden = []
                elif step == "repeat":
                    venue.listed += venue.listed[-2:]
                elif step == "restart":
                    ledger = await ledger.again()
                missing = sum((one.amount for one in hidden), D(0))
                assert bool(await ledger.kinds()) == bool(missing)
                told = {one.key: one for one in venue.listed}
                assert ledger.book.changes.get("USDT", D(0)) == sum((o.amount for o in told.values()), D(0))
            await ledger.journal.close()
            found = audit.verify(ledger.path)
            assert found.sound, (found.broken, found.difference)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reconciler, "PAUSE_SECONDS", 0)
        asyncio.run(play())


def test_a_fill_and_a_payment_survive_the_journal() -> None:
    paid = payment(5, "-1.25")
    assert records.payment(records.funding(paid, {"USDT": paid.amount}).body) == paid
    assert records.trade(records.fill("x", make_fill(), {}).body) == make_fill()
