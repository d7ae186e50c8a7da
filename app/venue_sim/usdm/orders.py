"""The operations on orders: place, query, cancel, list."""

from __future__ import annotations

from typing import Any

import orjson

from venue_sim.dialect import STP_MODE
from venue_sim.errors import (
    VenueError,
    mandatory,
    no_such_order,
    not_required,
    unknown_order,
)
from venue_sim.exchange import LIMIT, MARKET, NewOrder
from venue_sim.model import BUY, SELL, ZERO, Account, Order
from venue_sim.parameters import SYMBOL, Parameters
from venue_sim.trading import DAY_MS, find_fills, find_order, find_orders
from venue_sim.usdm import dialect, errors
from venue_sim.usdm.algo import TYPES
from venue_sim.usdm.exchange import REDUCE_ONLY
from venue_sim.usdm.venue import UsdmVenue

WEEK_MS = 7 * DAY_MS
ALL_CANCELLED = {"code": 200, "msg": "The operation of cancel all open order is done."}
LARGEST_BATCH = 5


def place(venue: UsdmVenue, account: Account, parameters: Parameters, now_ms: int) -> Any:
    """Place an order and answer as `newOrderRespType` asks."""
    new, response = _new_order(venue, parameters)
    venue.limits.check_orders(account.name, now_ms)
    order, _ = venue.exchange.place(account, new, now_ms)
    return dialect.new_order(order, response)


def place_batch(venue: UsdmVenue, account: Account, parameters: Parameters, now_ms: int) -> Any:
    """Place up to five orders, each by itself: an order or a refusal in place of each."""
    try:
        batch = orjson.loads(parameters.get("batchOrders") or "")
    except orjson.JSONDecodeError:
        raise mandatory("batchOrders") from None
    if not isinstance(batch, list) or not all(isinstance(wanted, dict) for wanted in batch):
        raise mandatory("batchOrders")
    if not 1 <= len(batch) <= LARGEST_BATCH:
        raise VenueError(-4082, "Invalid number of batch place orders.")
    answers: list[Any] = []
    for wanted in batch:
        one = Parameters(
            (name, str(value).lower() if isinstance(value, bool) else str(value))
            for name, value in wanted.items()
        )
        try:
            answers.append(place(venue, account, one, now_ms))
        except VenueError as refusal:
            answers.append({"code": refusal.code, "msg": refusal.message})
        else:
            venue.limits.count_order(account.name, now_ms)
    return answers


def test(venue: UsdmVenue, account: Account, parameters: Parameters, _now_ms: int) -> Any:
    """Check an order and place nothing."""
    new, _ = _new_order(venue, parameters)
    venue.exchange.check(account, new)
    return {}


def status(venue: UsdmVenue, account: Account, parameters: Parameters, _now_ms: int) -> Any:
    """One order by its id or its client id."""
    order = find_order(venue, account, parameters)
    if order is None:
        raise no_such_order()
    return dialect.order_status(order)


def open_order(venue: UsdmVenue, account: Account, parameters: Parameters, _now_ms: int) -> Any:
    """One order that is still open."""
    order = find_order(venue, account, parameters)
    if order is None or not order.is_open:
        raise no_such_order()
    return dialect.order_status(order)


def cancel(venue: UsdmVenue, account: Account, parameters: Parameters, now_ms: int) -> Any:
    """Cancel one order."""
    order = find_order(venue, account, parameters)
    if order is None or not order.is_open:
        raise unknown_order()
    venue.exchange.cancel(order, now_ms, order.client_order_id)
    return dialect.order(order)


def cancel_all(venue: UsdmVenue, account: Account, parameters: Parameters, now_ms: int) -> Any:
    """Cancel every open order of a contract; it is no error when there is none."""
    for order in _open(venue, account, parameters.symbol()):
        if order.is_open:
            venue.exchange.cancel(order, now_ms, order.client_order_id)
    return ALL_CANCELLED


def open_orders(venue: UsdmVenue, account: Account, parameters: Parameters, _now_ms: int) -> Any:
    """Open orders of a contract, or all."""
    found = _open(venue, account, parameters.optional("symbol", SYMBOL))
    return [dialect.order_status(order) for order in found]


def all_orders(venue: UsdmVenue, account: Account, parameters: Parameters, _now_ms: int) -> Any:
    """Orders of a contract: from an id or a time on, or the newest."""
    return [dialect.order_status(order) for order in find_orders(venue, account, parameters, WEEK_MS)]


def user_trades(venue: UsdmVenue, account: Account, parameters: Parameters, _now_ms: int) -> Any:
    """Fills of a contract: of an order, from a trade id or a time on, or the newest."""
    return [dialect.user_trade(fill) for fill in find_fills(venue, account, parameters, WEEK_MS)]


def countdown(venue: UsdmVenue, account: Account, parameters: Parameters, now_ms: int) -> Any:
    """Start the dead man's timer of a contract, or stop it with zero."""
    symbol = parameters.symbol()
    venue.exchange.market(symbol)
    countdown_ms = parameters.integer("countdownTime")
    if countdown_ms is None:
        raise mandatory("countdownTime")
    venue.countdowns.arm(account, symbol, countdown_ms, now_ms)
    return {"symbol": symbol, "countdownTime": str(countdown_ms)}


def truth(parameters: Parameters, name: str) -> bool:
    """A parameter that is "true" or "false"; absent is false.

    Raises:
        VenueError: -1130.
    """
    message = f"Data sent for parameter '{name}' is not valid."
    return (parameters.choice(name, -1130, message, "true", "false", "TRUE", "FALSE") or "").lower() == "true"


def side(parameters: Parameters) -> str:
    """The mandatory side, and the position side that one-way mode has."""
    found = parameters.choice("side", -1117, "Invalid side.", BUY, SELL)
    if found is None:
        raise mandatory("side")
    if (parameters.get("positionSide") or "BOTH") != "BOTH":
        raise errors.position_side_mismatch()
    for name, allowed in (("priceMatch", "NONE"), ("selfTradePreventionMode", STP_MODE)):
        if parameters.get(name, allowed) != allowed:
            raise VenueError(-1130, f"Data sent for parameter '{name}' is not valid.")
    return found


def time_in_force(parameters: Parameters) -> str | None:
    """How long an order stands."""
    return parameters.choice("timeInForce", -1115, "Invalid timeInForce.", "GTC", "IOC", "FOK", "GTX")


def _open(venue: UsdmVenue, account: Account, symbol: str | None) -> list[Order]:
    if symbol:
        venue.exchange.market(symbol)
    return [o for o in account.open_orders.values() if symbol in (None, o.rules.symbol)]


def _new_order(venue: UsdmVenue, parameters: Parameters) -> tuple[NewOrder, str]:
    """An order from its parameters, and the kind of answer wanted."""
    symbol = parameters.symbol()
    wanted_side = side(parameters)
    conditional = (*TYPES, "TRAILING_STOP_MARKET")
    kind = parameters.choice("type", -1116, "Invalid orderType.", LIMIT, MARKET, *conditional)
    if kind is None:
        raise mandatory("type")
    if kind in conditional or "stopPrice" in parameters or truth(parameters, "closePosition"):
        raise errors.use_algo_api()
    quantity, price, tif = (
        parameters.decimal("quantity"),
        parameters.decimal("price"),
        time_in_force(parameters),
    )
    if quantity is None:
        raise mandatory("quantity")
    if kind == MARKET:
        for name in ("timeInForce", "price"):
            if name in parameters:
                raise not_required(name)
    elif tif is None:
        raise mandatory("timeInForce")
    elif price is None:
        raise mandatory("price")
    response = parameters.choice("newOrderRespType", -1136, "Invalid newOrderRespType.", "ACK", "RESULT")
    new = NewOrder(
        symbol=symbol,
        side=wanted_side,
        type=kind,
        client_order_id=parameters.client_id("newClientOrderId") or venue.new_client_id(),
        time_in_force=tif or "GTC",
        quantity=quantity,
        price=price or ZERO,
        extra={REDUCE_ONLY: True} if truth(parameters, "reduceOnly") else None,
    )
    return new, response or "ACK"
