"""Journal against the real emulator: what is explained, and what is not."""

from __future__ import annotations

from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.trader.parts import Parts
from tests.trader.support import make_order
from tests.trader.test_gateway import access
from tests.venue_sim.support import RunningVenue
from trader.journal import Journal, records
from trader.journal.lost import lost
from trader.model.orders import Order
from trader.model.transitions import OrderState, Signal
from trader.model.values import Side
from trader.reconcile import Policy
from trader.venue.gateway import Gateway
from trader.venue.interface import VenueError

DUST = Decimal("0.0001")


class House:
    """Everything below the service, on one account of the emulator."""

    def __init__(self, folder: Path, gateway: Gateway, epoch: int = 1) -> None:
        self.gateway = gateway
        self.journal = Journal.open(folder / "j.sqlite", "trader-01", "trader-01", epoch, "dev")
        snapshot = self.journal.snapshot()
        self.journal.start(lambda seconds, count: None, lambda error: None)
        parts = Parts(self.journal, gateway, snapshot, epoch=epoch)
        parts.quote()
        self.manager, self.reconciler = parts.manager, parts.reconciler
        self.manager.load(snapshot)

    async def kinds(self) -> set[str]:
        report = await self.reconciler.run()
        return {difference.kind for difference in report.differences}

    async def ours(self, number: int, **fields: Any) -> Order:
        """An order of ours, placed behind the manager's back: it learns nothing of the answer."""
        order = make_order(f"trader-01-1-{number}", OrderState.SENT, **fields)
        self.manager.book.add(order)
        await self.journal.append(records.intent(order))
        await self.gateway.place(order)
        return order

    async def stranger(self, client_id: str) -> None:
        """A resting order of the account that somebody else has placed."""
        params = {"newClientOrderId": client_id}
        await self.gateway.exchange.create_order("BTC/USDT", "limit", "buy", "0.01", "50000", params)

    async def market(self, client_id: str) -> None:
        """A trade of the account by somebody else."""
        params = {"newClientOrderId": client_id}
        await self.gateway.exchange.create_order("BTC/USDT", "market", "sell", str(DUST), None, params)


@pytest.fixture
async def house(quiet_venue: RunningVenue, tmp_path: Path) -> AsyncIterator[House]:
    other = Gateway(access(quiet_venue, "trader-02"), ["BTC/USDT"])
    await other.connect()
    await other.place(make_order("trader-02-1-1", price=Decimal(59_000), quantity=Decimal(1)))
    await other.close()
    gateway = Gateway(access(quiet_venue), ["BTC/USDT"])
    await gateway.connect()
    running = House(tmp_path, gateway)
    yield running
    await running.journal.close()
    await gateway.close()


async def test_the_first_run_takes_what_is_there_as_the_beginning(house: House) -> None:
    await house.market("before-us")
    assert await house.kinds() == set()
    assert await house.kinds() == set()
    assert house.reconciler.last_success_ns > 0


async def test_an_account_that_somebody_trades_on_has_no_beginning(house: House) -> None:
    await house.stranger("web_1")
    assert await house.kinds() == {"foreign_order"}


async def test_orders_and_fills_that_we_missed_are_adopted(house: House) -> None:
    assert await house.kinds() == set()
    resting = await house.ours(1, price=Decimal(50_000))
    taken = await house.ours(2, price=Decimal(59_000), side=Side.SELL, quantity=DUST)
    assert await house.kinds() == set()
    assert resting.state is OrderState.OPEN
    assert (taken.state, taken.filled) == (OrderState.FILLED, DUST)
    assert house.manager.book.positions == {"BTC/USDT": -DUST}


async def test_an_order_that_ended_unseen_is_asked_for(house: House) -> None:
    assert await house.kinds() == set()
    order = await house.ours(1, price=Decimal(50_000))
    assert await house.kinds() == set()
    assert order.state is OrderState.OPEN
    await house.gateway.cancel(order)
    assert await house.kinds() == set()
    assert order.state.value == "canceled"


async def test_what_nothing_explains(house: House) -> None:
    assert await house.kinds() == set()
    await house.stranger("web_1")
    assert await house.kinds() == {"foreign_order"}
    await house.stranger("trader-01-1-900")
    assert await house.kinds() == {"foreign_order", "no_intent"}
    await house.market("web_2")
    assert await house.kinds() == {"foreign_order", "no_intent", "foreign_fill", "balance"}


async def test_an_order_that_is_closed_here_and_open_there(house: House) -> None:
    assert await house.kinds() == set()
    order = await house.ours(1, price=Decimal(50_000))
    house.manager.signal(order, Signal.REFUSED)
    assert await house.kinds() == {"closed_here"}


async def test_an_order_that_is_open_here_and_unknown_there(house: House) -> None:
    assert await house.kinds() == set()
    house.manager.book.add(make_order("trader-01-1-5", OrderState.OPEN, venue_order_id="12345"))
    assert await house.kinds() == {"missing_there"}


async def test_a_venue_that_does_not_answer_is_no_agreement(quiet_venue: RunningVenue, house: House) -> None:
    assert await house.kinds() == set()
    before = house.reconciler.last_success_ns
    quiet_venue.fault(kind="error", code=-1000, http_status=500, endpoint="account.status")
    with pytest.raises(VenueError, match="balances"):
        await house.reconciler.run()
    assert house.reconciler.last_success_ns == before


async def test_a_difference_is_valued(house: House) -> None:
    assert await house.kinds() == set()
    await house.market("web_1")
    report = await house.reconciler.run()
    # 0.0001 BTC of 60000 and what was got for it.
    assert report.drift_usd is not None
    assert 11 < report.drift_usd < 13


@pytest.mark.parametrize(("name", "kind"), [("web_1", "foreign_order"), ("trader-01-0-7", "old_epoch_order")])
async def test_what_no_journal_explains_is_cancelled_where_the_policy_says_so(
    house: House, name: str, kind: str
) -> None:
    await house.stranger(name)
    assert await house.kinds() == {kind}
    cancelling = Policy("trader-01", 1, cancel_foreign=True, cancel_old_epoch=True)
    house.reconciler._open.policy = cancelling
    assert await house.kinds() == set()
    assert await house.gateway.open_orders() == []


async def test_what_a_restore_did_not_bring_back_is_rebuilt_from_the_venue(
    house: House, tmp_path: Path
) -> None:
    """Orders whose record was lost with their host, by their trades; a stranger's stay strange."""
    assert await house.kinds() == set()
    for number in (7, 8):
        await house.market(f"trader-01-1-{number}")
    assert await house.kinds() == {"foreign_fill", "balance"}, (
        "in their own epoch they must be in the journal"
    )
    await house.journal.close()
    restored = House(tmp_path, house.gateway, epoch=2)
    try:
        assert await restored.kinds() == set()
        assert restored.manager.book.positions == {"BTC/USDT": -2 * DUST}
        adopted = await restored.journal.find(client_id="trader-01-1-7")
        assert adopted is not None
        assert (adopted.state, adopted.filled, adopted.side) == (OrderState.FILLED, DUST, Side.SELL)
        assert await restored.kinds() == set()
        assert lost(tmp_path / "j.sqlite").epoch == 0, "no record says that it was restored"
        await restored.market("trader-02-1-1")
        assert await restored.kinds() == {"foreign_fill", "balance"}
        await restored.market("trader-01-2-1")
        assert await restored.kinds() == {"foreign_fill", "balance"}
    finally:
        house.journal = restored.journal


async def test_what_is_rebuilt_may_lie_deeper_than_a_page_of_the_venue_s_history(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trader.venue.gateway.TRADES_PAGE", 2)
    assert await house.kinds() == set()
    for number in range(5):
        await house.market(f"trader-01-1-{20 + number}")
    await house.journal.close()
    restored = House(tmp_path, house.gateway, epoch=2)
    try:
        assert await restored.kinds() == set()
        assert restored.manager.book.positions == {"BTC/USDT": -5 * DUST}
    finally:
        house.journal = restored.journal
