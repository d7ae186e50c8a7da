"""What the admin port shows of the futures market."""

from __future__ import annotations

from typing import Any

from venue_sim.model import MARGIN_ASSET, Account, money
from venue_sim.usdm import dialect
from venue_sim.usdm.market import UsdmMarket

ONLY_USDM = ("positions", "algo-orders")


class UsdmAdmin:
    """Reads accounts, and ends listen keys."""

    def __init__(self, market: UsdmMarket) -> None:
        self._market = market

    def read(self, name: str, what: str) -> Any:
        """An account's orders, fills, balances, positions or algo-orders."""
        account = self._market.exchange.accounts[name]
        readers = {
            "orders": self._orders,
            "fills": self._fills,
            "balances": self._balances,
            "positions": self._positions,
            "algo-orders": self._algo_orders,
        }
        return readers[what](account)

    def expire_listen_key(self, name: str, now_ms: int, made_by: str | None = None) -> bool:
        """End an account's listen key, when this API key made it (None: whichever); False: there is none."""
        account = self._market.exchange.accounts[name]
        maker = self._market.listen_keys.maker(account)
        if maker is None or made_by not in (None, maker):
            return False
        self._market.listen_keys.expire(account, now_ms)
        return True

    def _orders(self, account: Account) -> Any:
        return [dialect.order_status(order) for order in account.orders.values()]

    def _fills(self, account: Account) -> Any:
        return [
            dialect.user_trade(fill) | {"clientOrderId": fill.order.client_order_id} for fill in account.fills
        ]

    def _balances(self, account: Account) -> Any:
        margin = self._market.exchange.margin(account)
        return {
            MARGIN_ASSET: {
                "wallet": money(margin.wallet),
                "unrealised": money(margin.unrealised),
                "initial_margin": money(margin.initial),
                "available": money(margin.available),
            }
        }

    def _positions(self, account: Account) -> Any:
        rows = []
        for (name, symbol), position in self._market.exchange.positions.items():
            if name == account.name and (position.amount or position.realised):
                rows.append(
                    {
                        "symbol": symbol,
                        "amount": money(position.amount),
                        "entry_price": money(position.entry_price),
                        "realised": money(position.realised),
                    }
                )
        return rows

    def _algo_orders(self, account: Account) -> Any:
        orders = self._market.exchange.desk.orders.values()
        return [
            dialect.algo_order(a, account.orders.get(a.order_id or 0)) for a in orders if a.account is account
        ]
