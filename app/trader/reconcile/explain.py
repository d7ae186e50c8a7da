"""Which differences in what the account holds are explained by fills that came while we asked. Pure."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from trader.model.orders import ZERO, total_changes

Value = Callable[[str, Decimal], Decimal | None]


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that journal and venue do not agree on.

    Args:
        kind: balance, position, foreign_order, old_epoch_order, foreign_fill, no_intent, closed_here,
            missing_there, unresolved.
        text: one line for a person.
        usd: what it is worth, without sign; None = it cannot be valued. 0 where no amount is in doubt.
    """

    kind: str
    text: str
    usd: Decimal | None = ZERO


def holding_differences(
    venue: dict[str, Decimal],
    baseline: dict[str, Decimal],
    changes: dict[str, Decimal],
    later: Sequence[dict[str, Decimal]],
    value: Value,
) -> list[Difference]:
    """Compare balances and positions, exactly, one by one.

    The venue took its picture at one moment between question and answer. So it must equal ours without the
    last few of the fills that came since the question: any such number of them explains the picture, no
    other difference is explained.

    Args:
        venue: total by asset and by derivative (its symbol), as the venue says.
        baseline: the same before our first order.
        changes: sum of all our fills, fees included.
        later: change by each fill that was booked since the question was sent, oldest first.
        value: USD of an amount of something; None = not known.
    """
    for left_out in range(len(later) + 1):
        missing = total_changes(later[len(later) - left_out :])
        if not _compare(venue, baseline, changes, missing, value):
            return []
    return _compare(venue, baseline, changes, {}, value)


def drift_usd(differences: Iterable[Difference]) -> Decimal | None:
    """The value of all that nothing explains; None when a part of it cannot be valued."""
    total = ZERO
    for difference in differences:
        if difference.usd is None:
            return None
        total += difference.usd
    return total


def _compare(
    venue: dict[str, Decimal],
    baseline: dict[str, Decimal],
    changes: dict[str, Decimal],
    missing: dict[str, Decimal],
    value: Value,
) -> list[Difference]:
    differences = []
    for key in sorted({*venue, *baseline, *changes}):
        expected = baseline.get(key, ZERO) + changes.get(key, ZERO) - missing.get(key, ZERO)
        there = venue.get(key, ZERO)
        if there != expected:
            usd = value(key, there - expected)
            worth = "of unknown value" if usd is None else f"USD {abs(usd):.2f}"
            text = f"{key}: {there} there, {expected} here ({worth})"
            kind = "position" if ":" in key else "balance"
            differences.append(Difference(kind, text, None if usd is None else abs(usd)))
    return differences
