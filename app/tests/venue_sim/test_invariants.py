"""Each invariant holds in a real record and turns red on a doctored one."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from decimal import Decimal
from typing import Any

import pytest

from tests.venue_sim import invariants
from tests.venue_sim.clients import raw_client
from tests.venue_sim.invariants import Entry
from tests.venue_sim.support import RunningVenue

ORDER = "symbol=BTCUSDT&type=LIMIT&timeInForce=GTC&price=50000"
SYMBOLS = {"BTCUSDT": ("BTC", "USDT"), "ETHUSDT": ("ETH", "USDT")}
FEES = {"maker": "0.001", "taker": "0.001"}


@pytest.fixture
async def record(
    make_venue: Callable[..., RunningVenue],
) -> tuple[list[Entry], dict[str, dict[str, Decimal]]]:
    """A record with fills, a partial fill, a cancel and an open order, and the first balances."""
    venue = make_venue(background={"events_per_second": 0}, fees=FEES)
    async with raw_client(venue) as mine, raw_client(venue, "trader-02") as theirs:
        for name, quantity in (("m-1", "0.001"), ("m-2", "0.002"), ("m-3", "0.003")):
            order = f"{ORDER}&side=BUY&quantity={quantity}&newClientOrderId={name}"
            assert (await mine.signed("POST", "/api/v3/order", order))[0] == 200
        order = f"{ORDER}&side=SELL&quantity=0.0025&newClientOrderId=t-1"
        assert (await theirs.signed("POST", "/api/v3/order", order))[0] == 200
        await mine.signed("DELETE", "/api/v3/order", "symbol=BTCUSDT&origClientOrderId=m-3")
    first = {a.name: {n: Decimal(v) for n, v in a.balances.items()} for a in venue.accounts.values()}
    return venue.record(), first


Record = tuple[list[Entry], dict[str, dict[str, Decimal]]]
REQUESTED = {"trader-01": ["m-1", "m-2", "m-3"], "trader-02": ["t-1"]}


def found(record: Record, doctored: list[Entry] | None = None) -> list[str]:
    entries, first = record
    return invariants.all_violations(doctored or entries, first, SYMBOLS, REQUESTED)


async def test_a_true_record_has_no_violations(record: Record) -> None:
    entries, _ = record
    assert found(record) == []
    assert {n: len(o) for n, o in invariants.accepted_orders(entries).items()} == {
        "trader-01": 3,
        "trader-02": 1,
    }
    assert list(invariants.accepted_orders(entries, "trader-02")) == ["trader-02"]
    assert [o["client_order_id"] for o in invariants.open_orders(entries)] == ["m-2"]
    assert invariants.open_orders(entries, "trader-02") == []
    assert {n: len(f) for n, f in invariants.fills(entries).items()} == {"trader-01": 2, "trader-02": 2}
    assert list(invariants.fills(entries, "trader-01")) == ["trader-01"]


def orders(entries: list[Entry], name: str) -> list[Entry]:
    return [e for e in entries if e["kind"] == "order" and e["client_order_id"] == name]


def a_second_acceptance(entries: list[Entry]) -> None:
    again = deepcopy(orders(entries, "m-3")[0]) | {"order_id": 99, "status": "CANCELED"}
    entries.append(again)


def an_unasked_order(entries: list[Entry]) -> None:
    for entry in orders(entries, "t-1"):
        entry["client_order_id"] = "t-9"


def a_revival(entries: list[Entry]) -> None:
    entries.append(deepcopy(orders(entries, "m-1")[0]))


def a_lost_fill(entries: list[Entry]) -> None:
    entries.remove(next(e for e in entries if e["kind"] == "fill"))


def a_double_fill(entries: list[Entry]) -> None:
    entries.append(deepcopy(next(e for e in entries if e["kind"] == "fill")))


def a_fill_of_nothing(entries: list[Entry]) -> None:
    fill = next(e for e in entries if e["kind"] == "fill")
    entries.append(deepcopy(fill) | {"order_id": 77})


def a_wrong_balance(entries: list[Entry]) -> None:
    last = [e for e in entries if e["kind"] == "balances" and "USDT" in e["balances"]][-1]
    last["balances"]["USDT"][0] = "1.00000000"


def a_lock_without_an_order(entries: list[Entry]) -> None:
    last = [e for e in entries if e["kind"] == "balances" and "USDT" in e["balances"]][-1]
    free, locked = last["balances"]["USDT"]
    last["balances"]["USDT"] = [str(Decimal(free) - 1), str(Decimal(locked) + 1)]


def a_wrong_quote(entries: list[Entry]) -> None:
    orders(entries, "m-1")[-1]["executed_quote"] = "1.00000000"


@pytest.mark.parametrize(
    ("doctor", "complaint"),
    [
        (a_second_acceptance, "I1: trader-01: client order id m-3 was accepted 2 times"),
        (an_unasked_order, "I1: trader-02: t-9 was accepted, nobody asked for it"),
        (a_revival, "I3: trader-01: order 1 was FILLED, then NEW"),
        (a_lost_fill, "executed 0.00250000, fills 0.00150000"),
        (a_double_fill, "trade 1 of order 4 came twice"),
        (a_fill_of_nothing, "fills of order 77, which was never accepted"),
        (a_wrong_balance, "USDT is "),
        (a_lock_without_an_order, "USDT locked is 26.00000000, its open orders need 25"),
        (a_wrong_quote, "order 1: executed_quote 1.00000000, fills 50"),
    ],
)
async def test_each_function_turns_red(record: Record, doctor: Any, complaint: str) -> None:
    doctored = deepcopy(record[0])
    doctor(doctored)
    violations = found(record, doctored)
    assert any(complaint in violation for violation in violations), violations
    assert found(record) == []
