"""The operations on an account: balances, positions, leverage, income, listen keys."""

from __future__ import annotations

from typing import Any

from venue_sim.errors import VenueError, mandatory
from venue_sim.model import Account
from venue_sim.parameters import SYMBOL, Parameters
from venue_sim.usdm import dialect, errors
from venue_sim.usdm.orders import truth
from venue_sim.usdm.venue import UsdmRun, UsdmVenue


def status(version: int) -> UsdmRun:
    """The account with its wallet and positions."""
    return lambda venue, account, _parameters, _now_ms: dialect.account(venue.exchange, account, version)


def balance(venue: UsdmVenue, account: Account, _parameters: Parameters, _now_ms: int) -> Any:
    """The wallet."""
    return [dialect.balance(account, venue.exchange.margin(account))]


def position_risk(version: int) -> UsdmRun:
    """Positions with their mark prices."""

    def run(venue: UsdmVenue, account: Account, parameters: Parameters, _now_ms: int) -> Any:
        symbol = parameters.optional("symbol", SYMBOL)
        if symbol:
            venue.exchange.market(symbol)
        return dialect.position_risk(venue.exchange, account, version, symbol)

    return run


def leverage_brackets(venue: UsdmVenue, _account: Account, parameters: Parameters, _now_ms: int) -> Any:
    """Leverage by notional value: one bracket."""
    symbol = parameters.optional("symbol", SYMBOL)
    markets = [venue.exchange.market(symbol)] if symbol else venue.exchange.markets.values()
    return [dialect.leverage_bracket(market.rules) for market in markets]


def set_leverage(venue: UsdmVenue, account: Account, parameters: Parameters, _now_ms: int) -> Any:
    """Choose the leverage of a contract; refused when the margin would not do for what is open."""
    symbol = parameters.symbol()
    venue.exchange.market(symbol)
    leverage = parameters.integer("leverage")
    if leverage is None:
        raise mandatory("leverage")
    if not 1 <= leverage <= dialect.HIGHEST_LEVERAGE:
        raise errors.leverage_invalid(leverage)
    exposure = venue.exchange.exposures(account)[symbol]
    more = exposure.initial(leverage) - exposure.initial(venue.exchange.leverage(account, symbol))
    if more > 0 and more > venue.exchange.margin(account).left:
        raise VenueError(-2028, "Leverage is smaller than permitted: insufficient margin balance.")
    venue.exchange.leverages[account.name, symbol] = leverage
    venue.record.leverage(account, symbol, leverage)
    return {"symbol": symbol, "leverage": leverage, "maxNotionalValue": str(dialect.NOTIONAL_CAP)}


def position_mode(_venue: UsdmVenue, _account: Account, _parameters: Parameters, _now_ms: int) -> Any:
    """One-way mode."""
    return {"dualSidePosition": False}


def set_position_mode(_venue: UsdmVenue, _account: Account, parameters: Parameters, _now_ms: int) -> Any:
    """One-way mode is all there is."""
    if "dualSidePosition" not in parameters:
        raise mandatory("dualSidePosition")
    raise errors.method_not_allowed() if truth(parameters, "dualSidePosition") else errors.side_unchanged()


def income(venue: UsdmVenue, account: Account, parameters: Parameters, now_ms: int) -> Any:
    """What fills and funding brought and cost, oldest first. An id is unique among those of its type."""
    symbol = parameters.optional("symbol", SYMBOL)
    kind = parameters.get("incomeType")
    start_ms, end_ms = parameters.integer("startTime"), parameters.integer("endTime")
    limit = parameters.limit(100, 1000)
    entries = [row for fill in account.fills for row in dialect.income(fill)]
    entries += [dialect.funding_fee(payment) for payment in venue.exchange.fundings.of(account, now_ms)]
    rows = [
        row
        for row in sorted(entries, key=lambda row: row["time"])
        if symbol in (None, row["symbol"])
        and (start_ms is None or row["time"] >= start_ms)
        and (end_ms is None or row["time"] <= end_ms)
        and kind in (None, row["incomeType"])
    ]
    return rows[-limit:] if start_ms is None else rows[:limit]


def start_stream(venue: UsdmVenue, account: Account, _parameters: Parameters, now_ms: int) -> Any:
    """A listen key, new or renewed."""
    assert venue.caller is not None
    return {"listenKey": venue.listen_keys.start(account, now_ms, venue.caller.key.name)}


def keep_stream(venue: UsdmVenue, account: Account, _parameters: Parameters, now_ms: int) -> Any:
    """Renew the listen key."""
    return {"listenKey": venue.listen_keys.renew(account, now_ms)}


def close_stream(venue: UsdmVenue, account: Account, _parameters: Parameters, _now_ms: int) -> Any:
    """End the listen key."""
    venue.listen_keys.close(account)
    return {}
