"""What USDM adds to the record. Every entry has `market` ("usdm") and the `request_id` that caused it.

kind        fields
positions   account, symbol and the position after a fill: amount, entry_price, cost, realised (of all
            that was closed so far, before commission)
algo        account, symbol and the conditional order as it is after the event (status: NEW, TRIGGERING,
            TRIGGERED, FINISHED, CANCELED, REJECTED); the order that it became has tags.algoId
countdown   account, symbol, action (armed | disarmed | fired), due_ms; the orders that it cancels have cause
funding     account, symbol, transaction_id, rate, mark, amount (of the position), paid (what the wallet got),
            time_ms, listed_ms (from when on it stands in the income history)
leverage    account, symbol, leverage
listen_key  account, action (valid | closed | expired), number (the key itself is a secret), expires_ms
"""

from __future__ import annotations

from venue_sim.model import USDM, Account, money
from venue_sim.record import Record
from venue_sim.usdm.algo import AlgoOrder
from venue_sim.usdm.funding import FundingPayment
from venue_sim.usdm.position import Position


class UsdmRecord:
    """Writes down what happens to positions and conditional orders (exchange.AccountSink)."""

    def __init__(self, record: Record) -> None:
        self._record = record

    def position(self, account: Account, position: Position, now_ms: int) -> None:
        """A fill changed a position."""
        self._record.append(
            "positions",
            {
                "request_id": self._record.request_id,
                "market": USDM,
                "account": account.name,
                "symbol": position.symbol,
                "amount": money(position.amount),
                "entry_price": money(position.entry_price),
                "cost": money(position.cost),
                "realised": money(position.realised),
                "time_ms": now_ms,
            },
        )

    def algo(self, algo: AlgoOrder, now_ms: int) -> None:
        """A conditional order changed."""
        self._record.append(
            "algo",
            {
                "request_id": self._record.request_id,
                "market": USDM,
                "account": algo.account.name,
                "symbol": algo.symbol,
                "algo_id": algo.algo_id,
                "client_algo_id": algo.client_algo_id,
                "side": algo.side,
                "type": algo.type,
                "time_in_force": algo.time_in_force,
                "quantity": money(algo.quantity),
                "price": money(algo.price),
                "trigger_price": money(algo.trigger_price),
                "working_type": algo.working_type,
                "reduce_only": algo.reduce_only,
                "close_position": algo.close_position,
                "status": algo.status,
                "order_id": algo.order_id,
                "reason": algo.reason,
                "created_ms": algo.created_ms,
                "triggered_ms": algo.triggered_ms,
                "time_ms": now_ms,
            },
        )

    def funding(self, payment: FundingPayment) -> None:
        """An account paid or got funding."""
        self._record.append(
            "funding",
            {
                "request_id": self._record.request_id,
                "market": USDM,
                "account": payment.account.name,
                "symbol": payment.symbol,
                "transaction_id": payment.transaction_id,
                "rate": str(payment.rate),
                "mark": money(payment.mark),
                "amount": money(payment.amount),
                "paid": money(payment.paid),
                "time_ms": payment.time_ms,
                "listed_ms": payment.listed_ms,
            },
        )

    def leverage(self, account: Account, symbol: str, leverage: int) -> None:
        """An account chose a leverage."""
        self._record.append(
            "leverage",
            {
                "request_id": self._record.request_id,
                "market": USDM,
                "account": account.name,
                "symbol": symbol,
                "leverage": leverage,
            },
        )
