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
            UnsendableError: the venue cannot carry it.
        """
        try:
            return to_wire(order.client_id, self._rule.form)
        except ValueError as error:
            raise UnsendableError(str(error)) from error

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
        """Quantity and price as text, exactly as they go out: ccxt would cut or round what is off the grid.

        Raises:
            UnsendableError: one of them is off the grid, or the market is not known.
        """
        instrument = self._instruments.get(order.symbol)
        if instrument is None:
            raise UnsendableError(f"{order.symbol} is not one of our symbols, or the markets are not loaded")
        if order.quantity % instrument.step_size != 0:
            step = instrument.step_size
            raise UnsendableError(f"quantity {order.quantity} of {order.symbol} is off its grid of {step:f}")
        quantity = format(order.quantity / instrument.contract_size, "f")
        if order.price is None:
            return quantity, None
        if order.price % instrument.tick_size != 0:
            tick = instrument.tick_size
            raise UnsendableError(f"price {order.price} of {order.symbol} is off its grid of {tick:f}")
        return quantity, format(order.price, "f")

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

    def read_forgotten(self, order: dict[str, Any]) -> tuple[Order, OrderReport]:
        """An order in ccxt's form that our own record does not have, with what the venue says of it.

        Raises:
            OddAnswerError: it lacks what it must have.
        """
        report = self.read_order(order)
        return parse.order_itself(order, report.client_id, self._contract_size(report.symbol)), report

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
