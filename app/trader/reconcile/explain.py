"""Which differences in balances are explained by fills that came while we asked. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from trader.model.orders import ZERO, total_changes


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that journal and venue do not agree on.

    Args:
        kind: balance, foreign_order, foreign_fill, no_intent, closed_here, missing_there, unresolved.
        text: one line for a person.
    """

    kind: str
    text: str


def balance_differences(
    venue: dict[str, Decimal],
    baseline: dict[str, Decimal],
    changes: dict[str, Decimal],
    later: Sequence[dict[str, Decimal]],
) -> list[Difference]:
    """Compare balances, exactly, asset by asset.

    The venue took its picture at one moment between question and answer. So its balances must equal ours
    without the last few of the fills that came since the question: any such number of them explains the
    picture, no other difference is explained.

    Args:
        venue: total by asset, as the venue says.
        baseline: total by asset before our first order.
        changes: sum of all our fills, fees included, by asset.
        later: change of each fill that was booked since the question was sent, oldest first.
    """
    for left_out in range(len(later) + 1):
        missing = total_changes(later[len(later) - left_out :])
        if not _compare(venue, baseline, changes, missing):
            return []
    return _compare(venue, baseline, changes, {})


def _compare(
    venue: dict[str, Decimal],
    baseline: dict[str, Decimal],
    changes: dict[str, Decimal],
    missing: dict[str, Decimal],
) -> list[Difference]:
    differences = []
    for asset in sorted({*venue, *baseline, *changes}):
        expected = baseline.get(asset, ZERO) + changes.get(asset, ZERO) - missing.get(asset, ZERO)
        there = venue.get(asset, ZERO)
        if there != expected:
            differences.append(Difference("balance", f"{asset}: {there} there, {expected} here"))
    return differences
