"""All open orders on some symbols, whole: several venues list them in pages."""

import asyncio
from typing import Any

from trader.venue.venues import VenueRule

# Orders that one request lists, where the venue would cut the list without a word.
_PAGES = {"bybit": 50, "okx": 100, "coinbase": 100}


async def fetch_open_orders(exchange: Any, rule: VenueRule, symbols: list[str]) -> list[dict[str, Any]]:
    """In ccxt's form.

    Raises:
        Exception: what the requests raise.
    """
    if rule.by_symbol:
        lists = await asyncio.gather(*(_of_symbol(exchange, rule, symbol) for symbol in symbols))
        return [order for orders in lists for order in orders]
    orders = await exchange.fetch_open_orders()
    return [order for order in orders if order["symbol"] in symbols]


async def _of_symbol(exchange: Any, rule: VenueRule, symbol: str) -> list[dict[str, Any]]:
    limit = _PAGES.get(rule.id)
    found: dict[str, dict[str, Any]] = {}
    params: dict[str, Any] = {}
    while True:
        page = await exchange.fetch_open_orders(symbol, None, limit, params)
        new = {order["id"]: order for order in page if order["id"] not in found}
        found |= new
        if limit is None or len(page) < limit or not new:
            return list(found.values())
        params = _next(rule, page)


def _next(rule: VenueRule, page: list[dict[str, Any]]) -> dict[str, Any]:
    """What asks for the page after this one; ccxt keeps the venue's cursor in an order of the page."""
    if rule.id == "okx":
        return {"after": min((order["id"] for order in page), key=int)}
    key = "nextPageCursor" if rule.id == "bybit" else "cursor"
    cursor = next((order["info"][key] for order in page if order["info"].get(key)), None)
    return {"cursor": cursor} if cursor else {}
