"""The venue's own dead man's timer: it cancels our orders by itself unless we set it again in time.

What ccxt builds for each venue is captured in the tests; which venue has what kind is in `venues`.
"""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from trader.venue.budget import Priority
from trader.venue.endpoints import Endpoint
from trader.venue.interface import describe
from trader.venue.outcomes import Outcome, judge_error
from trader.venue.parse import OddAnswerError
from trader.venue.venues import Scope, VenueRule
from trader.venue.wire import asking

SLACK_SECONDS = 2.0  # the venues count whole seconds
_FIRST_MS = 1e11  # OKX documents milliseconds and shows seconds


async def set_timer(exchange: Any, rule: VenueRule, symbols: Sequence[str], seconds: int) -> None:
    """Let it run anew for so many seconds, or stop it with 0. Returns when the venue has confirmed it.

    Args:
        exchange: ccxt's, with its markets loaded.
        symbols: all that we trade; each has a timer of its own where the scope is a symbol.

    Raises:
        OddAnswerError: an answer does not confirm it; the timer may run or not.
        (request_errors.REQUEST_ERRORS): as from every request.
    """
    # Of the cancels' class: a timer that cannot be set behind a queue of queries cancels what is wanted.
    with asking(Endpoint.DEAD_MAN, Priority.CANCEL):
        if rule.dead_man.scope is Scope.ACCOUNT:
            answer = await exchange.cancel_all_orders_after(seconds * 1_000)
            _check(rule.id, left_seconds(rule.id, answer), seconds)
            return
        # Side by side: the last of many symbols must not wait for the answers to all the others.
        requests = (_set_countdown(exchange, symbol, seconds) for symbol in symbols)
        done = await asyncio.gather(*requests, return_exceptions=True)
    failed = {symbol: error for symbol, error in zip(symbols, done, strict=True) if error is not None}
    if failed:
        raise _worst(rule.id, failed, len(symbols))


def _worst(venue: str, failed: dict[str, BaseException], symbols: int) -> BaseException:
    """What one error says of all: that nothing was taken only if that is true of each."""
    symbol, error = next(iter(failed.items()))
    if len(failed) == symbols and all(judge_error(e, venue) is Outcome.NOT_PLACED for e in failed.values()):
        return error
    return OddAnswerError(f"countdown of {symbol} ({len(failed)} of {symbols} failed): {describe(error)}")


async def _set_countdown(exchange: Any, symbol: str, seconds: int) -> None:
    """Binance USDM: one contract's orders, once the countdown (ms) is over."""
    name, countdown = exchange.market(symbol)["id"], str(seconds * 1_000)
    answer = await exchange.fapiPrivatePostCountdownCancelAll({"symbol": name, "countdownTime": countdown})
    told = answer.get("symbol"), str(answer.get("countdownTime"))
    if told != (name, countdown):
        raise OddAnswerError(f"countdown of {symbol}: the venue says {told}")


def left_seconds(venue: str, answer: Any) -> float:
    """For how long a timer of the scope "account" runs by the venue's own clock; 0 = it is off.

    Raises:
        OddAnswerError: the answer does not tell.
    """
    try:
        match venue:
            case "kraken":
                told = answer["result"]
                return _between(told["currentTime"], told["triggerTime"])
            case "krakenfutures":
                told = answer["status"]
                return _between(told["currentTime"], told["triggerTime"])
            case "okx":
                [told] = answer["data"]
                now, due = float(told["ts"]), float(told["triggerTime"])
                return 0.0 if due == 0 else (due - now) / (1_000 if now > _FIRST_MS else 1)
    except (LookupError, TypeError, ValueError) as error:
        raise OddAnswerError(f"dead man's timer: the answer does not say when it fires: {answer}") from error
    raise ValueError(f"{venue} has no timer for the whole account")


def _between(now: str, due: str) -> float:
    """Two ISO times; "0" in the second place = never."""
    if str(due) == "0":
        return 0.0
    return (datetime.fromisoformat(due) - datetime.fromisoformat(now)).total_seconds()


def _check(venue: str, left: float, wanted: int) -> None:
    off = left == 0 if wanted == 0 else left > 0 and abs(left - wanted) <= SLACK_SECONDS
    if not off:
        raise OddAnswerError(f"dead man's timer of {venue}: asked for {wanted} s, it has {left:g} s")
