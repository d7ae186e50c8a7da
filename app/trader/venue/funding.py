"""Funding payments of perpetuals, from each venue's own list: what fills do not explain of a wallet.

These are the requests of ccxt's unified `fetch_funding_history` and its `parse_income`, with two things that
it leaves out: pages, and a look at the answer's shape (it reads a missing list as "no payments"). The lists
are of the whole account: it is one host's alone.

Spot venues are not asked. Where no perpetual of ours is traded, a payment is somebody else's, and must stay a
difference.
"""

from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

from trader.model.values import Payment
from trader.venue.parse import OddAnswerError, part

PAGE = 1_000  # the most that Binance lists at once
KRAKEN_PAGE = 500

Row = dict[str, Any]


async def payments(exchange: Any, venue: str, since_ms: int) -> list[Payment]:
    """All payments from a time on (UTC ms, inclusive), oldest first; those of amount 0 are left out.

    Raises:
        Exception: what the requests raise; OddAnswerError when an answer cannot be read.
    """
    ask, size = _PAGES[venue]
    found: dict[tuple[str, str], Payment] = {}
    while True:
        rows = await ask(exchange, since_ms)
        page = [_read(exchange, row) for row in rows]
        found |= {payment.key: payment for payment in page}
        if len(rows) < size:
            listed = sorted(found.values(), key=lambda payment: (payment.at_ms, payment.key))
            return [payment for payment in listed if payment.amount]
        # From the last one's own millisecond: it may hold more than came.
        last_ms = max(payment.at_ms for payment in page)
        if last_ms <= since_ms:
            raise OddAnswerError(f"a page of {size} payments ends where it begins, at {last_ms}")
        since_ms = last_ms


async def _binanceusdm(exchange: Any, since_ms: int) -> list[Row]:
    asked = {"incomeType": "FUNDING_FEE", "startTime": since_ms, "limit": PAGE}
    return part(await exchange.fapiPrivateGetIncome(asked), list)


async def _krakenfutures(exchange: Any, since_ms: int) -> list[Row]:
    asked = {"info": "funding rate change", "since": since_ms, "sort": "asc", "count": KRAKEN_PAGE}
    return part(await exchange.historyGetAccountLog(asked), list, "logs")


# How a page is asked for, and how many it holds at most.
_PAGES: dict[str, tuple[Callable[[Any, int], Awaitable[list[Row]]], int]] = {
    "binanceusdm": (_binanceusdm, PAGE),
    "krakenfutures": (_krakenfutures, KRAKEN_PAGE),
}


def _read(exchange: Any, row: Any) -> Payment:
    income = exchange.parse_income(row) if isinstance(row, dict) else {}
    missing = [key for key in ("id", "symbol", "code", "timestamp", "amount") if income.get(key) is None]
    if missing:
        raise OddAnswerError(f"funding payment {income.get('id')!r} has no {', '.join(missing)}")
    try:
        amount = Decimal(str(income["amount"]))
    except ArithmeticError as error:
        raise OddAnswerError(f"funding payment {income['id']!r}: amount {income['amount']!r}") from error
    return Payment(str(income["symbol"]), str(income["id"]), income["code"], amount, int(income["timestamp"]))
