"""Our trades on one symbol, complete from a given trade on, at venues whose lists begin with the newest.

Binance lists trades from an id on, in order (see `gateway`). The others list backward by time, in pages, so
the list is walked back from now until the known trade is passed by OVERLAP_MS (a trade that the venue
showed late lies there), or until LATE_MS before the last walk when the known trade is older. What was told
before is told again only while the caller has not moved on (its `after` stays): then it has not kept what
it was told. After a restart the overlap is told once more; (symbol, trade id) is the key.
"""

from collections.abc import AsyncIterator, Callable
from typing import Any

from trader.venue.interface import VenueError, now_ms
from trader.venue.parse import OddAnswerError, part

OVERLAP_MS = 60_000
LATE_MS = 3_600_000  # wider: it spans two clocks, ours of the last walk and the venue's of the trades
HORIZON_MS = 90 * 86_400_000  # as far back as all of them list
FIRST = "-1"  # "after" no trade at all

Trade = dict[str, Any]
Pages = AsyncIterator[list[Trade]]


class TradeWalk:
    """One symbol's trades, from call to call."""

    def __init__(self, exchange: Any, venue: str, symbol: str) -> None:
        self._exchange = exchange
        self._pages = _PAGES[venue]
        self._symbol = symbol
        self._settled: dict[str, int] = {}  # trade id -> UTC ms; the caller has them
        self._offered: list[Trade] = []
        self._asked_ms = 0
        self._known_ms: int | None = None  # up to here the caller has all of them

    async def after(self, trade_id: str | None) -> list[Trade]:
        """ccxt's trades after this one, oldest first; the newest alone for None.

        Raises:
            VenueError: the venue does not list the trade any more, so that something may be missing.
            Exception: what the requests raise.
        """
        if trade_id is None:
            return await self._newest()
        self._settle(trade_id)
        asked_ms = now_ms()
        floor_ms = asked_ms - HORIZON_MS if self._known_ms is None else self._known_ms - LATE_MS
        trades, whole = await self._walk(trade_id, floor_ms)
        if not whole and trade_id != FIRST and self._known_ms is None:
            raise VenueError(
                f"trades: {self._symbol} {trade_id} is no longer in the venue's list, what came after it may "
                "be missing; compare by hand and begin a new journal"
            )
        self._asked_ms = asked_ms
        self._offered = sorted(
            (trade for trade in trades if trade["id"] not in self._settled),
            key=lambda trade: (trade["timestamp"], trade["id"]),
        )
        return self._offered

    def _settle(self, trade_id: str) -> None:
        if trade_id not in self._settled and trade_id not in {trade["id"] for trade in self._offered}:
            self._settled, self._known_ms = {trade_id: 0}, None  # a start, or another journal
        elif not self._offered or self._offered[-1]["id"] == trade_id:
            self._settled |= {trade["id"]: trade["timestamp"] for trade in self._offered}
            self._known_ms = self._asked_ms
            oldest = self._known_ms - 2 * LATE_MS
            self._settled = {id_: at for id_, at in self._settled.items() if at > oldest or id_ == trade_id}

    async def _walk(self, trade_id: str, floor_ms: int) -> tuple[list[Trade], bool]:
        """Trades back to the floor, and whether the wanted one was among them."""
        found: dict[str, Trade] = {}
        seen = False
        async for page in self._pages(self._exchange, self._symbol, floor_ms):
            found |= {trade["id"]: trade for trade in page}
            if not seen and trade_id in found:
                seen, floor_ms = True, max(floor_ms, found[trade_id]["timestamp"] - OVERLAP_MS)
            if page and min(trade["timestamp"] for trade in page) < floor_ms:
                break
        return [trade for trade in found.values() if trade["timestamp"] >= floor_ms], seen

    async def _newest(self) -> list[Trade]:
        async for page in self._pages(self._exchange, self._symbol, now_ms() - HORIZON_MS):
            if page:
                return [max(page, key=lambda trade: (trade["timestamp"], trade["id"]))]
        return []


async def _kraken(exchange: Any, symbol: str, floor_ms: int) -> Pages:
    offset = 0
    while True:
        # Of all symbols; new trades move the offsets, so that pages overlap and nothing is skipped.
        asked = {"ofs": offset, "start": floor_ms // 1_000, "consolidate_taker": "false"}
        rows = part(await exchange.privatePostTradesHistory(asked), dict, "result", "trades")
        if not rows:
            return
        offset += len(rows)
        yield _parsed(exchange, symbol, [{**row, "id": trade_id} for trade_id, row in rows.items()])


async def _krakenfutures(exchange: Any, symbol: str, floor_ms: int) -> Pages:
    asked: dict[str, Any] = {}
    seen: set[str] = set()
    while True:
        # Of all symbols; the 100 before a moment. One millisecond is asked for twice, it may hold several.
        rows = part(await exchange.privateGetFills(asked), list, "fills")
        new = [row for row in rows if row.get("fill_id") not in seen]
        if not new:
            return
        seen |= {row.get("fill_id") for row in new}
        yield _parsed(exchange, symbol, new)
        oldest_ms = min(_time(exchange.parse8601(row.get("fillTime"))) for row in new)
        if oldest_ms < floor_ms:
            return
        asked = {"lastFillTime": exchange.iso8601(oldest_ms + 1)}


async def _bybit(exchange: Any, symbol: str, floor_ms: int) -> Pages:
    market = exchange.market(symbol)
    window_ms = 7 * 86_400_000  # the longest that one request may ask for
    until_ms = now_ms() + OVERLAP_MS
    while until_ms > floor_ms:
        asked = {
            "category": market["type"],
            "symbol": market["id"],
            "execType": "Trade",
            "limit": 100,
            "startTime": until_ms - window_ms,
            "endTime": until_ms,
        }
        while True:
            answer = await exchange.privateGetV5ExecutionList(asked)
            yield _parsed(exchange, symbol, part(answer, list, "result", "list"))
            cursor = answer["result"].get("nextPageCursor")
            if not cursor:
                break
            asked["cursor"] = cursor
        until_ms -= window_ms


async def _okx(exchange: Any, symbol: str, floor_ms: int) -> Pages:
    market = exchange.market(symbol)
    asked = {"instType": market["type"].upper(), "instId": market["id"], "limit": 100}
    while True:
        rows = part(await exchange.privateGetTradeFillsHistory(asked), list, "data")
        yield _parsed(exchange, symbol, rows)
        if len(rows) < 100:
            return
        asked["after"] = rows[-1].get("billId")


async def _coinbase(exchange: Any, symbol: str, floor_ms: int) -> Pages:
    asked = {"product_id": exchange.market(symbol)["id"], "limit": 100}
    while True:
        answer = await exchange.v3PrivateGetBrokerageOrdersHistoricalFills(asked)
        yield _parsed(exchange, symbol, part(answer, list, "fills"))
        if not answer.get("cursor"):
            return
        asked["cursor"] = answer["cursor"]


def _parsed(exchange: Any, symbol: str, rows: list[Any]) -> list[Trade]:
    """The symbol's trades of a page, in ccxt's form."""
    market = exchange.market(symbol)
    # A row's own symbol counts: given a market, ccxt would call every trade by that one.
    trades = [exchange.parse_trade(row, None if _names_market(row) else market) for row in rows]
    for trade in trades:
        if not trade["id"] or not trade["timestamp"] or not trade["symbol"]:
            raise OddAnswerError(f"trade {trade['id']!r} has no id, time or symbol")
    return [trade for trade in trades if trade["symbol"] == symbol]


def _names_market(row: Any) -> bool:
    return isinstance(row, dict) and any(row.get(key) for key in ("pair", "symbol", "instId", "product_id"))


def _time(value: int | None) -> int:
    if value is None:
        raise OddAnswerError("a trade without a time")
    return value


_PAGES: dict[str, Callable[[Any, str, int], Pages]] = {
    "kraken": _kraken,
    "krakenfutures": _krakenfutures,
    "bybit": _bybit,
    "okx": _okx,
    "coinbase": _coinbase,
}
