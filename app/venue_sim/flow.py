"""The background flow: a market that lives by itself, seeded, and stays near its start for hours.

A fair price walks in whole ticks, pulled back to the start and never outside its band. House orders are
placed around it, old or far ones are cancelled, and small market orders take from both sides (and so
fill clients' quotes).
"""

from __future__ import annotations

import asyncio
import random
import time
from decimal import Decimal

from venue_sim.clock import Clock
from venue_sim.config import Background
from venue_sim.exchange import LIMIT, MARKET, Exchange, Market, NewOrder
from venue_sim.model import BUY, SELL, Order

TAKE_SHARE = 0.15
CANCEL_SHARE = 0.35
PULL = 0.02
MOST_BEHIND_SECONDS = 1.0


class Flow:
    """The flow of one symbol.

    Args:
        exchange, market: where it trades, as the house.
        settings: how much of it.
        seed: with the symbol, it fixes every decision.
    """

    def __init__(self, exchange: Exchange, market: Market, settings: Background, seed: int) -> None:
        self._exchange = exchange
        self._market = market
        self._settings = settings
        rules = market.rules
        self._draws = random.Random(f"{seed}/{rules.symbol}")  # noqa: S311
        self._first = self._start = int(rules.price / rules.tick_size)
        self._fair = int(market.last_price / rules.tick_size)
        self._band = max(self._start * settings.band_bps // 10_000, 1)
        self._half_spread = max(self._start * settings.spread_bps // 20_000, 1)
        self._reach = max(self._half_spread * 10, settings.levels)
        self._live: dict[str, list[Order]] = {BUY: [], SELL: []}
        self._placed = 0

    def fill_book(self, now_ms: int) -> None:
        """Place the first orders."""
        for side in (BUY, SELL):
            while len(self._live[side]) < self._settings.levels:
                self._quote(side, now_ms)

    async def run(self, clock: Clock) -> None:
        """Make events at the set rate, for ever, at the times that the venue's clock tells."""
        if not self._settings.events_per_second:
            return
        due = time.monotonic()
        while True:
            due += self._draws.expovariate(self._settings.events_per_second)
            now = time.monotonic()
            due = max(due, now - MOST_BEHIND_SECONDS)
            if due > now:
                await asyncio.sleep(due - now)
            self.step(clock.now_ms())

    @property
    def symbol(self) -> str:
        return self._market.rules.symbol

    def jump(self, bps: int, now_ms: int) -> None:
        """Move the market at once, as news do: the house takes all its orders away and quotes anew around the
        other price. Clients' orders in between are filled.

        Args:
            bps: by so much of the price at the start, in 1/100 %; it stays there until the next jump.
        """
        for live in self._live.values():
            for order in live:
                self._cancel(order, now_ms)
            live.clear()
        by = self._first * bps // 10_000
        self._start, self._fair = self._start + by, self._fair + by
        self.fill_book(now_ms)

    def step(self, now_ms: int) -> None:
        """Make one event."""
        self._walk()
        side = BUY if self._draws.random() < 0.5 else SELL
        self._tidy(side, now_ms)
        chance = self._draws.random()
        if len(self._live[side]) < self._settings.levels * 3 // 4:
            self._quote(side, now_ms)
            self._quote(side, now_ms)
        elif chance < TAKE_SHARE:
            self._take(side, now_ms)
        elif chance < TAKE_SHARE + CANCEL_SHARE:
            self._cancel(self._draws.choice(self._live[side]), now_ms)
        else:
            self._quote(side, now_ms)

    def _walk(self) -> None:
        step = self._draws.choice((-1, 0, 1)) * max(self._half_spread // 4, 1)
        pull = int((self._fair - self._start) * PULL * self._draws.random())
        moved = self._fair + step - pull
        self._fair = min(max(moved, self._start - self._band), self._start + self._band)

    def _tidy(self, side: str, now_ms: int) -> None:
        """Forget finished orders; cancel those that the walk has left behind, and the oldest of too many."""
        live = self._live[side] = [order for order in self._live[side] if order.is_open]
        tick = self._market.rules.tick_size
        for order in live[:]:
            behind = abs(int(order.price / tick) - self._fair) > self._reach * 2
            if behind or len(live) > self._settings.levels * 3 // 2:
                self._cancel(order, now_ms)
                live.remove(order)
            else:
                break

    def _quote(self, side: str, now_ms: int) -> None:
        away = self._half_spread + min(int(self._draws.expovariate(4 / self._reach)), self._reach)
        ticks = max(self._fair - away if side == BUY else self._fair + away, 1)
        price = ticks * self._market.rules.tick_size
        order = self._place(side, LIMIT, self._amount(price), price, now_ms)
        if order.is_open:
            self._live[side].append(order)

    def _take(self, side: str, now_ms: int) -> None:
        """Take a small amount, never more than a third of the book, so that the price stays where it is."""
        price = self._market.book.opposite(side).best
        if price is None:
            return
        wanted = self._amount(price) / 4
        third, _ = self._market.book.cost(side, None, wanted * 3)
        quantity = self._whole(min(wanted, third / 3))
        if quantity and quantity * self._market.last_price >= self._market.rules.min_notional:
            self._place(side, MARKET, quantity, Decimal(0), now_ms)

    def _place(self, side: str, kind: str, quantity: Decimal, price: Decimal, now_ms: int) -> Order:
        self._placed += 1
        new = NewOrder(
            self._market.rules.symbol, side, kind, f"house-{self._placed}", "GTC", quantity, price=price
        )
        return self._exchange.place(self._exchange.house, new, now_ms)[0]

    def _cancel(self, order: Order, now_ms: int) -> None:
        if order.is_open:
            self._exchange.cancel(order, now_ms, "")

    def _amount(self, price: Decimal) -> Decimal:
        """A quantity worth a tenth to twice the set notional."""
        notional = self._settings.notional * self._draws.randint(10, 200) / 100
        wanted = max(notional, self._market.rules.min_notional * 5)
        return self._whole(wanted / price) or self._market.rules.step_size

    def _whole(self, quantity: Decimal) -> Decimal:
        return quantity // self._market.rules.step_size * self._market.rules.step_size
