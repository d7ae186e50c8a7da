"""The plan as a person reads it before anything changes."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from ops.bounds import bound_text, value_text
from ops.canary.plan import Plan
from ops.text import plural, table

if TYPE_CHECKING:
    from ops.canary.past import Room, Row


def print_plan(plan: Plan) -> None:
    """Print the hosts of every phase, what is judged, and the plan's hash."""
    hosts, phases = plural(len(plan.hosts), "host"), plural(len(plan.phases), "phase")
    click.echo(f"{plan.release} to {hosts} of {plan.inventory} in {phases}")
    rows = [
        (
            str(phase.number),
            phase.share,
            f"{len(phase.updated)} of {len(plan.hosts)}",
            f"{phase.soak_seconds:g} s"
            + (f", at most {phase.soak_max_seconds:g} s" * (phase.soak_max_seconds > phase.soak_seconds)),
            "full" if phase.risk_scale == 1 else f"{phase.risk_scale:.0%}",
            ", ".join(phase.batch),
            plan.restarted_control(phase) or "-",
        )
        for phase in plan.phases
    ]
    table(("phase", "share", "updated", "soak", "limits", "hosts that change", "restarted beside"), rows)
    for note in plan.notes:
        click.echo(note)
    click.echo(f"plan sha256 {plan.to_json()['plan_sha256']}")


def print_past(plan: Plan, rows: "Sequence[Row]") -> None:
    """Print what the judge makes of the past, and the effect that it would have seen."""
    if not rows:
        click.echo("no contrast is judged in any phase")
        return
    kinds = {one.name: one.kind for one in plan.contrasts}

    def effect(row: "Row") -> str:
        if row.detectable is None:
            return "none"
        return f"{row.detectable:+.0%}" if kinds[row.contrast] == "level" else f"{row.detectable:.1f} x"

    lines = [
        (
            row.contrast,
            str(row.phase),
            str(row.windows),
            str(row.failed),
            str(row.inconclusive),
            f"{row.alpha:.2%}",
            effect(row),
        )
        for row in rows
    ]
    heads = (
        "contrast",
        "phase",
        "windows",
        "false alarms",
        "inconclusive",
        "allowed",
        "smallest effect seen",
    )
    table(heads, lines)


def print_rooms(rooms: "Sequence[Room]") -> None:
    """Print how far each criterion is from its bound, and whether there is traffic enough for a pass."""
    lines = []
    for room in rooms:
        one = room.criterion
        few = "" if room.enough else "NOT ENOUGH" if room.value is not None else "NO DATA"
        samples = "-" if room.samples is None else f"{room.samples:.4g}"
        needed = "" if one.minimum_samples is None else f" of {one.minimum_samples:g}"
        lines.append(
            (
                one.name,
                str(room.phase),
                value_text(room.value, one.unit),
                room.host,
                bound_text(one.kind, one.bound, one.unit),
                "-" if room.factor is None else f"{room.factor:.3g} x",
                samples + needed,
                few,
            )
        )
    table(("criterion", "phase", "worst now", "on", "bound", "seen from", "samples", ""), lines)
