"""Commands of ./scripts/canary by which a person steps in, and by which the playbook asks what to do."""

import json
from pathlib import Path
from typing import Any

import click

from ops.canary import lock, notify, rollback
from ops.canary.acts import ACTIONS, Action, act, find
from ops.canary.options import (
    hold,
    inventory_options,
    owned,
    owner_option,
    rollout_option,
    rollouts,
    stop,
)
from ops.canary.prometheus import Prometheus
from ops.canary.record import Record
from ops.canary.state import state_of
from ops.text import table
from ops.times import utc_text_ns
from ops.who import current_user

_name_option = click.option(
    "--rollout", "name", help="Id of the rollout [default: the one that holds the lock]."
)


@click.command("act")
@click.argument("action", type=click.Choice(ACTIONS))
@inventory_options
@_name_option
@click.option("--reason", default="", help="Why; needed to promote, skip and abort.")
@click.option("--by", default="", help="Who [default: who runs this].")
@owner_option
def act_command(
    action: Action,
    inventory: str,
    rollout_dir: Path | None,
    name: str | None,
    reason: str,
    by: str,
    owner_pid: int,
) -> None:
    """Step in; playbooks/canary.yml -e canary_action=ACTION calls this.

    The last line is the rollout's folder when the caller now has to go on with it, else what was asked.
    """
    record = find(rollouts(inventory, rollout_dir), name or None)
    if act(record, action, by=by or current_user(), reason=reason, pid=owner_pid):
        click.echo(str(record.folder))
        return
    click.echo(f"{record.rollout}: its controller was asked to {action}; it does so at its next step")


@click.command()
@inventory_options
@_name_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def status(inventory: str, rollout_dir: Path | None, name: str | None, as_json: bool) -> None:
    """Say how a rollout stands, and what may be done."""
    folder = rollouts(inventory, rollout_dir)
    owner = lock.read(folder)
    if owner is None and not name:
        click.echo(json.dumps({"rollout": None}) if as_json else f"no rollout of {inventory} is under way")
        return
    record = find(folder, name or None)
    facts = _facts(record, owner)
    if as_json:
        click.echo(json.dumps(facts))
        return
    table(
        ("rollout", record.rollout),
        [(key, _shown(value)) for key, value in facts.items() if key != "rollout"],
    )


@click.command()
@rollout_option
def todo(folder: Path) -> None:
    """Print as JSON what is left: the stage, the phases, and the fencing token; for the playbook."""
    record = owned(folder)
    state = state_of(record)
    owner = lock.read(record.inventory_folder)
    assert owner is not None
    left = [phase.number for phase in record.plan.phases if phase.number not in state.passed]
    (record.folder / "fence" / str(owner.token)).mkdir(parents=True, exist_ok=True)
    click.echo(
        json.dumps({"stage": state.stage, "reason": state.reason, "phases": left, "token": owner.token})
    )


@click.command("fenced")
@rollout_option
def fenced(folder: Path) -> None:
    """Check that every host was told of this controller's token; one that was not might obey another."""
    record = owned(folder)
    owner = lock.read(record.inventory_folder)
    assert owner is not None
    told = record.folder / "fence" / str(owner.token)
    missing = [host for host in record.plan.hosts if not (told / host).exists()]
    record.append("fenced", token=owner.token, missing=missing)
    if not missing:
        click.echo(f"all {len(record.plan.hosts)} hosts obey this rollout and none before it")
        return
    reasons = [f"{host}: it was not reached, or obeys a later rollout" for host in missing]
    if record.touched():
        hold(record, state_of(record).phase or 0, "not every host obeys this rollout", reasons)
    stop("not every host obeys this rollout", reasons)


@click.command("turning-back")
@rollout_option
@click.option("--reason", default="", help="Why, in one sentence.")
@click.option(
    "--wait-seconds",
    default=0.0,
    help="Trading was stopped: how long hosts may take to account for everything.",
)
def turning_back(folder: Path, reason: str, wait_seconds: float) -> None:
    """Note that the rollout turns back, and decide how; the last line is roll_back, hold, stop or kill.

    From here on it never goes forward again.
    """
    record = owned(folder)
    state = state_of(record)
    if state.stage != "turning_back":
        record.append("turning_back", reason=" ".join(reason.split()))
        state = state_of(record)
    decision = rollback.decide(record, Prometheus(record.plan.prometheus_url), wait_seconds)
    record.append("decided", answer=decision.answer, reasons=decision.reasons)
    notify.send(record, "turning_back", f"{decision.answer.replace('_', ' ')}: {state.reason}")
    click.echo(f"turning back: {state.reason}")
    for line in decision.reasons:
        click.echo(f"  {line}")
    if decision.answer == "hold":
        record.append("held", phase=state.phase, reason="; ".join(decision.reasons), verdict=None)
    click.echo(decision.answer)


@click.command("hold")
@rollout_option
@click.option("--reason", required=True, help="Why, in one sentence.")
def hold_command(folder: Path, reason: str) -> None:
    """Hold the rollout for a person, for a reason that does not speak against the release; exit 3."""
    record = owned(folder)
    hold(record, state_of(record).phase or len(record.plan.phases), "not finished", [reason])


def _facts(record: Record, owner: lock.Owner | None) -> dict[str, Any]:
    state = state_of(record)
    events = record.events()
    runs = owner is not None and owner.rollout == record.rollout and owner.alive()
    next_steps = {
        "running": "pause, abort" if runs else "resume, abort",
        "held": "resume, promote (an inconclusive verdict), skip (a shut gate), abort",
        "turning_back": "" if runs else "resume, abort (leave every host on the release that it has)",
        "finished": "",
    }[state.stage]
    return {
        "rollout": record.rollout,
        "release": record.plan.release,
        "stage": state.stage.replace("_", " "),
        "reason": state.reason,
        "phase": state.phase,
        "phases": len(record.plan.phases),
        "controller": f"{owner} runs" if runs else f"{owner} is gone" if owner else "none",
        "touched": [host for _, host in record.touched()],
        "last_event": f"{events[-1]['event']} at {utc_text_ns(events[-1]['at_ns'])}" if events else "none",
        "may": next_steps,
        "journal_sha256": record.journal.head(),
    }


def _shown(value: Any) -> str:
    return " ".join(value) if isinstance(value, list) else "-" if value in (None, "") else str(value)


COMMANDS = (act_command, status, todo, fenced, turning_back, hold_command)
