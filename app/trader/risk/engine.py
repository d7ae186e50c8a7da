"""All checks before an order, in one place and one order."""

from trader.model.intents import Place
from trader.model.orders import ZERO
from trader.model.values import TradingState
from trader.risk import exposure, market, price, rates
from trader.risk.codes import RejectCode, Rejection
from trader.risk.crossing import check_self_cross
from trader.risk.inputs import RiskInput
from trader.risk.limits import Change, Limits, changes
from trader.risk.loss import check_loss


class RiskEngine:
    """The limits of one host and what has been let through lately.

    The caller asks `check`, and calls `admitted` before anything else can be checked: between the two
    nothing may suspend. An admitted order must be among `RiskInput.orders` from then on.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._rates = rates.Rates(limits)

    @property
    def limits(self) -> Limits:
        return self._limits

    def check(self, intent: Place, view: RiskInput, now_ns: int) -> Rejection | None:
        """Whether this order may be sent.

        An order that can only bring a position nearer to zero needs neither the P&L nor the marks of other
        symbols, and passes when these are at their limit: getting out must stay possible.

        Args:
            now_ns: monotonic, as the quotes' `received_ns`.

        Returns:
            The first reason against it; None = it may go.
        """
        if view.state is TradingState.HALTED:
            return Rejection(RejectCode.HALTED, f"{intent.symbol}: trading is halted")
        return (
            market.check_instrument(intent.symbol, view.instruments.get(intent.symbol))
            or market.check_numbers(intent)
            or price.check_quote(intent.symbol, view.quotes.get(intent.symbol), self._limits, now_ns)
            or self._check_order(intent, view)
            or self._check_book(intent, view)
            or self._rates.check(intent, self._limits, now_ns)
        )

    def _check_order(self, intent: Place, view: RiskInput) -> Rejection | None:
        """The order by itself, against the market."""
        instrument, quote = view.instruments[intent.symbol], view.quotes[intent.symbol]
        at = price.effective_price(intent, quote)
        return (
            market.check_steps(intent, instrument)
            or price.check_collar(intent, at, quote, self._limits)
            or market.check_min_notional(intent, instrument, at)
            or exposure.check_notional(intent, instrument, at, view, self._limits)
            or check_self_cross(intent, at, view.orders)
            or rates.check_slot(intent, view.orders)
        )

    def _check_book(self, intent: Place, view: RiskInput) -> Rejection | None:
        """The order together with our positions and the orders that are out."""
        sums = exposure.outstanding(view.orders)
        out = sums.get(intent.symbol, exposure.NOTHING)
        position = view.positions.get(intent.symbol, ZERO)
        reached = exposure.reached(intent, position, out)
        if reached <= 0:
            return exposure.check_counts(sums, intent.symbol, self._limits)
        if view.state is TradingState.REDUCE_ONLY or intent.reduce_only:
            text = (
                f"{intent.symbol}: {intent.side} {intent.quantity}, with {out.side(intent.side)} on the way,"
                f" does more than bring the position {position} nearer to zero"
            )
            return Rejection(RejectCode.REDUCE_ONLY, text)
        instrument = view.instruments[intent.symbol]
        return (
            check_loss(view.daily_pnl_usd, self._limits)
            or exposure.check_counts(sums, intent.symbol, self._limits)
            or exposure.check_position(intent, instrument, reached, view, self._limits)
            or exposure.check_gross(intent, sums, view, self._limits)
        )

    def admitted(self, intent: Place, now_ns: int) -> None:
        """Record an order that goes out, for the throttles."""
        self._rates.admitted(intent, now_ns)

    def reload(self, limits: Limits) -> list[Change]:
        """Take new limits; what was admitted before still counts.

        Returns:
            Each limit that changed, with its direction: loosening one is an event that people must see.
        """
        changed = changes(self._limits, limits)
        self._limits = limits
        self._rates.resize(limits)
        return changed
