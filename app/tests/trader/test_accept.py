"""A new baseline, by a person's act: what it takes over, what it never does, and that it holds."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.trader.ledger_support import PERP, Ledger, MovedVenue, payment
from tests.trader.support import BTC, make_order, make_report
from tests.trader.test_funding import bodies
from tests.trader.test_journal_audit import FAST
from trader.journal import audit
from trader.model.transitions import OrderState, Signal
from trader.model.values import Quote, Side
from trader.reconcile import AcceptanceError, Proposal, reconciler
from trader.reconcile.accept import Row, check_worth, plain

D = Decimal


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconciler, "PAUSE_SECONDS", 0)


@pytest.fixture
async def ledger(tmp_path: Path) -> AsyncIterator[Ledger]:
    running = Ledger(tmp_path / "j.sqlite", MovedVenue(BTC, PERP))
    running.venue.held["BTC"] = D(1)
    assert await running.kinds() == []
    yield running
    if not running.closed:
        await running.journal.close()


async def accepted(ledger: Ledger, limit_usd: str | None = None, **fields: Any) -> Proposal:
    """As the command does it: look, then agree to what was seen."""
    seen = await ledger.reconciler.proposal()
    limit = None if limit_usd is None else D(limit_usd)
    return await ledger.reconciler.accept("ann", "moved to the vault", seen.shown(), limit)


def events(ledger: Ledger) -> list[dict[str, Any]]:
    return bodies(ledger.path, "accepted")


async def test_a_transfer_goes_into_the_baseline_and_is_no_profit(ledger: Ledger) -> None:
    ledger.venue.transfer("USDT", "-500")
    ledger.venue.transfer("ETH", "3")
    assert await ledger.kinds() == ["balance", "balance"]
    before = ledger.pnl()
    ledger.admission.quotes["ETH/USDT"] = Quote("ETH/USDT", D(3_000), D(3_000), 1)
    proposal = await accepted(ledger)
    assert proposal.table() == [
        {"asset": "ETH", "ours": "0", "venue": "3", "usd": "9000.00"},
        {"asset": "USDT", "ours": "10000", "venue": "9500", "usd": "500.00"},
    ]
    assert await ledger.kinds() == []
    assert ledger.pnl() == before == 0
    ledger.admission.quotes["ETH/USDT"] = Quote("ETH/USDT", D(9_000), D(9_000), 1)
    assert ledger.pnl() == 0, "what it is worth later is nobody's profit either"
    [event] = events(ledger)
    assert (event["by"], event["reason"], event["usd"]) == ("ann", "moved to the vault", "9500")
    assert event["rows"] == proposal.table()
    assert event["balances"] == {"ETH": "3", "USDT": "9500"}


async def test_it_holds_over_a_restart_and_a_rebuild(ledger: Ledger) -> None:
    ledger.venue.transfer("USDT", "-500")
    ledger.venue.trade(1, BTC.symbol)
    await accepted(ledger)
    again = await ledger.again()
    assert await again.kinds() == []
    assert again.book.positions == {BTC.symbol: D("0.004")}
    again = await again.again()
    await again.journal.close()
    found = audit.verify(again.path)
    assert found.sound, (found.broken, found.difference)
    audit.rebuild(again.path)
    again = Ledger(again.path, again.venue)
    assert await again.kinds() == []
    await again.journal.close()


async def test_a_trade_by_hand_is_a_trade(ledger: Ledger) -> None:
    """Our position was sold by hand: the strategy must not sell it again, and the loss is a loss."""
    ours = make_order("trader-01-1-1", OrderState.OPEN, venue_order_id="77", symbol=PERP.symbol)
    ledger.book.add(ours)
    ledger.manager.report(make_report(Signal.FILLED, ours.client_id))
    ledger.manager.fill(ledger.venue.trade(1, order="77", quantity="0.01", fee=D(0)))
    assert await ledger.kinds() == []
    assert ledger.book.positions[PERP.symbol] == D("0.01")
    ledger.venue.trade(2, quantity="0.01", side=Side.SELL, price=D(59_000), fee=D("0.5"), realized=D(-10))
    ledger.venue.transfer("USDT", "250")
    assert sorted(await ledger.kinds()) == ["balance", "foreign_fill", "position"]
    await accepted(ledger)
    assert await ledger.kinds() == []
    assert ledger.book.positions[PERP.symbol] == 0
    assert ledger.pnl() == D("-10.5"), "the trade is, the transfer is not"
    ledger.parts.quote(PERP.symbol, D(1))
    assert ledger.pnl() == D("-10.5"), "nothing is held any more"
    body = ledger.admission.day_body()
    again = await ledger.again()
    assert again.book.positions[PERP.symbol] == 0
    assert body is not None
    again.admission._pnl = None
    day = {"day": body["day"], "opening": {}, "flows": {}}
    again.admission.begin_day(day, _after_day(again))
    assert again.pnl() == D("-10.5")
    await again.journal.close()


def _after_day(ledger: Ledger) -> Any:
    """What the journal would give back had the day's state been written before all of it."""
    return ledger.journal._fills_after_day()


async def test_a_trade_that_is_told_again_after_a_restart_is_known(ledger: Ledger) -> None:
    """Lists that begin with the newest tell their last minute twice."""
    ledger.venue.trade(5, BTC.symbol)
    await accepted(ledger)
    assert await ledger.kinds() == []
    assert ledger.venue.asked_after[-2:] == ["5", "-1"]  # of the two symbols
    ledger.reconciler._cursors[BTC.symbol] = "-1"
    assert await ledger.kinds() == []
    ledger = await ledger.again()
    ledger.reconciler._cursors[BTC.symbol] = "-1"
    assert await ledger.kinds() == []
    assert ledger.book.positions == {BTC.symbol: D("0.004")}
    ledger.venue.trade(6, BTC.symbol)
    assert "foreign_fill" in await ledger.kinds()
    await ledger.journal.close()


# -- what is refused


async def test_without_a_difference_there_is_nothing_to_accept(ledger: Ledger) -> None:
    with pytest.raises(AcceptanceError, match="nothing to accept"):
        await ledger.reconciler.proposal()


async def test_an_open_order_of_ours_or_of_others_refuses(ledger: Ledger) -> None:
    ledger.venue.transfer("USDT", "5")
    ours = make_order("trader-01-1-1", OrderState.OPEN, venue_order_id="77")
    ledger.book.add(ours)
    ledger.venue.reports = [make_report(Signal.OPENED)]
    with pytest.raises(AcceptanceError, match="1 orders of ours are open or unresolved"):
        await ledger.reconciler.proposal()
    ledger.manager.signal(ours, Signal.CANCELED)
    ledger.venue.reports = [make_report(Signal.OPENED, "web_1")]
    with pytest.raises(AcceptanceError, match="differences are of orders, first: foreign_order web_1"):
        await ledger.reconciler.proposal()
    assert events(ledger) == []


async def test_an_order_in_flight_refuses(ledger: Ledger) -> None:
    ledger.venue.transfer("USDT", "5")
    ledger.book.add(make_order("trader-01-1-1", OrderState.SENT))
    with pytest.raises(AcceptanceError, match="open or unresolved"):
        await ledger.reconciler.proposal()


@pytest.mark.parametrize("change", ["transfer", "trade"])
async def test_an_answer_that_changed_since_it_was_shown_refuses(
    ledger: Ledger, change: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger.venue.transfer("USDT", "5")
    seen = await ledger.reconciler.proposal()
    if change == "transfer":
        ledger.venue.transfer("USDT", "1")
    else:
        # The list names one more trade; the balances that were read first do not show it yet.
        ledger.venue.before["trades"] = lambda: ledger.venue.trade(3, BTC.symbol)
        monkeypatch.setattr(reconciler, "ATTEMPTS", 1)
    with pytest.raises(AcceptanceError, match="no longer the one that was shown; nothing was changed"):
        await ledger.reconciler.accept("ann", "x", seen.shown(), None)
    assert events(ledger) == []
    assert await ledger.kinds() != []


async def test_what_is_booked_meanwhile_refuses(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger.venue.transfer("USDT", "5")
    monkeypatch.setattr(reconciler, "ATTEMPTS", 1)
    ledger.venue.before["payments"] = lambda: ledger.venue.pay(payment(1))
    with pytest.raises(AcceptanceError, match="something was booked while the venue was asked"):
        await ledger.reconciler.proposal()


async def test_a_position_that_no_trade_explains_refuses(ledger: Ledger) -> None:
    ledger.venue.transfer(PERP.symbol, "0.5")
    assert await ledger.kinds() == ["position"]
    with pytest.raises(AcceptanceError, match=r"BTC/USDT:USDT: 0\.5 at the venue that no trade"):
        await ledger.reconciler.proposal()
    ledger.venue.held.pop(PERP.symbol)
    ledger.venue.transfer("XRP/USDT:USDT", "0.5")  # of what is not traded here: nobody trades on it
    await accepted(ledger)
    assert await ledger.kinds() == []


async def test_above_the_limit_it_takes_another_word(ledger: Ledger) -> None:
    ledger.venue.transfer("USDT", "-500")
    with pytest.raises(AcceptanceError, match=r"worth 500\.00 USD, reconcile\.max_accepted_usd is 499"):
        await accepted(ledger, "499")
    assert events(ledger) == []
    assert await ledger.kinds() == ["balance"]
    await accepted(ledger, "500")
    assert await ledger.kinds() == []


def test_what_cannot_be_valued_is_above_every_limit() -> None:
    unknown = Proposal((Row("XYZ", D(0), D(1), None), Row("USDT", D(0), D(1), D(1))), {}, [], {})
    with pytest.raises(AcceptanceError, match="of unknown worth"):
        check_worth(unknown, D(10**9))
    check_worth(unknown, None)


@pytest.mark.parametrize(
    ("amount", "text"), [("1.500", "1.5"), ("0E-8", "0"), ("1E+3", "1000"), ("-0.10", "-0.1")]
)
def test_one_spelling_of_an_amount(amount: str, text: str) -> None:
    assert plain(D(amount)) == text


AMOUNTS = st.integers(-900, 900).filter(bool).map(lambda cents: str(D(cents) / 100))
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("transfer"), AMOUNTS),
        st.tuples(st.just("trade"), AMOUNTS),
        st.tuples(st.just("pay"), AMOUNTS),
        st.tuples(st.sampled_from(["accept", "restart"]), st.just("0")),
    ),
    max_size=12,
)


@settings(max_examples=40, deadline=None)
@given(STEPS)
def test_after_an_acceptance_journal_and_venue_agree_and_transfers_are_no_profit(
    steps: list[tuple[str, str]],
) -> None:
    async def play() -> None:
        with TemporaryDirectory(dir=FAST) as folder:
            venue = MovedVenue(PERP)
            ledger = Ledger(Path(folder) / "j.sqlite", venue)
            assert await ledger.kinds() == []
            for number, (step, amount) in enumerate(steps, 1):
                if step == "transfer":
                    venue.transfer("USDT", amount)
                elif step == "trade":
                    side = Side.BUY if D(amount) > 0 else Side.SELL
                    venue.trade(number, quantity=str(abs(D(amount))), side=side, fee=D(0))
                elif step == "pay":
                    venue.pay(payment(number, amount))
                elif step == "restart":
                    ledger = await ledger.again()
                elif await ledger.kinds():
                    await accepted(ledger)
                    assert await ledger.kinds() == []
            if await ledger.kinds():
                await accepted(ledger)
            assert await ledger.kinds() == []
            # Every trade was at the price of now, so that funding alone is profit or loss; what was booked
            # before this start is in what its day began with.
            booked = ledger.book.changes.get("USDT", D(0))
            assert ledger.pnl() == booked - ledger.snapshot.changes.get("USDT", D(0))
            ledger = await ledger.again()
            assert await ledger.kinds() == []
            assert ledger.book.positions.get(PERP.symbol, D(0)) == venue.held.get(PERP.symbol, D(0))
            paid = sum((one.amount for one in venue.listed), D(0))
            assert ledger.book.changes.get("USDT", D(0)) == paid
            await ledger.journal.close()
            found = audit.verify(ledger.path)
            assert found.sound, (found.broken, found.difference)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reconciler, "PAUSE_SECONDS", 0)
        asyncio.run(play())
