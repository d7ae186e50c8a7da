"""The command ./scripts/canary. playbooks/canary.yml calls these in order; each can be typed as well."""

import itertools
import json
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import click

from ops import paths
from ops.bounds import bound_text, value_text
from ops.canary import gate as gate_check
from ops.canary import lock, metrics
from ops.canary import proof as proof_check
from ops.canary.finish import OUTCOMES, Outcome
from ops.canary.finish import finish as finish_rollout
from ops.canary.plan import Plan, make_plan
from ops.canary.prometheus import Prometheus
from ops.canary.record import create, open_record
from ops.canary.soak import soak as soak_phase
from ops.errors import OperatorError
from ops.files import write_json
from ops.release import store
from ops.text import plural, table
from ops.times import utc_text
from ops.who import current_user

_F = TypeVar("_F", bound=Callable[..., None])
_FAILED = 1  # judged and not good enough; 2 is for mistakes (OperatorError)


def _options(*options: Callable[[_F], _F]) -> Callable[[_F], _F]:
    def add(function: _F) -> _F:
        for option in reversed(options):
            function = option(function)
        return function

    return add


_plan_options = _options(
    click.option("--inventory", required=True, help="Name of the inventory, such as lab."),
    click.option(
        "--release", "release_id", required=True, help="Id of the release (./scripts/release list)."
    ),
    click.option("--plan-json", required=True, help="The inventory's variable `canary` as JSON."),
    click.option("--hosts-json", required=True, help="JSON list of host names in the order of change."),
    click.option(
        "--rollout-dir", type=click.Path(path_type=Path), help="Folder of rollouts [default: var/rollouts]."
    ),
    click.option("--json", "as_json", is_flag=True, help="Print one JSON object."),
)
_owner_option = click.option(
    "--owner-pid",
    required=True,
    type=int,
    envvar="BREAKWATER_CONTROLLER_PID",
    help="Pid of ansible-playbook: the lock lives with it [environment: BREAKWATER_CONTROLLER_PID].",
)
_lock_options = _options(
    click.option("--inventory", required=True, help="Name of the inventory, such as lab."),
    click.option(
        "--rollout-dir", type=click.Path(path_type=Path), help="Folder of rollouts [default: var/rollouts]."
    ),
)
_rollout_option = click.option(
    "--rollout", "folder", required=True, type=click.Path(path_type=Path), help="Folder that `start` printed."
)
_phase_option = click.option(
    "--phase", "number", required=True, type=int, help="Number of the phase, from 1."
)


@click.group()
def cli() -> None:
    """Plan, watch, judge and report a rollout (var/rollouts). Only playbooks/canary.yml changes hosts."""


@cli.command("plan")
@_plan_options
def plan_command(
    inventory: str, release_id: str, plan_json: str, hosts_json: str, rollout_dir: Path | None, as_json: bool
) -> None:
    """Print the exact hosts of every phase; change nothing."""
    plan = _plan(inventory, release_id, plan_json, hosts_json)
    if as_json:
        click.echo(json.dumps(plan.to_json()))
    else:
        _print_plan(plan)


@cli.command()
@_plan_options
@_owner_option
def start(
    inventory: str,
    release_id: str,
    plan_json: str,
    hosts_json: str,
    rollout_dir: Path | None,
    as_json: bool,
    owner_pid: int,
) -> None:
    """Plan, take the inventory's lock and make the rollout's folder; its path is the last line."""
    plan = _plan(inventory, release_id, plan_json, hosts_json)
    folder = (rollout_dir or paths.ROLLOUTS).resolve() / inventory
    now = time.time()
    rollout = _unused_name(folder, f"{datetime.fromtimestamp(now, UTC):%Y%m%dT%H%M%SZ}-{plan.sha256[:12]}")
    owner = lock.acquire(folder, rollout=rollout, release=release_id, pid=owner_pid, since=utc_text(now))
    try:
        record = create(folder, rollout, plan)
        record.append(
            "started",
            release=release_id,
            by=f"{owner.who}@{owner.host}",
            plan_sha256=plan.to_json()["plan_sha256"],
        )
    except BaseException:
        lock.release_lock(folder, rollout)
        raise
    if as_json:
        click.echo(json.dumps({"rollout": rollout, "folder": str(record.folder), "plan": plan.to_json()}))
        return
    _print_plan(plan)
    click.echo(str(record.folder))


@cli.command()
@_rollout_option
@_phase_option
@click.option(
    "--wait-seconds", default=10.0, show_default=True, help="How long a gate that is shut may take to open."
)
def gate(folder: Path, number: int, wait_seconds: float) -> None:
    """Say whether a phase may begin: every host is up and trading, earlier phases are as proven."""
    record = open_record(folder)
    phase = record.plan.phase(number)
    prometheus = Prometheus(record.plan.prometheus_url)
    deadline = time.monotonic() + wait_seconds
    while reasons := gate_check.reasons(record, phase, prometheus):
        if time.monotonic() >= deadline:
            break
        time.sleep(1.0)
    write_json(
        record.phase_folder(number) / "gate.json", {"phase": number, "open": not reasons, "reasons": reasons}
    )
    record.append("gate", phase=number, open=not reasons, reasons=reasons)
    if reasons:
        _stop(f"phase {number}: the gate is shut", reasons)
    click.echo(f"phase {number}: the gate is open, {plural(len(phase.batch), 'host')} may change")


@cli.command()
@_rollout_option
@click.option("--phase", "number", type=int, help="Number of the phase, from 1.")
@click.option("--rollback", is_flag=True, help="Check the way back of every touched host instead.")
def proof(folder: Path, number: int | None, rollback: bool) -> None:
    """Check that each host runs and reports what it should; a host without a proof has failed."""
    record = open_record(folder)
    if (number is None) == (not rollback):
        raise OperatorError("give either --phase N or --rollback")
    if number is None:
        found = proof_check.backward(record)
        what = "rollback"
    else:
        found = proof_check.forward(record, record.plan.phase(number))
        what = f"phase {number}"
    bad = {host: faults for host, faults in found.items() if faults}
    record.append("proof", phase=number, rollback=rollback, hosts=list(found), faults=bad)
    if bad:
        _stop(f"{what}: {len(bad)} of {plural(len(found), 'host')} not proven", _lines(bad))
    after = "run their previous release" if rollback else f"run {record.plan.release}"
    click.echo(f"{what}: {plural(len(found), 'host')} proven to {after}: {', '.join(found)}")


@cli.command()
@_rollout_option
@_phase_option
def soak(folder: Path, number: int) -> None:
    """Watch the updated hosts for the soak time and judge them; exit 0 only for the verdict `pass`."""
    record = open_record(folder)
    phase = record.plan.phase(number)
    hosts = plural(len(phase.updated), "updated host")
    click.echo(f"phase {number}: soaking {hosts} for {phase.soak_seconds:g} s")
    verdict = soak_phase(record, phase, Prometheus(record.plan.prometheus_url), click.echo)
    rows = []
    for criterion in verdict["criteria"]:
        ((kind, bound),) = criterion["bound"].items()
        unit, worst = criterion["unit"], criterion["worst"]
        value, limit = value_text(worst["value"], unit), bound_text(kind, bound, unit)
        rows.append((criterion["name"], value, limit, worst["host"], criterion["verdict"]))
    if rows:
        table(("criterion", "worst value", "bound", "on", "verdict"), rows)
    if verdict["verdict"] != "pass":
        _stop(f"phase {number}: verdict {verdict['verdict']}", verdict["reasons"])
    click.echo(f"phase {number}: verdict pass")


@cli.command()
@_rollout_option
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list of objects.")
def touched(folder: Path, as_json: bool) -> None:
    """Name the hosts whose change had begun, in the order of the plan, and the release that each had."""
    record = open_record(folder)
    # A host whose mark does not say what it had is listed all the same: the others must still go back.
    hosts = [
        {"host": host, "previous_release": record.previous(number, host)[0]}
        for number, host in record.touched()
    ]
    if as_json:
        click.echo(json.dumps(hosts))
        return
    for entry in hosts:
        click.echo(f"{entry['host']}  {entry['previous_release'] or 'unknown'}")


@cli.command()
@_rollout_option
@click.option("--outcome", required=True, type=click.Choice(OUTCOMES), help="What the playbook did.")
@click.option("--reason", default="", help="Why, in one sentence.")
def finish(folder: Path, outcome: Outcome, reason: str) -> None:
    """Write result and report, release the lock; the report's path is the last line."""
    record = open_record(folder)
    result = finish_rollout(record, outcome, " ".join(reason.split()))
    plan = record.plan
    rows = [
        ("outcome", str(result["outcome"]).replace("_", " ")),
        ("reason", str(result["reason"]) or "-"),
        ("release", plan.release),
        ("hosts touched", f"{len(result['touched'])} of {len(plan.hosts)}"),
        ("time", f"{result['seconds']:.0f} s"),
    ]
    table(("rollout", record.rollout), rows)
    click.echo(str(record.folder / "report.html"))
    if result["outcome"] != outcome:
        raise SystemExit(_FAILED)


@cli.command("lock")
@_lock_options
@click.option("--name", required=True, help="What it is taken for; also the name of the folder that is made.")
@_owner_option
def lock_command(inventory: str, rollout_dir: Path | None, name: str, owner_pid: int) -> None:
    """Take the lock for an act that is not a rollout, such as a rollback by hand; prints its folder."""
    folder = (rollout_dir or paths.ROLLOUTS).resolve() / inventory
    owner = lock.acquire(folder, rollout=name, release="-", pid=owner_pid, since=utc_text(time.time()))
    (folder / name).mkdir()
    click.echo(f"{inventory} is locked, held by {owner}")
    click.echo(str(folder / name))


@cli.command()
@_lock_options
@click.option("--name", help="Give back what `lock` took under this name.")
def unlock(inventory: str, rollout_dir: Path | None, name: str | None) -> None:
    """Remove the lock of a rollout whose controller is dead. Look at its folder first."""
    folder = (rollout_dir or paths.ROLLOUTS).resolve() / inventory
    if name is not None:
        if not lock.release_lock(folder, name):
            raise OperatorError(f"{inventory} is not locked for {name}; nothing was given back")
        click.echo(f"{inventory} is unlocked")
        return
    owner = lock.clear(folder)
    if owner is None:
        click.echo(f"{inventory} is not locked")
        return
    if (folder / owner.rollout / "plan.json").exists():
        record = open_record(folder / owner.rollout)
        record.append("unlocked", by=current_user(), abandoned_by=str(owner))
        left = [host for _, host in record.touched()]
        click.echo(f"hosts that it had touched: {', '.join(left) or 'none'}")
    click.echo(f"{inventory} is unlocked; the lock was of {owner.rollout}, held by {owner}")


def main() -> None:
    """Entry point; a full disk or a forbidden folder is the operator's to mend, so it is one line as well."""
    try:
        cli(prog_name="canary")
    except OSError as error:
        OperatorError(f"{error.filename or 'canary'}: {error.strerror or error}").show()
        raise SystemExit(OperatorError.exit_code) from None


def _plan(inventory: str, release_id: str, plan_json: str, hosts_json: str) -> Plan:
    settings, hosts = _json("--plan-json", plan_json), _json("--hosts-json", hosts_json)
    if not isinstance(hosts, list):
        raise OperatorError("--hosts-json must be a JSON list of host names")
    if not inventory.replace("-", "").replace("_", "").isalnum():
        raise OperatorError(f"--inventory: {inventory!r} is not the name of an inventory")
    release = store.load_verified(paths.RELEASES, release_id)
    if release.app != "trader":
        raise OperatorError(f"release {release_id} is of {release.app}; a canary rolls out the trader")
    plan = make_plan(settings, hosts, inventory=inventory, release=release_id, sha256=release.sha256)
    metrics.check_plan(plan, metrics.known_names(paths.ROOT / metrics.FILE))
    return plan


def _unused_name(folder: Path, name: str) -> str:
    """Two rollouts of one release may start within a second, when the first had nothing to do."""
    names = itertools.chain([name], (f"{name}-{number}" for number in itertools.count(2)))
    return next(one for one in names if not (folder / one).exists())


def _json(option: str, text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise OperatorError(f"{option} is not JSON: {error}") from None


def _print_plan(plan: Plan) -> None:
    hosts, phases = plural(len(plan.hosts), "host"), plural(len(plan.phases), "phase")
    click.echo(f"{plan.release} to {hosts} of {plan.inventory} in {phases}")
    rows = [
        (
            str(phase.number),
            f"{phase.percent} %",
            f"{len(phase.updated)} of {len(plan.hosts)}",
            f"{phase.soak_seconds:g} s",
            ", ".join(phase.batch),
        )
        for phase in plan.phases
    ]
    table(("phase", "share", "updated", "soak", "hosts that change"), rows)
    for note in plan.notes:
        click.echo(note)


def _lines(faults: dict[str, list[str]]) -> list[str]:
    return [f"{host}: {fault}" for host, found in faults.items() for fault in found]


def _stop(what: str, reasons: list[str]) -> None:
    click.echo(what)
    for reason in reasons:
        click.echo(f"  {reason}")
    raise SystemExit(_FAILED)
