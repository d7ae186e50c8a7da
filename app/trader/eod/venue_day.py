"""The same day as the venue tells it."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from trader.eod.compare import Side
from trader.eod.journal_day import Bounds
from trader.model.values import Instrument
from trader.venue.gateway import Gateway
from trader.venue.interface import VenueError, describe
from trader.venue.request_errors import REQUEST_ERRORS

DEPTH = 5


@dataclass(frozen=True, slots=True)
class VenueDay:
    """What the venue says.

    Args:
        marks: mid price now, by symbol; none where there is no market.
    """

    side: Side
    instruments: dict[str, Instrument]
    marks: dict[str, Decimal]


async def ask(gateway: Gateway, bounds: Bounds, cursors: dict[str, str], mark_symbols: list[str]) -> VenueDay:
    """Ask for a day's trades and payments, and for what the account holds now.

    Args:
        cursors: the last trade before the day, by symbol.

    Raises:
        VenueError: a query failed; nothing is known then.
    """
    await gateway.connect()
    # What the account holds first: what comes after that is in the journal when that is read again.
    holdings = {**await gateway.balances(), **await gateway.positions()}
    open_orders = frozenset(report.client_id for report in await gateway.open_orders())
    fills = []
    for symbol in gateway.instruments:
        listed = await gateway.trades(symbol, cursors.get(symbol, "-1"))
        fills += [fill for fill in listed if bounds.has(fill.at_ms)]
    payments = [paid for paid in await gateway.payments(bounds.start) if bounds.has(paid.at_ms)]
    marks = {}
    for symbol in [*gateway.instruments, *mark_symbols]:
        if (mark := await _mark(gateway.exchange, symbol)) is not None:
            marks[symbol] = mark
    return VenueDay(Side(fills, payments, holdings, open_orders), gateway.instruments, marks)


async def _mark(exchange: Any, symbol: str) -> Decimal | None:
    try:
        book = await exchange.fetch_order_book(symbol, DEPTH)
        return (Decimal(str(book["bids"][0][0])) + Decimal(str(book["asks"][0][0]))) / 2
    except (IndexError, KeyError):
        return None  # nobody quotes: unknown, and never 0
    except REQUEST_ERRORS as error:
        raise VenueError(f"price of {symbol}: {describe(error)}") from error
