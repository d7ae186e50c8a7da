"""The venue's own dead man's timer: it cancels our orders by itself unless we set it again in time.

What ccxt builds for each venue is captured in the tests; which venue has what kind is in `venues`.
"""

import asyncio
from collections.abc import Awaitable, Sequence
from datetime import datetime
from typing import Any

from trader.venue.budget import Priority
from trader.venue.endpoints import Endpoint
from trader.venue.interface import VenueError, describe
from trader.venue.outcomes import Outcome, judge_error
from trader.venue.parse import OddAnswerError
from trader.venue.request_errors import REQUEST_ERRORS
from trader.venue.venues import Scope, VenueRule
from trader.venue.wire import asking

SLACK_SECONDS = 2.0  # the venues count whole seconds
_FIRST_MS = 1e11  # OKX documents milliseconds and shows seconds


class TimerError(VenueError):
    """The venue has not confirmed it.

    Args:
        untouched: provably nothing has changed there; else the timer may run or not.
    """

    def __init__(self, text: str, *, untouched: bool) -> None:
        super().__init__(text)
        self.untouched = untouched


async def set_timer(
    exchange: Any, rule: VenueRule, symbols: Sequence[str], seconds: int, limit_seconds: float
) -> None:
    """Let it run anew for so many seconds, or stop it with 0. Returns when the venue has confirmed it.

    Args:
        exchange: ccxt's, with its markets loaded.
        symbols: all that we trade; each has a timer of its own where the scope is a symbol.
        limit_seconds: longest wait for the answers.

    Raises:
        TimerError: it has not, for whatever reason.
    """
    if rule.dead_man.scope is Scope.ACCOUNT:
        requests = {"account": _set_for_account(exchange, rule.id, seconds)}
    else:
        requests = {symbol: _set_for_symbol(exchange, symbol, seconds) for symbol in symbols}
    # Of the cancels' class: a timer that cannot be set behind a queue of queries cancels what is wanted.
    # Side by side: the last of many symbols must not wait for the answers to all the others.
    with asking(Endpoint.DEAD_MAN, Priority.CANCEL):
        limited = (_limited(request, limit_seconds) for request in requests.values())
        done = await asyncio.gather(*limited)
    failed = {what: error for what, error in zip(requests, done, strict=True) if error is not None}
    if failed:
        what, error = next(iter(failed.items()))
        untouched = all(judge_error(error, rule.id) is Outcome.NOT_PLACED for error in failed.values())
        raise TimerError(
            f"{what} ({len(failed)} of {len(done)} failed): {describe(error)}",
            untouched=untouched and len(failed) == len(done),
        )


async def _limited(request: Awaitable[None], limit_seconds: float) -> BaseException | None:
    """Make one request; what went wrong, None = confirmed."""
    try:
        async with asyncio.timeout(limit_seconds):
            await request
    except REQUEST_ERRORS as error:
        return error
    return None


async def _set_for_account(exchange: Any, venue: str, seconds: int) -> None:
    left = left_seconds(venue, await exchange.cancel_all_orders_after(seconds * 1_000))
    told = left == 0 if seconds == 0 else left > 0 and abs(left - seconds) <= SLACK_SECONDS
    if not told:
        raise OddAnswerError(f"asked for {seconds} s, the venue says {left:g} s")


async def _set_for_symbol(exchange: Any, symbol: str, seconds: int) -> None:
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
