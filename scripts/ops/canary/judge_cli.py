"""The commands of ./scripts/canary that judge without a rollout under way: again, and on the past.

numpy and scipy are loaded where they are needed: they cost half a second.
"""

import json
from dataclasses import asdict
from pathlib import Path

import click

from ops.canary.gate import look
from ops.canary.options import FAILED, plan_from, plan_options, rollout_option
from ops.canary.prometheus import Prometheus, PrometheusError
from ops.canary.record import open_record
from ops.canary.show import print_past, print_plan, print_rooms
from ops.errors import OperatorError
from ops.text import table


@click.command("judge")
@rollout_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object for each phase.")
def judge_command(folder: Path, as_json: bool) -> None:
    """Judge a rollout again from what it kept, offline; exit 1 when a verdict comes out otherwise."""
    from ops.canary.again import again

    record = open_record(folder)
    rows = []
    for phase in record.plan.phases:
        if not (record.phase_folder(phase.number) / "verdict.json").exists():
            continue
        written, found = again(record, phase)
        rows.append((str(phase.number), written, found, "yes" if written == found else "NO"))
    if not rows:
        raise OperatorError(f"{record.rollout} has no judged phase")
    if as_json:
        for number, written, found, _ in rows:
            click.echo(json.dumps({"phase": int(number), "written": written, "again": found}))
    else:
        table(("phase", "verdict", "judged again", "the same"), rows)
    if any(row[1] != row[2] for row in rows):
        raise SystemExit(FAILED)


@click.command("past")
@plan_options
@click.option("--hours", default=24.0, show_default=True, help="How far back.")
def past_command(
    inventory: str,
    rollout_dir: Path | None,
    release_id: str,
    plan_json: str,
    hosts_json: str,
    as_json: bool,
    hours: float,
) -> None:
    """Rehearse: print the plan, look at the gate, and judge the past as if the release had gone out then.

    Nothing is changed and nothing is locked. What the judge calls a failure there is a false alarm; exit 1
    when a contrast has more of them than its share of the budget, or the gate is shut.
    """
    from ops.canary.past import judge_past, rooms

    plan = plan_from(inventory, release_id, plan_json, hosts_json)
    prometheus = Prometheus(plan.prometheus_url)
    try:
        reasons = look(plan, prometheus)
        rows = judge_past(plan, prometheus, hours, lambda line: click.echo(line, err=True))
    except PrometheusError as error:
        raise OperatorError(f"Prometheus {plan.prometheus_url}: {error}") from None
    alarming = [row for row in rows if row.alarming]
    if as_json:
        click.echo(
            json.dumps(
                {
                    "plan": plan.to_json(),
                    "gate": [reason.text for reason in reasons],
                    "contrasts": [asdict(row) | {"alarming": row.alarming} for row in rows],
                }
            )
        )
    else:
        print_plan(plan)
        for reason in reasons:
            click.echo(f"the gate is shut: {reason.text}")
        print_past(plan, rows)
        print_rooms(rooms(plan, prometheus))
        for row in alarming:
            click.echo(
                f"{row.contrast}: {row.failed} of {row.windows} windows without a release failed; "
                "raise its margin or take it out of the plan"
            )
    if alarming or reasons:
        raise SystemExit(FAILED)


@click.command("plan")
@plan_options
@click.option("--hours", default=24.0, show_default=True, help="Whose traffic says what each phase can see.")
@click.option("--no-effects", is_flag=True, help="Do not ask Prometheus.")
def plan_command(
    inventory: str,
    rollout_dir: Path | None,
    release_id: str,
    plan_json: str,
    hosts_json: str,
    as_json: bool,
    hours: float,
    no_effects: bool,
) -> None:
    """Print the exact hosts of every phase, and the smallest effect that each can see; change nothing."""
    plan = plan_from(inventory, release_id, plan_json, hosts_json)
    if as_json:
        click.echo(json.dumps(plan.to_json()))
        return
    print_plan(plan)
    if no_effects:
        return
    from ops.canary.past import judge_past, rooms

    prometheus = Prometheus(plan.prometheus_url)
    try:
        print_past(plan, judge_past(plan, prometheus, hours, lambda line: click.echo(line, err=True)))
        print_rooms(rooms(plan, prometheus))
    except PrometheusError as error:
        click.echo(f"what each phase can see is not known: Prometheus {plan.prometheus_url}: {error}")


COMMANDS = (judge_command, past_command, plan_command)
