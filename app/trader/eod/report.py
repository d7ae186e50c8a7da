"""The report of one account and one day, JSON-ready (form: scripts/ops/eod/eod.schema.json)."""

from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Any

from trader.eod.compare import Discrepancy, Side, compare
from trader.eod.journal_day import JournalDay
from trader.eod.pnl import DayResult, curve, day_result
from trader.eod.venue_day import VenueDay
from trader.model.orders import ZERO, total_changes
from trader.model.values import Quote
from trader.risk import Valuation

VERSION = 1
POINTS = 400  # of the equity curve; a picture has no more
SHOWN = 200  # discrepancies in the report; their number and worth count all


def build(
    ours: JournalDay,
    theirs: VenueDay,
    later: list[dict[str, Decimal]],
    open_before: frozenset[str],
    marks_start: Mapping[str, Decimal],
    made_at: str,
) -> dict[str, Any]:
    """Put it together.

    Args:
        ours: read after the venue was asked.
        later: what each event did to the balances that came while the venue was asked, oldest first.
        open_before: our open orders before it was asked.
        marks_start: prices at the start of the day, of the report before; else today's are taken for both,
            and a position that was held over night earns nothing.
        made_at: UTC, ISO 8601.
    """
    quotes = {symbol: Quote(symbol, mark, mark, 0) for symbol, mark in theirs.marks.items()}
    value = Valuation(quotes).value
    found = _compare(ours, theirs, later, open_before, value)
    results = _results(ours, theirs, marks_start)
    fees = total_changes({one.fill.fee_asset or "": one.fill.fee} for one in ours.booked if one.fill.fee)
    flows = total_changes([one.changes for one in ours.booked])
    end = {
        asset: amount - ours.after.get(asset, ZERO)
        for asset, amount in {**dict.fromkeys({*ours.now, *ours.after}, ZERO), **ours.now}.items()
    }
    start = {
        asset: amount - flows.get(asset, ZERO) - ours.paid.get(asset, ZERO) for asset, amount in end.items()
    }
    fees_usd = _sum_usd(fees, value)
    funding_usd = _sum_usd(ours.paid, value)
    gross = _gross_usd(results, value)
    drift = _signed(one.usd for one in found)
    exact = all(result.identity_error == 0 for result in results)
    return {
        "version": VERSION,
        "day": ours.bounds.day.isoformat(),
        "host": ours.host,
        "account": ours.account,
        "epoch": ours.epoch,
        "made_at": made_at,
        "reconciled": not found and exact,
        "orders": ours.orders,
        "open_orders": len(ours.open_orders),
        "fills": len(ours.booked),
        "turnover_usd": _text(_turnover(ours, value)),
        "fees": {asset: str(amount) for asset, amount in sorted(fees.items())},
        "funding": {asset: str(amount) for asset, amount in sorted(ours.paid.items())},
        "accepted": list(ours.accepted),
        "balances": [
            {
                "asset": asset,
                "start": str(start.get(asset, ZERO)),
                "trades": str(flows.get(asset, ZERO)),
                "funding": str(ours.paid.get(asset, ZERO)),
                "end": str(end[asset]),
                "end_usd": _text(value(asset, end[asset])),
            }
            for asset in sorted(end)
            if start.get(asset) or end[asset] or flows.get(asset)
        ],
        "markets": [_market(result, theirs, marks_start, ours) for result in results],
        "pnl_usd": {
            "trading": _text(gross),
            "fees": _text(None if fees_usd is None else -fees_usd),
            "funding": _text(funding_usd),
            "net": _text(
                None
                if gross is None or fees_usd is None or funding_usd is None
                else gross - fees_usd + funding_usd
            ),
            "exact": exact,
        },
        "drift_usd": _text(drift),
        "discrepancy_count": len(found),
        "discrepancies": [
            {"kind": one.kind, "key": one.key, "text": one.text, "usd": _text(one.usd)}
            for one in found[:SHOWN]
        ],
        "marks": {symbol: str(mark) for symbol, mark in sorted(theirs.marks.items())},
        "curve": _curve(ours, results, marks_start, theirs, value),
    }


def _compare(
    ours: JournalDay,
    theirs: VenueDay,
    later: list[dict[str, Decimal]],
    open_before: frozenset[str],
    value: Any,
) -> list[Discrepancy]:
    """The venue took its picture between two looks at the journal: what came in between may be missing in
    it.
    """
    there = theirs.side.open_orders
    ours_open = (there & (open_before | ours.open_orders)) | (open_before & ours.open_orders)
    best: list[Discrepancy] | None = None
    for left_out in range(len(later) + 1):
        missing = total_changes(later[len(later) - left_out :])
        holdings = total_changes([ours.now, {asset: -amount for asset, amount in missing.items()}])
        side = Side(ours.fills, ours.payments, holdings, ours_open)
        found = compare(side, theirs.side, theirs.instruments, value)
        if best is None or len(found) < len(best):
            best = found
        if not best:
            break
    return best or []


def _results(ours: JournalDay, theirs: VenueDay, marks_start: Mapping[str, Decimal]) -> list[DayResult]:
    results = []
    for symbol in sorted({*theirs.instruments, *(one.fill.symbol for one in ours.booked)}):
        fills = [one.fill for one in ours.booked if one.fill.symbol == symbol]
        last = theirs.marks.get(symbol, fills[-1].price if fills else None)
        if last is None:
            continue
        opening = ours.positions_start.get(symbol, ZERO)
        results.append(day_result(symbol, opening, marks_start.get(symbol, last), fills, last))
    return results


def _market(
    result: DayResult, theirs: VenueDay, marks_start: Mapping[str, Decimal], ours: JournalDay
) -> dict[str, Any]:
    symbol = result.symbol
    return {
        "symbol": symbol,
        "fills": sum(one.fill.symbol == symbol for one in ours.booked),
        "position_start": str(ours.positions_start.get(symbol, ZERO)),
        "position_end": _decimal(result.fifo.position),
        "mark_start": str(marks_start[symbol]) if symbol in marks_start else None,
        "mark_end": str(theirs.marks[symbol]) if symbol in theirs.marks else None,
        "realised_fifo": _decimal(result.fifo.realised),
        "unrealised_fifo": _decimal(result.fifo.unrealised),
        "realised_average": _decimal(result.average.realised),
        "unrealised_average": _decimal(result.average.unrealised),
        "total": _decimal(result.fifo.total),
        "identity_error": _decimal(result.identity_error),
    }


def _curve(
    ours: JournalDay,
    results: list[DayResult],
    marks_start: Mapping[str, Decimal],
    theirs: VenueDay,
    value: Any,
) -> list[dict[str, Any]]:
    """Profit and loss in USD over the day, all markets together, before fees."""
    steps: list[tuple[int, str, Fraction]] = []
    for result in results:
        fills = [one.fill for one in ours.booked if one.fill.symbol == result.symbol]
        first = marks_start.get(result.symbol, theirs.marks.get(result.symbol, ZERO))
        opening = ours.positions_start.get(result.symbol, ZERO)
        steps += [(at_ms, result.symbol, pnl) for at_ms, pnl in curve(opening, first, fills)]
    now: dict[str, Fraction] = {}
    points = []
    every = max(1, len(steps) // POINTS)
    for number, (at_ms, symbol, pnl) in enumerate(sorted(steps)):
        now[symbol] = pnl
        if number % every == 0 or number == len(steps) - 1:
            usd = _signed(value(_quote(one), _as_decimal(amount)) for one, amount in now.items())
            points.append({"at_ms": at_ms, "pnl_usd": _text(usd)})
    return points


def _gross_usd(results: list[DayResult], value: Any) -> Decimal | None:
    return _signed(value(_quote(result.symbol), _as_decimal(result.fifo.total)) for result in results)


def _quote(symbol: str) -> str:
    return symbol.partition("/")[2].partition(":")[0]


def _turnover(ours: JournalDay, value: Any) -> Decimal | None:
    by_quote = total_changes(
        {_quote(one.fill.symbol): one.fill.quantity * one.fill.price} for one in ours.booked
    )
    return _sum_usd(by_quote, value)


def _sum_usd(amounts: Mapping[str, Decimal], value: Any) -> Decimal | None:
    return _signed(value(asset, amount) for asset, amount in amounts.items())


def _signed(parts: Any) -> Decimal | None:
    known = list(parts)
    return None if any(part is None for part in known) else sum(known, ZERO)


def _as_decimal(amount: Fraction) -> Decimal:
    return Decimal(amount.numerator) / Decimal(amount.denominator)


def _decimal(amount: Fraction) -> str:
    return _text(_as_decimal(amount)) or "0"


def _text(amount: Decimal | None) -> str | None:
    """To the hundred-millionth, without an exponent."""
    return None if amount is None else format(round(amount, 8).normalize() + 0, "f")
