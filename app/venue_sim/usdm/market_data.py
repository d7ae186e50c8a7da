"""The public operations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from venue_sim import dialect as spot
from venue_sim.exchange import Market
from venue_sim.model import MARGIN_ASSET, money
from venue_sim.parameters import SYMBOL, Parameters
from venue_sim.usdm import dialect
from venue_sim.usdm.venue import UsdmPublicRun, UsdmVenue

_NOT_FUTURES = ("prevClosePrice", "bidPrice", "bidQty", "askPrice", "askQty")


def exchange_info(venue: UsdmVenue, _parameters: Parameters, now_ms: int) -> Any:
    """Every contract with its filters."""
    return {
        "timezone": "UTC",
        "serverTime": now_ms,
        "futuresType": "U_MARGINED",
        "rateLimits": venue.limits.describe(),
        "exchangeFilters": [],
        "assets": [{"asset": MARGIN_ASSET, "marginAvailable": True, "autoAssetExchange": "0"}],
        "symbols": [dialect.symbol_info(market.rules) for market in venue.exchange.markets.values()],
    }


def depth(venue: UsdmVenue, parameters: Parameters, now_ms: int) -> Any:
    """A snapshot of the book."""
    market = venue.exchange.market(parameters.symbol())
    return spot.depth(market, parameters.limit(500, 1000)) | {"E": now_ms, "T": now_ms}


def depth_weight(parameters: Parameters) -> int:
    """Weight by the number of levels."""
    value = parameters.get("limit") or "500"
    limit = int(value) if value.isascii() and value.isdigit() else 500
    return 2 if limit <= 50 else 5 if limit <= 100 else 10 if limit <= 500 else 20


def trades(venue: UsdmVenue, parameters: Parameters, _now_ms: int) -> Any:
    """The newest trades."""
    market = venue.exchange.market(parameters.symbol())
    limit = parameters.limit(500, 1000)
    shown = [spot.public_trade(trade) for trade in list(market.trades)[-limit:]]
    return [{name: value for name, value in row.items() if name != "isBestMatch"} for row in shown]


def aggregate_trades(venue: UsdmVenue, parameters: Parameters, _now_ms: int) -> Any:
    """The newest trades; every one is an aggregate of its own."""
    market = venue.exchange.market(parameters.symbol())
    limit = parameters.limit(500, 1000)
    shown = [spot.aggregate_trade(trade) for trade in list(market.trades)[-limit:]]
    return [{name: value for name, value in row.items() if name != "M"} for row in shown]


def per_symbol(render: Callable[[UsdmVenue, Market, int], Any]) -> UsdmPublicRun:
    """One contract's answer, or all of them in a list."""

    def run(venue: UsdmVenue, parameters: Parameters, now_ms: int) -> Any:
        name = parameters.optional("symbol", SYMBOL)
        if name:
            return render(venue, venue.exchange.market(name), now_ms)
        return [render(venue, market, now_ms) for market in venue.exchange.markets.values()]

    return run


def ticker(_venue: UsdmVenue, market: Market, now_ms: int) -> Any:
    """ticker/24hr; it counts from the emulator's start."""
    return {name: value for name, value in spot.ticker(market, now_ms).items() if name not in _NOT_FUTURES}


def ticker_price(_venue: UsdmVenue, market: Market, now_ms: int) -> Any:
    """The last price."""
    return {"symbol": market.rules.symbol, "price": money(market.last_price), "time": now_ms}


def ticker_book(_venue: UsdmVenue, market: Market, now_ms: int) -> Any:
    """The best bid and ask."""
    bid, bid_quantity, ask, ask_quantity = spot.best(market)
    return {
        "symbol": market.rules.symbol,
        "bidPrice": bid,
        "bidQty": bid_quantity,
        "askPrice": ask,
        "askQty": ask_quantity,
        "time": now_ms,
        "lastUpdateId": market.book.update_id,
    }


def premium_index(venue: UsdmVenue, market: Market, now_ms: int) -> Any:
    """The mark price."""
    return dialect.premium_index(venue.exchange, market, now_ms)
