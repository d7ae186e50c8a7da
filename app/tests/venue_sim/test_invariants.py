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
from tests.venue_sim.support import USDM, RunningVenue

ORDER = "symbol=BTCUSDT&type=LIMIT&timeInForce=GTC&price=50000"
FUTURE = "symbol=BTCUSDT&type=LIMIT&timeInForce=GTC&price=60000"
WALLETS = {name: Decimal(USDM["balance"]) for name in ("trader-01", "trader-02", "trader-03")}
SYMBOLS = {"BTCUSDT": ("BTC", "USDT"), "ETHUSDT": ("ETH", "USDT")}
FEES = {"maker": "0.001", "taker": "0.001"}


@pytest.fixture
async def record(
    make_venue: Callable[..., RunningVenue],
) -> tuple[list[Entry], dict[str, dict[str, Decimal]]]:
    """A record of both markets, with fills, a partial fill, a cancel and an open order; the first balances.

    Order and trade ids are the same in both markets, what happened to them is not.
    """
    venue = make_venue(background={"events_per_second": 0}, fees=FEES, usdm={**USDM, "fees": FEES})
    async with raw_client(venue) as mine, raw_client(venue, "trader-02") as theirs:
        for name, quantity in (("m-1", "0.001"), ("m-2", "0.002"), ("m-3", "0.003")):
            order = f"{ORDER}&side=BUY&quantity={quantity}&newClientOrderId={name}"
            assert (await mine.signed("POST", "/api/v3/order", order))[0] == 200
        order = f"{ORDER}&side=SELL&quantity=0.0025&newClientOrderId=t-1"
        assert (await theirs.signed("POST", "/api/v3/order", order))[0] == 200
        await mine.signed("DELETE", "/api/v3/order", "symbol=BTCUSDT&origClientOrderId=m-3")
        for client, side, quantity, name in (
            (theirs, "SELL", "0.010", "f-1"),
            (mine, "BUY", "0.004", "f-2"),
            (mine, "SELL", "0.010", "f-3"),
            (theirs, "BUY", "0.012", "f-4"),
        ):
            order = f"{FUTURE}&side={side}&quantity={quantity}&newClientOrderId={name}"
            assert (await client.signed("POST", "/fapi/v1/order", order))[0] == 200
    first = {a.name: {n: Decimal(v) for n, v in a.balances.items()} for a in venue.accounts.values()}
    return venue.record(), first


Record = tuple[list[Entry], dict[str, dict[str, Decimal]]]
REQUESTED = {"trader-01": ["m-1", "m-2", "m-3", "f-2", "f-3"], "trader-02": ["t-1", "f-1", "f-4"]}


def found(record: Record, doctored: list[Entry] | None = None) -> list[str]:
    entries, first = record
    return invariants.all_violations(doctored or entries, first, SYMBOLS, REQUESTED, WALLETS)


async def test_a_true_record_has_no_violations(record: Record) -> None:
    entries, _ = record
    assert found(record) == []
    assert {n: len(o) for n, o in invariants.accepted_orders(entries).items()} == {
        "trader-01": 5,
        "trader-02": 3,
    }
    assert list(invariants.accepted_orders(entries, "trader-02")) == ["trader-02"]
    assert [o["client_order_id"] for o in invariants.open_orders(entries)] == ["m-2", "f-3"]
    assert [o["client_order_id"] for o in invariants.open_orders(entries, "trader-02")] == []
    assert {n: len(f) for n, f in invariants.fills(entries).items()} == {"trader-01": 4, "trader-02": 6}
    ids = {
        market: {e["order_id"] for e in entries if e.get("market") == market and "order_id" in e}
        for market in ("spot", "usdm")
    }
    assert ids["spot"] == ids["usdm"], "the same ids in both markets, or nothing is tested"
    assert list(invariants.fills(entries, "trader-01")) == ["trader-01"]


def orders(entries: list[Entry], name: str) -> list[Entry]:
    return [e for e in entries if e["kind"] == "order" and e["client_order_id"] == name]


def last_balance(entries: list[Entry], market: str) -> Entry:
    found = [e for e in entries if e["kind"] == "balances" and e["market"] == market]
    return [e for e in found if "USDT" in e["balances"]][-1]


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
    last = last_balance(entries, "spot")
    last["balances"]["USDT"][0] = "1.00000000"


def a_lock_without_an_order(entries: list[Entry]) -> None:
    last = last_balance(entries, "spot")
    free, locked = last["balances"]["USDT"]
    last["balances"]["USDT"] = [str(Decimal(free) - 1), str(Decimal(locked) + 1)]


def a_wrong_quote(entries: list[Entry]) -> None:
    orders(entries, "m-1")[-1]["executed_quote"] = "1.00000000"


def a_lost_fill_of_futures(entries: list[Entry]) -> None:
    entries.remove(next(e for e in entries if e["kind"] == "fill" and e["market"] == "usdm"))


def a_future_revived(entries: list[Entry]) -> None:
    entries.append(deepcopy(orders(entries, "f-2")[0]))


def a_wrong_wallet(entries: list[Entry]) -> None:
    last_balance(entries, "usdm")["balances"]["USDT"][0] = "1.00000000"


def a_wrong_position(entries: list[Entry]) -> None:
    [e for e in entries if e["kind"] == "positions"][-1]["amount"] = "7.00000000"


@pytest.mark.parametrize(
    ("doctor", "complaint"),
    [
        (a_second_acceptance, "I1: trader-01: spot client order id m-3 was accepted 2 times"),
        (an_unasked_order, "I1: trader-02: t-9 was accepted, nobody asked for it"),
        (a_revival, "I3: trader-01: spot order 1 was FILLED, then NEW"),
        (a_lost_fill, "executed 0.00250000, fills 0.00150000"),
        (a_double_fill, "trade 1 of spot order 4 came twice"),
        (a_fill_of_nothing, "fills of spot order 77, which was never accepted"),
        (a_wrong_balance, "USDT is "),
        (a_lock_without_an_order, "USDT locked is 26.00000000, its open orders need 25"),
        (a_wrong_quote, "spot order 1: executed_quote 1.00000000, fills 50"),
        (a_lost_fill_of_futures, "BTCUSDT usdm order 2: executed 0.00400000, fills 0"),
        (a_future_revived, "I3: trader-01: usdm order 2 was FILLED, then NEW"),
        (a_wrong_wallet, "the wallet is 1.00000000, its fills say 99"),
        (a_wrong_position, "the position in BTCUSDT is 7.00000000, its fills say"),
    ],
)
async def test_each_function_turns_red(record: Record, doctor: Any, complaint: str) -> None:
    doctored = deepcopy(record[0])
    doctor(doctored)
    violations = found(record, doctored)
    assert any(complaint in violation for violation in violations), violations
    assert found(record) == []
