"""What an answer, or the lack of one, proves about a new order.

Source: ccxt 4.5.90 run against an emulated Binance, every failure one by one, and its tables of error classes
for the other venues. The exception's class is not enough: a truncated answer is a plain ExchangeError though
the order is live, and HTTP 200 with HTML becomes a normal order without an id. Judged in this order:

    never sent       the name did not resolve, the connection was not made; no room in the rate budget, an
                     open breaker; or we refused it ourselves
    venue's code     what `outcome_codes` states of this venue's code, text or 503 body
    rate limit       NOT_PLACED only with HTTP 418 or 429
    refusal class    NOT_PLACED (below), but not with HTTP 5xx, and not "no such order", which is no answer to
                     a new one
    all else         UNKNOWN: timeouts (ours, the venue's, asyncio's), cancelled calls, lost connections,
                     5xx, maintenance, truncated or unreadable answers, errors of a WebSocket, plain
                     ExchangeError, and whatever nobody has thought of

UNKNOWN costs a query and a wrong guess costs money.
"""

import socket
from collections.abc import Iterator
from enum import StrEnum
from typing import Any

import aiohttp

from trader.venue.outcome_codes import CODES, Codes
from trader.venue.slim_ccxt import errors as ccxt_errors
from trader.venue.wire_errors import NotSentError


class Outcome(StrEnum):
    ACKNOWLEDGED = "acknowledged"
    NOT_PLACED = "not_placed"  # provably not: refused, or never sent
    PLACED_BEFORE = "placed_before"  # the venue knows this client id already: adopt it
    UNKNOWN = "unknown"  # freeze the id and ask


class UnsendableError(ValueError):
    """An order that would not reach the venue as it is meant; nothing was sent."""


_NEVER_SENT = (
    NotSentError,
    UnsendableError,
    socket.gaierror,
    aiohttp.ClientConnectorError,
    aiohttp.ConnectionTimeoutError,
)
_REFUSED = (
    ccxt_errors.InvalidNonce,
    ccxt_errors.AuthenticationError,
    ccxt_errors.BadRequest,
    ccxt_errors.ArgumentsRequired,
    ccxt_errors.NotSupported,
    ccxt_errors.InsufficientFunds,
    ccxt_errors.InvalidOrder,
    ccxt_errors.MarketClosed,
)
_LIMITED = (ccxt_errors.DDoSProtection, ccxt_errors.RateLimitExceeded)
_LIMITED_STATUS = (418, 429)


def venue_code(error: BaseException, venue: str) -> str | None:
    """The venue's own error code, such as "-2010" or "EOrder:Insufficient funds", if the answer had one."""
    text = _evidence(error)
    matches = (pattern.search(text) for pattern in CODES[venue].patterns)
    return next((match[1] for match in matches if match is not None), None)


def judge_error(error: BaseException, venue: str) -> Outcome:
    """The outcome of a create_order that raised."""
    if any(isinstance(cause, _NEVER_SENT) for cause in _causes(error)):
        return Outcome.NOT_PLACED
    status = getattr(error, "http_status", None)
    by_code = _judge_code(error, CODES[venue], venue_code(error, venue), status)
    if by_code is not None:
        return by_code
    if isinstance(error, _LIMITED):
        return Outcome.NOT_PLACED if status in _LIMITED_STATUS else Outcome.UNKNOWN
    if isinstance(error, ccxt_errors.OrderNotFound) or (status is not None and status >= 500):
        return Outcome.UNKNOWN
    return Outcome.NOT_PLACED if isinstance(error, _REFUSED) else Outcome.UNKNOWN


def judge_answer(answer: Any, wire_id: str) -> Outcome:
    """The outcome of a create_order that returned: an acknowledgement names the order and is ours by name.

    Args:
        wire_id: our id as it was sent.
    """
    if not isinstance(answer, dict) or not answer.get("id") or answer.get("clientOrderId") != wire_id:
        return Outcome.UNKNOWN
    return Outcome.ACKNOWLEDGED


def is_absent(error: BaseException, venue: str) -> bool:
    """Whether the venue says that it has no such order, and not that it could not look."""
    return isinstance(error, ccxt_errors.OrderNotFound) or venue_code(error, venue) in CODES[venue].absent


def _judge_code(error: BaseException, codes: Codes, code: str | None, status: int | None) -> Outcome | None:
    text = _evidence(error)
    if isinstance(error, ccxt_errors.DuplicateOrderId) or code in codes.before:
        return Outcome.PLACED_BEFORE
    if any(words in text for words in codes.before_texts):
        return Outcome.PLACED_BEFORE
    if code in codes.unsure:
        return Outcome.UNKNOWN
    if code in codes.refused:
        return Outcome.NOT_PLACED
    if status == 503 and codes.refused_503 and codes.refused_503 in getattr(error, "http_body", ""):
        return Outcome.NOT_PLACED
    return None


def _evidence(error: BaseException) -> str:
    return f"{getattr(error, 'http_body', '')} {error}"


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
