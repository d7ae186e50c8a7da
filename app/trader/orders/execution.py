"""What our fills cost against the market at the decision, and failures in a row. Pure: time is an
argument."""

from collections import OrderedDict, deque
from decimal import Decimal
from typing import Final

from trader.model.values import Quote, Side

WINDOW_SECONDS: Final = 300.0
KEPT: Final = 10_000  # decisions; an order that is older than so many others has no cost told
_BPS: Final = Decimal(10_000)


class Slippage:
    """Fills against the middle of the quote at the decision (arrival price; Perold 1988, implementation
    shortfall)."""

    def __init__(self) -> None:
        self._middles: OrderedDict[str, Decimal] = OrderedDict()
        self._costs: deque[tuple[float, Decimal]] = deque()

    def decided(self, client_id: str, quote: Quote | None) -> None:
        """A new order was decided on while the market stood there; without a quote its cost is not known."""
        if quote is None or quote.mid <= 0:
            return
        self._middles[client_id] = quote.mid
        if len(self._middles) > KEPT:
            self._middles.popitem(last=False)

    def filled(self, client_id: str, side: Side, price: Decimal, now: float) -> Decimal | None:
        """Take a fill.

        Args:
            now: monotonic seconds.

        Returns:
            Its cost in bps, negative if the price was better than the middle; None = not known.
        """
        middle = self._middles.get(client_id)
        if middle is None:
            return None
        sign = 1 if side is Side.BUY else -1
        cost = sign * (price - middle) / middle * _BPS
        self._costs.append((now, cost))
        return cost

    def worst_bps(self, now: float) -> Decimal:
        """The highest cost of the last five minutes; 0 = none cost anything."""
        while self._costs and self._costs[0][0] < now - WINDOW_SECONDS:
            self._costs.popleft()
        return max((cost for _, cost in self._costs), default=Decimal(0)).max(Decimal(0))
