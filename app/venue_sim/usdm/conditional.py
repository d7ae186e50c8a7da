"""The operations on conditional orders: the algo API."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from venue_sim.errors import (
    VenueError,
    mandatory,
    no_such_order,
    not_required,
    one_of_mandatory,
    unknown_order,
)
from venue_sim.model import ZERO, Account
from venue_sim.parameters import SYMBOL, Parameters
from venue_sim.usdm import checks, dialect, errors
from venue_sim.usdm.algo import CONTRACT_PRICE, MARK_PRICE, MARKET_TYPES, TYPES, AlgoOrder
from venue_sim.usdm.orders import ALL_CANCELLED, side, time_in_force, truth
from venue_sim.usdm.venue import UsdmVenue


def place(venue: UsdmVenue, account: Account, parameters: Parameters, now_ms: int) -> Any:
    """Let a conditional order wait for its price."""
    algo = _new_algo(venue, account, parameters, now_ms)
    venue.limits.check_orders(account.name, now_ms)
    venue.exchange.desk.place(algo, now_ms)
    return _shown(algo)


def status(venue: UsdmVenue, account: Account, parameters: Parameters, _now_ms: int) -> Any:
    """One conditional order by its id or its client id."""
    algo = _find(venue, account, parameters)
    if algo is None:
        raise no_such_order()
    return _shown(algo)


def cancel(venue: UsdmVenue, account: Account, parameters: Parameters, now_ms: int) -> Any:
    """Cancel one that waits."""
    algo = _find(venue, account, parameters)
    if algo is None or algo not in venue.exchange.desk.waiting(account):
        raise unknown_order()
    venue.exchange.desk.cancel(algo, now_ms)
    return {"algoId": algo.algo_id, "clientAlgoId": algo.client_algo_id, "code": "200", "msg": "success"}


def cancel_all(venue: UsdmVenue, account: Account, parameters: Parameters, now_ms: int) -> Any:
    """Cancel every one of a contract that waits."""
    symbol = parameters.symbol()
    venue.exchange.market(symbol)
    for algo in venue.exchange.desk.waiting(account, symbol):
        venue.exchange.desk.cancel(algo, now_ms)
    return ALL_CANCELLED


def open_orders(venue: UsdmVenue, account: Account, parameters: Parameters, _now_ms: int) -> Any:
    """Those that wait, of a contract or all."""
    symbol = parameters.optional("symbol", SYMBOL)
    algo_id = parameters.integer("algoId")
    found = venue.exchange.desk.waiting(account, symbol)
    return [_shown(algo) for algo in found if algo_id in (None, algo.algo_id)]


def all_orders(venue: UsdmVenue, account: Account, parameters: Parameters, _now_ms: int) -> Any:
    """Those of a contract, from an id or a time on, or the newest."""
    symbol = parameters.symbol()
    limit = parameters.limit(500, 1000)
    first_id, start_ms = parameters.integer("algoId"), parameters.integer("startTime")
    end_ms = parameters.integer("endTime")
    found = [
        algo
        for algo in venue.exchange.desk.orders.values()
        if algo.account is account
        and algo.symbol == symbol
        and (first_id is None or algo.algo_id >= first_id)
        and (start_ms is None or algo.created_ms >= start_ms)
        and (end_ms is None or algo.created_ms <= end_ms)
    ]
    newest = first_id is None and start_ms is None
    return [_shown(algo) for algo in (found[-limit:] if newest else found[:limit])]


def _shown(algo: AlgoOrder) -> Any:
    became = algo.account.orders.get(algo.order_id) if algo.order_id is not None else None
    return dialect.algo_order(algo, became)


def _find(venue: UsdmVenue, account: Account, parameters: Parameters) -> AlgoOrder | None:
    desk = venue.exchange.desk
    algo_id, client_id = parameters.integer("algoId"), parameters.client_id("clientAlgoId")
    if algo_id is None and client_id is None:
        raise one_of_mandatory("algoId", "clientAlgoId")
    algo = (
        desk.orders.get(algo_id)
        if algo_id is not None
        else desk.by_client_id.get((account.name, client_id or ""))
    )
    if algo is None or algo.account is not account or client_id not in (None, algo.client_algo_id):
        return None
    return algo


def _new_algo(venue: UsdmVenue, account: Account, parameters: Parameters, now_ms: int) -> AlgoOrder:
    symbol = parameters.symbol()
    rules = venue.exchange.market(symbol).rules
    wanted_side = side(parameters)
    if parameters.get("algoType") != "CONDITIONAL":
        raise mandatory("algoType")
    kind = parameters.choice("type", -1116, "Invalid orderType.", *TYPES)
    if kind is None:
        raise mandatory("type")
    trigger = parameters.decimal("triggerPrice")
    if trigger is None:
        raise mandatory("triggerPrice")
    checks.check_price(rules, trigger)
    price = parameters.decimal("price")
    if kind in MARKET_TYPES:
        if price is not None:
            raise not_required("price")
    else:
        if price is None:
            raise mandatory("price")
        checks.check_price(rules, price)
    message = "Data sent for parameter 'workingType' is not valid."
    return AlgoOrder(
        algo_id=venue.exchange.desk.next_id,
        account=account,
        symbol=symbol,
        client_algo_id=parameters.client_id("clientAlgoId") or venue.new_client_id(),
        side=wanted_side,
        type=kind,
        time_in_force=time_in_force(parameters) or "GTC",
        quantity=_quantity(venue, symbol, parameters, kind),
        price=price or ZERO,
        trigger_price=trigger,
        working_type=parameters.choice("workingType", -1130, message, CONTRACT_PRICE, MARK_PRICE)
        or CONTRACT_PRICE,
        reduce_only=truth(parameters, "reduceOnly"),
        close_position=truth(parameters, "closePosition"),
        created_ms=now_ms,
        updated_ms=now_ms,
    )


def _quantity(venue: UsdmVenue, symbol: str, parameters: Parameters, kind: str) -> Decimal:
    quantity = parameters.decimal("quantity")
    if truth(parameters, "closePosition"):
        if kind not in MARKET_TYPES:
            raise VenueError(-4136, f"Target strategy invalid for orderType {kind},closePosition true")
        if quantity:
            raise errors.close_with_quantity()
        if "reduceOnly" in parameters:
            raise errors.close_with_reduce_only()
        return ZERO
    if quantity is None:
        raise mandatory("quantity")
    checks.check_quantity(venue.exchange.market(symbol).rules, quantity)
    return quantity
