"""USDM after a restart: it goes on from the record, as spot does.

Beside ids, orders, fills and wallets: positions, leverages, conditional orders that wait (one whose price was
reached meanwhile triggers with the next event), listen keys, and countdowns by the wall clock (one whose time
ran out meanwhile fires at once).
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from venue_sim.model import USDM, Account
from venue_sim.recovery import Recovery
from venue_sim.usdm.algo import AlgoOrder
from venue_sim.usdm.countdown import Countdowns
from venue_sim.usdm.exchange import FuturesExchange
from venue_sim.usdm.funding import FundingPayment
from venue_sim.usdm.listen_keys import ListenKeys


class UsdmRecovery(Recovery):
    """Reads the record of earlier runs into the futures market."""

    def __init__(self, exchange: FuturesExchange, countdowns: Countdowns, listen_keys: ListenKeys) -> None:
        super().__init__(exchange, USDM)
        self._futures = exchange
        self._countdowns = countdowns
        self._listen_keys = listen_keys

    def read(self, entry: dict[str, Any]) -> None:
        """Take in one entry, oldest first."""
        super().read(entry)
        if entry.get("market") != USDM:
            return
        kind = entry["kind"]
        if kind == "algo":
            self._futures.desk.next_id = max(self._futures.desk.next_id, entry["algo_id"] + 1)
        account = self._futures.accounts.get(entry.get("account") or "")
        if account is None:
            return
        if kind == "listen_key":
            self._listen_key(account, entry)
        elif entry.get("symbol") in self._futures.markets:
            if kind == "positions":
                self._position(account, entry)
            elif kind == "algo":
                self._algo(account, entry)
            elif kind == "funding":
                self._funding(account, entry)
            elif kind == "leverage":
                self._futures.leverages[account.name, entry["symbol"]] = entry["leverage"]
            elif kind == "countdown":
                self._countdown(account, entry)

    def _order(self, account: Account, entry: dict[str, Any]) -> None:
        super()._order(account, entry)
        account.orders[entry["order_id"]].locked = Decimal(0)  # margin is derived, nothing is locked

    def _position(self, account: Account, entry: dict[str, Any]) -> None:
        position = self._futures.position(account, entry["symbol"])
        position.amount = Decimal(entry["amount"])
        position.cost = Decimal(entry["cost"])
        position.realised = Decimal(entry["realised"])
        position.updated_ms = entry["time_ms"]

    def _algo(self, account: Account, entry: dict[str, Any]) -> None:
        desk = self._futures.desk
        desk.remember(
            AlgoOrder(
                algo_id=entry["algo_id"],
                account=account,
                symbol=entry["symbol"],
                client_algo_id=entry["client_algo_id"],
                side=entry["side"],
                type=entry["type"],
                time_in_force=entry["time_in_force"],
                quantity=Decimal(entry["quantity"]),
                price=Decimal(entry["price"]),
                trigger_price=Decimal(entry["trigger_price"]),
                working_type=entry["working_type"],
                reduce_only=entry["reduce_only"],
                close_position=entry["close_position"],
                created_ms=entry["created_ms"],
                updated_ms=entry["time_ms"],
                triggered_ms=entry["triggered_ms"],
                status=entry["status"],
                order_id=entry["order_id"],
                reason=entry["reason"],
            )
        )

    def _funding(self, account: Account, entry: dict[str, Any]) -> None:
        self._futures.fundings.remember(
            FundingPayment(
                transaction_id=entry["transaction_id"],
                account=account,
                symbol=entry["symbol"],
                rate=Decimal(entry["rate"]),
                mark=Decimal(entry["mark"]),
                amount=Decimal(entry["amount"]),
                paid=Decimal(entry["paid"]),
                time_ms=entry["time_ms"],
                listed_ms=entry["listed_ms"],
            )
        )

    def _countdown(self, account: Account, entry: dict[str, Any]) -> None:
        timer = (account.name, entry["symbol"])
        if entry["action"] == "armed":
            self._countdowns.due[timer] = entry["due_ms"]
        else:
            self._countdowns.due.pop(timer, None)

    def _listen_key(self, account: Account, entry: dict[str, Any]) -> None:
        self._listen_keys.restore(account, entry["number"], entry["expires_ms"], entry.get("key", ""))
        if entry["action"] != "valid":
            self._listen_keys.forget(account)
