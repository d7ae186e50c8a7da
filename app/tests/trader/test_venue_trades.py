"""Our trades, complete from a known one on, from each venue's own pages."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from tests.trader.venue_wire import Request, Wire, connected, symbol_of
from trader.venue.gateway import Gateway
from trader.venue.interface import VenueError, now_ms

MINUTE = 60_000
now = 0


@pytest.fixture(autouse=True)
def _now() -> None:
    """A test begins at its own time: an hour is as far back as a late trade is looked for."""
    global now
    now = now_ms() - 1_000


def at(number: int) -> int:
    """Trade n came n minutes after an hour ago."""
    return now - 60 * MINUTE + number * MINUTE


def iso(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1_000, UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{ms % 1_000:03d}Z"


def kraken(number: int, request: Request) -> dict[str, Any]:
    return {
        "ordertxid": "O77",
        "pair": "XXBTZUSD",
        "time": at(number) / 1_000,
        "type": "buy",
        "ordertype": "limit",
        "price": "60000.5",
        "vol": "0.01",
        "cost": "600.005",
        "fee": "0.96",
    }


def futures(number: int, request: Request) -> dict[str, Any]:
    return {
        "fill_id": f"T{number}",
        "order_id": "77",
        "symbol": "PF_XBTUSD",
        "side": "buy",
        "size": 0.01,
        "price": 60000.5,
        "fillTime": iso(at(number)),
        "fillType": "maker",
    }


def bybit(number: int, request: Request) -> dict[str, Any]:
    return {
        "execId": f"T{number}",
        "orderId": "77",
        "symbol": "BTCUSDT",
        "side": "Buy",
        "execQty": "0.01",
        "execPrice": "60000.5",
        "execTime": str(at(number)),
        "execFee": "0.00001",
        "feeRate": "0.001",
    }


def okx(number: int, request: Request) -> dict[str, Any]:
    return {
        "tradeId": f"T{number}",
        "billId": f"B{number}",
        "ordId": "77",
        "instId": "BTC-USDT",
        "instType": "SPOT",
        "side": "buy",
        "fillSz": "0.01",
        "fillPx": "60000.5",
        "fee": "-0.00001",
        "feeCcy": "BTC",
        "ts": str(at(number)),
    }


def coinbase(number: int, request: Request) -> dict[str, Any]:
    return {
        "trade_id": f"T{number}",
        "order_id": "77",
        "product_id": "BTC-USDT",
        "side": "BUY",
        "size": "0.01",
        "price": "60000.5",
        "commission": "0.6",
        "trade_time": iso(at(number)),
        "liquidity_indicator": "MAKER",
    }


class Venue:
    """Trades 1..last of one venue, listed as it lists them: newest first, a few at a time."""

    def __init__(self, wire: Wire, venue: str, last: int) -> None:
        self.venue, self.last, self.wire = venue, last, wire
        self.hidden: set[int] = set()
        path = {
            "kraken": "/TradesHistory",
            "krakenfutures": "/fills",
            "bybit": "/v5/execution/list",
            "okx": "/fills-history",
            "coinbase": "/historical/fills",
        }[venue]
        wire.answer(path, getattr(self, venue))

    def page(self, below: int, size: int, make: Callable[[int, Request], Any], request: Request) -> list[Any]:
        numbers = [n for n in range(self.last, 0, -1) if n not in self.hidden and n < below]
        return [make(number, request) for number in numbers[:size]]

    def kraken(self, request: Request) -> Any:
        assert request.values["consolidate_taker"] == "false"  # else one id stands for several trades
        offset = int(request.values["ofs"])
        rows = self.page(10**9, 10**9, kraken, request)[offset : offset + 50]
        numbers = [n for n in range(self.last, 0, -1) if n not in self.hidden][offset : offset + 50]
        trades = {f"T{number}": row for number, row in zip(numbers, rows, strict=True)}
        return {"error": [], "result": {"count": self.last, "trades": trades}}

    def krakenfutures(self, request: Request) -> Any:
        before = request.values.get("lastFillTime", "9999")
        below = next((n for n in range(1, self.last + 1) if iso(at(n)) >= before), 10**9)
        return {"result": "success", "fills": self.page(below, 5, futures, request)}

    def bybit(self, request: Request) -> Any:
        start, end = int(request.values["startTime"]), int(request.values["endTime"])
        assert end - start <= 7 * 86_400_000  # the venue refuses more
        below = int(request.values.get("cursor", 10**9))
        rows = [r for r in self.page(below, 5, bybit, request) if start <= int(r["execTime"]) <= end]
        cursor = str(rows[-1]["execId"][1:]) if len(rows) == 5 else ""
        return {"retCode": 0, "result": {"list": rows, "nextPageCursor": cursor}}

    def okx(self, request: Request) -> Any:
        below = int(request.values.get("after", f"B{10**9}")[1:])
        return {"code": "0", "data": self.page(below, 100, okx, request)}

    def coinbase(self, request: Request) -> Any:
        below = int(request.values.get("cursor", 10**9))
        rows = self.page(below, 5, coinbase, request)
        return {"fills": rows, "cursor": rows[-1]["trade_id"][1:] if len(rows) == 5 else ""}


VENUES = ["bybit", "coinbase", "kraken", "krakenfutures", "okx"]


async def start(venue: str, last: int) -> tuple[Gateway, Venue]:
    gateway, wire = await connected(venue)
    return gateway, Venue(wire, venue, last)


def numbers(fills: list[Any]) -> list[int]:
    return [int(fill.trade_id[1:]) for fill in fills]


@pytest.mark.parametrize("venue", VENUES)
async def test_trades_are_read_exactly(venue: str) -> None:
    gateway, _ = await start(venue, 1)
    [fill] = await gateway.trades(symbol_of(venue), None)
    assert (fill.trade_id, fill.venue_order_id) == ("T1", "O77" if venue == "kraken" else "77")
    assert (fill.quantity, fill.price) == (Decimal("0.01"), Decimal("60000.5"))
    assert (fill.symbol, fill.realized) == (symbol_of(venue), Decimal(0))
    assert abs(fill.at_ms - at(1)) <= 1
    assert fill.fee > 0


@pytest.mark.parametrize("venue", VENUES)
async def test_all_trades_over_all_pages_oldest_first(venue: str) -> None:
    gateway, there = await start(venue, 120 if venue == "okx" else 58)
    symbol = symbol_of(venue)
    assert numbers(await gateway.trades(symbol, "-1")) == list(range(1, there.last + 1))
    assert numbers(await gateway.trades(symbol, None)) == [there.last]


@pytest.mark.parametrize("venue", VENUES)
async def test_only_what_is_new_is_told_and_only_once_it_is_kept(venue: str) -> None:
    gateway, there = await start(venue, 10)
    symbol = symbol_of(venue)
    assert numbers(await gateway.trades(symbol, "-1")) == list(range(1, 11))
    # the caller has not moved on: it has not kept them
    assert numbers(await gateway.trades(symbol, "-1")) == list(range(1, 11))
    assert await gateway.trades(symbol, "T10") == []
    there.last = 12
    assert numbers(await gateway.trades(symbol, "T10")) == [11, 12]
    assert numbers(await gateway.trades(symbol, "T10")) == [11, 12]
    assert await gateway.trades(symbol, "T12") == []


@pytest.mark.parametrize("venue", VENUES)
async def test_a_trade_that_is_shown_late_is_not_lost(venue: str) -> None:
    gateway, there = await start(venue, 10)
    symbol = symbol_of(venue)
    there.hidden = {9}
    assert 9 not in numbers(await gateway.trades(symbol, "-1"))
    there.hidden, there.last = set(), 11
    assert numbers(await gateway.trades(symbol, "T10")) == [9, 11]
    assert await gateway.trades(symbol, "T11") == []


@pytest.mark.parametrize("venue", VENUES)
async def test_after_a_restart_the_walk_ends_at_the_known_trade(venue: str) -> None:
    gateway, there = await start(venue, 40)
    there.wire.requests.clear()
    told = numbers(await gateway.trades(symbol_of(venue), "T38"))
    assert told[-2:] == [39, 40]
    assert set(told) <= {37, 39, 40}  # what lies a minute before may be told again
    assert len(there.wire.requests) <= 2


async def test_a_quiet_account_is_walked_once_and_not_at_every_question() -> None:
    gateway, there = await start("bybit", 1)
    there.last = 0
    await gateway.trades("BTC/USDT", "-1")
    assert len(there.wire.requests) > 10  # three months, a week at a time
    there.wire.requests.clear()
    assert await gateway.trades("BTC/USDT", "-1") == []
    assert len(there.wire.requests) == 1


@pytest.mark.parametrize("venue", VENUES)
async def test_a_trade_that_is_no_longer_listed_is_an_error_and_not_a_gap(venue: str) -> None:
    gateway, _ = await start(venue, 3)
    with pytest.raises(VenueError, match="T999 is no longer in the venue's list"):
        await gateway.trades(symbol_of(venue), "T999")


@pytest.mark.parametrize("venue", VENUES)
async def test_an_odd_page_is_an_error_and_not_the_end(venue: str) -> None:
    gateway, there = await start(venue, 3)
    path = next(iter(reversed(there.wire.answers)))
    for odd in ({}, "<html>", {"result": {}, "retCode": 0, "code": "0", "error": []}):
        there.wire.answer(path, odd)
        with pytest.raises(VenueError):
            await gateway.trades(symbol_of(venue), "-1")


async def test_kraken_futures_lists_all_markets_and_we_take_ours() -> None:
    gateway, wire = await connected("krakenfutures")
    other = {**futures(1, Request("", "", {}, {}, "")), "symbol": "PF_ETHUSD"}
    wire.answer("/fills", {"fills": [other]})
    assert await gateway.trades("BTC/USD:USD", "-1") == []


@pytest.mark.parametrize(("venue", "path"), [("binance", "/myTrades"), ("binanceusdm", "/userTrades")])
async def test_binance_pages_by_trade_id(venue: str, path: str) -> None:
    gateway, wire = await connected(venue)

    def page(request: Request) -> Any:
        first = int(request.values.get("fromId", 0))
        rows = range(first, min(first + int(request.values["limit"]), 1_500))
        return [
            {
                "symbol": "BTCUSDT",
                "id": number,
                "orderId": 77,
                "side": "BUY",
                "isBuyer": True,
                "isMaker": False,
                "price": "60000.5",
                "qty": "0.01",
                "quoteQty": "600.005",
                "realizedPnl": "-1.25",
                "commission": "0.1",
                "commissionAsset": "USDT",
                "time": at(0),
            }
            for number in rows
        ]

    wire.answer(path, page)
    fills = await gateway.trades(symbol_of(venue), "2")
    assert [int(fill.trade_id) for fill in fills] == list(range(3, 1_500))
    assert [request.values["fromId"] for request in wire.requests] == ["3", "1003"]
    # on spot a trade realises nothing, whatever stands in it
    assert {fill.realized for fill in fills} == {Decimal("-1.25") if venue == "binanceusdm" else Decimal(0)}
