"""The futures market, put together."""

from __future__ import annotations

import asyncio
import random

from aiohttp import web

from venue_sim import market_socket, ws_api
from venue_sim.auth import KeyRing
from venue_sim.clock import Clock
from venue_sim.config import Config, Usdm
from venue_sim.connections import Connections
from venue_sim.faults import Faults
from venue_sim.front import Front
from venue_sim.limits import MINUTE_MS, ORDER_INTERVALS, Limits
from venue_sim.model import MARGIN_ASSET, USDM, ZERO, Account, Balance
from venue_sim.record import Record
from venue_sim.rest import Rest
from venue_sim.stream_faults import EventFaults
from venue_sim.usdm.countdown import CHECK_SECONDS, Countdowns
from venue_sim.usdm.endpoints import BY_ROUTE, WS_API
from venue_sim.usdm.exchange import FuturesExchange, Terms
from venue_sim.usdm.listen_keys import ListenKeys
from venue_sim.usdm.record import UsdmRecord
from venue_sim.usdm.recovery import UsdmRecovery
from venue_sim.usdm.streams import FuturesStreams
from venue_sim.usdm.venue import UsdmVenue
from venue_sim.user_streams import UserStreams

ORDERS_PER_MINUTE = 4
"""Orders that the venue allows in a minute, as a multiple of those in ten seconds."""
STREAM_PATHS = ("/public/", "/market/", "/private/")


class UsdmMarket:
    """The futures market of the emulator.

    Args:
        config: the settings of the whole emulator.
        usdm: those of this market.
        accounts: the spot accounts; each gets a futures account under the same name and keys.
        record: where all is written down.
        clock: the venue's.
    """

    def __init__(
        self, config: Config, usdm: Usdm, accounts: list[Account], record: Record, clock: Clock
    ) -> None:
        terms = Terms(usdm.fees.maker, usdm.fees.taker, usdm.leverage, usdm.funding_rate)
        rules = [symbol.rules() for symbol in usdm.symbols]
        self._clock = clock
        futures_accounts = [_futures_account(account) for account in accounts]
        self.exchange = FuturesExchange(rules, futures_accounts, clock.now_ms(), terms)
        self.listen_keys = ListenKeys(record)
        self.streams = FuturesStreams(self.exchange, self.listen_keys, clock)
        self.countdowns = Countdowns(self.exchange, record)
        self.recovery = UsdmRecovery(self.exchange, self.countdowns, self.listen_keys)
        self._limits = Limits(
            config.limits.weight_per_minute,
            config.limits.orders_per_10_seconds,
            config.limits.orders_per_10_seconds * ORDERS_PER_MINUTE,
            (ORDER_INTERVALS[0], ("1M", "1 MINUTE", "MINUTE", 1, MINUTE_MS)),
        )
        self._record = record
        self._seed = config.seed

    def open(self, keys: KeyRing, faults: Faults, connections: Connections, way: EventFaults) -> None:
        """Begin, once the record was read: from now on what happens is told."""
        self.recovery.finish()
        own_record = UsdmRecord(self._record)
        self.exchange.sinks += [self._record, self.streams]
        self.exchange.account_sinks += [own_record, self.streams]
        ids = random.Random(f"{self._seed}/{USDM}/{self._record.seq}")  # noqa: S311
        venue = UsdmVenue(
            exchange=self.exchange,
            limits=self._limits,
            keys=keys,
            clock=self._clock,
            ids=ids,
            countdowns=self.countdowns,
            listen_keys=self.listen_keys,
            record=own_record,
        )
        self._front = Front(venue, faults, self._record)
        self._rest = Rest(self._front, BY_ROUTE)
        self._no_streams = UserStreams()
        self._connections = connections
        self._way = self.streams.way = way

    def serves(self, path: str) -> bool:
        """Whether a request for this path is the futures market's."""
        return path.startswith(("/fapi/", "/ws-fapi/", *STREAM_PATHS))

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Serve a request."""
        path = request.path
        if request.headers.get("Upgrade", "").lower() == "websocket":
            if path == "/ws-fapi/v1":
                return await ws_api.serve(
                    request, self._connections, self._front, self._no_streams, WS_API, USDM
                )
            if path.startswith(STREAM_PATHS):
                return await market_socket.serve(request, self._connections, self.streams, self._way, USDM)
        return await self._rest.handle(request)

    async def run(self) -> None:
        """Fire countdowns, end listen keys and let funding be paid when it is time, for ever."""
        while True:
            await asyncio.sleep(CHECK_SECONDS)
            now_ms = self._clock.now_ms()
            self.countdowns.fire(now_ms)
            self.listen_keys.expire_due(self.exchange.accounts, now_ms)
            if self.exchange.fundings.due(now_ms):
                for symbol in self.exchange.markets:
                    self.exchange.pay_funding(symbol, self.exchange.fundings.rate, now_ms)


def _futures_account(spot: Account) -> Account:
    return Account(
        name=spot.name,
        uid=spot.uid,
        keys=spot.keys,
        market=USDM,
        balances={MARGIN_ASSET: Balance(free=spot.usdm_balance or ZERO)},
    )
