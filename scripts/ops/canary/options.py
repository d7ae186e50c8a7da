"""Options that several commands of ./scripts/canary share, and how a command ends."""

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import click

from ops import paths
from ops.canary import lock, metrics, notify
from ops.canary.acts import StopAskedError, checkpoint
from ops.canary.plan import Plan
from ops.canary.plan_settings import make_plan
from ops.canary.record import Record, open_record
from ops.errors import OperatorError
from ops.release import store

_F = TypeVar("_F", bound=Callable[..., None])
CONTROLLER = "BREAKWATER_CONTROLLER_PID"
# 2 is for mistakes (OperatorError).
FAILED = 1  # judged and not good enough: the playbook turns back
HELD = 3  # not for a program to decide: the playbook stops and leaves everything as it is


def options(*chosen: Callable[[_F], _F]) -> Callable[[_F], _F]:
    """Several options as one decorator."""

    def add(function: _F) -> _F:
        for option in reversed(chosen):
            function = option(function)
        return function

    return add


inventory_options = options(
    click.option("--inventory", required=True, help="Name of the inventory, such as lab."),
    click.option(
        "--rollout-dir", type=click.Path(path_type=Path), help="Folder of rollouts [default: var/rollouts]."
    ),
)
plan_options = options(
    inventory_options,
    click.option(
        "--release", "release_id", required=True, help="Id of the release (./scripts/release list)."
    ),
    click.option("--plan-json", required=True, help="The inventory's variable `canary` as JSON."),
    click.option(
        "--hosts-json",
        required=True,
        help="JSON list of hosts in the inventory's order: names, or {name, exposure_usd, venue, account}.",
    ),
    click.option("--json", "as_json", is_flag=True, help="Print one JSON object."),
)
owner_option = click.option(
    "--owner-pid",
    required=True,
    type=int,
    envvar=CONTROLLER,
    help=f"Pid of ansible-playbook: the lock lives with it [environment: {CONTROLLER}].",
)
rollout_option = click.option(
    "--rollout", "folder", required=True, type=click.Path(path_type=Path), help="Folder that `start` printed."
)
phase_option = click.option("--phase", "number", required=True, type=int, help="Number of the phase, from 1.")


def rollouts(inventory: str, rollout_dir: Path | None) -> Path:
    """Folder of an inventory's rollouts.

    Raises:
        OperatorError: it is not the name of an inventory.
    """
    if not inventory.replace("-", "").replace("_", "").isalnum():
        raise OperatorError(f"--inventory: {inventory!r} is not the name of an inventory")
    return (rollout_dir or paths.ROLLOUTS).resolve() / inventory


def controlled(folder: Path) -> Record:
    """The rollout, for a step of its controller.

    A controller that was suspended while another took over finds out here, before it does anything. One
    that somebody asked to stop does so.

    Raises:
        OperatorError: this controller does not hold the lock.
    """
    record = owned(folder)
    try:
        checkpoint(record)
    except StopAskedError as asked:
        stopped(asked)
    return record


def owned(folder: Path) -> Record:
    """The rollout, if this controller holds its lock.

    Raises:
        OperatorError: it does not.
    """
    record = open_record(folder)
    pid = os.environ.get(CONTROLLER)
    lock.require(record.inventory_folder, record.rollout, int(pid) if pid else None)
    return record


def stopped(asked: StopAskedError) -> NoReturn:
    """End the command as a person asked for."""
    click.echo(str(asked))
    raise SystemExit(HELD if asked.request == "pause" else FAILED)


def hold(
    record: Record, phase: int, what: str, reasons: Sequence[str], verdict: str | None = None
) -> NoReturn:
    """Leave everything as it is, for a person to decide."""
    text = f"{what}: {'; '.join(reasons)}"
    record.append("held", phase=phase, reason=text, verdict=verdict)
    notify.send(record, "held", text)
    stop(what, reasons, HELD)


def stop(what: str, reasons: Sequence[str], status: int = FAILED) -> NoReturn:
    """Print why, on a last line that stands for itself, and end."""
    for reason in reasons if len(reasons) > 1 else ():
        click.echo(f"  {reason}")
    more = f" (and {len(reasons) - 1} more)" if len(reasons) > 1 else ""
    click.echo(f"{what}: {reasons[0]}{more}" if reasons else what)
    raise SystemExit(status)


def plan_from(inventory: str, release_id: str, plan_json: str, hosts_json: str) -> Plan:
    """The plan of the options that `plan_options` takes.

    Raises:
        OperatorError: a mistake in one of them, or a release that is not here whole.
    """
    settings, hosts = _json("--plan-json", plan_json), _json("--hosts-json", hosts_json)
    if not isinstance(hosts, list):
        raise OperatorError("--hosts-json must be a JSON list of host names")
    rollouts(inventory, None)  # checks the name
    release = store.load_verified(paths.RELEASES, release_id)
    if release.app != "trader":
        raise OperatorError(f"release {release_id} is of {release.app}; a canary rolls out the trader")
    plan = make_plan(
        settings,
        hosts,
        inventory=inventory,
        release=release_id,
        sha256=release.sha256,
        schema=release.schema,
    )
    metrics.check_plan(plan, metrics.known_names(paths.ROOT / metrics.FILE))
    return plan


def _json(option: str, text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise OperatorError(f"{option} is not JSON: {error}") from None
