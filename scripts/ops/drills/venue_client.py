"""A person at the venue: places orders with an account's key, apart from the service. Binance spot dialect.

Plain HTTP of the standard library, so that a drill's orders do not depend on what the drill is about.
"""

import hmac
import http.client
import json
import socket
import ssl
import time
from collections.abc import Mapping
from decimal import ROUND_UP, Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from ops.errors import OperatorError

TIMEOUT_SECONDS = 10.0
# Below the market by so much an order rests, and is no harm when it is filled after all.
_AWAY = Decimal("0.9")
_SPARE = Decimal("1.2")


class Venue(http.client.HTTPSConnection):
    """One connection.

    Args:
        url: such as https://venue.lab:8443; the certificate must be of this name.
        address: where to connect instead of asking DNS; empty: DNS.
        authority: PEM file of the authority that signed the certificate; None: the machine's own.
    """

    def __init__(self, url: str, address: str, authority: Path | None) -> None:
        parts = urlsplit(url)
        if parts.scheme != "https" or not parts.hostname:
            raise OperatorError(f"--url: {url!r} must be the venue's API, such as https://venue.lab:8443")
        self._name = parts.hostname
        self._trust = ssl.create_default_context(cafile=authority)
        super().__init__(address or parts.hostname, parts.port or 443, timeout=TIMEOUT_SECONDS)

    def connect(self) -> None:
        """Connect, and check the certificate against the venue's name, whatever the address."""
        plain = socket.create_connection((self.host, self.port), self.timeout)
        self.sock = self._trust.wrap_socket(plain, server_hostname=self._name)

    def ask(self, path: str) -> Any:
        """A public question."""
        return self._answer("GET", path, {})

    def signed(self, method: str, path: str, key: Mapping[str, str], **fields: object) -> Any:
        """A request of an account.

        Args:
            method: of HTTP.
            path: such as /api/v3/order.
            key: api_key and api_secret.
            fields: parameters.
        Raises:
            OperatorError: the venue refused it.
        """
        query = urlencode({**fields, "timestamp": int(time.time() * 1000)})
        signature = hmac.digest(key["api_secret"].encode(), query.encode(), "sha256").hex()
        return self._answer(method, f"{path}?{query}&signature={signature}", {"X-MBX-APIKEY": key["api_key"]})

    def _answer(self, method: str, path: str, headers: Mapping[str, str]) -> Any:
        try:
            self.request(method, path, headers=dict(headers))
            response = self.getresponse()
            body = response.read()
        except (OSError, http.client.HTTPException) as error:
            raise OperatorError(f"the venue at {self.host}:{self.port} does not answer: {error}") from None
        if response.status != 200:
            where = path.partition("?")[0]
            raise OperatorError(f"the venue refused {method} {where}: HTTP {response.status} {body[:200]!r}")
        return json.loads(body)


def place(venue: Venue, key: Mapping[str, str], orders: int, symbols: int, prefix: str) -> None:
    """Place orders that rest below the market, spread evenly over the venue's first symbols.

    Args:
        venue: where.
        key: api_key and api_secret.
        orders: how many.
        symbols: over how many.
        prefix: of their client order ids, so that they can be told from the service's.
    Raises:
        OperatorError: the venue has fewer symbols, or refused one.
    """
    listed = venue.ask("/api/v3/exchangeInfo")["symbols"]
    if len(listed) < symbols:
        raise OperatorError(f"--symbols: the venue lists {len(listed)} symbols, {symbols} are needed")
    prices = {one["symbol"]: Decimal(one["price"]) for one in venue.ask("/api/v3/ticker/price")}
    for number in range(orders):
        info = listed[number % symbols]
        price, quantity = resting(info, prices[info["symbol"]])
        venue.signed(
            "POST",
            "/api/v3/order",
            key,
            symbol=info["symbol"],
            side="BUY",
            type="LIMIT",
            timeInForce="GTC",
            price=f"{price:f}",
            quantity=f"{quantity:f}",
            newClientOrderId=f"{prefix}-{number}",
        )


def trade(venue: Venue, key: Mapping[str, str], symbol: str, side: str, usd: Decimal) -> None:
    """Trade at the market, so that the account's position is no longer what the service believes.

    Args:
        venue: where.
        key: api_key and api_secret.
        symbol: of the venue.
        side: BUY or SELL.
        usd: amount of the quote currency.
    Raises:
        OperatorError: the venue refused it.
    """
    amount = {"type": "MARKET", "quoteOrderQty": f"{usd:f}"}
    venue.signed("POST", "/api/v3/order", key, symbol=symbol, side=side, **amount)


def resting(info: Mapping[str, Any], price: Decimal) -> tuple[Decimal, Decimal]:
    """Price and quantity of the smallest order that rests below the market and passes the symbol's filters.

    Args:
        info: the symbol's entry of exchangeInfo.
        price: its last price.
    """
    filters = {one["filterType"]: one for one in info["filters"]}
    tick = Decimal(filters["PRICE_FILTER"]["tickSize"])
    step = Decimal(filters["LOT_SIZE"]["stepSize"])
    least = Decimal(filters["NOTIONAL"]["minNotional"])
    limit = max(tick, price * _AWAY // tick * tick)
    quantity = (least * _SPARE / limit / step).to_integral_value(ROUND_UP) * step
    return limit, max(step, quantity)
