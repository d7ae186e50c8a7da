"""The edge to a venue: our ids and base units on this side, its ids and contracts on the other."""

from decimal import Decimal
from typing import Any

from trader.model.orders import Order
from trader.model.transitions import Signal
from trader.model.values import Fill, Instrument, OrderReport
from trader.venue import parse
from trader.venue.interface import now_ms
from trader.venue.outcomes import UnsendableError
from trader.venue.parse import OddAnswerError
from trader.venue.venues import Answer, Life, VenueRule
from trader.venue.wire_ids import name_from_wire, to_wire


class Edge:
    """Translates orders for one venue, and its reports back.

    Args:
        host: our own name, which our client order ids begin with.
        life_ms: how long a request stays valid.
        instruments: filled when the markets are known.
    """

    def __init__(
        self, exchange: Any, rule: VenueRule, host: str, life_ms: int, instruments: dict[str, Instrument]
    ) -> None:
        self._exchange = exchange
        self._rule = rule
        self._host = host
        self._life_ms = life_ms
        self._instruments = instruments

    def wire_id(self, order: Order) -> str:
        """Our id as the venue gets it.

        Raises:
            ValueError: the id is none of ours, or does not fit.
        """
        return to_wire(order.client_id, self._rule.form)

    def new_order(self, order: Order) -> tuple[str, str, str, str, str | None, dict[str, Any]]:
        """The arguments of create_order.

        Raises:
            UnsendableError: the order would not reach the venue as it is meant.
            InvalidOrder: ccxt finds a price or quantity that it cannot write.
        """
        quantity, price = self._amounts(order)
        params = {self._rule.create: self.wire_id(order)} | self._life()
        if order.reduce_only:
            if self._rule.reduce_only is None:
                raise UnsendableError(f"{self._rule.id} has no reduce-only orders")
            params[self._rule.reduce_only] = True
        return order.symbol, order.kind.value, order.side.value, quantity, price, params

    def _amounts(self, order: Order) -> tuple[str, str | None]:
        """Quantity and price as text, exactly as they will go out.

        Raises:
            UnsendableError: ccxt would cut or round one of them without a word.
        """
        contracts = order.quantity / self._contract_size(order.symbol)
        quantity = format(contracts, "f")
        sent = self._exchange.amount_to_precision(order.symbol, quantity)
        if Decimal(sent) != contracts:
            raise UnsendableError(f"quantity {order.quantity} of {order.symbol} would go out as {sent}")
        if order.price is None:
            return quantity, None
        price = format(order.price, "f")
        sent = self._exchange.price_to_precision(order.symbol, price)
        if Decimal(sent) != order.price:
            raise UnsendableError(f"price {order.price} of {order.symbol} would go out as {sent}")
        return quantity, price

    def _life(self) -> dict[str, Any]:
        """The moment after which the venue refuses this request, where it is a parameter of the order."""
        names = {Life.DEADLINE: "deadline", Life.PROCESS_BEFORE: "processBefore"}
        name = names.get(self._rule.life)
        return {} if name is None else {name: self._exchange.iso8601(now_ms() + self._life_ms)}

    def acknowledged(self, order: Order, answer: dict[str, Any]) -> OrderReport:
        """The report in the answer to a new order that names it.

        Raises:
            OddAnswerError: it lacks what it must have, or contradicts itself.
        """
        if self._rule.answer is Answer.STATE:
            return self.read_order(answer)
        if answer.get("status") == "rejected":
            raise OddAnswerError("the answer acknowledges the order and calls it rejected")
        return OrderReport(order.client_id, str(answer["id"]), order.symbol, Signal.OPENED, Decimal(0))

    def read_order(self, order: dict[str, Any]) -> OrderReport:
        """An order in ccxt's form, from an answer, a query or the stream.

        Raises:
            OddAnswerError: it lacks what it must have.
        """
        own = (order.get("info") or {}).get(self._rule.cancel_info) if self._rule.cancel_info else None
        name = name_from_wire(
            own or order.get("clientOrderId"), self._rule.form, self._host, str(order.get("id"))
        )
        trades = order.get("trades") if self._rule.fills_in_answer else None
        report = parse.order_report(
            {**order, "clientOrderId": name, "trades": trades},
            self._contract_size(str(order.get("symbol"))),
        )
        if report.signal is Signal.REFUSED and self._rule.answer is Answer.NAMES:
            # It was acknowledged before the matching engine refused it: for us it was there, and is gone.
            return OrderReport(name, report.venue_order_id, report.symbol, Signal.CANCELED, report.filled)
        return report

    def read_fill(self, trade: dict[str, Any]) -> Fill:
        """A trade in ccxt's form, from a query or the stream.

        Raises:
            OddAnswerError: it lacks what it must have.
        """
        size = self._contract_size(str(trade.get("symbol")))
        return parse.fill(trade, contract_size=size, realized=self._rule.realized)

    def _contract_size(self, symbol: str) -> Decimal:
        instrument = self._instruments.get(symbol)
        return parse.ONE if instrument is None else instrument.contract_size
