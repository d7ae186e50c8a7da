"""What the admin port shows of the futures market, and lets happen there."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Any

from venue_sim.model import MARGIN_ASSET, Account, money
from venue_sim.usdm import dialect
from venue_sim.usdm.market import UsdmMarket

ONLY_USDM = ("positions", "algo-orders")
LATEST_SECONDS = 10 * 365 * 86_400  # in other words, never


def _rate(text: Any) -> Decimal:
    try:
        rate = Decimal(text) if isinstance(text, str) else None
    except InvalidOperation:
        rate = None
    if rate is None or not rate.is_finite() or abs(rate) > 1:
        raise ValueError('rate: write a share from "-1" to "1", in quotes')
    return rate


class UsdmAdmin:
    """Reads accounts, ends listen keys, lets funding be paid."""

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

    def pay_funding(self, wanted: Any, now_ms: int) -> Any:
        """Let every account with a position in a contract pay or get funding now.

        Args:
            wanted: symbol, rate (text), and if wanted listed_after_seconds (a number).

        Raises:
            ValueError: the body is wrong; one line that names the key.
        """
        known = {"symbol", "rate", "listed_after_seconds"}
        if not isinstance(wanted, dict) or not {"symbol", "rate"} <= wanted.keys() <= known:
            raise ValueError(
                'the body must be {"symbol": "BTCUSDT", "rate": "0.0001"}, and may have listed_after_seconds'
            )
        symbol, late = wanted["symbol"], wanted.get("listed_after_seconds", 0)
        if not isinstance(symbol, str) or symbol not in self._market.exchange.markets:
            raise ValueError(f"symbol: {symbol!r} is no contract here")
        if isinstance(late, bool) or not isinstance(late, (int, float)) or not 0 <= late <= LATEST_SECONDS:
            raise ValueError(f"listed_after_seconds: must be a number of 0 to {LATEST_SECONDS}")
        payments = self._market.exchange.pay_funding(
            symbol, _rate(wanted["rate"]), now_ms, now_ms + int(late * 1_000)
        )
        return {
            payment.account.name: {"paid": money(payment.paid), "tranId": payment.transaction_id}
            for payment in payments
        }

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
