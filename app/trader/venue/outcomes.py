"""What an answer, or the lack of one, proves about a new order.

Source: ccxt 4.5.90 run against an emulated Binance, every failure one by one. The exception's class is
not enough: a truncated answer is a plain ExchangeError though the order is live, and HTTP 200 with HTML
returns a normal order without an id. What is not listed here is UNKNOWN, because UNKNOWN costs a query
and a wrong guess costs money.
"""

import re
import socket
from collections.abc import Iterator
from enum import StrEnum
from typing import Any

import aiohttp

from trader.venue.slim_ccxt import errors as ccxt_errors


class Outcome(StrEnum):
    ACKNOWLEDGED = "acknowledged"
    NOT_PLACED = "not_placed"  # provably not: refused, or never sent
    PLACED_BEFORE = "placed_before"  # the venue knows this client id already: adopt it
    UNKNOWN = "unknown"  # freeze the id and ask


_NEVER_SENT = (socket.gaierror, aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)
_REFUSED = (
    ccxt_errors.InvalidNonce,
    ccxt_errors.AuthenticationError,
    ccxt_errors.BadSymbol,
    ccxt_errors.BadRequest,
    ccxt_errors.ArgumentsRequired,
    ccxt_errors.NotSupported,
    ccxt_errors.InsufficientFunds,
    ccxt_errors.InvalidOrder,
    ccxt_errors.MarketClosed,
)
_LIMITED = (ccxt_errors.DDoSProtection, ccxt_errors.RateLimitExceeded)
_LIMITED_STATUS = (418, 429)
_KEY_REFUSED = "-2015"  # ccxt calls it DDoSProtection once a key has worked, whatever the HTTP status
_DUPLICATE_CODES = ("-4116",)
_DUPLICATE_TEXT = "Duplicate order sent"
# Binance: this text says that the request failed; "Unknown error, please check ..." with the same status
# does not.
_DEFINITE_503 = "Service Unavailable."
_CODE = re.compile(r'"code"\s*:\s*"?(-?\d+)')


def venue_code(error: BaseException) -> str | None:
    """The venue's own error code, such as "-2010", if the answer had one."""
    match = _CODE.search(f"{getattr(error, 'http_body', '')} {error}")
    return match[1] if match else None


def judge_error(error: BaseException) -> Outcome:
    """The outcome of a create_order that raised."""
    if any(isinstance(cause, _NEVER_SENT) for cause in _causes(error)):
        return Outcome.NOT_PLACED
    code, body = venue_code(error), f"{getattr(error, 'http_body', '')} {error}"
    if isinstance(error, ccxt_errors.DuplicateOrderId) or code in _DUPLICATE_CODES or _DUPLICATE_TEXT in body:
        return Outcome.PLACED_BEFORE
    if isinstance(error, _LIMITED):
        limited = getattr(error, "http_status", None) in _LIMITED_STATUS or code == _KEY_REFUSED
        return Outcome.NOT_PLACED if limited else Outcome.UNKNOWN
    if isinstance(error, _REFUSED):
        return Outcome.NOT_PLACED
    if getattr(error, "http_status", None) == 503 and _DEFINITE_503 in getattr(error, "http_body", ""):
        return Outcome.NOT_PLACED
    return Outcome.UNKNOWN


def judge_answer(answer: Any, client_id: str) -> Outcome:
    """The outcome of a create_order that returned: an acknowledgement names the order and is ours by name."""
    if not isinstance(answer, dict) or not answer.get("id") or answer.get("clientOrderId") != client_id:
        return Outcome.UNKNOWN
    return Outcome.ACKNOWLEDGED


def is_absent(error: BaseException) -> bool:
    """Whether the venue says that it has no such order, and not that it could not look."""
    return isinstance(error, ccxt_errors.OrderNotFound)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
