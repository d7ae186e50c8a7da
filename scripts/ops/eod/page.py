"""The pages: readable on a screen and on paper, one file each."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

from ops.eod.reports import Rollup
from ops.page import render
from ops.times import clock_text

HOST = Path(__file__).with_name("host.html.j2")
FLEET = Path(__file__).with_name("fleet.html.j2")
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 1000.0, 240.0, 70.0, 16.0, 12.0, 26.0
HOUR_MS = 3_600_000
LINES, TICKS = 4, 12  # of the grid


def host_page(report: Mapping[str, Any], inventory: str) -> str:
    """One account's day."""
    pnl = report["pnl_usd"]
    return render(
        HOST,
        {
            "report": report,
            "inventory": inventory,
            "money": money,
            "amount": amount,
            "facts": [
                ("Net", f"{money(pnl['net'])} USD"),
                ("Trading", f"{money(pnl['trading'])} USD"),
                ("Fees", f"{money(pnl['fees'])} USD"),
                ("Funding", f"{money(pnl['funding'])} USD"),
                ("Fills", f"{report['fills']:,}"),
                ("Turnover", f"{money(report['turnover_usd'])} USD"),
                ("Drift", f"{money(report['drift_usd'])} USD"),
                ("Made", report["made_at"].replace("T", " ").replace("+00:00", " UTC")),
            ],
            "curve": curve(report["curve"]),
            "drift": bars(report["discrepancies"]),
        },
    )


def fleet_page(rollup: Rollup) -> str:
    """The fleet's day."""
    drift = rollup.total(lambda one: one["drift_usd"])
    return render(
        FLEET,
        {
            "rollup": rollup,
            "money": money,
            "facts": [
                ("Net", f"{rollup.text('net')} USD"),
                ("Trading", f"{rollup.text('trading')} USD"),
                ("Fees", f"{rollup.text('fees')} USD"),
                ("Funding", f"{rollup.text('funding')} USD"),
                ("Fills", f"{sum(one['fills'] for one in rollup.reports):,}"),
                ("Drift", f"{money(None if drift is None else str(drift))} USD"),
            ],
        },
    )


def money(text: str | None) -> str:
    """USD for people; what is not known is said."""
    return "not known" if text is None else f"{round(Decimal(text), 2) + 0:,.2f}"


def amount(text: str) -> str:
    """An amount of an asset, as exact as it is."""
    value = Decimal(text)
    return f"{value.normalize():,f}" if value else "0"


def curve(points: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """The line of profit and loss over the day as SVG coordinates; None = nothing was traded."""
    known = [
        (int(point["at_ms"]), float(point["pnl_usd"])) for point in points if point["pnl_usd"] is not None
    ]
    if not known:
        return None
    low, high = min(0.0, *(value for _, value in known)), max(0.0, *(value for _, value in known))
    span = (high - low) or 1.0
    # Whole hours around what was traded: a short day must be seen too.
    start = known[0][0] // HOUR_MS
    hours = known[-1][0] // HOUR_MS + 1 - start
    every = next((step for step in (1, 2, 3) if hours / step <= TICKS), 6)

    def x(at_ms: float) -> float:
        return LEFT + (at_ms / HOUR_MS - start) / hours * (WIDTH - LEFT - RIGHT)

    def y(value: float) -> float:
        return TOP + (high - value) / span * (HEIGHT - TOP - BOTTOM)

    path = " ".join(f"{x(at_ms):.1f},{y(value):.1f}" for at_ms, value in known)
    levels = [low + span * number / LINES for number in range(LINES + 1)]
    return {
        "width": WIDTH,
        "height": HEIGHT,
        "left": LEFT,
        "right": WIDTH - RIGHT,
        "bottom": HEIGHT - BOTTOM,
        "path": path,
        "fills": [(f"{x(at_ms):.1f}", f"{y(value):.1f}") for at_ms, value in known],
        "zero": f"{y(0):.1f}",
        "levels": [(f"{y(value):.1f}", f"{value:,.2f}") for value in levels],
        "hours": [
            (f"{x((start + hour) * HOUR_MS):.1f}", f"{(start + hour) % 24:02d}:00")
            for hour in range(0, hours + 1, every)
        ],
        "last": f"{known[-1][1]:,.2f} USD at {clock_text(known[-1][0] / 1_000)}",
    }


def bars(discrepancies: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Drift by kind: how many, what they are worth, and how long their bar is (0 to 100)."""
    kinds: dict[str, list[Decimal | None]] = {}
    for one in discrepancies:
        kinds.setdefault(one["kind"], []).append(None if one["usd"] is None else Decimal(one["usd"]))
    totals = {
        kind: None if None in worth else sum(filter(None, worth), Decimal(0)) for kind, worth in kinds.items()
    }
    longest = max((total for total in totals.values() if total is not None), default=Decimal(0))
    return [
        {
            "kind": kind.replace("_", " "),
            "count": len(kinds[kind]),
            "usd": "not known" if total is None else f"{total:,.2f}",
            "length": 100 if total is None or not longest else float(100 * total / longest),
        }
        for kind, total in sorted(totals.items())
    ]
