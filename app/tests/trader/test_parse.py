from decimal import Decimal
from typing import Any

import pytest

from trader.model.transitions import Signal
from trader.model.values import Side
from trader.venue import parse
from trader.venue.parse import OddAnswerError

ORDER = {
    "id": "5",
    "clientOrderId": "a-1-1",
    "symbol": "BTC/USDT",
    "status": "open",
    "filled": "0",
    "side": "sell",
    "timestamp": 9,
}
TRADE = {
    "id": "8",
    "order": "5",
    "symbol": "BTC/USDT",
    "side": "buy",
    "amount": "0.10",
    "price": "60000.01",
    "timestamp": 7,
    "fee": {"cost": "0.0001", "currency": "BTC"},
}


@pytest.mark.parametrize(
    ("status", "filled", "signal"),
    [
        ("open", "0", Signal.OPENED),
        ("open", "0.1", Signal.PARTLY_FILLED),
        ("canceling", "0", Signal.OPENED),
        ("closed", "1", Signal.FILLED),
        ("canceled", "0.1", Signal.CANCELED),
        ("expired", "0", Signal.EXPIRED),
        ("rejected", "0", Signal.REFUSED),
    ],
)
def test_statuses(status: str, filled: str, signal: Signal) -> None:
    assert parse.order_report({**ORDER, "status": status, "filled": filled}).signal is signal


@pytest.mark.parametrize("change", [{"status": "odd"}, {"id": None}, {"clientOrderId": ""}, {"symbol": None}])
def test_an_order_that_lacks_something_is_odd(change: dict[str, Any]) -> None:
    with pytest.raises(OddAnswerError):
        parse.order_report({**ORDER, **change})


def test_a_fill_takes_from_its_order_what_its_answer_leaves_out() -> None:
    bare = {key: TRADE[key] for key in ("id", "amount", "price", "fee")}
    [fill] = parse.order_report({**ORDER, "trades": [bare]}).fills
    assert (fill.side, fill.venue_order_id, fill.symbol, fill.at_ms) == (Side.SELL, "5", "BTC/USDT", 9)
    assert (fill.quantity, fill.price, fill.fee) == (Decimal("0.10"), Decimal("60000.01"), Decimal("0.0001"))


@pytest.mark.parametrize("change", [{"id": None}, {"price": None}, {"amount": None}, {"side": None}])
def test_a_trade_that_lacks_something_is_odd(change: dict[str, Any]) -> None:
    with pytest.raises(OddAnswerError, match="trade"):
        parse.fill({**TRADE, **change})


def test_a_fill_without_a_fee_has_no_fee_asset() -> None:
    fill = parse.fill({**TRADE, "fee": None})
    assert fill.fee == 0
    assert fill.fee_asset is None


def test_quotes_need_both_sides() -> None:
    quote = parse.quote({"symbol": "BTC/USDT", "bid": "1.5", "ask": "1.6"}, 3)
    assert quote is not None
    assert quote.mid == Decimal("1.55")
    assert parse.quote({"symbol": "BTC/USDT", "bid": None, "ask": "1.6"}, 3) is None


def test_contracts_become_base_units() -> None:
    size = Decimal("0.01")
    [fill] = parse.order_report({**ORDER, "filled": "3", "trades": [TRADE]}, size).fills
    assert parse.order_report({**ORDER, "filled": "3"}, size).filled == Decimal("0.03")
    assert fill.quantity == Decimal("0.0010")
    assert fill.price == Decimal("60000.01")


def test_closed_with_less_than_was_asked_is_a_cancel_of_the_rest() -> None:
    report = parse.order_report({**ORDER, "status": "closed", "filled": "0.4", "amount": "1"})
    assert (report.signal, report.filled) == (Signal.CANCELED, Decimal("0.4"))
    assert (
        parse.order_report({**ORDER, "status": "closed", "filled": "1", "amount": "1"}).signal
        is Signal.FILLED
    )


def test_realised_profit_is_the_venues_own_number() -> None:
    raw = {**TRADE, "info": {"rp": "-3.5"}}
    assert parse.fill(raw, realized=("realizedPnl", "rp")).realized == Decimal("-3.5")
    assert parse.fill(raw).realized == 0
    with pytest.raises(OddAnswerError):
        parse.fill({**TRADE, "info": {"rp": "n/a"}}, realized=("rp",))


SWAP = {
    "symbol": "BTC/USDT:USDT",
    "base": "BTC",
    "quote": "USDT",
    "settle": "USDT",
    "contract": True,
    "contractSize": "0.01",
    "active": True,
    "precision": {"price": "0.1", "amount": "1"},
    "limits": {"amount": {"min": "2"}, "cost": {"min": None}},
}


def test_a_derivative_has_its_rules_in_base_units() -> None:
    rules = parse.instrument(SWAP)
    assert (rules.settle, rules.contract_size) == ("USDT", Decimal("0.01"))
    assert (rules.step_size, rules.min_quantity) == (Decimal("0.01"), Decimal("0.02"))
    assert rules.tick_size == Decimal("0.1")


@pytest.mark.parametrize(("active", "trading"), [(True, True), (False, False), (None, True)])
def test_a_market_that_takes_no_orders_says_so(active: bool | None, trading: bool) -> None:
    assert parse.instrument({**SWAP, "active": active}).trading is trading


@pytest.mark.parametrize("answer", [None, [], "<html>", {}, {"result": {}}, {"result": {"list": {}}}])
def test_a_part_that_is_missing_is_odd_and_not_empty(answer: Any) -> None:
    with pytest.raises(OddAnswerError):
        parse.part(answer, list, "result", "list")
    assert parse.part({"result": {"list": []}}, list, "result", "list") == []


def test_balances_leave_out_what_is_empty() -> None:
    answer = {"total": {"BTC": "2.0", "ETH": "0.0", "XXX": None}}
    assert parse.balances(answer) == {"BTC": Decimal("2.0")}
