"""The admin port: reads the record and the accounts, sets faults.

Plain HTTP without a password: for loopback or the lab's own network only.

GET    /health                                       {"status": "ok", ...}
GET    /record?after=SEQ&limit=N                     JSON lines of the record with a higher `seq`
GET    /accounts/NAME/orders|fills|balances          what the venue holds of an account; ?market=usdm: its
                                                     futures, of which there are positions and algo-orders too
DELETE /accounts/NAME/listen-key                     end its USDM listen key now
POST   /usdm/funding                                 {"symbol": "BTCUSDT", "rate": "0.0001"}: every account
                                                     with a position pays or gets funding now;
                                                     listed_after_seconds: when the income history shows it
POST   /markets/spot|usdm/SYMBOL/jump                {"bps": 200}: the market jumps up by 2 % of its first
                                                     price and stays there; negative: down
GET    /faults                                       the faults in force
PUT    /accounts/NAME/key                            {"enabled": false} disables its first API key: every
                                                     signed call with it is refused, its user streams end;
                                                     true enables it
PUT    /accounts/NAME/keys/KEY                       the same for one of its further keys
POST   /faults                                       set one (kinds and fields: fault.py); answers {"id": ...}
DELETE /faults/ID, DELETE /faults                    end one, end all
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import orjson
from aiohttp import web

from venue_sim import dialect
from venue_sim.fault import Fault
from venue_sim.fault_reader import FaultError
from venue_sim.faults import Faults
from venue_sim.flow import Flow
from venue_sim.model import SPOT, USDM, Account, money
from venue_sim.record import Record
from venue_sim.usdm.admin import ONLY_USDM, UsdmAdmin
from venue_sim.usdm.market import UsdmMarket
from venue_sim.user_streams import UserStreams
from venue_sim.venue import Venue

MOST_LINES = 100_000
FARTHEST_BPS = 2_000


class AdminApi:
    """The admin port's application."""

    def __init__(
        self,
        venue: Venue,
        user_streams: UserStreams,
        faults: Faults,
        record: Record,
        usdm: UsdmMarket | None = None,
    ) -> None:
        self._exchange = venue.exchange
        self._clock = venue.clock
        self._user_streams = user_streams
        self._faults = faults
        self._record = record
        self._usdm = UsdmAdmin(usdm) if usdm is not None else None
        self._started_ns = time.monotonic_ns()
        self.flows: Mapping[tuple[str, str], Flow] = {}  # by market and symbol

    def application(self) -> web.Application:
        """The routes."""
        app = web.Application()
        app.router.add_get("/health", self._health)
        app.router.add_get("/record", self._read_record)
        app.router.add_get("/accounts/{name}/{what:orders|fills|balances}", self._account)
        app.router.add_get("/accounts/{name}/{what:positions|algo-orders}", self._account)
        app.router.add_delete("/accounts/{name}/listen-key", self._expire_listen_key)
        app.router.add_post("/usdm/funding", self._pay_funding)
        app.router.add_post("/markets/{market:spot|usdm}/{symbol}/jump", self._jump)
        app.router.add_put("/accounts/{name}/key", self._set_key)
        app.router.add_put("/accounts/{name}/keys/{key}", self._set_key)
        app.router.add_get("/faults", self._list_faults)
        app.router.add_post("/faults", self._set_fault)
        app.router.add_delete("/faults", self._clear_faults)
        app.router.add_delete(r"/faults/{id:\d+}", self._remove_fault)
        return app

    async def _health(self, _request: web.Request) -> web.Response:
        return _json(
            {
                "status": "ok",
                "uptime_seconds": (time.monotonic_ns() - self._started_ns) // 10**9,
                "seq": self._record.seq,
                "symbols": sorted(self._exchange.markets),
                "accounts": sorted(self._exchange.accounts),
                "faults": len(self._faults.active(time.monotonic_ns())),
            }
        )

    async def _read_record(self, request: web.Request) -> web.Response:
        after = _whole(request, "after", 0)
        limit = min(_whole(request, "limit", 10_000), MOST_LINES)
        return web.Response(body=self._record.read(after, limit), content_type="application/x-ndjson")

    async def _account(self, request: web.Request) -> web.Response:
        account = self._exchange.accounts.get(request.match_info["name"])
        if account is None:
            return _error(404, f"account {request.match_info['name']!r} is unknown")
        what = request.match_info["what"]
        market = request.query.get("market", USDM if what in ONLY_USDM else SPOT)
        if market == SPOT and what not in ONLY_USDM:
            return _json(_READERS[what](account))
        if market != USDM or self._usdm is None:
            return _error(404, f"market {market!r} has no {what} here")
        return _json(self._usdm.read(account.name, what))

    async def _expire_listen_key(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        if self._usdm is None or name not in self._exchange.accounts:
            return _error(404, f"account {name!r} has no futures here")
        if not self._usdm.expire_listen_key(name, self._clock.now_ms()):
            return _error(404, f"account {name!r} has no listen key")
        return _json({"expired": 1})

    async def _pay_funding(self, request: web.Request) -> web.Response:
        if self._usdm is None:
            return _error(404, "there are no futures here")
        try:
            paid = self._usdm.pay_funding(orjson.loads(await request.read()), self._clock.now_ms())
        except ValueError as error:  # JSON that cannot be read is one too
            return _error(400, str(error))
        self._record.flush()
        return _json(paid)

    async def _jump(self, request: web.Request) -> web.Response:
        market, symbol = request.match_info["market"], request.match_info["symbol"]
        flow = self.flows.get((market, symbol))
        if flow is None:
            return _error(404, f"symbol {symbol!r} has no flow on {market}")
        try:
            wanted = orjson.loads(await request.read())
        except orjson.JSONDecodeError as error:
            return _error(400, f"the body is not JSON: {error}")
        bps = wanted.get("bps") if isinstance(wanted, dict) and wanted.keys() == {"bps"} else None
        if not isinstance(bps, int) or isinstance(bps, bool) or not 0 < abs(bps) <= FARTHEST_BPS:
            return _error(400, f'the body must be {{"bps": N}}, N not 0 and at most {FARTHEST_BPS}')
        flow.jump(bps, self._clock.now_ms())
        self._record.append("jump", {"market": market, "symbol": symbol, "bps": bps})
        return _json({"jumped_bps": bps})

    async def _set_key(self, request: web.Request) -> web.Response:
        account = self._exchange.accounts.get(request.match_info["name"])
        if account is None:
            return _error(404, f"account {request.match_info['name']!r} is unknown")
        key = account.keys.get(request.match_info.get("key", ""))
        if key is None:
            return _error(404, f"account {account.name!r} has no key {request.match_info['key']!r}")
        try:
            wanted = orjson.loads(await request.read())
        except orjson.JSONDecodeError as error:
            return _error(400, f"the body is not JSON: {error}")
        if not isinstance(wanted, dict) or wanted.keys() != {"enabled"}:
            return _error(400, 'the body must be {"enabled": true} or {"enabled": false}')
        enabled = wanted["enabled"]
        if not isinstance(enabled, bool):
            return _error(400, "enabled: must be true or false")
        key.enabled = enabled
        told = {"account": account.name, "key": key.name, "enabled": enabled}
        self._record.append("key", told)
        if not enabled:
            now_ms = self._clock.now_ms()
            self._user_streams.terminate(now_ms, account.name, key=key.name)
            if self._usdm is not None:
                self._usdm.expire_listen_key(account.name, now_ms, key.name)
        # A fence counts only once it is written: a restart right after the answer must find it, and find
        # the listen key ended.
        self._record.flush()
        return _json(told)

    async def _list_faults(self, _request: web.Request) -> web.Response:
        now = time.monotonic_ns()
        return _json([fault.describe(now) for fault in self._faults.active(now)])

    async def _set_fault(self, request: web.Request) -> web.Response:
        try:
            wanted = orjson.loads(await request.read())
            if not isinstance(wanted, dict):
                return _error(400, "the body must be a JSON object")
            fault = self._faults.add(wanted, time.monotonic_ns())
        except orjson.JSONDecodeError as error:
            return _error(400, f"the body is not JSON: {error}")
        except FaultError as error:
            return _error(400, str(error))
        self.note("set", fault)
        return _json({"id": fault.fault_id}, 201)

    async def _remove_fault(self, request: web.Request) -> web.Response:
        fault = self._faults.remove(int(request.match_info["id"]))
        if fault is None:
            return _error(404, f"fault {request.match_info['id']} is not in force")
        self.note("removed", fault)
        return _json({"removed": 1})

    async def _clear_faults(self, _request: web.Request) -> web.Response:
        ended = self._faults.clear()
        for fault in ended:
            self.note("removed", fault)
        return _json({"removed": len(ended)})

    def note(self, action: str, fault: Fault) -> None:
        """Write into the record that a fault was set, ended by itself or was removed."""
        self._record.append("fault", {"action": action, "fault": fault.describe(time.monotonic_ns())})


def _orders(account: Account) -> list[dict[str, Any]]:
    return [dialect.order_status(order) for order in account.orders.values()]


def _fills(account: Account) -> list[dict[str, Any]]:
    return [dialect.my_trade(fill) | {"clientOrderId": fill.order.client_order_id} for fill in account.fills]


def _balances(account: Account) -> dict[str, dict[str, str]]:
    return {
        asset: {"free": money(held.free), "locked": money(held.locked)}
        for asset, held in sorted(account.balances.items())
    }


_READERS: dict[str, Any] = {"orders": _orders, "fills": _fills, "balances": _balances}


def _whole(request: web.Request, name: str, default: int) -> int:
    value = request.query.get(name, "")
    if not value:
        return default
    if not value.isascii() or not value.isdigit():
        raise web.HTTPBadRequest(text=orjson.dumps({"error": f"{name}: must be a whole number"}).decode())
    return int(value)


def _json(body: Any, status: int = 200) -> web.Response:
    return web.Response(body=orjson.dumps(body), status=status, content_type="application/json")


def _error(status: int, message: str) -> web.Response:
    return _json({"error": message}, status)
