"""What clients can ask of the futures market. For faults and the record each name has "usdm." before it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from venue_sim.endpoints import Endpoint
from venue_sim.model import USDM
from venue_sim.parameters import Parameters
from venue_sim.usdm import account, conditional, market_data, orders
from venue_sim.usdm.venue import UsdmPublicRun, UsdmRun, public, signed
from venue_sim.ws_api import ENDPOINTS as SPOT_WS_API

Weight = int | Callable[[Parameters], int]

_ORDER = (
    "symbol side positionSide type timeInForce quantity reduceOnly price newClientOrderId newOrderRespType "
    "stopPrice closePosition activationPrice callbackRate workingType priceProtect priceMatch "
    "selfTradePreventionMode"
)
_ALGO = (
    "algoType symbol side positionSide type timeInForce quantity price triggerPrice workingType priceMatch "
    "closePosition priceProtect reduceOnly clientAlgoId selfTradePreventionMode newOrderRespType"
)
_ONE_ORDER = "symbol orderId origClientOrderId"
_PAGE = "symbol orderId startTime endTime limit"


def _make(name: str, route: str, names: str, weight: Weight, **kind: Any) -> Endpoint:
    method, _, path = route.partition(" ")
    rest = (method, f"/fapi/{path}") if route else None
    return Endpoint(f"{USDM}.{name}", rest, frozenset(names.split()), weight, market=USDM, **kind)


def _public(name: str, route: str, names: str, weight: Weight, run: UsdmPublicRun) -> Endpoint:
    return _make(name, route, names, weight, public=public(run))


def _signed(name: str, route: str, names: str, weight: Weight, run: UsdmRun, **kind: Any) -> Endpoint:
    return _make(name, route, names, weight, signed=signed(run), **kind)


def _with_symbol(one: int, every: int) -> Callable[[Parameters], int]:
    return lambda parameters: one if parameters.get("symbol") else every


_TICKER = market_data.per_symbol(market_data.ticker)
_PRICE = market_data.per_symbol(market_data.ticker_price)
_BOOK = market_data.per_symbol(market_data.ticker_book)
_MARK = market_data.per_symbol(market_data.premium_index)

ENDPOINTS: tuple[Endpoint, ...] = (
    _public("ping", "GET v1/ping", "", 1, lambda *_: {}),
    _public("time", "GET v1/time", "", 1, lambda _venue, _parameters, now_ms: {"serverTime": now_ms}),
    _public("exchangeInfo", "GET v1/exchangeInfo", "", 1, market_data.exchange_info),
    _public("depth", "GET v1/depth", "symbol limit", market_data.depth_weight, market_data.depth),
    _public("trades.recent", "GET v1/trades", "symbol limit", 5, market_data.trades),
    _public("trades.aggregate", "GET v1/aggTrades", "symbol limit", 20, market_data.aggregate_trades),
    _public("ticker.24hr", "GET v1/ticker/24hr", "symbol", _with_symbol(1, 40), _TICKER),
    _public("ticker.price", "GET v1/ticker/price", "symbol", _with_symbol(1, 2), _PRICE),
    _public("v2/ticker.price", "GET v2/ticker/price", "symbol", _with_symbol(1, 2), _PRICE),
    _public("ticker.book", "GET v1/ticker/bookTicker", "symbol", _with_symbol(2, 5), _BOOK),
    _public("premiumIndex", "GET v1/premiumIndex", "symbol", _with_symbol(1, 10), _MARK),
    _signed("order.place", "POST v1/order", _ORDER, 0, orders.place, places_order=True),
    _signed("order.test", "POST v1/order/test", _ORDER, 0, orders.test),
    _signed("order.status", "GET v1/order", _ONE_ORDER, 1, orders.status),
    _signed("order.cancel", "DELETE v1/order", _ONE_ORDER, 1, orders.cancel),
    _signed("batchOrders.place", "POST v1/batchOrders", "batchOrders", 5, orders.place_batch),
    _signed("allOpenOrders.cancel", "DELETE v1/allOpenOrders", "symbol", 1, orders.cancel_all),
    _signed("openOrders.status", "GET v1/openOrders", "symbol", _with_symbol(1, 40), orders.open_orders),
    _signed("openOrder.status", "GET v1/openOrder", _ONE_ORDER, 1, orders.open_order),
    _signed("allOrders", "GET v1/allOrders", _PAGE, 5, orders.all_orders),
    _signed("userTrades", "GET v1/userTrades", f"{_PAGE} fromId", 5, orders.user_trades),
    _signed("countdownCancelAll", "POST v1/countdownCancelAll", "symbol countdownTime", 10, orders.countdown),
    _signed("algoOrder.place", "POST v1/algoOrder", _ALGO, 0, conditional.place, places_order=True),
    _signed("algoOrder.status", "GET v1/algoOrder", "algoId clientAlgoId symbol", 1, conditional.status),
    _signed("algoOrder.cancel", "DELETE v1/algoOrder", "algoId clientAlgoId symbol", 1, conditional.cancel),
    _signed("algoOpenOrders.cancel", "DELETE v1/algoOpenOrders", "symbol", 1, conditional.cancel_all),
    _signed(
        "openAlgoOrders.status", "GET v1/openAlgoOrders", "algoType symbol algoId", _with_symbol(1, 40),
        conditional.open_orders,
    ),
    _signed(
        "allAlgoOrders", "GET v1/allAlgoOrders", "symbol algoId startTime endTime page limit", 5,
        conditional.all_orders,
    ),
    _signed("v2/account.status", "GET v2/account", "", 5, account.status(2)),
    _signed("v3/account.status", "GET v3/account", "", 5, account.status(3)),
    _signed("v2/account.balance", "GET v2/balance", "", 5, account.balance),
    _signed("v3/account.balance", "GET v3/balance", "", 5, account.balance),
    _signed("v2/account.position", "GET v2/positionRisk", "symbol", 5, account.position_risk(2)),
    _signed("v3/account.position", "GET v3/positionRisk", "symbol", 5, account.position_risk(3)),
    _signed("leverageBracket", "GET v1/leverageBracket", "symbol", 1, account.leverage_brackets),
    _signed("leverage", "POST v1/leverage", "symbol leverage", 1, account.set_leverage),
    _signed("positionSide.status", "GET v1/positionSide/dual", "", 30, account.position_mode),
    _signed(
        "positionSide.change", "POST v1/positionSide/dual", "dualSidePosition", 1,
        account.set_position_mode,
    ),
    _signed(
        "income", "GET v1/income", "symbol incomeType startTime endTime page limit", 30, account.income
    ),
    _signed("userDataStream.start", "POST v1/listenKey", "", 1, account.start_stream, key_only=True),
    _signed("userDataStream.ping", "PUT v1/listenKey", "listenKey", 1, account.keep_stream, key_only=True),
    _signed(
        "userDataStream.stop", "DELETE v1/listenKey", "listenKey", 1, account.close_stream, key_only=True
    ),
)  # fmt: skip

BY_ROUTE = {endpoint.rest: endpoint for endpoint in ENDPOINTS if endpoint.rest}

_BY_NAME = {endpoint.name.removeprefix(f"{USDM}."): endpoint for endpoint in ENDPOINTS}
_METHODS = (
    "depth", "ticker.price", "ticker.book", "order.place", "order.status", "order.cancel", "algoOrder.place",
    "algoOrder.cancel", "v2/account.status", "v2/account.balance", "v2/account.position",
    "userDataStream.start", "userDataStream.ping", "userDataStream.stop",
)  # fmt: skip

WS_API = {
    **{name: _BY_NAME[name] for name in _METHODS},
    "account.status": _BY_NAME["v2/account.status"],
    "account.balance": _BY_NAME["v2/account.balance"],
    "account.position": _BY_NAME["v2/account.position"],
    "session.status": SPOT_WS_API["session.status"],
}
"""The operations of the WebSocket API (/ws-fapi/v1) by method."""
