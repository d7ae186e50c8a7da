"""What journal and venue do not agree on, each thing once, with what it is worth. Pure.

A fill that one side lacks also shows in the balances; so balances and positions are compared after what the
fills and payments explain, and only the rest is a difference of its own.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

from trader.model.orders import ZERO, asset_changes, total_changes
from trader.model.values import Fill, Instrument, Payment

Kind = Literal[
    "missing_fill",  # the venue has it, the journal does not
    "unknown_fill",  # the journal has it, the venue does not
    "duplicate_fill",  # the journal has booked it more than once
    "changed_fill",  # both have it, with other numbers
    "missing_funding",
    "unknown_funding",
    "changed_funding",
    "balance",  # an amount that no trade, fee or payment explains: a transfer, or money that is gone
    "position",
    "open_there",  # an order that is open at the venue and not here
    "open_here",
]
Value = Callable[[str, Decimal], Decimal | None]


@dataclass(frozen=True, slots=True)
class Discrepancy:
    """One thing.

    Args:
        key: trade id, payment id, asset, symbol or order id.
        usd: what it is worth, without sign; None = cannot be valued.
    """

    kind: Kind
    key: str
    text: str
    usd: Decimal | None


@dataclass(frozen=True, slots=True)
class Side:
    """What one of the two says.

    Args:
        fills: of the day; the journal's may hold one twice.
        payments: of the day.
        holdings: total by asset and by derivative (its symbol), at one moment after the day.
        open_orders: client ids.
    """

    fills: Sequence[Fill]
    payments: Sequence[Payment]
    holdings: Mapping[str, Decimal]
    open_orders: frozenset[str] = field(default_factory=frozenset)


def compare(
    ours: Side, theirs: Side, instruments: Mapping[str, Instrument], value: Value
) -> list[Discrepancy]:
    """Every discrepancy, none twice."""
    found: list[Discrepancy] = []
    explained: list[dict[str, Decimal]] = []  # how the venue's holdings differ from ours by each of them

    def note(kind: Kind, key: str, text: str, changes: dict[str, Decimal]) -> None:
        found.append(Discrepancy(kind, key, text, _worth(changes, value)))
        explained.append(changes)

    there = {(fill.symbol, fill.trade_id): fill for fill in theirs.fills}
    here = {(fill.symbol, fill.trade_id): fill for fill in ours.fills}
    for (symbol, trade_id), count in Counter((fill.symbol, fill.trade_id) for fill in ours.fills).items():
        if count > 1:
            changes = _times(asset_changes(here[symbol, trade_id], instruments[symbol]), Decimal(1 - count))
            note("duplicate_fill", trade_id, f"{symbol} trade {trade_id}: booked {count} times", changes)
    for key in sorted(there.keys() | here.keys()):
        symbol, trade_id = key
        mine, other = here.get(key), there.get(key)
        name = f"{symbol} trade {trade_id}"
        if mine is None:
            assert other is not None
            note(
                "missing_fill",
                trade_id,
                f"{name}: not in the journal",
                asset_changes(other, instruments[symbol]),
            )
        elif other is None:
            changes = _times(asset_changes(mine, instruments[symbol]), Decimal(-1))
            note("unknown_fill", trade_id, f"{name}: not at the venue", changes)
        elif differs := _differs(mine, other):
            before, after = (asset_changes(one, instruments[symbol]) for one in (mine, other))
            changes = total_changes([after, _times(before, Decimal(-1))])
            note("changed_fill", trade_id, f"{name}: {differs}", changes)
    _payments(ours.payments, theirs.payments, note)
    rest = total_changes(explained)
    for held in sorted({*ours.holdings, *theirs.holdings, *rest}):
        difference = theirs.holdings.get(held, ZERO) - ours.holdings.get(held, ZERO) - rest.get(held, ZERO)
        if difference:
            kind: Kind = "position" if ":" in held else "balance"
            text = f"{held}: {difference.normalize():+f} that no trade, fee or payment explains"
            found.append(Discrepancy(kind, held, text, _worth({held: difference}, value)))
    for order in sorted(theirs.open_orders - ours.open_orders):
        found.append(Discrepancy("open_there", order, f"order {order}: open at the venue, not here", ZERO))
    for order in sorted(ours.open_orders - theirs.open_orders):
        found.append(Discrepancy("open_here", order, f"order {order}: open here, not at the venue", ZERO))
    return found


def _payments(
    ours: Sequence[Payment],
    theirs: Sequence[Payment],
    note: Callable[[Kind, str, str, dict[str, Decimal]], None],
) -> None:
    here, there = ({paid.key: paid for paid in side} for side in (ours, theirs))
    for key in sorted(here.keys() | there.keys()):
        mine, other = here.get(key), there.get(key)
        name = f"{key[0]} funding {key[1]}"
        if mine is None:
            assert other is not None
            note("missing_funding", key[1], f"{name}: not in the journal", {other.asset: other.amount})
        elif other is None:
            note("unknown_funding", key[1], f"{name}: not at the venue", {mine.asset: -mine.amount})
        elif (mine.asset, mine.amount) != (other.asset, other.amount):
            changes = total_changes([{other.asset: other.amount}, {mine.asset: -mine.amount}])
            note("changed_funding", key[1], f"{name}: {mine.amount} here, {other.amount} there", changes)


def _differs(mine: Fill, other: Fill) -> str:
    """Which numbers differ; "" = none."""
    # In what a fee of nothing was paid is told by some of a venue's ways and not by others.
    asset = ("fee_asset",) if mine.fee or other.fee else ()
    names = ("side", "quantity", "price", "fee", *asset, "realized")
    pairs = [(name, getattr(mine, name), getattr(other, name)) for name in names]
    return ", ".join(f"{name} {here} here, {there} there" for name, here, there in pairs if here != there)


def _times(changes: Mapping[str, Decimal], factor: Decimal) -> dict[str, Decimal]:
    return {key: amount * factor for key, amount in changes.items()}


def _worth(changes: Mapping[str, Decimal], value: Value) -> Decimal | None:
    """The largest part: a trade's two sides are the same money."""
    parts = [value(key, amount) for key, amount in changes.items() if amount]
    known = [abs(part) for part in parts if part is not None]
    return max(known, default=ZERO) if len(known) == len(parts) else None
