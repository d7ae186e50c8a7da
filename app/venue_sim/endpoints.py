"""What clients can ask: every operation with its name, parameters, weight and security.

The names are those of the venue's WebSocket API; faults and the record use them for REST too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from venue_sim import dialect, errors, trading
from venue_sim.exchange import Market
from venue_sim.model import SPOT, Account, money
from venue_sim.parameters import SYMBOL, Parameters
from venue_sim.venue import Venue

Run = Callable[[Venue, Account, Parameters, int], Any]
PublicRun = Callable[[Venue, Parameters, int], Any]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One operation.

    Attributes:
        name: as in the WebSocket API.
        rest: method and path, None when there is only the WebSocket API.
        parameters: names that it reads.
        weight: request weight, or a function of the parameters.
        signed: the handler of a signed request (venue, account, parameters, time in ms -> result).
        public: the handler of any other (venue, parameters, time in ms -> result).
        places_order: counted against the account's order limits.
        key_only: `signed`, but the API key is enough.
        market: "spot" or "usdm", for the record.
        rest_only: not an operation of the WebSocket API; its name is the emulator's own.
    """

    name: str
    rest: tuple[str, str] | None
    parameters: frozenset[str]
    weight: int | Callable[[Parameters], int]
    signed: Run | None = None
    public: PublicRun | None = None
    places_order: bool = False
    key_only: bool = False
    market: str = SPOT
    rest_only: bool = False

    def weigh(self, parameters: Parameters) -> int:
        """Request weight of one call."""
        return self.weight if isinstance(self.weight, int) else self.weight(parameters)


def _ping(_venue: Venue, _parameters: Parameters, _now_ms: int) -> Any:
    return {}


def _time(_venue: Venue, _parameters: Parameters, now_ms: int) -> Any:
    return {"serverTime": now_ms}


def _exchange_info(venue: Venue, parameters: Parameters, now_ms: int) -> Any:
    wanted = parameters.optional("symbol", SYMBOL)
    listed = parameters.get("symbols")
    if wanted:
        markets = [venue.exchange.market(wanted)]
    elif listed:
        markets = [venue.exchange.market(name) for name in _symbol_list(listed)]
    else:
        markets = list(venue.exchange.markets.values())
    return {
        "timezone": "UTC",
        "serverTime": now_ms,
        "rateLimits": venue.limits.describe(),
        "exchangeFilters": [],
        "symbols": [dialect.symbol_info(market.rules) for market in markets],
    }


def _depth(venue: Venue, parameters: Parameters, _now_ms: int) -> Any:
    market = venue.exchange.market(parameters.symbol())
    return dialect.depth(market, parameters.limit(100, 5000))


def _depth_weight(parameters: Parameters) -> int:
    value = parameters.get("limit") or "100"
    limit = int(value) if value.isascii() and value.isdigit() else 100
    return 5 if limit <= 100 else 25 if limit <= 500 else 50 if limit <= 1000 else 250


def _trades(venue: Venue, parameters: Parameters, _now_ms: int) -> Any:
    market = venue.exchange.market(parameters.symbol())
    limit = parameters.limit(500, 1000)
    return [dialect.public_trade(trade) for trade in list(market.trades)[-limit:]]


def _aggregate_trades(venue: Venue, parameters: Parameters, _now_ms: int) -> Any:
    """Every trade is an aggregate of its own here."""
    market = venue.exchange.market(parameters.symbol())
    first_id = parameters.integer("fromId")
    start_ms, end_ms = parameters.integer("startTime"), parameters.integer("endTime")
    limit = parameters.limit(500, 1000)
    found = [
        trade
        for trade in market.trades
        if (first_id is None or trade.trade_id >= first_id)
        and (start_ms is None or trade.time_ms >= start_ms)
        and (end_ms is None or trade.time_ms <= end_ms)
    ]
    newest = first_id is None and start_ms is None
    return [dialect.aggregate_trade(trade) for trade in (found[-limit:] if newest else found[:limit])]


def _per_symbol(
    render: Callable[[Market, int], Any],
) -> PublicRun:
    def run(venue: Venue, parameters: Parameters, now_ms: int) -> Any:
        name = parameters.optional("symbol", SYMBOL)
        if name:
            return render(venue.exchange.market(name), now_ms)
        listed = parameters.get("symbols")
        names = _symbol_list(listed) if listed else list(venue.exchange.markets)
        return [render(venue.exchange.market(name), now_ms) for name in names]

    return run


def _ticker_price(market: Market, _now_ms: int) -> Any:
    return {"symbol": market.rules.symbol, "price": money(market.last_price)}


def _ticker_book(market: Market, _now_ms: int) -> Any:
    bid, bid_quantity, ask, ask_quantity = dialect.best(market)
    return {
        "symbol": market.rules.symbol,
        "bidPrice": bid,
        "bidQty": bid_quantity,
        "askPrice": ask,
        "askQty": ask_quantity,
    }


def _symbol_list(value: str) -> list[str]:
    names = [name.strip().strip('"') for name in value.strip("[] ").split(",")]
    if not all(names):
        raise errors.VenueError(-1100, "Illegal characters found in parameter 'symbols'.")
    return names


def _with_symbol(one: int, every: int) -> Callable[[Parameters], int]:
    return lambda parameters: one if parameters.get("symbol") else every


def _names(text: str = "") -> frozenset[str]:
    return frozenset(text.split())


_ORDER = _names(
    "symbol side type timeInForce quantity quoteOrderQty price newClientOrderId newOrderRespType "
    "selfTradePreventionMode strategyId strategyType stopPrice trailingDelta icebergQty"
)
_ONE_ORDER = _names("symbol orderId origClientOrderId")
_TICKER = _names("symbol symbols type symbolStatus")
_INFO = _names("symbol symbols permissions showPermissionSets symbolStatus")

ENDPOINTS: tuple[Endpoint, ...] = (
    Endpoint("ping", ("GET", "/api/v3/ping"), _names(), 1, public=_ping),
    Endpoint("time", ("GET", "/api/v3/time"), _names(), 1, public=_time),
    Endpoint("exchangeInfo", ("GET", "/api/v3/exchangeInfo"), _INFO, 20, public=_exchange_info),
    Endpoint(
        "depth", ("GET", "/api/v3/depth"), _names("symbol limit symbolStatus"), _depth_weight, public=_depth
    ),
    Endpoint(
        "trades.aggregate", ("GET", "/api/v3/aggTrades"), _names("symbol fromId startTime endTime limit"), 4,
        public=_aggregate_trades,
    ),
    Endpoint("trades.recent", ("GET", "/api/v3/trades"), _names("symbol limit"), 25, public=_trades),
    Endpoint(
        "ticker.24hr", ("GET", "/api/v3/ticker/24hr"), _TICKER, _with_symbol(2, 80),
        public=_per_symbol(dialect.ticker),
    ),
    Endpoint(
        "ticker.price", ("GET", "/api/v3/ticker/price"), _TICKER, _with_symbol(2, 4),
        public=_per_symbol(_ticker_price),
    ),
    Endpoint(
        "ticker.book", ("GET", "/api/v3/ticker/bookTicker"), _TICKER, _with_symbol(2, 4),
        public=_per_symbol(_ticker_book),
    ),
    Endpoint("order.place", ("POST", "/api/v3/order"), _ORDER, 1, signed=trading.place, places_order=True),
    Endpoint(
        "order.test", ("POST", "/api/v3/order/test"), _ORDER | {"computeCommissionRates"}, 1,
        signed=trading.test,
    ),
    Endpoint("order.status", ("GET", "/api/v3/order"), _ONE_ORDER, 4, signed=trading.status),
    Endpoint(
        "order.cancel", ("DELETE", "/api/v3/order"),
        _ONE_ORDER | {"newClientOrderId", "cancelRestrictions"}, 1, signed=trading.cancel,
    ),
    Endpoint(
        "openOrders.cancelAll", ("DELETE", "/api/v3/openOrders"), _names("symbol"), 1,
        signed=trading.cancel_all,
    ),
    Endpoint(
        "openOrders.status", ("GET", "/api/v3/openOrders"), _names("symbol"), _with_symbol(6, 80),
        signed=trading.open_orders,
    ),
    Endpoint(
        "allOrders", ("GET", "/api/v3/allOrders"), _names("symbol orderId startTime endTime limit"), 20,
        signed=trading.all_orders,
    ),
    Endpoint(
        "myTrades", ("GET", "/api/v3/myTrades"), _names("symbol orderId startTime endTime fromId limit"),
        lambda parameters: 5 if parameters.get("orderId") else 20, signed=trading.my_trades,
    ),
    Endpoint(
        "account.status", ("GET", "/api/v3/account"), _names("omitZeroBalances"), 20, signed=trading.account
    ),
    Endpoint(
        "account.apiRestrictions", ("GET", "/sapi/v1/account/apiRestrictions"), _names(), 1,
        signed=trading.api_restrictions, rest_only=True,
    ),
)  # fmt: skip

BY_NAME = {endpoint.name: endpoint for endpoint in ENDPOINTS}
BY_ROUTE = {endpoint.rest: endpoint for endpoint in ENDPOINTS if endpoint.rest}
