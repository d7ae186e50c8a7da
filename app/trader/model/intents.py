"""What a strategy wants. A strategy never touches the venue; it returns these."""

from dataclasses import dataclass
from decimal import Decimal

from trader.model.values import OrderKind, Side


@dataclass(frozen=True, slots=True)
class Place:
    """Place one order.

    Args:
        quantity: in base units, on the lot grid.
        price: in quote units, on the tick grid; None for a market order.
        signal_ns: monotonic time of the decision, from which the order's latency counts.
        slot: the strategy's own mark, handed back with the order.
        reduce_only: never more than what brings the position to zero; passes while trading is REDUCE_ONLY.
    """

    symbol: str
    side: Side
    kind: OrderKind
    quantity: Decimal
    price: Decimal | None
    signal_ns: int
    slot: str = ""
    reduce_only: bool = False


@dataclass(frozen=True, slots=True)
class Cancel:
    """Ask the venue to cancel one order of ours."""

    client_id: str


Intent = Place | Cancel
