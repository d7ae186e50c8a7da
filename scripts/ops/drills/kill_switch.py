"""The judge of kill-switch drills. Pure: venue's record and host's latch go in, evidence comes out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ops.drills.moments import line_of
from ops.drills.venue_record import Entry, Order, Seen, accepted_since, look
from ops.evidence.catalogue import Entry as Drill
from ops.evidence.catalogue import Figure
from ops.evidence.record import figure_text
from ops.text import one_line
from ops.times import utc_text_ns

# Figures that say whether the drill proved anything; a miss is no failure of the kill switch.
CONDITIONS = frozenset(
    {
        "orders_at_trip",
        "symbols_at_trip",
        "foreign_orders_at_trip",
        "refusals",
        "watched_seconds",
        "clock_difference_seconds",
        "latch_tripped_before",
    }
)
# Told beside the figures that a drill needs, where they were measured.
_INFORMATION = (
    *("detection_seconds", "symbols_at_trip", "foreign_orders_at_trip", "orders_on_the_wire"),
    *("cancels_sent", "cancels_ignored", "refusals"),
)
# What a difference between the clocks of host and venue makes worthless.
_TIMED = frozenset({"activation_seconds", "cancel_all_seconds", "detection_seconds", "orders_after_trip"})
_CLOCK = "clock_difference_seconds"


@dataclass(frozen=True)
class Run:
    """One run of a drill. Times are unix nanoseconds.

    Args:
        account: at the venue.
        host: inventory name; the service's own client order ids begin with it.
        started_ns: begin of the drill.
        act_ns: when the fault was set or the command typed.
        trip_ns: when the kill switch tripped, by the host's clock; None when nothing did.
        until_ns: when the record was read, by the venue's clock.
        clock_difference_seconds: between the clocks of host and venue, with the doubt of the measurement;
            None when it was not measured.
        latch: content of the host's latch file afterwards; None when there is none.
        latch_before: the same after the trip, before what must not lower it.
        rearm_ns: when the host was re-armed.
        rearm_refused: whether a re-arm that must be refused was.
        venue_open: open orders of the account as the venue lists them; None when it was not asked.
        triggers: what must have tripped it, any of these words; empty: whatever did.
        problem: why the act of the drill failed; empty when it did not.
    """

    account: str
    host: str
    started_ns: int
    act_ns: int
    trip_ns: int | None
    until_ns: int
    clock_difference_seconds: float | None
    latch: Mapping[str, Any] | None = None
    latch_before: Mapping[str, Any] | None = None
    rearm_ns: int | None = None
    rearm_refused: bool | None = None
    venue_open: int | None = None
    triggers: tuple[str, ...] = ()
    problem: str = ""


def judge(drill: Drill, run: Run, entries: Sequence[Entry]) -> dict[str, Any]:
    """Figures, reasons, verdict and steps, as keys of a record of evidence.

    Args:
        drill: from the catalogue.
        run: what was done and seen on the host.
        entries: the venue's record from its beginning.
    """
    seen = look(entries, run.account, run.trip_ns) if run.trip_ns is not None else None
    measured = _measure(run, seen, entries)
    doubts = _doubts(drill, run, seen)
    worthless = _TIMED if doubts else frozenset()
    measured |= dict.fromkeys(worthless)
    doubts += _other_trigger(run)
    failures: list[str] = []
    for figure in drill.figures.values():
        value = measured.get(figure.name)
        if value is None and figure.name in worthless:
            continue
        if value is None:
            doubts.append(f"{figure.name}: no data")
        elif not figure.measured(value)["held"]:
            text = _missed(figure, value, run, seen)
            (doubts if figure.name in CONDITIONS else failures).append(text)
    failures += _beside(drill, run, seen)
    verdict = "fail" if failures else "inconclusive" if doubts else "pass"
    extra = {name: measured.get(name) for name in _INFORMATION if name not in drill.figures}
    return {
        "started_at": utc_text_ns(run.started_ns),
        "ended_at": utc_text_ns(max(run.started_ns, run.until_ns)),
        "steps": _steps(run, seen, verdict),
        "values": [
            *(figure.measured(measured.get(figure.name)) for figure in drill.figures.values()),
            *(
                {"name": name, "value": value, "unit": _unit(name)}
                for name, value in extra.items()
                if value is not None
            ),
        ],
        "verdict": verdict,
        "reasons": [one_line(text, 1000) for text in failures + doubts],
    }


def _measure(run: Run, seen: Seen | None, entries: Sequence[Entry]) -> dict[str, float | None]:
    measured: dict[str, float | None] = {
        _CLOCK: None if run.clock_difference_seconds is None else abs(run.clock_difference_seconds),
        "latch_tripped": _tripped(run.latch),
        "latch_tripped_before": None if run.latch_before is None else _tripped(run.latch_before),
        "rearm_refused_early": None if run.rearm_refused is None else float(run.rearm_refused),
        "orders_after_rearm": None,
    }
    if run.rearm_ns is not None:
        measured["orders_after_rearm"] = accepted_since(entries, run.account, run.rearm_ns)
    if seen is None or run.trip_ns is None:
        return measured
    foreign = [order for order in seen.at_trip if not order.client_id.startswith(f"{run.host}-")]
    ended_ns = max((at for at in (seen.last_ack_ns, seen.flat_ns) if at is not None), default=None)
    nothing = not seen.at_trip and not seen.on_the_wire
    return measured | {
        "activation_seconds": _since(run.trip_ns, seen.first_cancel_ns),
        "cancel_all_seconds": None if seen.left or nothing else _since(run.trip_ns, ended_ns),
        "detection_seconds": _since(run.act_ns, run.trip_ns),
        "orders_at_trip": len(seen.at_trip),
        "symbols_at_trip": len({(order.key[0], order.symbol) for order in seen.at_trip}),
        "foreign_orders_at_trip": len(foreign),
        "orders_left": max(len(seen.left), run.venue_open or 0),
        "orders_after_trip": len(seen.late),
        "orders_on_the_wire": len(seen.on_the_wire),
        "refusals": seen.refusals,
        "cancels_sent": seen.cancels,
        "cancels_ignored": seen.ignored,
        "watched_seconds": _since(max(run.trip_ns, seen.flat_ns or run.trip_ns), run.until_ns),
    }


def _doubts(drill: Drill, run: Run, seen: Seen | None) -> list[str]:
    """Why times of host and venue cannot be compared; empty for a drill that does not compare them."""
    if _CLOCK not in drill.figures:
        return []
    bound = drill.figures[_CLOCK].bound
    tolerance_ns = int(bound * 1e9)
    doubts = []
    earliest, latest = run.act_ns - tolerance_ns, run.until_ns + tolerance_ns
    if run.trip_ns is not None and not earliest <= run.trip_ns <= latest:
        span = f"between the act at {utc_text_ns(run.act_ns)} and the end at {utc_text_ns(run.until_ns)}"
        doubts.append(
            f"the trip at {utc_text_ns(run.trip_ns)} is not {span}: clocks differ, or something else tripped"
        )
    if run.clock_difference_seconds is not None and abs(run.clock_difference_seconds) > bound:
        doubts.append(f"the clocks of host and venue differ by {run.clock_difference_seconds:.3g} s")
    off = seen.signed_off_seconds if seen else None
    if off is not None and abs(off) > bound:
        doubts.append(f"requests arrived {off:.3g} s after they were signed: clocks differ")
    return doubts


def _other_trigger(run: Run) -> list[str]:
    """Another trigger that was quicker says nothing of the one that is drilled."""
    found = (run.latch or {}).get("trigger", "")
    if not run.triggers or not _tripped(run.latch) or found in run.triggers:
        return []
    return [f"it was tripped by {found!r:.60}, not by {' or '.join(run.triggers)}"]


def _beside(drill: Drill, run: Run, seen: Seen | None) -> list[str]:
    """Failures that are no figure."""
    found = [f"the act failed: {run.problem}"] if run.problem else []
    if run.trip_ns is None:
        found.append("nothing tripped the kill switch")
    # A host that trades again has another number at every look.
    flat = "orders_left" in drill.figures
    if flat and seen is not None and run.venue_open is not None and run.venue_open != len(seen.left):
        found.append(f"the venue lists {run.venue_open} open orders, its record {len(seen.left)}")
    return found


def _missed(figure: Figure, value: float, run: Run, seen: Seen | None) -> str:
    shown, bound = figure_text(figure.measured(value))
    text = f"{figure.name}: {shown}, must be {bound}"
    named = {"orders_left": seen.left, "orders_after_trip": seen.late}.get(figure.name, ()) if seen else ()
    if named:
        text += f" ({_names(named)})"
    if figure.name == "orders_left" and seen is not None and seen.ignored:
        text += f"; cancels answered as done that cancelled nothing: {seen.ignored}"
    if figure.name == "latch_tripped" and run.latch is None:
        text += " (there is no latch file)"
    return text


def _names(orders: Sequence[Order]) -> str:
    shown = ", ".join(f"{order.client_id} on {order.symbol}" for order in orders[:5])
    return shown + (f" and {len(orders) - 5} more" if len(orders) > 5 else "")


def _tripped(latch: Mapping[str, Any] | None) -> float:
    """A latch file that is missing or says nothing is not a latch that was seen tripped."""
    return float(latch is not None and latch.get("state") == "tripped")


def _since(start_ns: int, end_ns: int | None) -> float | None:
    return None if end_ns is None else round((end_ns - start_ns) / 1e9, 6)


def _unit(name: str) -> str:
    kinds = {
        "orders": "orders",
        "foreign": "orders",
        "symbols": "symbols",
        "refusals": "requests",
        "cancels": "cancels",
    }
    if name.endswith("_seconds"):
        return "s"
    return kinds.get(name.partition("_")[0], "flag")


def _steps(run: Run, seen: Seen | None, verdict: str) -> list[dict[str, Any]]:
    """What the venue saw, as a line of moments."""
    first = seen.first_cancel_ns if seen else None
    last = seen.last_ack_ns if seen else None
    moments = [
        ("steady state", run.act_ns),
        ("until the trip", run.trip_ns),
        ("until the first cancel", first),
        ("until the last cancel", last),
        ("watch", run.until_ns),
    ]
    return line_of(run.started_ns, moments, verdict)
