"""`trader shadow`: did the shadow decide as the live instance did."""

import json
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from trader.shadow.diff import Comparison, Difference

JOURNAL = click.Path(path_type=Path, dir_okay=False)
END_OF_TIME_NS = 2**63 - 1


class _Problem(click.ClickException):
    """Something that a person can mend: one line, exit code 2."""

    exit_code = 2


class _Utc(click.ParamType[int]):
    """A time such as 2026-03-01T12:00:00, UTC unless it says otherwise; becomes ns."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        try:
            at = datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is no time; write for example 2026-03-01T12:00:00", param, ctx)
        at = at if at.tzinfo is not None else at.replace(tzinfo=UTC)
        return int(at.timestamp()) * 1_000_000_000 + at.microsecond * 1_000


class _Number(click.ParamType[Decimal]):
    """A decimal that is not negative."""

    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Decimal:
        try:
            number = Decimal(value)
        except InvalidOperation:
            self.fail(f"{value!r} is no number", param, ctx)
        if not number.is_finite() or number < 0:
            self.fail(f"{value!r} is no number from 0 up", param, ctx)
        return number


@click.group()
def shadow() -> None:
    """The same strategy on live data, without an order sent.

    \b
    Example:
      trader shadow diff /var/lib/trader-shadow/journal.sqlite /var/lib/trader/journal.sqlite
    """


@shadow.command()
@click.argument("shadow_journal", type=JOURNAL)
@click.argument("live_journal", type=JOURNAL)
@click.option("--since", type=_Utc(), default=0, help="First moment that counts (UTC).")
@click.option(
    "--until", type=_Utc(), default=END_OF_TIME_NS, help="First moment that no longer counts (UTC)."
)
@click.option(
    "--window-ms",
    type=click.IntRange(min=0),
    default=500,
    show_default=True,
    help="Farthest apart in time, in ms, that two decisions are the same one.",
)
@click.option(
    "--tolerance-bps",
    type=_Number(),
    default=Decimal(1),
    show_default=True,
    help="Farthest apart in price, in 1/100 %.",
)
@click.option(
    "--first", type=click.IntRange(min=0), default=10, show_default=True, help="Differences to show."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def diff(
    shadow_journal: Path,
    live_journal: Path,
    since: int,
    until: int,
    window_ms: int,
    tolerance_bps: Decimal,
    first: int,
    *,
    as_json: bool,
) -> None:
    """Compare the decisions in SHADOW_JOURNAL with those in LIVE_JOURNAL.

    \b
    Example:
      trader shadow diff shadow.sqlite live.sqlite --since 2026-03-01T12:00:00
    """
    # Only here: the other commands need no journal, and should answer at once; kill and panic above all.
    from trader.journal import JournalError
    from trader.shadow.diff import compare, load_decisions

    try:
        decided = load_decisions(shadow_journal, since, until)
        live = load_decisions(live_journal, since, until)
    except JournalError as error:
        raise _Problem(str(error)) from error
    comparison = compare(decided, live, window_ms * 1_000_000, tolerance_bps)
    click.echo(comparison_json(comparison, first) if as_json else comparison_text(comparison, first))


def comparison_text(comparison: "Comparison", first: int) -> str:
    """A comparison for people, with its first differences."""
    share = comparison.agreement
    head = "no decision in either journal" if share is None else f"agreement {100 * share:.2f} %"
    lines = [
        f"{head}: {comparison.matched} of {comparison.union}"
        f" (shadow {comparison.shadow}, live {comparison.live})"
    ]
    lines += [f"{_time(one.decision.at_ns)}  {one}" for one in comparison.differences[:first]]
    if (more := len(comparison.differences) - first) > 0:
        lines.append(f"and {more} more")
    return "\n".join(lines)


def comparison_json(comparison: "Comparison", first: int) -> str:
    """The same as one JSON object."""
    return json.dumps(
        {
            "agreement": None if comparison.agreement is None else f"{comparison.agreement:.6f}",
            "matched": comparison.matched,
            "union": comparison.union,
            "shadow": comparison.shadow,
            "live": comparison.live,
            "differences": [_fields(one) for one in comparison.differences[:first]],
        }
    )


def _fields(difference: "Difference") -> dict[str, Any]:
    decision, other = difference.decision, difference.other
    return {
        "only": difference.only,
        "at_ns": decision.at_ns,
        "action": decision.action,
        "symbol": decision.symbol,
        "side": decision.side,
        "kind": decision.kind,
        "quantity": str(decision.quantity),
        "price": None if decision.price is None else str(decision.price),
        "client_id": decision.client_id,
        "live_quantity": None if other is None else str(other.quantity),
    }


def _time(at_ns: int) -> str:
    at = datetime.fromtimestamp(at_ns // 1_000_000_000, UTC)
    return f"{at:%Y-%m-%dT%H:%M:%S}.{at_ns // 1_000_000 % 1_000:03d}Z"
