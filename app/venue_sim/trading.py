"""The operations of an account: place, query, cancel, list."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, TypeVar

from venue_sim import dialect, errors
from venue_sim.exchange import LIMIT, LIMIT_MAKER, MARKET, NewOrder
from venue_sim.model import BUY, NEW, PARTIALLY_FILLED, SELL, ZERO, Account, Fill, Order
from venue_sim.parameters import SYMBOL, Parameters
from venue_sim.venue import Venue

CONDITIONAL = ("STOP_LOSS", "STOP_LOSS_LIMIT", "TAKE_PROFIT", "TAKE_PROFIT_LIMIT")
DAY_MS = 86_400_000

T = TypeVar("T", Order, Fill)


def place(venue: Venue, account: Account, parameters: Parameters, now_ms: int) -> Any:
    """Place an order and answer as `newOrderRespType` asks."""
    new, response = _new_order(venue, parameters)
    venue.limits.check_orders(account.name, now_ms)
    order, fills = venue.exchange.place(account, new, now_ms)
    return dialect.new_order(order, fills, response)


def test(venue: Venue, account: Account, parameters: Parameters, _now_ms: int) -> Any:
    """Check an order and place nothing."""
    new, _ = _new_order(venue, parameters)
    venue.exchange.check(account, new)
    return {}


def status(venue: Venue, account: Account, parameters: Parameters, _now_ms: int) -> Any:
    """One order by its id or its client id."""
    order = find_order(venue, account, parameters)
    if order is None:
        raise errors.no_such_order()
    return dialect.order_status(order)


def cancel(venue: Venue, account: Account, parameters: Parameters, now_ms: int) -> Any:
    """Cancel one order."""
    order = find_order(venue, account, parameters)
    cancel_id = parameters.client_id("newClientOrderId") or venue.new_client_id()
    restriction = parameters.choice(
        "cancelRestrictions",
        -1145,
        "`cancelRestrictions` has to be either `ONLY_NEW` or `ONLY_PARTIALLY_FILLED`.",
        "ONLY_NEW",
        "ONLY_PARTIALLY_FILLED",
    )
    if order is None or not order.is_open:
        raise errors.unknown_order()
    if (
        restriction
        and order.status != {"ONLY_NEW": NEW, "ONLY_PARTIALLY_FILLED": PARTIALLY_FILLED}[restriction]
    ):
        raise errors.VenueError(-2011, "Order was not canceled due to cancel restrictions.")
    venue.exchange.cancel(order, now_ms, cancel_id)
    return dialect.cancelled(order, cancel_id)


def cancel_all(venue: Venue, account: Account, parameters: Parameters, now_ms: int) -> Any:
    """Cancel every open order of a symbol; none open is -2011."""
    symbol = parameters.symbol()
    venue.exchange.market(symbol)
    found = [order for order in account.open_orders.values() if order.rules.symbol == symbol]
    if not found:
        raise errors.unknown_order()
    answers = []
    for order in found:
        cancel_id = venue.new_client_id()
        venue.exchange.cancel(order, now_ms, cancel_id)
        answers.append(dialect.cancelled(order, cancel_id))
    return answers


def open_orders(venue: Venue, account: Account, parameters: Parameters, _now_ms: int) -> Any:
    """Open orders of a symbol, or all."""
    symbol = parameters.optional("symbol", SYMBOL)
    if symbol:
        venue.exchange.market(symbol)
    return [
        dialect.order_status(order)
        for order in account.open_orders.values()
        if symbol is None or order.rules.symbol == symbol
    ]


def all_orders(venue: Venue, account: Account, parameters: Parameters, _now_ms: int) -> Any:
    """Orders of a symbol: from an id or a time on, or the newest."""
    return [dialect.order_status(order) for order in find_orders(venue, account, parameters)]


def find_orders(
    venue: Venue, account: Account, parameters: Parameters, longest_ms: int = DAY_MS
) -> list[Order]:
    """The orders that an "all orders" request asks for."""
    symbol = parameters.symbol()
    venue.exchange.market(symbol)
    limit = parameters.limit(500, 1000)
    first_id = parameters.integer("orderId")
    start_ms, end_ms = _period(parameters, longest_ms)
    found = [
        order
        for order in account.orders.values()
        if order.rules.symbol == symbol
        and (first_id is None or order.order_id >= first_id)
        and (start_ms is None or order.created_ms >= start_ms)
        and (end_ms is None or order.created_ms <= end_ms)
    ]
    return _page(found, limit, newest=first_id is None and start_ms is None)


def my_trades(venue: Venue, account: Account, parameters: Parameters, _now_ms: int) -> Any:
    """Fills of a symbol: of an order, from a trade id or a time on, or the newest."""
    return [dialect.my_trade(fill) for fill in find_fills(venue, account, parameters)]


def find_fills(
    venue: Venue, account: Account, parameters: Parameters, longest_ms: int = DAY_MS
) -> list[Fill]:
    """The fills that a "my trades" request asks for."""
    symbol = parameters.symbol()
    venue.exchange.market(symbol)
    limit = parameters.limit(500, 1000)
    order_id = parameters.integer("orderId")
    first_id = parameters.integer("fromId")
    start_ms, end_ms = _period(parameters, longest_ms)
    found = [
        fill
        for fill in account.fills
        if fill.order.rules.symbol == symbol
        and (order_id is None or fill.order.order_id == order_id)
        and (first_id is None or fill.trade_id >= first_id)
        and (start_ms is None or fill.time_ms >= start_ms)
        and (end_ms is None or fill.time_ms <= end_ms)
    ]
    return _page(found, limit, newest=first_id is None and start_ms is None)


def account(venue: Venue, held: Account, parameters: Parameters, _now_ms: int) -> Any:
    """Balances and permissions."""
    invalid = "Data sent for parameter 'omitZeroBalances' is not valid."
    omit_zero = parameters.choice("omitZeroBalances", -1130, invalid, "true", "false")
    exchange = venue.exchange
    return dialect.account(held, exchange.maker_fee, exchange.taker_fee, omit_zero == "true")


def api_restrictions(venue: Venue, held: Account, parameters: Parameters, _now_ms: int) -> Any:
    """What the API key that came with the request may do."""
    assert venue.caller is not None
    return dialect.api_restrictions(held, venue.caller.key)


def _page(found: list[T], limit: int, newest: bool) -> list[T]:
    return found[-limit:] if newest else found[:limit]


def _period(parameters: Parameters, longest_ms: int) -> tuple[int | None, int | None]:
    start_ms, end_ms = parameters.integer("startTime"), parameters.integer("endTime")
    if start_ms is not None and end_ms is not None and end_ms - start_ms > longest_ms:
        hours = longest_ms // 3_600_000
        raise errors.VenueError(-1127, f"More than {hours} hours between startTime and endTime.")
    return start_ms, end_ms


def find_order(venue: Venue, account: Account, parameters: Parameters) -> Order | None:
    """The order that a request names; when it gives both ids, both must fit."""
    symbol = parameters.symbol()
    venue.exchange.market(symbol)
    order_id = parameters.integer("orderId")
    client_id = parameters.client_id("origClientOrderId")
    if order_id is None and client_id is None:
        raise errors.one_of_mandatory("origClientOrderId", "orderId")
    order = (
        account.orders.get(order_id) if order_id is not None else account.by_client_id.get(client_id or "")
    )
    if order is None or order.rules.symbol != symbol:
        return None
    if client_id is not None and order.client_order_id != client_id:
        return None
    return order


def _new_order(venue: Venue, parameters: Parameters) -> tuple[NewOrder, str]:
    """An order from its parameters, and the kind of answer wanted."""
    symbol = parameters.symbol()
    side = parameters.choice("side", -1117, "Invalid side.", BUY, SELL)
    if side is None:
        raise errors.mandatory("side")
    order_type = parameters.choice(
        "type", -1116, "Invalid orderType.", LIMIT, LIMIT_MAKER, MARKET, *CONDITIONAL
    )
    if order_type is None:
        raise errors.mandatory("type")
    if order_type in CONDITIONAL:
        kind = order_type.replace("_", " ").capitalize()
        raise errors.rejected(f"{kind} orders are not supported for this symbol.")
    quantity = parameters.decimal("quantity")
    quote_quantity = parameters.decimal("quoteOrderQty")
    price = parameters.decimal("price")
    tif = parameters.choice("timeInForce", -1115, "Invalid timeInForce.", "GTC", "IOC", "FOK")
    _check_combination(parameters, order_type, quantity, quote_quantity, price, tif)
    response = parameters.choice(
        "newOrderRespType", -1136, "Invalid newOrderRespType.", "ACK", "RESULT", "FULL"
    )
    mode = parameters.get("selfTradePreventionMode")
    if mode not in (None, dialect.STP_MODE):
        raise errors.VenueError(-1013, "This symbol does not allow the specified self-trade prevention mode.")
    client_id = parameters.client_id("newClientOrderId") or venue.new_client_id()
    tags = {name: parameters.integer(name) for name in ("strategyId", "strategyType") if name in parameters}
    if (tags.get("strategyType") or 1_000_000) < 1_000_000:
        raise errors.VenueError(-1134, "`strategyType` was less than 1000000.")
    new = NewOrder(
        symbol=symbol,
        side=side,
        type=order_type,
        client_order_id=client_id,
        time_in_force=tif or "GTC",
        quantity=quantity or ZERO,
        quote_quantity=quote_quantity or ZERO,
        price=price or ZERO,
        extra={name: value for name, value in tags.items() if value is not None} or None,
    )
    return new, response or ("ACK" if order_type == LIMIT_MAKER else "FULL")


def _check_combination(
    parameters: Parameters,
    order_type: str,
    quantity: Decimal | None,
    quote_quantity: Decimal | None,
    price: Decimal | None,
    tif: str | None,
) -> None:
    """Which parameters each order type needs, and which it refuses."""
    for name in ("stopPrice", "trailingDelta"):
        if name in parameters:
            raise errors.not_required(name)
    if "icebergQty" in parameters:
        raise errors.rejected("Iceberg orders are not supported for this symbol.")
    if order_type == MARKET:
        if tif is not None:
            raise errors.not_required("timeInForce")
        if price is not None:
            raise errors.not_required("price")
        if quantity is None and quote_quantity is None:
            raise errors.one_of_mandatory("quantity", "quoteOrderQty")
        if quantity is not None and quote_quantity is not None:
            raise errors.VenueError(-1128, "Combination of optional parameters invalid.")
        return
    if order_type == LIMIT and tif is None:
        raise errors.mandatory("timeInForce")
    if order_type == LIMIT_MAKER and tif is not None:
        raise errors.not_required("timeInForce")
    if quantity is None:
        raise errors.mandatory("quantity")
    if quote_quantity is not None:
        raise errors.not_required("quoteOrderQty")
    if price is None:
        raise errors.mandatory("price")
