"""The plan as a person reads it before anything changes."""

import click

from ops.canary.plan import Plan
from ops.text import plural, table


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
