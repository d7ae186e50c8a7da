"""After a restart: the venue goes on from its own record, as a real one does.

Order and trade ids go on, balances, orders and fills are those of the last entries (the accounts file counts
only for assets that never changed), and open orders stand in the book in their old order. The house
starts anew.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from venue_sim.exchange import Exchange
from venue_sim.model import SPOT, Account, Balance, Fill, Order


class Recovery:
    """Reads the record of earlier runs into an exchange.

    Entries of accounts or symbols that the settings no longer have are passed over; their ids still count.

    Args:
        exchange: what it fills.
        market: the market whose entries it reads.
    """

    def __init__(self, exchange: Exchange, market: str = SPOT) -> None:
        self._exchange = exchange
        self._market = market

    def read(self, entry: dict[str, Any]) -> None:
        """Take in one entry, oldest first."""
        kind = entry["kind"]
        exchange = self._exchange
        if entry.get("market", SPOT) != self._market:
            return
        if kind == "order":
            exchange.next_order_id = max(exchange.next_order_id, entry["order_id"] + 1)
        elif kind == "fill":
            exchange.next_trade_id = max(exchange.next_trade_id, entry["trade_id"] + 1)
        account = exchange.accounts.get(entry.get("account") or "")
        if account is None:
            return
        if kind == "key":
            if (key := account.keys.get(entry.get("key", ""))) is not None:
                key.enabled = entry["enabled"]
        elif kind == "balances":
            for asset, (free, locked) in entry["balances"].items():
                account.balances[asset] = Balance(Decimal(free), Decimal(locked))
        elif kind in ("order", "fill") and entry["symbol"] in exchange.markets:
            (self._order if kind == "order" else self._fill)(account, entry)

    def finish(self) -> None:
        """Put the open orders back into the books, oldest first."""
        still_open = [o for account in self._exchange.accounts.values() for o in account.open_orders.values()]
        for order in sorted(still_open, key=lambda order: order.order_id):
            self._exchange.markets[order.rules.symbol].book.add(order)

    def _order(self, account: Account, entry: dict[str, Any]) -> None:
        order = account.orders.get(entry["order_id"])
        if order is None:
            order = Order(
                order_id=entry["order_id"],
                account=account,
                rules=self._exchange.markets[entry["symbol"]].rules,
                client_order_id=entry["client_order_id"],
                side=entry["side"],
                type=entry["type"],
                time_in_force=entry["time_in_force"],
                price=Decimal(entry["price"]),
                quantity=Decimal(entry["quantity"]),
                quote_quantity=Decimal(entry["quote_quantity"]),
                created_ms=entry["created_ms"],
                updated_ms=entry["time_ms"],
                extra=entry.get("tags"),
            )
            account.remember(order)
        order.executed = Decimal(entry["executed"])
        order.executed_quote = Decimal(entry["executed_quote"])
        order.status = entry["status"]
        order.updated_ms = account.updated_ms = entry["time_ms"]
        if order.is_open:
            order.locked = order.remaining * order.price if order.side == "BUY" else order.remaining
        else:
            account.close(order)

    def _fill(self, account: Account, entry: dict[str, Any]) -> None:
        market = self._exchange.markets[entry["symbol"]]
        market.last_price = Decimal(entry["price"])
        order = account.orders.get(entry["order_id"])
        if order is None:
            return
        account.add_fill(
            Fill(
                trade_id=entry["trade_id"],
                order=order,
                price=Decimal(entry["price"]),
                quantity=Decimal(entry["quantity"]),
                quote=Decimal(entry["quote"]),
                commission=Decimal(entry["commission"]),
                commission_asset=entry["commission_asset"],
                is_maker=entry["maker"],
                time_ms=entry["time_ms"],
                realised=Decimal(entry.get("realised", "0")),
            )
        )
