"""What each venue's error codes prove about a new order, where ccxt's class does not say it or says it wrong.

The table of classes that all venues share is in `outcomes`. A code needs a line here only for one of these:

    before   the venue knows this client id already
    unsure   ccxt's class sounds like a refusal and is none, or may stop to be what it is today: timeouts,
             internal errors, "submitted for processing"
    refused  ccxt's class leaves it open and the venue does not: rate limits told with HTTP 200, a market that
             takes no orders, a verdict on this very order
    absent   a query's way to say "no such order" that ccxt does not turn into OrderNotFound

Whatever stands in neither place is UNKNOWN. Sources: the venues' error lists and the comments in ccxt 4.5.90.
"""

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Codes:
    """One venue's codes.

    Args:
        patterns: find the code in "<body> <message>"; the first that matches counts.
        before_texts: say the same as `before` in words, under a code that means other things too.
        refused_503: a body that with HTTP 503 says that the request failed.
    """

    patterns: tuple[re.Pattern[str], ...]
    before: frozenset[str] = frozenset()
    before_texts: tuple[str, ...] = ()
    unsure: frozenset[str] = frozenset()
    refused: frozenset[str] = frozenset()
    absent: frozenset[str] = frozenset()
    refused_503: str | None = None


def _patterns(*texts: str) -> tuple[re.Pattern[str], ...]:
    return tuple(re.compile(text) for text in texts)


_BINANCE = Codes(
    _patterns(r'"code"\s*:\s*"?(-?\d+)'),
    before=frozenset({"-4116"}),
    before_texts=("Duplicate order sent",),
    unsure=frozenset({"-1000", "-1001", "-1006", "-1007", "-1008"}),
    # A refused key: ccxt calls it DDoSProtection once the key has worked, whatever the HTTP status.
    refused=frozenset({"-2015"}),
    # "Unknown error, please check ..." with the same status leaves it open.
    refused_503="Service Unavailable.",
)

_KRAKEN = Codes(
    _patterns(r'"(E[A-Za-z]+:[^"]+)"'),
    unsure=frozenset(
        {
            "EService:Unavailable",
            "EService:Busy",
            "EService:Timeout",
            "EService:Deadline elapsed",
            "EGeneral:Internal error",
            "EDatabase:Internal error",
        }
    ),
    refused=frozenset(
        {
            "EAPI:Rate limit exceeded",
            "EOrder:Rate limit exceeded",
            "EOrder:Domain rate limit exceeded",
            "EGeneral:Too many requests",
            "EGeneral:Temporary lockout",
            "EService:Market in cancel_only mode",
            "EService:Market in post_only mode",
            "EOrder:Cannot open position",
            "EOrder:Cannot open opposing position",
            "EOrder:Cost minimum not met",
            "EOrder:Insufficient margin",
            "EOrder:Margin allowance exceeded",
            "EOrder:Margin level too low",
            "EOrder:Orders limit exceeded",
            "EOrder:Positions limit exceeded",
            "EOrder:Tick size check failed",
        }
    ),
    absent=frozenset({"EOrder:Unknown order"}),
)

_KRAKENFUTURES = Codes(
    # ccxt raises by the status of the order, and by the error of the request.
    _patterns(r"failed due to (\w+)", r'"error"\s*:\s*"([^"]+)"'),
    before=frozenset({"clientOrderIdAlreadyExist"}),
    unsure=frozenset(
        {"notFound", "Server Error", "unknownError", "unavailable", "Unavailable", "marketUnavailable"}
    ),
    refused=frozenset(
        {
            "apiLimitExceeded",
            "marketInactive",
            "marketSuspended",
            "maxPositionViolation",
            "selfFill",
            "tooManySmallOrders",
            "wouldNotReducePosition",
        }
    ),
)

_BYBIT = Codes(
    _patterns(r'"retCode"\s*:\s*"?(-?\d+)'),
    before=frozenset({"12141", "110030", "110072", "140030", "170141"}),
    unsure=frozenset(
        {
            "5004",  # server timeout
            "10000",  # server timeout
            "10014",  # request is duplicate
            "10016",  # system error
            "131201",
            "170001",  # internal error
            "170007",  # timeout waiting for the backend
            "170032",  # network error
            "170035",  # submitted to the system for processing
            "170146",  # order creation timeout
            "170147",  # order cancellation timeout
            "170234",  # system error
        }
    ),
    refused=frozenset({"10006", "10018", "170222"}),  # rate limits, told with HTTP 200
)

_OKX = Codes(
    _patterns(r'"sCode"\s*:\s*"([1-9]\d*)"', r'"code"\s*:\s*"([1-9]\d*)"'),
    before=frozenset({"51011", "51016"}),
    unsure=frozenset(
        {
            "50001",  # matching engine upgrading
            "50004",  # endpoint timeout: "does not indicate success or failure"
            "50005",
            "50013",  # system busy
            "50026",  # system error
            "51149",  # order timed out
            "51767",
            "51774",
            "63999",  # internal system error
        }
    ),
    refused=frozenset({"50011", "50061"}),  # rate limits
)

_COINBASE = Codes(
    _patterns(r'"error_response"\s*:\s*\{[^{}]*?"error"\s*:\s*"(\w+)"', r'"error"\s*:\s*"(\w+)"'),
    unsure=frozenset({"UNKNOWN_FAILURE_REASON", "internal_server_error", "INTERNAL", "UNKNOWN"}),
    # A second order with a known client id is no error here: the answer is the first order.
    refused=frozenset(
        {
            "INELIGIBLE_PAIR",
            "INSUFFICIENT_FUND",
            "INSUFFICIENT_FUNDS",
            "INVALID_LEDGER_BALANCE",
            "INVALID_LIMIT_PRICE",
            "INVALID_LIMIT_PRICE_POST_ONLY",
            "INVALID_NO_LIQUIDITY",
            "INVALID_PRICE_PRECISION",
            "INVALID_PRODUCT_ID",
            "INVALID_REQUEST",
            "INVALID_SIDE",
            "INVALID_SIZE_PRECISION",
            "ORDER_ENTRY_DISABLED",
            "UNSUPPORTED_ORDER_CONFIGURATION",
        }
    ),
)

CODES: dict[str, Codes] = {
    "binance": _BINANCE,
    "binanceusdm": _BINANCE,
    "bybit": _BYBIT,
    "coinbase": _COINBASE,
    "kraken": _KRAKEN,
    "krakenfutures": _KRAKENFUTURES,
    "okx": _OKX,
}
