"""A venue that is a list of canned answers: what ccxt sends is kept, and nothing leaves the process.

It stands where aiohttp's session stands, so that ccxt's whole way is tested: building, signing, reading of
statuses and bodies, and the errors that come of it. Bodies are written in each venue's own format.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from tests.trader.support import make_order
from trader.model.orders import Order
from trader.venue.budget import Budget, BudgetCore
from trader.venue.endpoints import Tariff
from trader.venue.exchange import VenueAccess
from trader.venue.gateway import Gateway

HOST = "trader-01"
SECRET = base64.b64encode(bytes(range(64))).decode()  # of the shape that each venue's signing takes
SYMBOLS = {"binanceusdm": "BTC/USDT:USDT", "krakenfutures": "BTC/USD:USD", "kraken": "BTC/USD"}


@dataclass(frozen=True, slots=True)
class Request:
    """One request as it would have left."""

    method: str
    path: str
    values: dict[str, Any]  # of the query and of the body, together
    headers: dict[str, str]
    body: str


@dataclass(slots=True)
class _Response:
    status: int
    body: str
    reason: str = "reason"
    content: object = None

    @property
    def headers(self) -> dict[str, str]:
        return {"Content-Type": "text/html" if self.body.startswith("<") else "application/json"}

    async def text(self, **_: Any) -> str:
        return self.body

    async def __aenter__(self) -> _Response:
        return self

    async def __aexit__(self, *_: object) -> None:
        """Nothing to close."""


class Wire:
    """Stands for aiohttp's session.

    Attributes:
        answers: path's end -> what is answered there, one after the other; the last one stays.
    """

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.answers: dict[str, list[Any]] = {}
        self.headers: dict[str, str] = {}

    def answer(self, path: str, *answers: Any) -> None:
        """What to answer at a path: an exception, a body, (status, body), or what makes one from a request.

        A body is text, or a tree that is sent as JSON.
        """
        self.answers[path] = list(answers)

    def sent(self, path: str) -> list[Request]:
        """The requests to paths with this end."""
        return [request for request in self.requests if request.path.endswith(path)]

    def get(self, url: Any, **rest: Any) -> _Response:
        return self._take("GET", str(url), **rest)

    def post(self, url: Any, **rest: Any) -> _Response:
        return self._take("POST", str(url), **rest)

    def delete(self, url: Any, **rest: Any) -> _Response:
        return self._take("DELETE", str(url), **rest)

    async def close(self) -> None:
        """Nothing to close."""

    def _take(self, method: str, url: str, data: Any, headers: dict[str, str], **_: Any) -> _Response:
        parts = urlsplit(url)
        body = (data or b"").decode()
        values: dict[str, Any] = dict(parse_qsl(parts.query))
        if body.startswith(("{", "[")):
            read = json.loads(body)
            values |= read[0] if isinstance(read, list) else read
        else:
            values |= dict(parse_qsl(body))
        self.requests.append(Request(method, parts.path, values, dict(headers), body))
        given = next((rows for path, rows in self.answers.items() if parts.path.endswith(path)), None)
        assert given, f"nobody answers {method} {parts.path}"
        answer = given.pop(0) if len(given) > 1 else given[0]
        if isinstance(answer, BaseException):
            raise answer
        if callable(answer):
            answer = answer(self.requests[-1])
        status, content = answer if isinstance(answer, tuple) else (200, answer)
        return _Response(status, content if isinstance(content, str) else json.dumps(content))


async def connected(venue: str) -> tuple[Gateway, Wire]:
    """A gateway that has loaded the markets, and the wire behind it, with no requests on it yet."""
    access = VenueAccess(venue, None, None, 5_000, 2_000, "key", SECRET, "words", HOST)
    gateway, wire = Gateway(access, [symbol_of(venue)]), Wire()
    gateway.wire.budget = Budget(
        BudgetCore(Tariff((), {}))
    )  # the cases come faster than a venue may be asked
    gateway.exchange.open = lambda own_session=False: None
    gateway.exchange.session = wire
    gateway.exchange.own_session = False
    for path, body in MARKETS[venue].items():
        wire.answer(path, body)
    await gateway.connect()
    wire.requests.clear()
    return gateway, wire


def symbol_of(venue: str) -> str:
    """The one market of a venue's fixture."""
    return SYMBOLS.get(venue, "BTC/USDT")


def order_at(venue: str, **fields: Any) -> Order:
    """Our order for 0.0123 BTC at 60000.5."""
    values: dict[str, Any] = {"quantity": Decimal("0.0123"), "price": Decimal("60000.5")}
    return make_order(
        f"{HOST}-1-42", symbol=symbol_of(venue), created_ns=1_700_000_000 * 10**9, **values | fields
    )


_BINANCE_FILTERS = [
    {"filterType": "PRICE_FILTER", "minPrice": "0.1", "maxPrice": "1000000", "tickSize": "0.1"},
    {"filterType": "LOT_SIZE", "minQty": "0.0001", "maxQty": "9000", "stepSize": "0.0001"},
    {"filterType": "NOTIONAL", "minNotional": "5"},
    {"filterType": "MIN_NOTIONAL", "notional": "5", "minNotional": "5"},
]
_BINANCE_MARKET = {
    "symbol": "BTCUSDT",
    "status": "TRADING",
    "baseAsset": "BTC",
    "quoteAsset": "USDT",
    "baseAssetPrecision": 8,
    "quotePrecision": 8,
    "orderTypes": ["LIMIT", "MARKET"],
    "isSpotTradingAllowed": True,
    "permissions": ["SPOT"],
    "filters": _BINANCE_FILTERS,
}

# Path -> body: what load_markets asks for, one market each.
MARKETS: dict[str, dict[str, Any]] = {
    "binance": {"/api/v3/exchangeInfo": {"symbols": [_BINANCE_MARKET]}},
    "binanceusdm": {
        "/fapi/v1/exchangeInfo": {
            "symbols": [
                {
                    **_BINANCE_MARKET,
                    "contractType": "PERPETUAL",
                    "marginAsset": "USDT",
                    "deliveryDate": 4_133_404_800_000,
                    "pricePrecision": 1,
                    "quantityPrecision": 4,
                }
            ]
        }
    },
    "kraken": {
        "/AssetPairs": {
            "error": [],
            "result": {
                "XXBTZUSD": {
                    "altname": "XBTUSD",
                    "wsname": "XBT/USD",
                    "base": "XXBT",
                    "quote": "ZUSD",
                    "pair_decimals": 1,
                    "lot_decimals": 8,
                    "ordermin": "0.0001",
                    "costmin": "0.5",
                    "status": "online",
                    "leverage_buy": [],
                    "fees": [[0, "0.4"]],
                    "fees_maker": [[0, "0.25"]],
                }
            },
        }
    },
    "krakenfutures": {
        "/instruments": {
            "result": "success",
            "instruments": [
                {
                    "symbol": "PF_XBTUSD",
                    "type": "flexible_futures",
                    "tickSize": 0.5,
                    "contractSize": 1,
                    "contractValueTradePrecision": 4,
                    "tradeable": True,
                }
            ],
        }
    },
    "bybit": {
        "/v5/market/instruments-info": {
            "retCode": 0,
            "result": {
                "category": "spot",
                "list": [
                    {
                        "symbol": "BTCUSDT",
                        "baseCoin": "BTC",
                        "quoteCoin": "USDT",
                        "status": "Trading",
                        "lotSizeFilter": {
                            "basePrecision": "0.000001",
                            "quotePrecision": "0.0000001",
                            "minOrderQty": "0.000011",
                            "maxOrderQty": "83",
                            "minOrderAmt": "5",
                            "maxOrderAmt": "8000000",
                        },
                        "priceFilter": {"tickSize": "0.01"},
                    }
                ],
            },
        }
    },
    "okx": {
        "/public/instruments": {
            "code": "0",
            "data": [
                {
                    "instType": "SPOT",
                    "instId": "BTC-USDT",
                    "baseCcy": "BTC",
                    "quoteCcy": "USDT",
                    "tickSz": "0.1",
                    "lotSz": "0.00000001",
                    "minSz": "0.00001",
                    "state": "live",
                }
            ],
        }
    },
    "coinbase": {
        "/market/products": {
            "products": [
                {
                    "product_id": "BTC-USDT",
                    "product_type": "SPOT",
                    "base_currency_id": "BTC",
                    "quote_currency_id": "USDT",
                    "base_increment": "0.00000001",
                    "quote_increment": "0.01",
                    "price_increment": "0.01",
                    "base_min_size": "0.00000001",
                    "base_max_size": "3400",
                    "quote_min_size": "1",
                    "quote_max_size": "150000000",
                    "status": "online",
                    "trading_disabled": False,
                }
            ]
        },
        "/transaction_summary": {"fee_tier": {}},
    },
}
