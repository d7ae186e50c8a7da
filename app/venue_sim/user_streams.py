"""User data streams: what happens to an account's orders and balances, sent to whoever subscribed."""

from __future__ import annotations

import orjson

from venue_sim import events
from venue_sim.dialect import Json
from venue_sim.exchange import Market, OrderEvent
from venue_sim.model import Account, Trade
from venue_sim.outbox import Outbox


class UserStreams:
    """All subscriptions, by account."""

    def __init__(self) -> None:
        self._subscriptions: dict[str, list[tuple[int, Outbox]]] = {}

    def subscribe(self, account: Account, subscription_id: int, outbox: Outbox) -> None:
        """Send an account's events to a connection from now on."""
        self._subscriptions.setdefault(account.name, []).append((subscription_id, outbox))

    def unsubscribe(self, outbox: Outbox, subscription_id: int | None = None) -> None:
        """End one subscription of a connection, or all."""
        for name, held in list(self._subscriptions.items()):
            kept = [
                (n, o)
                for n, o in held
                if o is not outbox or (subscription_id is not None and n != subscription_id)
            ]
            if kept:
                self._subscriptions[name] = kept
            else:
                del self._subscriptions[name]

    # the exchange tells what happened (exchange.Sink)

    def order_event(self, event: OrderEvent) -> None:
        """An order changed."""
        if event.order.account.name in self._subscriptions:
            self._send(event.order.account, events.execution_report(event))

    def balances(self, account: Account, assets: tuple[str, ...], now_ms: int) -> None:
        """Balances of an account changed."""
        if account.name in self._subscriptions:
            self._send(account, events.account_position(account, assets, now_ms))

    def trade(self, market: Market, trade: Trade) -> None:
        """Public trades go to the market streams."""

    def book(self, market: Market) -> None:
        """The book goes to the market streams."""

    def _send(self, account: Account, event: Json) -> None:
        body = orjson.dumps(event)
        for subscription_id, outbox in self._subscriptions[account.name]:
            outbox.put(b'{"subscriptionId":%d,"event":%b}' % (subscription_id, body))
