"""User data streams: what happens to an account's orders and balances, sent to whoever subscribed."""

from __future__ import annotations

from typing import Protocol

import orjson

from venue_sim import events
from venue_sim.connections import Connection
from venue_sim.dialect import Json
from venue_sim.exchange import Market, OrderEvent
from venue_sim.model import Account, Trade


class Way(Protocol):
    """How events reach a connection; faults stand in it."""

    def send_user(self, connection: Connection, account: str, event: Json, message: bytes) -> None:
        """Send an account's event, the message that tells of it."""


class UserStreams:
    """All subscriptions, by account."""

    def __init__(self) -> None:
        self.way: Way = Straight()
        self._subscriptions: dict[str, list[tuple[int, Connection, str]]] = {}

    def subscribe(
        self, account: Account, subscription_id: int, connection: Connection, key: str = ""
    ) -> None:
        """Send an account's events to a connection from now on; `key` is the name of the key that asked."""
        self._subscriptions.setdefault(account.name, []).append((subscription_id, connection, key))
        connection.accounts.add(account.name)

    def unsubscribe(self, connection: Connection, subscription_id: int | None = None) -> None:
        """End one subscription of a connection, or all."""
        for name in list(connection.accounts):
            self._drop(name, connection, subscription_id)

    def terminate(
        self, now_ms: int, account: str | None, connection: Connection | None = None, key: str | None = None
    ) -> None:
        """End subscriptions by the venue's own will, and tell it to those who held them.

        Args:
            now_ms: the venue's time.
            account: whose, None: everybody's.
            connection: on which, None: on any.
            key: of which key, None: of any.
        """
        event = events.stream_terminated(now_ms)
        for name in [account] if account is not None else list(self._subscriptions):
            for subscription_id, held, by in list(self._subscriptions.get(name, ())):
                if connection in (None, held) and key in (None, by):
                    held.put(_message(subscription_id, event))
                    self._drop(name, held, subscription_id)

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
        for subscription_id, connection, _ in self._subscriptions[account.name]:
            self.way.send_user(connection, account.name, event, _message(subscription_id, event))

    def _drop(self, name: str, connection: Connection, subscription_id: int | None) -> None:
        kept = [
            (number, held, by)
            for number, held, by in self._subscriptions.get(name, ())
            if held is not connection or subscription_id not in (None, number)
        ]
        if kept:
            self._subscriptions[name] = kept
        else:
            self._subscriptions.pop(name, None)
        if not any(held is connection for _, held, _ in kept):
            connection.accounts.discard(name)


class Straight:
    """The way without faults."""

    def send_user(self, connection: Connection, account: str, event: Json, message: bytes) -> None:
        """Send the message."""
        connection.put(message)


def _message(subscription_id: int, event: Json) -> bytes:
    return b'{"subscriptionId":%d,"event":%b}' % (subscription_id, orjson.dumps(event))
