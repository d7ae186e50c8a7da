"""Makes the ccxt instance: no limiter, no retries, short windows, exact numbers, errors with evidence."""

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from trader.venue.slim_ccxt import exchange_class

KEEP_ALIVE_MS = 1_500  # two missed pongs and a turn: a frozen peer is found in 4.5 s, by default in minutes
RETRY_AFTER = "retry-after"


@dataclass(frozen=True, slots=True)
class VenueAccess:
    """Where the venue is and how to talk to it.

    Args:
        id: ccxt's id; must have a row in `client_ids.RULES`.
        hostname: replaces the venue's own domain, port included ("venue.lab:8443"); None = the real venue.
        ca_file: certificate authority to trust instead of the public ones.
        recv_window_ms: how long a request stays valid; short, because absence is proven by waiting for
            its end.
        timeout_ms: of one REST request.
    """

    id: str
    hostname: str | None
    ca_file: Path | None
    recv_window_ms: int
    timeout_ms: int
    api_key: str = field(repr=False, default="")
    api_secret: str = field(repr=False, default="")


def make_exchange(access: VenueAccess) -> Any:
    """A ccxt.pro instance by these settings; nothing is sent yet."""
    base = exchange_class(access.id)
    config: dict[str, Any] = {
        "apiKey": access.api_key,
        "secret": access.api_secret,
        # ccxt's limiter is one FIFO without priority: a cancel would queue behind everything else.
        "enableRateLimit": False,
        "timeout": access.timeout_ms,
        "enableLastHttpResponse": False,
        "enableLastJsonResponse": False,
        "options": {
            "defaultType": "spot",
            "fetchMarkets": {"types": ["spot"]},
            "fetchCurrencies": False,
            "fetchMargins": False,
            "recvWindow": access.recv_window_ms,
            # A retry inside ccxt can place an order twice.
            "maxRetriesOnFailure": 0,
            "ws": {"keepAlive": KEEP_ALIVE_MS, "compress": 0},
        },
    }
    if access.ca_file is not None:
        config["cafile"] = str(access.ca_file)
    exchange = _with_evidence(base)(config)
    exchange.number = str  # amounts arrive as text and become Decimal; a float never stands between
    exchange.timeout_on_exit = 0
    if access.hostname is not None:
        _move(exchange, access.hostname)
    return exchange


def user_stream_url(exchange: Any) -> str:
    """Where ccxt subscribes to the account's own events."""
    return str(exchange.urls["api"]["ws"]["ws-api"]["spot"])


def _move(exchange: Any, hostname: str) -> None:
    """Point the spot API and streams at another host and forget all other addresses: nothing leaves a lab."""
    rest, stream = f"https://api.{hostname}", f"wss://api.{hostname}"
    exchange.hostname = hostname  # ccxt picks its table of venue codes by this
    exchange.urls["api"] = {
        "public": f"{rest}/api/v3",
        "private": f"{rest}/api/v3",
        "v1": f"{rest}/api/v1",
        "ws": {"spot": f"{stream}/ws", "ws-api": {"spot": f"{stream}/ws-api/v3"}},
    }


def _with_evidence(base: Any) -> Any:
    """ccxt's class, whose errors carry `http_status`, `http_body` and `retry_after_seconds`.

    The exception's class alone does not prove what happened to an order; status and body do (see `outcomes`).
    """

    class Exchange(base):  # type: ignore[misc]
        def handle_errors(
            self, code: int, reason: str, url: str, method: str, headers: Any, body: Any, *rest: Any
        ) -> Any:
            try:
                return super().handle_errors(code, reason, url, method, headers, body, *rest)
            except Exception as error:
                _attach(error, code, headers, body)
                raise

        def handle_http_status_code(self, code: int, reason: str, url: str, method: str, body: Any) -> Any:
            try:
                return super().handle_http_status_code(code, reason, url, method, body)
            except Exception as error:
                _attach(error, code, {}, body)
                raise

        def handle_event_stream_terminated(self, client: Any, message: Any) -> None:
            """The venue ended our event stream. ccxt would wait for ever; closing wakes its watchers."""
            super().handle_event_stream_terminated(client, message)
            self.closing = asyncio.ensure_future(client.close())

    return Exchange


def _attach(error: Any, code: int, headers: Any, body: Any) -> None:
    error.http_status = code
    error.http_body = str(body)
    for name, value in dict(headers or {}).items():
        if str(name).lower() == RETRY_AFTER and str(value).isdigit():
            error.retry_after_seconds = int(value)
