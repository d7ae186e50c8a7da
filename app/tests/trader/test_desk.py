"""What the desk says of a kill, and when it lets a person re-arm."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.trader.kill_support import KillHouse, ModelAccount, running
from tests.trader.support import make_order
from trader.kill_switch import Latch
from trader.model.transitions import OrderState
from trader.service import desk as desk_module
from trader.service.control import RefusedError
from trader.service.desk import Desk
from trader.venue.account_orders import OpenOrder


def desk_of(house: KillHouse) -> Desk:
    parts: Any = SimpleNamespace(
        kill_switch=house.switch, account=house.account, manager=SimpleNamespace(book=house.book)
    )
    other: Any = None
    return Desk(parts, other, other, other, house.killer, dict)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(desk_module, "KILL_PATIENCE_SECONDS", 0.05)
    monkeypatch.setattr(desk_module, "DURABLE_SECONDS", 0.05)


@pytest.fixture
def hung_disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Writing the latch hangs until the event is set."""
    free, real = threading.Event(), Latch.trip

    def trip(self: Latch, *words: str) -> Any:
        assert free.wait(10)
        return real(self, *words)

    monkeypatch.setattr(Latch, "trip", trip)
    yield free
    free.set()


async def test_a_kill_is_answered_at_once_and_says_whether_it_is_on_the_disk(
    tmp_path: Path, hung_disk: threading.Event
) -> None:
    account = ModelAccount(OpenOrder("BTCUSDT", "1"))
    async with running(tmp_path, account) as house:
        desk = desk_of(house)
        answer = await desk.kill("ann", "looks wrong")
        assert answer["latch"] is None
        await house.verified()
        assert account.open == [], "nothing waits for the disk"
        hung_disk.set()
        await house.switch.durable()
        answer = await desk.kill_progress()
        assert (answer["latch"]["by"], answer["verified_twice"], answer["cancelled"]) == ("ann", True, 1)


async def test_a_kill_needs_a_name_and_a_reason(tmp_path: Path) -> None:
    async with running(tmp_path, ModelAccount()) as house:
        desk = desk_of(house)
        for words in ((" ", "x"), ("ann", "")):
            with pytest.raises(RefusedError, match="both need a text"):
                await desk.kill(*words)
        with pytest.raises(RefusedError, match="not tripped"):
            await desk.kill_progress()
        assert not house.gate.halted


async def test_pulled_again_the_venue_is_asked_again(tmp_path: Path) -> None:
    async with running(tmp_path, ModelAccount()) as house:
        desk = desk_of(house)
        await desk.kill("ann", "looks wrong")
        await house.verified()
        answer = await desk.kill("bob", "once more")
        assert not answer["verified_twice"]
        await house.verified()


async def test_a_rearm_waits_for_proof(tmp_path: Path) -> None:
    account = ModelAccount()
    async with running(tmp_path, account) as house:
        desk = desk_of(house)
        account.open = [OpenOrder("ETHUSDT", "1")]
        account.refuse = lambda what: True
        await desk.kill("ann", "looks wrong")
        with pytest.raises(RefusedError, match="1 orders are open"):
            await desk.rearm("bob", "fine")
        account.missing = "ETHUSDT"
        with pytest.raises(RefusedError, match="does not say what is open: no list of ETHUSDT"):
            await desk.rearm("bob", "fine")
        account.missing = ""
        account.refuse = lambda what: None
        await house.verified()
        account.open = []

        order = make_order(state=OrderState.UNKNOWN)
        house.book.add(order)
        with pytest.raises(RefusedError, match="is unknown: it may still appear"):
            await desk.rearm("bob", "fine")
        house.book.remove(order)
        answer = await desk.rearm("bob", "fine")
        assert (answer["latch"]["state"], house.gate.halted) == ("armed", False)


async def test_an_armed_host_stays_armed_while_its_orders_are_in_flight(tmp_path: Path) -> None:
    async with running(tmp_path, ModelAccount()) as house:
        house.book.add(make_order(state=OrderState.SENT))
        before = house.switch.status
        answer = await desk_of(house).rearm("bob", "fine")
        assert (answer["latch"], house.gate.halted) == (before.fields(), False)


async def test_one_empty_list_is_not_the_proof(tmp_path: Path) -> None:
    """The killer has not come so far: only it knows what is in flight, and asks twice."""
    house = KillHouse(tmp_path, ModelAccount())  # it does not run
    house.pull()
    await house.switch.durable()
    with pytest.raises(RefusedError, match="not said twice"):
        await desk_of(house).rearm("bob", "fine")
    assert house.gate.halted


async def test_a_pull_while_the_venue_is_asked_wins(tmp_path: Path) -> None:
    account = ModelAccount()
    async with running(tmp_path, account) as house:
        desk = desk_of(house)
        await desk.kill("ann", "looks wrong")
        await house.verified()

        def pull(_number: int) -> None:
            account.between = lambda number: None
            house.switch.trip("carl", "no", "manual")

        account.between = pull
        with pytest.raises(RefusedError, match="pulled again"):
            await desk.rearm("bob", "fine")
        assert house.gate.halted
