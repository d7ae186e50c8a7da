"""The emulator as one process: what it is made of, and its life from start to orderly stop."""

from __future__ import annotations

import asyncio
import random
import ssl
import time
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Any

from aiohttp import web

from venue_sim import __version__, market_socket, ws_api
from venue_sim.admin import AdminApi
from venue_sim.auth import KeyRing
from venue_sim.clock import Clock
from venue_sim.config import Config, Symbol
from venue_sim.connections import Connections
from venue_sim.exchange import Exchange
from venue_sim.faults import Faults
from venue_sim.flow import Flow
from venue_sim.front import Front
from venue_sim.limits import Limits
from venue_sim.market_streams import MarketStreams
from venue_sim.model import SPOT, USDM, Account
from venue_sim.record import FLUSH_SECONDS, Record
from venue_sim.recovery import Recovery
from venue_sim.rest import Rest
from venue_sim.stamps import StampedServer
from venue_sim.stream_faults import ConnectionFaults, EventFaults, TerminableStreams
from venue_sim.usdm.endpoints import ENDPOINTS as USDM_ENDPOINTS
from venue_sim.usdm.market import UsdmMarket
from venue_sim.user_streams import UserStreams
from venue_sim.venue import Venue

STOP_SECONDS = 2.0


class StartError(Exception):
    """The emulator cannot start; the text names the key or the address."""


class VenueServer:
    """The running emulator.

    Args:
        config: the settings.
        accounts: the accounts with their first balances.

    Raises:
        RecordError: the record cannot be used.
    """

    def __init__(self, config: Config, accounts: list[Account]) -> None:
        self._config = config
        self.api_port = 0
        self.admin_port = 0
        self.record = Record(config.record)
        endpoints = {*ws_api.ENDPOINTS, *(e.name for e in USDM_ENDPOINTS if config.usdm is not None)}
        self.faults = Faults(
            config.seed, frozenset(endpoints), frozenset(account.name for account in accounts)
        )
        clock = Clock(self.faults)
        now_ms = clock.now_ms()
        rules = [symbol.rules() for symbol in config.symbols]
        self.exchange = Exchange(rules, accounts, now_ms, config.fees.maker, config.fees.taker)
        self.usdm: UsdmMarket | None = None
        if config.usdm is not None:
            self.usdm = UsdmMarket(config, config.usdm, accounts, self.record, clock)
        recovery = Recovery(self.exchange)
        for entry in self.record.past():
            recovery.read(entry)
            if self.usdm is not None:
                self.usdm.recovery.read(entry)
        limits = config.limits
        keys = KeyRing(accounts)
        venue = Venue(
            self.exchange,
            Limits(limits.weight_per_minute, limits.orders_per_10_seconds, limits.orders_per_day),
            keys,
            clock,
            random.Random(f"{config.seed}/{self.record.seq}"),  # noqa: S311
        )
        self._front = Front(venue, self.faults, self.record)
        self._rest = Rest(self._front)
        self._market_streams = MarketStreams(self.exchange)
        self._user_streams = UserStreams()
        self._admin = AdminApi(venue, self._user_streams, self.faults, self.record, self.usdm)
        self._connections = Connections(
            config.connection_life_seconds, config.ping_seconds, config.pong_seconds, self.record
        )
        self._event_faults = self._user_streams.way = EventFaults(self.faults, self._connections)
        user_streams: list[TerminableStreams] = [self._user_streams]
        if self.usdm is not None:
            user_streams.append(self.usdm.streams)
        self._connection_faults = ConnectionFaults(self.faults, self._connections, user_streams, clock)
        self._tasks: list[asyncio.Task[None]] = []
        self._runners: list[web.BaseRunner] = []
        self.exchange.sinks += [self.record, self._user_streams, self._market_streams]
        recovery.finish()
        if self.usdm is not None:
            self.usdm.open(keys, self.faults, self._connections, self._event_faults)

    async def start(self) -> None:
        """Open the ports and let the market begin.

        Raises:
            StartError: a certificate cannot be loaded or an address cannot be bound.
        """
        config = self._config
        self.record.append(
            "start",
            {
                "version": __version__,
                "seed": config.seed,
                "symbols": [symbol.model_dump(mode="json") for symbol in config.symbols],
                "usdm_symbols": [s.model_dump(mode="json") for s in config.usdm.symbols]
                if config.usdm
                else [],
            },
        )
        markets = [(SPOT, self.exchange, config.symbols)]
        if self.usdm is not None and config.usdm is not None:
            markets.append((USDM, self.usdm.exchange, config.usdm.symbols))
        flows = {
            (name, flow.symbol): flow
            for name, exchange, symbols in markets
            for flow in self._flows(exchange, symbols)
        }
        for flow in flows.values():
            flow.fill_book(time.time_ns() // 1_000_000)
        self._admin.flows = flows
        context = _tls(config.api.certificate, config.api.key)
        server = StampedServer(self._handle, access_log=None)
        api = web.ServerRunner(server, shutdown_timeout=STOP_SECONDS)
        self.api_port = await self._open("api", api, config.api.host, config.api.port, context)
        admin = web.AppRunner(self._admin.application(), access_log=None, shutdown_timeout=STOP_SECONDS)
        self.admin_port = await self._open("admin", admin, config.admin.host, config.admin.port, None)
        clock = self._front.venue.clock
        self._run(self._market_streams.run(clock))
        self._run(self._keep_house())
        if self.usdm is not None:
            self._run(self.usdm.streams.run(clock))
            self._run(self.usdm.run())
        for flow in flows.values():
            self._run(flow.run(clock))

    def _flows(self, exchange: Exchange, symbols: Sequence[Symbol]) -> list[Flow]:
        """Those of the symbols that have any."""
        flows = []
        for symbol in symbols:
            own = self._config.background
            if symbol.events_per_second is not None:
                own = own.model_copy(update={"events_per_second": symbol.events_per_second})
            if own.events_per_second:
                flows.append(Flow(exchange, exchange.markets[symbol.symbol], own, self._config.seed))
        return flows

    async def stop(self) -> None:
        """Close the connections and write the record to its end."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self.faults.clear()
        await self._connections.end_all()
        for runner in self._runners:
            await runner.cleanup()
        self.record.append("stop", {})
        self.record.close()

    async def failed(self) -> BaseException | None:
        """Wait until one of the emulator's own tasks ends, which none ever should; return why."""
        done, _ = await asyncio.wait(self._tasks, return_when=asyncio.FIRST_EXCEPTION)
        return next((task.exception() for task in done if not task.cancelled()), None)

    async def _open(
        self, key: str, runner: web.BaseRunner, host: str, port: int, context: ssl.SSLContext | None
    ) -> int:
        await runner.setup()
        self._runners.append(runner)
        try:
            await web.TCPSite(runner, host, port, ssl_context=context, reuse_address=True).start()
        except OSError as error:
            raise StartError(f"{key}: cannot listen on {host}:{port}: {error.strerror or error}") from None
        return int(runner.addresses[0][1])

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        self._tasks.append(asyncio.create_task(work))

    async def _keep_house(self) -> None:
        """Write the record, end faults whose time is over, see to the connections."""
        while True:
            await asyncio.sleep(FLUSH_SECONDS)
            now_ns = time.monotonic_ns()
            for fault in self.faults.expire(now_ns):
                self._admin.note("ended", fault)
            self._connections.tick(now_ns)
            self._event_faults.tick(now_ns)
            self._connection_faults.tick(now_ns)
            self.record.flush()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        path = request.path
        if self.usdm is not None and self.usdm.serves(path):
            return await self.usdm.handle(request)
        if path.startswith(("/api/", "/sapi/")):
            return await self._rest.handle(request)
        if request.headers.get("Upgrade", "").lower() == "websocket":
            if path == "/ws-api/v3":
                return await ws_api.serve(request, self._connections, self._front, self._user_streams)
            if path in ("/ws", "/stream") or path.startswith("/ws/"):
                streams, way = self._market_streams, self._event_faults
                return await market_socket.serve(request, self._connections, streams, way)
        return await self._rest.handle(request)


def _tls(certificate: Path, key: Path | None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(certificate, key)
    except (ssl.SSLError, OSError) as error:
        raise StartError(
            f"api.certificate, api.key: {certificate} and {key} cannot be used: {error}"
        ) from None
    return context
