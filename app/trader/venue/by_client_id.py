"""An order found, or cancelled, by our id: each venue's own way.

"Not there" is said only by an answer of the right shape, and where a venue keeps open, ended and traded
orders in different places, only when all of them are asked, in the direction in which an order moves.
"""

from collections.abc import Awaitable, Callable
from typing import Any

from trader.model.orders import Order
from trader.venue.parse import OddAnswerError, part
from trader.venue.slim_ccxt import errors
from trader.venue.venues import Cancel, Lookup, VenueRule
from trader.venue.wire_ids import same_on_wire

EARLIER_MS = 60_000  # lists that begin at an order's time begin this much before it, for the clocks' sake
PAGE = 250


async def find(exchange: Any, rule: VenueRule, order: Order, wire_id: str) -> dict[str, Any] | None:
    """ccxt's form of the order; None when the venue has answered and has no such order.

    Raises:
        OddAnswerError: an answer cannot be read, or shows a trace of the order without its state.
        Exception: what the requests raise; OrderNotFound is one more way to say "not there".
    """
    return await _WAYS[rule.lookup](exchange, rule, order, wire_id)


async def cancel(exchange: Any, rule: VenueRule, order: Order, wire_id: str) -> dict[str, Any]:
    """Ask once for a cancel; the answer in ccxt's form, which holds the order only for `Cancel.STATE`.

    Raises:
        Exception: what the requests raise.
    """
    if rule.cancel is Cancel.TAKEN_BY_VENUE_ID:
        return await _cancel_by_venue_id(exchange, rule, order, wire_id)
    if rule.id == "krakenfutures":
        return await _cancel_krakenfutures(exchange, rule, wire_id)
    answer: dict[str, Any] = await exchange.cancel_order(None, order.symbol, {rule.cancel_by: wire_id})
    return answer


async def _cancel_by_venue_id(exchange: Any, rule: VenueRule, order: Order, wire_id: str) -> dict[str, Any]:
    venue_id = order.venue_order_id
    if venue_id is None:
        found = await find(exchange, rule, order, wire_id)
        if found is None:
            raise errors.OrderNotFound(f"{rule.id} has no order {wire_id}")
        venue_id = found["id"]
    answer: dict[str, Any] = await exchange.cancel_order(venue_id, order.symbol)
    return answer


async def _cancel_krakenfutures(exchange: Any, rule: VenueRule, wire_id: str) -> dict[str, Any]:
    # cancel_order would send order_id=None beside our id.
    answer = await exchange.privatePostCancelorder({rule.cancel_by: wire_id})
    status = part(answer, dict, "cancelStatus")
    exchange.verify_order_action_success(status.get("status"), "cancelOrder")
    order: dict[str, Any] = exchange.parse_order(status)
    return order


async def _query(exchange: Any, rule: VenueRule, order: Order, wire_id: str) -> dict[str, Any] | None:
    answer: dict[str, Any] = await exchange.fetch_order(None, order.symbol, {rule.lookup_by: wire_id})
    return answer


async def _open_then_closed(
    exchange: Any, rule: VenueRule, order: Order, wire_id: str
) -> dict[str, Any] | None:
    places = ((exchange.privatePostOpenOrders, "open"), (exchange.privatePostClosedOrders, "closed"))
    for method, name in places:
        answer = await method({rule.lookup_by: wire_id})
        for venue_id, row in part(answer, dict, "result", name).items():
            if same_on_wire(row.get(rule.names), wire_id, rule.form):
                found: dict[str, Any] = exchange.parse_order({**row, "id": venue_id})
                return found
    return None


async def _status_then_history(
    exchange: Any, rule: VenueRule, order: Order, wire_id: str
) -> dict[str, Any] | None:
    # The venue documents POST, ccxt has GET alone; and a list of one id would go out as "['id']".
    answer = await exchange.request("orders/status", ["private"], "POST", {rule.lookup_by: wire_id})
    for row in part(answer, list, "orders"):
        if part(row, dict, "order").get(rule.names) == wire_id:
            found: dict[str, Any] = exchange.parse_order(row)
            return found
    ended = await _history(exchange, order, wire_id)
    if ended is not None:
        return ended
    fills = part(await exchange.privateGetFills(), list, "fills")
    if any(fill.get(rule.names) == wire_id for fill in fills):
        raise OddAnswerError(f"order {wire_id} has fills and is in no list of orders yet")
    return None


async def _history(exchange: Any, order: Order, wire_id: str) -> dict[str, Any] | None:
    """Kraken Futures tells an ended order by its events; the last one is how it ended."""
    asked = {"since": order.created_ns // 1_000_000 - EARLIER_MS, "sort": "asc"}
    last: dict[str, Any] | None = None
    token = None
    while True:
        more: dict[str, Any] = {} if token is None else {"continuation_token": token}
        answer = await exchange.historyGetOrders(asked | more)
        for row in part(answer, list, "elements"):
            for kind, event in part(row, dict, "event").items():
                state = event.get("newOrder") or event.get("order") or {}
                if state.get("clientId") == wire_id:
                    last = {"kind": kind, "reason": event.get("reason"), "state": state}
        token = answer.get("continuationToken")
        if not token:
            return None if last is None else _ended(order, last)


def _ended(order: Order, last: dict[str, Any]) -> dict[str, Any]:
    status = {"OrderCancelled": "canceled", "OrderRejected": "rejected"}.get(last["kind"])
    if last["kind"] == "OrderUpdated" and last["reason"] == "full_fill":
        status = "closed"
    if status is None:
        raise OddAnswerError(f"the history does not show yet how order {last['state'].get('uid')} ended")
    return {
        "id": last["state"].get("uid"),
        "clientOrderId": last["state"].get("clientId"),
        "symbol": order.symbol,
        "status": status,
        "filled": last["state"].get("filled"),
    }


async def _realtime_then_history(
    exchange: Any, rule: VenueRule, order: Order, wire_id: str
) -> dict[str, Any] | None:
    market = exchange.market(order.symbol)
    asked = {"category": rule.market.value, "symbol": market["id"], rule.lookup_by: wire_id}
    places: tuple[tuple[Any, dict[str, int]], ...] = (
        (exchange.privateGetV5OrderRealtime, {"openOnly": 0}),
        (exchange.privateGetV5OrderRealtime, {"openOnly": 1}),  # ended not long ago
        (exchange.privateGetV5OrderHistory, {}),
    )
    for method, more in places:
        for row in part(await method(asked | more), list, "result", "list"):
            if row.get(rule.names) == wire_id:
                found: dict[str, Any] = exchange.parse_order(row, market)
                return found
    fills = part(await exchange.privateGetV5ExecutionList(asked), list, "result", "list")
    if any(fill.get(rule.names) == wire_id for fill in fills):
        raise OddAnswerError(f"order {wire_id} has fills and is in no list of orders yet")
    return None


async def _list_and_filter(
    exchange: Any, rule: VenueRule, order: Order, wire_id: str
) -> dict[str, Any] | None:
    market = exchange.market(order.symbol)
    found: dict[str, Any]
    if order.venue_order_id is not None:
        answer = await exchange.v3PrivateGetBrokerageOrdersHistoricalOrderId(
            {"order_id": order.venue_order_id}
        )
        found = exchange.parse_order(part(answer, dict, "order"), market)
        return found
    asked = {
        "product_id": market["id"],
        "start_date": exchange.iso8601(order.created_ns // 1_000_000 - EARLIER_MS),
        "limit": PAGE,
    }
    while True:
        answer = await exchange.v3PrivateGetBrokerageOrdersHistoricalBatch(asked)
        for row in part(answer, list, "orders"):
            if row.get(rule.names) == wire_id:
                found = exchange.parse_order(row, market)
                return found
        if not answer.get("cursor"):
            return None
        asked["cursor"] = answer["cursor"]


_Way = Callable[[Any, VenueRule, Order, str], Awaitable[dict[str, Any] | None]]
_WAYS: dict[Lookup, _Way] = {
    Lookup.QUERY: _query,
    Lookup.OPEN_THEN_CLOSED: _open_then_closed,
    Lookup.STATUS_THEN_HISTORY: _status_then_history,
    Lookup.REALTIME_THEN_HISTORY: _realtime_then_history,
    Lookup.LIST_AND_FILTER: _list_and_filter,
}
