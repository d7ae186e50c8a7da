"""What trips the kill switch by itself: each at its threshold and not before, and only for what is needed."""

from __future__ import annotations

import time
from decimal import Decimal
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tests.trader.support import make_order
from trader.model.orders import Order
from trader.model.transitions import OrderState
from trader.orders.acks import Acks
from trader.orders.book import OrderBook
from trader.orders.gate import Gate
from trader.reconcile import Report
from trader.service.kill_settings import KillSwitchSettings
from trader.service.watch import Watch


class Switch:
    """Remembers what tripped it."""

    def __init__(self) -> None:
        self.trips: list[tuple[str, str]] = []
        self.asked = 0
        self.status = SimpleNamespace(tripped=False)
        self.rearmed: Any = None

    def trip(self, by: str, reason: str, trigger: str) -> None:
        self.trips.append((trigger, reason))
        self.status.tripped = True

    def stalled(self, what: str, seconds: float) -> None:
        self.trip("trader", what, "heartbeat")

    def why(self) -> None:
        self.asked += 1

    @property
    def triggers(self) -> list[str]:
        return [trigger for trigger, _ in self.trips]

    def rearm(self) -> None:
        self.trips.clear()
        self.status.tripped = False
        self.rearmed()


class Watched:
    """A watch, and everything that it looks at."""

    def __init__(self, **settings: Any) -> None:
        self.switch = Switch()
        self.manager = SimpleNamespace(acks=Acks(), book=OrderBook(), refused=None, cancelled_elsewhere=None)
        self.gate = Gate(lambda state, reasons: None, "start")
        self.gate.clear("start")
        self.quotes_age = self.account_age = 0.0
        self.pnl: Decimal | None = Decimal(0)
        self.late = {"the strategy's timer": 0.0, "the journal": 0.0}
        self.timer_fired = False
        self.now = time.monotonic()
        self.started_ns = time.time_ns()
        switch: Any = self.switch
        manager: Any = self.manager
        admission: Any = SimpleNamespace(pnl_usd=lambda: self.pnl)
        self.watch = Watch(
            KillSwitchSettings(**settings), switch, manager, admission, self.gate,
            lambda: self.quotes_age, lambda: self.account_age, lambda: self.late,
            self.started_ns, lambda: self.timer_fired,
        )  # fmt: skip

    def after(self, seconds: float) -> list[str]:
        """What has tripped by then."""
        self.now += seconds
        self.watch.look(self.now)
        return self.switch.triggers

    def ended(self, count: int = 1, **fields: Any) -> list[str]:
        """So many limit orders that are cancelled without our asking."""
        for n in range(count):
            created = {"created_ns": time.time_ns(), **fields}
            self.manager.cancelled_elsewhere(make_order(f"trader-01-1-{n}", OrderState.CANCELED, **created))
        return self.switch.triggers


@pytest.fixture
def watched() -> Watched:
    return Watched()


def resting(watched: Watched) -> Order:
    order = make_order(state=OrderState.OPEN)
    watched.manager.book.add(order)
    return order


def test_all_is_well(watched: Watched) -> None:
    resting(watched)
    assert [watched.after(1) for _ in range(100)] == [[]] * 100
    assert watched.switch.asked == 100, "the loop's own pulse is looked at each time"


def test_a_late_answer_to_an_order(watched: Watched) -> None:
    watched.manager.acks.decided("a", watched.now)
    assert watched.after(4.9) == []
    assert watched.after(0.2) == ["latency"]
    assert "has not answered a new order for 5.1 s" in watched.switch.trips[0][1]


@pytest.mark.parametrize("age", ["quotes_age", "account_age"])
def test_old_data(watched: Watched, age: str) -> None:
    watched.after(0)
    setattr(watched, age, 4.9)
    assert watched.after(4.9) == []
    setattr(watched, age, 5.1)
    assert watched.after(0.2) == ["latency"]


def test_data_that_nothing_depends_on_has_no_age(watched: Watched) -> None:
    watched.gate.halt("start", "not reconciled yet")
    watched.quotes_age = 100
    assert watched.after(100) == []
    order = resting(watched)
    watched.after(0)
    assert watched.after(5) == ["latency"], "an order of ours is out"
    assert order.working


def test_an_unknown_pnl(watched: Watched) -> None:
    watched.after(0)
    watched.pnl = None
    assert watched.after(29.9) == []
    assert watched.after(0.2) == ["pnl"]


@pytest.mark.parametrize("part", ["the strategy's timer", "the journal"])
def test_what_does_not_move_though_the_loop_does(watched: Watched, part: str) -> None:
    watched.late[part] = 29.9
    assert watched.after(1) == []
    watched.late[part] = 30.0
    assert watched.after(1) == ["heartbeat"]
    assert watched.switch.trips[0][1] == part


def report(usd: str | None) -> Report:
    made: Any = SimpleNamespace(drift_usd=None if usd is None else Decimal(usd))
    return cast(Report, made)


def test_drift_twice(watched: Watched) -> None:
    for usd in ("100.01", "100", "100.01"):
        watched.watch.compared(report(usd))
        assert watched.switch.triggers == []
    watched.watch.compared(report(None))
    assert watched.switch.triggers == ["drift"]


def test_rejects(watched: Watched) -> None:
    order = make_order(state=OrderState.REJECTED, reason="insufficient balance")
    for _ in range(9):
        watched.manager.refused(order)
    assert watched.switch.triggers == []
    watched.manager.refused(order)
    assert watched.switch.triggers == ["rejects"]
    assert "insufficient balance" in watched.switch.trips[0][1]


def test_cancelled_by_somebody(watched: Watched) -> None:
    assert watched.ended(2) == []
    assert watched.ended(1) == ["cancelled_elsewhere"]
    assert watched.ended(5) == ["cancelled_elsewhere"], "a kill of ours is no stranger"


def test_orders_of_an_earlier_process_may_have_been_cancelled_meanwhile(watched: Watched) -> None:
    assert watched.ended(5, created_ns=watched.started_ns - 1) == []


def test_what_the_venues_timer_has_cancelled_is_no_stranger(watched: Watched) -> None:
    watched.timer_fired = True
    assert watched.ended(5) == []
    watched.timer_fired = False
    assert watched.ended(2) == [], "they are not counted later either"
    assert watched.ended(1) == ["cancelled_elsewhere"], "while it cannot have fired it explains nothing"


def test_a_rearm_begins_anew(watched: Watched) -> None:
    refused = make_order(state=OrderState.REJECTED)
    for _ in range(9):
        watched.manager.refused(refused)
    watched.ended(2)
    watched.manager.acks.decided("a", watched.now)
    before_ns = time.time_ns()
    watched.switch.rearm()
    watched.manager.refused(refused)
    assert watched.after(100) == [], "its answer is not waited for any more"
    # What the kill has cancelled may be told only now.
    assert watched.ended(5, created_ns=before_ns) == []
    assert watched.ended(2) == []
    assert watched.ended(1) == ["cancelled_elsewhere"]


def test_every_threshold_is_a_setting() -> None:
    watched = Watched(
        latency_ms=1_000, heartbeat_seconds=2, pnl_unknown_seconds=3, drift_usd=1, drift_times=1, rejects=1,
        cancelled_elsewhere=1,
    )  # fmt: skip
    watched.after(0)
    watched.quotes_age = 1.0
    assert watched.after(1) == ["latency"]
    watched.late["the journal"] = 2.0
    watched.pnl = None
    assert watched.after(3)[1:] == ["pnl", "heartbeat"]
    watched.watch.compared(report("1.01"))
    watched.manager.refused(make_order())
    assert watched.switch.triggers[3:] == ["drift", "rejects"]
    watched.switch.rearm()
    assert watched.ended(1) == ["cancelled_elsewhere"]
