"""Makes the ccxt instance: no limiter, no retries, short windows, exact numbers, errors with evidence."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trader.venue.channels import ended_by_venue
from trader.venue.option_rules import RETRIES, check_options
from trader.venue.resolver import use_resolver
from trader.venue.slim_ccxt import errors, exchange_class
from trader.venue.venues import Life, VenueRule, rule_of

if TYPE_CHECKING:
    # Budget, breakers, metrics: a panic goes without them, and must start at once.
    from trader.venue.wire import Wire

KEEP_ALIVE_MS = 1_500  # two missed pongs and a turn: a frozen peer is found in 4.5 s, by default in minutes
RETRY_AFTER = "retry-after"

# What a venue needs beside the common options: no request for markets that are not traded, and none that
# asks before an order what kind of account this is.
_OPTIONS: dict[str, dict[str, Any]] = {
    "binance": {"fetchMarkets": {"types": ["spot"]}, "fetchMargins": False},
    "binanceusdm": {"fetchMarkets": {"types": ["linear"]}, "fetchMargins": False},
    "bybit": {
        "fetchMarkets": {"types": ["spot"]},
        "enableUnifiedMargin": False,
        "enableUnifiedAccount": True,
        "unifiedMarginStatus": 6,
    },
    # The older list of accounts comes in pages, of which ccxt reads the first.
    "coinbase": {"fetchBalance": "v3PrivateGetBrokerageAccounts"},
    # One order in one request: its refusal is the request's, and not a row in a batch that succeeded.
    "okx": {"fetchMarkets": {"types": ["spot"]}, "createOrder": "privatePostTradeOrder"},
}


@dataclass(frozen=True, slots=True)
class VenueAccess:
    """Where the venue is and how to talk to it.

    Args:
        id: ccxt's id; must have a row in `venues.RULES`.
        hostname: replaces the venue's own domain, port included ("venue.lab:8443"); None = the real venue.
        ca_file: certificate authority to trust instead of the public ones.
        recv_window_ms: how long a request stays valid; short, because absence is proven by waiting for
            its end. A venue's own limits bound it (see `venues.VenueRule.life_ms`).
        timeout_ms: of one REST request.
        passphrase: third part of the key where the venue has one.
        host: our own name, which our client order ids begin with.
        options: further options of the ccxt exchange.
        order_entry: whether orders go over the WebSocket API where the venue has one.
        state_folder: where the last good addresses are kept over restarts; None = nowhere.
    """

    id: str
    hostname: str | None
    ca_file: Path | None
    recv_window_ms: int
    timeout_ms: int
    api_key: str = field(repr=False, default="")
    api_secret: str = field(repr=False, default="")
    passphrase: str = field(repr=False, default="")
    host: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    order_entry: bool = False
    state_folder: Path | None = None


def make_exchange(access: VenueAccess, wire: "Wire | None" = None) -> Any:
    """A ccxt.pro instance by these settings; nothing is sent yet.

    Args:
        wire: what every request passes; None only where no request is made.

    Raises:
        ValueError: the venue has no row, cannot be moved to another host, or would retry by itself.
    """
    rule = rule_of(access.id)
    if access.hostname is not None and not rule.movable:
        raise ValueError(
            f"venue.hostname: {access.id} cannot be pointed at another host; remove the key "
            "(binance and binanceusdm can)"
        )
    life_ms = rule.lifetime_ms(access.recv_window_ms)
    config: dict[str, Any] = {
        "apiKey": access.api_key,
        "secret": access.api_secret,
        "password": access.passphrase,
        # ccxt's limiter is one FIFO without priority: a cancel would queue behind everything else.
        "enableRateLimit": False,
        "timeout": access.timeout_ms,
        "enableLastHttpResponse": False,
        "enableLastJsonResponse": False,
        "has": {"fetchCurrencies": False},  # a private request that tells nothing we use
        "options": {
            "defaultType": rule.market.value,
            "recvWindow": life_ms,
            RETRIES: 0,
            "ws": {"keepAlive": KEEP_ALIVE_MS, "compress": 0},
            **_OPTIONS.get(access.id, {}),
            **access.options,
        },
    }
    if access.ca_file is not None:
        config["cafile"] = str(access.ca_file)
    base = _with_evidence(exchange_class(access.id))
    if rule.life is Life.EXPIRY_HEADER:
        base = _with_expiry(base, life_ms)
    exchange = base(config)
    exchange.wire = wire
    if wire is not None and wire.resolver is not None:
        use_resolver(exchange, wire.resolver, wire.check_halted)
    wrong = check_options(exchange.options)
    if wrong is not None:
        raise ValueError(f"venue.ccxt_options.{wrong}")
    exchange.number = str  # amounts arrive as text and become Decimal; a float never stands between
    exchange.timeout_on_exit = 0
    if access.hostname is not None:
        _move(exchange, rule, access.hostname)
    return exchange


def _move(exchange: Any, rule: VenueRule, hostname: str) -> None:
    """Point the API and streams at another host and forget all other addresses: nothing leaves a lab.

    ccxt picks its table of venue codes by `https://api.<hostname>/` or `https://fapi.<hostname>/`.
    """
    exchange.hostname = hostname
    rest = f"https://api.{hostname}"
    common = {"sapi": f"{rest}/sapi/v1"}  # where a key's permissions are asked for, whatever it trades
    if rule.id == "binance":
        stream = f"wss://api.{hostname}"
        exchange.urls["api"] = common | {
            "public": f"{rest}/api/v3",
            "private": f"{rest}/api/v3",
            "v1": f"{rest}/api/v1",
            "ws": {"spot": f"{stream}/ws", "ws-api": {"spot": f"{stream}/ws-api/v3"}},
        }
        return
    rest, stream = f"https://fapi.{hostname}", f"wss://fstream.{hostname}"
    exchange.urls["api"] = common | {
        "fapiPublic": f"{rest}/fapi/v1",
        "fapiPublicV2": f"{rest}/fapi/v2",
        "fapiPublicV3": f"{rest}/fapi/v3",
        "fapiPrivate": f"{rest}/fapi/v1",
        "fapiPrivateV2": f"{rest}/fapi/v2",
        "fapiPrivateV3": f"{rest}/fapi/v3",
        "fapiData": f"{rest}/futures/data",
        "ws": {"linear": f"{stream}/ws", "ws-api": {"linear": f"wss://ws-fapi.{hostname}/ws-fapi/v1"}},
    }


def _with_expiry(base: Any, life_ms: int) -> Any:
    """OKX: new orders carry the moment (UTC, milliseconds) after which the venue refuses them."""

    class Expiring(base):  # type: ignore[misc]
        def sign(self, path: str, *rest: Any, **named: Any) -> Any:
            signed = super().sign(path, *rest, **named)
            if path in ("trade/order", "trade/batch-orders") and signed["method"] == "POST":
                signed["headers"]["expTime"] = str(self.milliseconds() + life_ms)
            return signed

    return Expiring


def _with_evidence(base: Any) -> Any:
    """ccxt's class, whose errors carry `http_status`, `http_body` and `retry_after_seconds`.

    The exception's class alone does not prove what happened to an order; status and body do (see `outcomes`).
    """

    class Exchange(base):  # type: ignore[misc]
        wire: "Wire | None" = None

        async def fetch2(self, *args: Any, **named: Any) -> Any:
            """One request, before it is signed: a signature that has waited would be refused as too old."""
            plain = super().fetch2
            if self.wire is None:
                return await plain(*args, **named)
            return await self.wire.send(lambda: plain(*args, **named))

        def on_rest_response(
            self, code: int, reason: str, url: str, method: str, headers: Any, *rest: Any
        ) -> Any:
            if self.wire is not None:
                self.wire.learn(code, headers)
            return super().on_rest_response(code, reason, url, method, headers, *rest)

        def handle_message(self, client: Any, message: Any) -> None:
            """The venue may end a stream; ccxt would wait for ever, closing wakes its watchers."""
            super().handle_message(client, message)
            if ended_by_venue(message):
                self.closing = asyncio.ensure_future(client.close())

        async def fetch(self, url: str, method: str = "GET", headers: Any = None, body: Any = None) -> Any:
            """An answer that is not JSON is an error: ccxt would read it as an empty list or a bare order."""
            answer = await super().fetch(url, method, headers, body)
            if not isinstance(answer, (dict, list)):
                error = errors.BadResponse(f"{self.id} {method} {url.split('?')[0]}: the answer is not JSON")
                _attach(error, 200, {}, answer)
                raise error
            if self.wire is not None and isinstance(answer, dict) and "rateLimits" in answer:
                self.wire.budget.learn_rows(answer["rateLimits"])  # what exchangeInfo says of the limits
            return answer

        def handle_errors(
            self,
            code: int,
            reason: str,
            url: str,
            method: str,
            headers: Any,
            body: Any,
            answer: Any,
            *rest: Any,
        ) -> Any:
            try:
                answer = _refusals_told(answer)
                return super().handle_errors(code, reason, url, method, headers, body, answer, *rest)
            except Exception as error:
                _attach(error, code, headers, body)
                raise

        def handle_http_status_code(self, code: int, reason: str, url: str, method: str, body: Any) -> Any:
            try:
                return super().handle_http_status_code(code, reason, url, method, body)
            except Exception as error:
                _attach(error, code, {}, body)
                raise

    return Exchange


def _refusals_told(answer: Any) -> Any:
    """OKX can refuse an order inside an answer whose own code is a success; make ccxt see that."""
    if not isinstance(answer, dict) or not isinstance(answer.get("data"), list):
        return answer
    refused = any(isinstance(row, dict) and row.get("sCode") not in (None, "0") for row in answer["data"])
    return {**answer, "code": "1"} if refused and answer.get("code") in ("0", "2") else answer


def _attach(error: Any, code: int, headers: Any, body: Any) -> None:
    error.http_status = code
    error.http_body = str(body)
    for name, value in dict(headers or {}).items():
        if str(name).lower() == RETRY_AFTER and str(value).isdigit():
            error.retry_after_seconds = int(value)
