"""The whole path of an order against the real emulator: manager, journal, gateway, proof of outcomes."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from tests.trader.parts import Parts
from tests.venue_sim.support import RunningVenue, eventually
from trader.journal import Journal
from trader.model.intents import Place
from trader.model.orders import Order
from trader.model.transitions import OrderState
from trader.model.values import OrderKind, Side
from trader.venue.exchange import VenueAccess
from trader.venue.gateway import Gateway
from trader.venue.interface import Lookup, Placement, VenueError

HOST = "trader-01"
BTC_USDT = "BTC/USDT"
FAR_BELOW = Decimal(58_000)  # rests: nobody sells there
RECV_WINDOW_MS = 800  # how long a lost order may still arrive; every proof of absence waits for it
OVER = {"FILLED": OrderState.FILLED, "CANCELED": OrderState.CANCELED, "EXPIRED": OrderState.EXPIRED}
LIVE = {"NEW": OrderState.OPEN, "PARTIALLY_FILLED": OrderState.PARTIALLY_FILLED}


@dataclass(frozen=True, slots=True)
class There:
    """What the venue's record says of one client id.

    Attributes:
        requests: to place it, answered or not.
        accepted: times that it became an order.
        cancels: requests to cancel it.
        status: of the order; None = there is none.
    """

    requests: int
    accepted: int
    cancels: int
    status: str | None


class WatchedGateway(Gateway):
    """Keeps what it answered."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.placements: list[Placement] = []
        self.cancels: list[Lookup] = []

    async def place(self, order: Order) -> Placement:
        self.placements.append(await super().place(order))
        return self.placements[-1]

    async def cancel(self, order: Order) -> Lookup:
        self.cancels.append(await super().cancel(order))
        return self.cancels[-1]


class OrderPath:
    """One account's order path at a running emulator; an async context.

    Args:
        transport: "rest" or "ws".
        epoch: another one for each path at the same emulator, because each begins to count its ids anew.
    """

    def __init__(
        self,
        venue: RunningVenue,
        folder: Path,
        transport: str = "rest",
        *,
        timeout_ms: int = 2_000,
        recv_window_ms: int = RECV_WINDOW_MS,
        venue_id: str = "binance",
        symbol: str = BTC_USDT,
        state_folder: Path | None = None,
        account: str = HOST,
        epoch: int = 1,
    ) -> None:
        self._venue = venue
        self._transport = transport
        self.symbol = symbol
        keys = venue.accounts[account]
        access = VenueAccess(
            venue_id,
            venue.hostname,
            venue.ca_file,
            recv_window_ms,
            timeout_ms,
            keys.api_key,
            keys.api_secret,
            host=account,
            order_entry=transport == "ws",
            state_folder=state_folder,
        )
        self.gateway = WatchedGateway(access, [symbol])
        self.journal = Journal.open(folder / "journal.sqlite", account, account, epoch, "dev")
        self.parts = Parts(self.journal, self.gateway, self.journal.snapshot())
        self.manager, self.resolver = self.parts.manager, self.parts.resolver

    async def __aenter__(self) -> OrderPath:
        self.journal.start(lambda seconds, count: None, self._journal_failed)
        await self._connect()
        if self._transport == "ws":
            await self.entry_ready()
        self.parts.quote(self.symbol)
        self.parts.gate.clear("start")
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.resolver.stop()
        await self.gateway.close()
        await self.journal.close()

    async def _connect(self) -> None:
        """As the service does: a timeout that is short for the test's sake may be too short for this."""
        async with asyncio.timeout(20):
            while True:
                try:
                    return await self.gateway.connect()
                except VenueError:
                    await asyncio.sleep(0.1)

    async def entry_ready(self) -> None:
        """Wait until orders go over the WebSocket API."""
        entry = self.gateway.entry
        assert entry is not None
        await eventually(lambda: entry.ready, "the order entry connection")

    async def place(
        self,
        price: Decimal | None = FAR_BELOW,
        quantity: Decimal = Decimal("0.001"),
        side: Side = Side.BUY,
    ) -> Order:
        """Send one order through the manager; without a price it is a market order."""
        kind = OrderKind.MARKET if price is None else OrderKind.LIMIT
        order = await self.manager.place(Place(self.symbol, side, kind, quantity, price, time.monotonic_ns()))
        assert order is not None, "it did not pass the gate"
        return order

    async def proven(self) -> None:
        """Wait until nothing is left to be proven."""
        async with asyncio.timeout(20):
            await self.resolver.idle()
            while self.parts.book.unproven():
                await asyncio.sleep(0.02)
                await self.resolver.idle()

    async def too_late_to_arrive(self) -> None:
        """Wait until the venue would refuse whatever was sent before."""
        await asyncio.sleep(self.gateway.recv_window_ms / 1_000)

    async def there(self, order: Order) -> There:
        """The venue's word."""
        return await asyncio.to_thread(there, self._venue, order.client_id)

    async def recorded(self, order: Order) -> None:
        """Wait until the venue has written down the request, which it does when it answers."""
        async with asyncio.timeout(20):
            while True:
                if (await self.there(order)).requests:
                    return
                await asyncio.sleep(0.05)

    async def agreed(self, order: Order) -> There:
        """Check that both sides say the same of an order, and that it was sent once.

        Returns:
            The venue's word.
        """
        at_venue = await self.there(order)
        assert at_venue.requests <= 1, "sent twice"
        assert at_venue.accepted <= 1, "placed twice"
        expected = OrderState.REJECTED if at_venue.status is None else (OVER | LIVE)[at_venue.status]
        assert order.state is expected, f"{order.state} here, {at_venue.status} at the venue"
        assert "contradiction" not in self.parts.gate.reasons
        return at_venue

    def _journal_failed(self, error: Exception) -> None:
        self.parts.gate.halt("journal", str(error))


def there(venue: RunningVenue, client_id: str) -> There:
    """What the venue's record says of a client id."""
    status, counted = None, Counter[str]()
    for entry in venue.record():
        if entry["kind"] == "order" and entry["client_order_id"] == client_id:
            status = entry["status"]
            counted["accepted"] += entry["event"] == "NEW"
        elif entry["kind"] == "request":
            params = entry["params"]
            place = entry["endpoint"].endswith("order.place")
            cancel = entry["endpoint"].endswith("order.cancel")
            counted["requests"] += place and params.get("newClientOrderId") == client_id
            counted["cancels"] += cancel and params.get("origClientOrderId") == client_id
    return There(counted["requests"], counted["accepted"], counted["cancels"], status)
