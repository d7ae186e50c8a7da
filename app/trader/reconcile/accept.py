"""What a person takes over after a trade or transfer that was made on the account by hand. Pure.

The venue's word becomes ours in two parts. A trade that the venue lists is booked as what it is: it moves
balances, our position and the day's P&L like every fill, because what it closed or opened is what we hold
from then on. All that is left of the differences is a transfer: it goes into the baseline, and is never
profit or loss.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from trader.model.orders import ZERO, asset_changes, total_changes
from trader.model.values import Fill, Instrument
from trader.reconcile.explain import Difference, Value

_MONEY = frozenset({"balance", "position", "foreign_fill"})


class AcceptanceError(Exception):
    """A baseline that cannot be accepted; one line with the next step. Nothing was changed."""


@dataclass(frozen=True, slots=True)
class Row:
    """What journal and venue do not agree on.

    Args:
        key: an asset, or a derivative by its symbol.
        usd: what the difference is worth, without sign; None = it cannot be valued.
    """

    key: str
    ours: Decimal
    venue: Decimal
    usd: Decimal | None


@dataclass(slots=True)
class Picture:
    """What one comparison saw of the account.

    Args:
        holdings: of balances and positions, by the venue's word.
        strangers: trades of orders that no journal knows.
        passed: the last trade that was listed, of each symbol that has such.
        moving: whether something was booked between the questions: they do not show one moment then.
    """

    holdings: dict[str, Decimal] = field(default_factory=dict)
    strangers: list[Fill] = field(default_factory=list)
    passed: dict[str, str] = field(default_factory=dict)
    moving: bool = False


@dataclass(frozen=True, slots=True)
class Proposal:
    """What accepting would do.

    Args:
        rows: for the person.
        baseline: the new baseline of each key that gets one.
        fills: trades to be booked, with what each does to the balances.
        cursors: last trade of each symbol of theirs.
    """

    rows: tuple[Row, ...]
    baseline: dict[str, Decimal]
    fills: list[tuple[Fill, dict[str, Decimal]]]
    cursors: dict[str, str]

    @property
    def usd(self) -> Decimal | None:
        """The worth of all rows, without sign; None = a part of it cannot be valued."""
        total = ZERO
        for row in self.rows:
            if row.usd is None:
                return None
            total += row.usd
        return total

    def table(self) -> list[dict[str, str | None]]:
        """The rows, JSON-ready."""
        return [
            {
                "asset": row.key,
                "ours": plain(row.ours),
                "venue": plain(row.venue),
                "usd": None if row.usd is None else f"{row.usd:.2f}",
            }
            for row in self.rows
        ]

    def shown(self) -> dict[str, Any]:
        """What the person agrees to, JSON-ready: values move with the market, amounts and trades must not."""
        return {
            "rows": [{"asset": r.key, "ours": plain(r.ours), "venue": plain(r.venue)} for r in self.rows],
            "fills": [f"{fill.symbol} {fill.trade_id}" for fill, _ in self.fills],
        }


def plain(amount: Decimal) -> str:
    """One spelling of an amount, whatever it was computed from."""
    return f"{amount.normalize():f}"


def check_acceptable(differences: Sequence[Difference], live: Collection[object]) -> None:
    """Whether nothing but money is in doubt.

    Args:
        live: our orders that are not final.

    Raises:
        AcceptanceError: there is no difference, an order is open or unresolved, or orders contradict.
    """
    other = [difference for difference in differences if difference.kind not in _MONEY]
    if other:
        raise AcceptanceError(
            f"{len(other)} differences are of orders, first: {other[0].kind} {other[0].text}; settle them at"
            " the venue, then accept"
        )
    if live:
        raise AcceptanceError(
            f"{len(live)} orders of ours are open or unresolved; wait until `trader orders` is empty, then"
            " accept"
        )
    if not differences:
        raise AcceptanceError("journal and venue agree; there is nothing to accept")


def propose(
    picture: Picture,
    baseline: Mapping[str, Decimal],
    changes: Mapping[str, Decimal],
    instruments: Mapping[str, Instrument],
    value: Value,
) -> Proposal:
    """What makes journal and venue agree.

    Args:
        baseline, changes: what the journal holds: before our first order, and the sum of all since.
        instruments: the traded symbols.
        value: USD of an amount of something; None = not known.

    Raises:
        AcceptanceError: the account moves, or a position of ours changed without a trade.
    """
    if picture.moving:
        raise AcceptanceError("something was booked while the venue was asked; run the command again")
    fills = [(fill, asset_changes(fill, instruments[fill.symbol])) for fill in picture.strangers]
    traded = total_changes(change for _, change in fills)
    rows, after = [], {}
    for key in sorted({*picture.holdings, *baseline, *changes, *traded}):
        there = picture.holdings.get(key, ZERO)
        ours = baseline.get(key, ZERO) + changes.get(key, ZERO)
        if there != ours:
            usd = value(key, there - ours)
            rows.append(Row(key, ours, there, None if usd is None else abs(usd)))
        if rest := there - ours - traded.get(key, ZERO):
            if key in instruments:
                raise AcceptanceError(
                    f"{key}: {plain(rest)} at the venue that no trade in its list explains; the position"
                    " would be wrong here: close it at the venue, or begin a new journal"
                )
            after[key] = baseline.get(key, ZERO) + rest
    return Proposal(tuple(rows), after, fills, dict(picture.passed))


def check_worth(proposal: Proposal, limit_usd: Decimal | None) -> None:
    """Whether it is worth no more than one person may accept by the way.

    Args:
        limit_usd: None = as much as it is.

    Raises:
        AcceptanceError: it is worth more, or its worth is not known.
    """
    worth = proposal.usd
    if limit_usd is None or (worth is not None and worth <= limit_usd):
        return
    text = "of unknown worth" if worth is None else f"worth {worth:.2f} USD"
    raise AcceptanceError(
        f"the differences are {text}, reconcile.max_accepted_usd is {plain(limit_usd)}; give --above-limit if"
        " that is meant"
    )
