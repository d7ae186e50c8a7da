"""Funding payments, whole and exact, from each venue's own list."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from tests.trader.venue_wire import Request, connected
from trader.model.values import Payment
from trader.preflight import Verdict
from trader.preflight.plan import funding as funding_check
from trader.venue import funding
from trader.venue.interface import VenueError
from trader.venue.venues import RULES, Market, rule_of

D = Decimal


def binance_row(number: int, at_ms: int, **fields: Any) -> dict[str, Any]:
    row = {
        "symbol": "BTCUSDT",
        "incomeType": "FUNDING_FEE",
        "income": "-0.37500000",
        "asset": "USDT",
        "info": "FUNDING_FEE",
        "time": at_ms,
        "tranId": number,
        "tradeId": "",
    }
    return row | fields


def kraken_row(number: int, date: str, **fields: Any) -> dict[str, Any]:
    row = {
        "asset": "usd",
        "contract": "pf_xbtusd",
        "booking_uid": "124f43a6",
        "date": date,
        "fee": 0,
        "funding_rate": 9.288451412e-7,
        "id": number,
        "info": "funding rate change",
        "margin_account": "flex",
        "new_balance": 0,
        "old_balance": 0.0002,
        "realized_funding": -0.0000002,
        "realized_pnl": None,
    }
    return row | fields


async def test_binance_lists_the_whole_account_from_a_time_on() -> None:
    gateway, wire = await connected("binanceusdm")
    wire.answer(
        "/fapi/v1/income",
        [binance_row(7, 1_700_000_000_000), binance_row(8, 1_700_000_000_000, symbol="XRPUSDT")],
    )
    paid = await gateway.payments(1_699_999_000_000)
    assert paid[0] == Payment("BTC/USDT:USDT", "7", "USDT", D("-0.375"), 1_700_000_000_000)
    assert [one.payment_id for one in paid] == ["7", "8"]  # also of what is not traded here
    [request] = wire.requests
    assert (request.method, request.path) == ("GET", "/fapi/v1/income")
    assert request.values.items() >= {
        ("incomeType", "FUNDING_FEE"),
        ("startTime", "1699999000000"),
        ("limit", "1000"),
    }
    assert "symbol" not in request.values


async def test_kraken_futures_lists_its_log() -> None:
    gateway, wire = await connected("krakenfutures")
    wire.answer("/account-log", {"logs": [kraken_row(16, "2026-09-17T12:00:00.000Z")]})
    [paid] = await gateway.payments(1_789_000_000_000)
    assert paid == Payment("BTC/USD:USD", "16", "USD", D("-2E-7"), 1_789_646_400_000)
    [request] = wire.requests
    assert request.path.endswith("/api/history/v3/account-log")
    assert request.values == {
        "info": "funding rate change",
        "since": "1789000000000",
        "sort": "asc",
        "count": "500",
    }


@pytest.mark.parametrize(
    ("venue", "path", "size"),
    [
        ("binanceusdm", "/fapi/v1/income", funding.PAGE),
        ("krakenfutures", "/account-log", funding.KRAKEN_PAGE),
    ],
)
async def test_all_pages_and_a_millisecond_that_two_of_them_share(venue: str, path: str, size: int) -> None:
    gateway, wire = await connected(venue)
    first_ms = 1_700_000_000_000
    # Two payments a millisecond, so that a page ends in the middle of one.
    times = [first_ms + number // 2 for number in range(2 * size + 101)]

    def page(request: Request) -> Any:
        since = int(request.values.get("startTime") or request.values["since"])
        rows = [(number, at) for number, at in enumerate(times) if at >= since][:size]
        if venue == "binanceusdm":
            return [binance_row(number, at) for number, at in rows]
        return {"logs": [kraken_row(n, gateway.exchange.iso8601(at)) for n, at in rows]}

    wire.answer(path, page)
    paid = await gateway.payments(first_ms)
    assert sorted(int(one.payment_id) for one in paid) == list(range(len(times)))
    assert [one.at_ms for one in paid] == times


async def test_a_list_that_cannot_go_on_is_an_error_and_not_the_end() -> None:
    gateway, wire = await connected("binanceusdm")
    wire.answer("/fapi/v1/income", [binance_row(number, 5_000) for number in range(funding.PAGE)])
    with pytest.raises(VenueError, match="ends where it begins"):
        await gateway.payments(5_000)


@pytest.mark.parametrize("venue", ["binanceusdm", "krakenfutures"])
@pytest.mark.parametrize(
    "odd",
    [
        {},
        {"logs": {}},
        "<html>",
        [None],
        [binance_row(1, 1, tranId=None)],
        [binance_row(1, 1, income="much")],
        [binance_row(1, 1, income=None)],
        {"logs": [kraken_row(1, "2026-09-17T12:00:00.000Z", contract=None)]},
        {"logs": [kraken_row(1, "yesterday")]},
    ],
)
async def test_an_odd_list_is_not_an_empty_one(venue: str, odd: Any) -> None:
    gateway, wire = await connected(venue)
    wire.answer("", odd)
    with pytest.raises(VenueError, match="funding: "):
        await gateway.payments(1)


async def test_what_comes_to_nothing_is_no_payment() -> None:
    gateway, wire = await connected("binanceusdm")
    wire.answer("/fapi/v1/income", [binance_row(1, 5, income="0.00000000")])
    assert await gateway.payments(1) == []


@pytest.mark.parametrize("venue", sorted(id for id, rule in RULES.items() if rule.market is Market.SPOT))
async def test_a_spot_venue_is_not_asked(venue: str) -> None:
    """A payment on a spot account is of somebody else's perpetual: reading it would explain that away."""
    gateway, wire = await connected(venue)
    assert await gateway.payments(0) == []
    assert wire.requests == []


def test_every_venue_of_perpetuals_says_whether_it_is_read() -> None:
    for rule in RULES.values():
        assert rule.funding == (rule.id in funding._PAGES)
        assert funding_check(rule).verdict is Verdict.OK
    blind = funding_check(replace(rule_of("binanceusdm"), funding=False))
    assert blind.verdict is Verdict.WARN
    assert "binanceusdm cannot be read" in blind.detail
    assert "no perpetuals" in funding_check(rule_of("kraken")).detail
