"""Cancelling everything after a trip: it goes on until the venue has said zero twice, and says no less."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.trader.kill_support import KillHouse, ModelAccount, busy, running
from tests.trader.support import make_order, make_report
from trader.model.transitions import OrderState, Signal
from trader.service import kill_run, killer
from trader.venue.account_orders import OpenOrder

OURS = OpenOrder("BTCUSDT", "1", "trader-01-1-1")
SECOND = OpenOrder("BTCUSDT", "2", "trader-01-1-2")
FOREIGN = OpenOrder("ETHUSDT", "3", "by hand")
STOP = OpenOrder("SOLUSDT", "4", "stop", "algo")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """The waits of a kill, a tenth of what they are."""
    monkeypatch.setattr(killer, "LONGEST_REST_SECONDS", 0.05)
    monkeypatch.setattr(killer, "FIRST_GUARD_SECONDS", 0.05)
    monkeypatch.setattr(killer, "GUARD_SECONDS", 0.05)
    monkeypatch.setattr(killer, "ZERO_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(killer, "LIST_SECONDS", 0.01)
    monkeypatch.setattr(kill_run, "TURN_SECONDS", 0.05)


async def test_all_that_is_open_goes_whoever_placed_it_and_on_every_symbol(tmp_path: Path) -> None:
    account = ModelAccount(OURS, FOREIGN, STOP)
    async with running(tmp_path, account) as house:
        assert house.account.lists == [], "nothing is asked while it is armed"
        house.pull()
        assert house.killer.working
        fields = await house.verified()
        assert account.open == []
        assert (fields["open_orders"], fields["cancelled"], fields["failed"]) == (0, 3, [])
        assert fields["verified_twice"]
        assert account.lists[-2:] == [[], []]
        assert account.sent == ["all BTCUSDT", "all ETHUSDT", "all SOLUSDT"], (
            "once each, and none before the list"
        )
        [report] = house.told("kill_finished")
        assert (report["open_orders"], report["cancelled"], report["verified_twice"]) == (0, 3, True)
        assert await house.killer.done(0)
        assert house.settled == 1
        assert house.cancelled_by_name == [], "the list was whole"


async def test_what_another_process_trips_is_cleared_too(tmp_path: Path) -> None:
    account = ModelAccount(FOREIGN)
    async with running(tmp_path, account) as house:
        other = type(house.latch).load(tmp_path / "latch.json", has_traded=True)
        other.trip("bob", "by the file", "manual")
        await house.verified()
        assert account.open == []
        assert house.gate.halted


async def test_one_zero_is_not_enough(tmp_path: Path) -> None:
    account = ModelAccount(OURS)

    def late(number: int) -> None:
        # It was on its way when the venue said zero for the first time.
        if account.lists[-1] == [] and SECOND not in seen:
            seen.append(SECOND)
            account.open.append(SECOND)

    seen: list[OpenOrder] = []
    account.between = late
    async with running(tmp_path, account) as house:
        house.pull()
        fields = await house.verified()
        assert account.open == []
        assert fields["cancelled"] == 2
        assert account.lists[-2:] == [[], []]
        assert account.lists.count([]) == 3


async def test_a_cancel_that_fails_is_sent_until_it_is_done(tmp_path: Path) -> None:
    account = ModelAccount(OURS, FOREIGN)
    failures: list[str] = []

    def refuse(what: str) -> None:
        if what in ("all ETHUSDT", "one 3") and len(failures) < 6:
            failures.append(what)
            assert not house.fields["verified_twice"]
            busy(what)

    account.refuse = refuse
    async with running(tmp_path, account) as house:
        house.pull()
        await house.verified()
        assert account.open == []
        assert len(failures) == 6
        assert account.sent.count("all BTCUSDT") == 1, "what is gone is not cancelled again"


async def test_while_an_order_lives_it_never_says_zero(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(killer, "TELL_SECONDS", 0.1)
    account = ModelAccount(OURS, FOREIGN)
    account.refuse = busy
    async with running(tmp_path, account) as house:
        house.pull()
        await house.until(lambda: len(house.told("kill_not_done")) > 1, "being told")
        told = house.told("kill_not_done")[-1]
        assert (told["open_orders"], told["cancelled"], told["verified_twice"]) == (2, 0, False)
        assert told["failed"] == [str(OURS), str(FOREIGN)]
        assert "busy" in told["message"]
        assert not await house.killer.done(0.01)
        assert b"trader_kill_working 1.0" in house.metrics.expose()
        account.refuse = lambda what: None
        fields = await house.verified()
        assert (fields["open_orders"], fields["cancelled"]) == (0, 2)


async def test_what_stays_listed_though_it_was_cancelled_is_cancelled_by_its_id(tmp_path: Path) -> None:
    account = ModelAccount(OURS, STOP)
    account.refuse = lambda what: what.startswith("all")
    async with running(tmp_path, account) as house:
        house.pull()
        fields = await house.verified()
        assert account.open == []
        assert (fields["cancelled"], fields["already_gone"]) == (2, 0)
        assert {"one 1", "one 4"} <= set(account.sent)


async def test_a_cancel_that_hangs_holds_up_no_other_and_is_not_doubled(tmp_path: Path) -> None:
    account = ModelAccount(OURS, FOREIGN)
    free = asyncio.Event()

    async def hang() -> None:
        await free.wait()

    account.refuse = lambda what: hang() if what in ("all BTCUSDT", "one 1") else None
    async with running(tmp_path, account) as house:
        house.pull()
        await house.until(lambda: len(account.lists) > 5, "further lists")
        assert FOREIGN not in account.open
        assert account.sent.count("all BTCUSDT") == 1
        account.open.append(STOP)
        await house.until(lambda: STOP not in account.open, "a later one being cancelled")
        assert not house.fields["verified_twice"]
        free.set()
        await house.verified()


# -- while the venue does not list the account in whole


async def test_what_a_part_of_the_list_shows_is_cancelled_and_nothing_is_verified(tmp_path: Path) -> None:
    account = ModelAccount(FOREIGN, STOP)
    account.missing = "SOLUSDT"
    async with running(tmp_path, account) as house:
        house.pull()
        await house.until(lambda: len(account.lists) > 4, "further lists")
        assert account.open == [STOP]
        assert house.fields["open_orders"] == 1, "one was seen, and no whole list says that it is gone"
        assert not house.fields["verified_twice"]
        assert "no list of SOLUSDT" in house.killer.progress.problem  # type: ignore[union-attr]
        account.missing = ""
        fields = await house.verified()
        assert (fields["open_orders"], fields["cancelled"]) == (0, 2)


async def test_a_list_that_is_late_is_not_waited_for(tmp_path: Path) -> None:
    account = ModelAccount(OURS, FOREIGN)
    account.answer.clear()
    async with running(tmp_path, account) as house:
        house.pull()
        await house.until(lambda: account.open == [FOREIGN], "what needs no list")
        assert account.lists == []
        account.answer.set()
        await house.verified()
        assert account.open == []


async def test_without_any_list_it_cancels_blindly_and_by_name_again_and_again(tmp_path: Path) -> None:
    account = ModelAccount()
    account.missing = "*"
    async with running(tmp_path, account) as house:
        known = make_order(state=OrderState.OPEN, venue_order_id="9", symbol="LTC/USDT")
        house.book.add(known)
        house.pull()
        await house.until(lambda: account.sent.count("all BTCUSDT") > 2, "it being sent again")
        assert house.fields["open_orders"] is None, "nobody has told"
        assert account.sent.count("all LTCUSDT") > 1, "where we had an order, too"
        # What was in flight appears only now.
        account.open.append(OpenOrder("BTCUSDT", "12"))
        await house.until(lambda: not account.open, "its cancel without a list")
        assert set(house.cancelled_by_name) == {known.client_id}
        assert not house.fields["verified_twice"]
        account.missing = ""
        await house.verified()


# -- what is in flight


@pytest.mark.parametrize("state", [OrderState.SENT, OrderState.UNKNOWN])
async def test_an_order_without_an_answer_holds_up_the_second_zero(tmp_path: Path, state: OrderState) -> None:
    account = ModelAccount()
    async with running(tmp_path, account) as house:
        order = make_order(state=state)
        house.book.add(order)
        house.pull()
        await house.until(lambda: len(account.lists) > 3, "further lists")
        assert account.lists[-1] == []
        assert house.fields["open_orders"] == 0
        assert not house.fields["verified_twice"], "it may still appear"
        assert house.told("kill_finished") == []
        account.open.append(OpenOrder("BTCUSDT", "77", order.client_id))
        order.report(make_report(Signal.OPENED))
        house.killer.saw(make_report(Signal.OPENED))
        fields = await house.verified()
        assert account.open == []
        assert fields["cancelled"] == 1


async def test_an_order_that_waits_for_the_journal_holds_up_nothing(tmp_path: Path) -> None:
    async with running(tmp_path, ModelAccount()) as house:
        house.book.add(make_order(state=OrderState.PENDING))
        house.pull()
        await house.verified()


# -- afterwards


async def test_what_appears_later_is_cancelled_and_reported_by_another_name(tmp_path: Path) -> None:
    account = ModelAccount(OURS)
    async with running(tmp_path, account) as house:
        house.pull()
        await house.verified()
        account.open.append(FOREIGN)
        fields = await house.verified()
        assert account.open == []
        assert (fields["cancelled"], fields["open_orders"]) == (1, 0)
        assert len(house.told("kill_finished")) == len(house.told("kill_cleared_again")) == 1
        assert house.told("kill_found_orders")[0]["orders"] == [str(FOREIGN)]


async def test_what_the_stream_tells_is_looked_for_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(killer, "FIRST_GUARD_SECONDS", 3_600)
    account = ModelAccount()
    async with running(tmp_path, account) as house:
        house.pull()
        await house.verified()
        account.open.append(OURS)
        house.killer.saw(make_report(Signal.CANCELED))
        await asyncio.sleep(0.01)
        assert account.open == [OURS], "an end is no beginning"
        house.killer.saw(make_report(Signal.OPENED))
        await house.verified()
        assert account.open == []
        account.open.append(FOREIGN)
        house.killer.look_again()
        await house.verified()
        assert account.open == []


async def test_a_list_that_fails_is_no_reason_to_believe_in_nothing(tmp_path: Path) -> None:
    account = ModelAccount()
    async with running(tmp_path, account) as house:
        house.pull()
        await house.verified()
        account.missing = "*"
        await house.until(lambda: house.told("kill_not_guarded"), "being told")
        account.open.append(FOREIGN)
        account.missing = ""
        await house.verified()
        assert account.open == []


async def test_pulled_once_more_the_venue_must_say_it_anew(tmp_path: Path) -> None:
    account = ModelAccount(OURS)
    async with running(tmp_path, account) as house:
        house.pull()
        await house.verified()
        before = len(account.lists)
        house.switch.trip("bob", "once more", "manual")
        house.killer.again()
        assert house.killer.working
        await house.verified()
        assert len(account.lists) >= before + 2


async def test_rearmed_it_leaves_everything_alone(tmp_path: Path) -> None:
    account = ModelAccount(OURS)
    account.refuse = busy
    async with running(tmp_path, account) as house:
        house.pull()
        await house.until(lambda: account.sent, "a cancel")
        await house.rearm()  # a proof that came from elsewhere
        await house.until(lambda: house.killer.progress is None, "the end of it")
        account.refuse = lambda what: None
        before = len(account.lists), len(account.sent)
        assert await house.killer.done(0)
        assert account.forgotten > 0
        await asyncio.sleep(0.1)
        assert (len(account.lists), len(account.sent)) == before
        assert account.open == [OURS]
        assert house.told("kill_finished") == []
        house.pull()
        await house.verified()
        assert account.open == []
        assert len(house.told("kill_finished")) == 1


async def test_somebody_who_goes_on_placing_does_not_use_up_the_venues_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(killer, "SLOWER_FOR_SECONDS", 0.2)
    monkeypatch.setattr(killer, "LIST_SECONDS", 0.1)
    account = ModelAccount()
    names = iter(range(10**6))

    def place(_number: int) -> None:
        account.open.append(OpenOrder("ETHUSDT", str(next(names))))
        house.killer.look_again()

    account.between = place
    async with running(tmp_path, account) as house:
        house.pull()
        await asyncio.sleep(1.0)
        assert 3 <= len(account.lists) <= 30, "a slower machine makes fewer"
        assert not house.fields["verified_twice"]
        assert len(account.open) <= 2, "each is cancelled"
        account.between = lambda number: None
        await house.verified()


# -- the report


async def test_the_report_tells_what_was_gone_from_what_was_cancelled(tmp_path: Path) -> None:
    account = ModelAccount(FOREIGN, STOP)

    def filled_first(what: str) -> None:
        account.open = [order for order in account.open if order != STOP]

    account.refuse = filled_first
    async with running(tmp_path, account) as house:
        ended = make_order("trader-01-1-8", OrderState.OPEN, venue_order_id="80")
        filled = make_order("trader-01-1-9", OrderState.OPEN, venue_order_id="90")
        untold = make_order("trader-01-1-7", OrderState.OPEN, venue_order_id="70")
        for order in (ended, filled, untold):
            house.book.add(order)

        def tell(_number: int) -> None:
            ended.signal(Signal.CANCELED)
            filled.signal(Signal.FILLED)

        account.between = tell
        house.pull()
        fields = await house.verified()
        # The foreign one and two of ours that no list had shown; the stop and the other were filled before.
        assert (fields["cancelled"], fields["already_gone"]) == (3, 2)


async def test_positions_are_flattened_once_when_all_is_empty(tmp_path: Path) -> None:
    account = ModelAccount(OURS)
    calls: list[list[OpenOrder]] = []

    async def flatten() -> str:
        calls.append(list(account.open))
        return "BTC/USDT flat"

    async with running(tmp_path, account, flatten) as house:
        house.pull()
        await house.verified()
        assert calls == [[]]
        assert house.told("kill_finished")[0]["flattened"] == "BTC/USDT flat"


async def test_a_mistake_of_ours_ends_it_loudly(tmp_path: Path) -> None:
    """The service ends with it, and the next layer takes over."""
    account = ModelAccount(OURS)

    def wrong(what: str) -> Any:
        raise ZeroDivisionError("a mistake")

    account.refuse = wrong
    house = KillHouse(tmp_path, account)
    work = asyncio.create_task(house.killer.run())
    house.pull()
    with pytest.raises(ZeroDivisionError):
        await asyncio.wait_for(work, 5)
    assert not await house.killer.done(0)
