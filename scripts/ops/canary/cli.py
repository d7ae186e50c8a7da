"""The command ./scripts/canary. playbooks/canary.yml calls these in order; each can be typed as well."""

import itertools
import json
import time
from datetime import UTC, datetime
from pathlib import Path

import click

from ops.bounds import bound_text, value_text
from ops.canary import acts_cli, judge_cli, lock, notify
from ops.canary import gate as gate_check
from ops.canary import proof as proof_check
from ops.canary.acts import StopAskedError
from ops.canary.finish import OUTCOMES, Outcome, UnprovenError
from ops.canary.finish import finish as finish_rollout
from ops.canary.options import (
    FAILED,
    controlled,
    hold,
    inventory_options,
    owned,
    owner_option,
    phase_option,
    plan_from,
    plan_options,
    rollout_option,
    rollouts,
    stop,
    stopped,
)
from ops.canary.prometheus import Prometheus
from ops.canary.record import Record, create, open_record
from ops.canary.show import print_plan
from ops.canary.soak import soak as soak_phase
from ops.canary.state import state_of
from ops.errors import OperatorError
from ops.files import read_json, write_json
from ops.text import plural, table
from ops.times import utc_text
from ops.who import current_user


@click.group()
def cli() -> None:
    """Plan, watch, judge and report a rollout (var/rollouts). Only playbooks/canary.yml changes hosts."""


@cli.command()
@plan_options
@owner_option
def start(
    inventory: str,
    rollout_dir: Path | None,
    release_id: str,
    plan_json: str,
    hosts_json: str,
    as_json: bool,
    owner_pid: int,
) -> None:
    """Plan, take the inventory's lock and make the rollout's folder; its path is the last line."""
    plan = plan_from(inventory, release_id, plan_json, hosts_json)
    folder = rollouts(inventory, rollout_dir)
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
    notify.send(record, "started", f"{release_id} to {plural(len(plan.hosts), 'host')}")
    if as_json:
        click.echo(json.dumps({"rollout": rollout, "folder": str(record.folder), "plan": plan.to_json()}))
        return
    print_plan(plan)
    click.echo(str(record.folder))


@cli.command()
@rollout_option
@phase_option
@click.option(
    "--wait-seconds", default=10.0, show_default=True, help="How long a gate that is shut may take to open."
)
@click.option(
    "--proofs", is_flag=True, help="Every host was asked to prove what it runs; check that as well."
)
def gate(folder: Path, number: int, wait_seconds: float, proofs: bool) -> None:
    """Say whether a phase may begin: every host is up and trading, earlier phases are as proven."""
    record = controlled(folder)
    phase = record.plan.phase(number)
    prometheus = Prometheus(record.plan.prometheus_url)
    deadline = time.monotonic() + wait_seconds
    while found := gate_check.reasons(record, phase, prometheus, proofs):
        if time.monotonic() >= deadline:
            break
        time.sleep(1.0)
    skipped = _skipped(record, number)
    shut = [reason for reason in found if not (skipped and reason.kind == "passing")]
    reasons = [reason.text for reason in found]
    write_json(
        record.phase_folder(number) / "gate.json",
        {"phase": number, "open": not shut, "reasons": reasons, "skipped_by": skipped},
    )
    record.append("gate", phase=number, open=not shut, reasons=reasons)
    if not shut:
        by = f" (skipped by {skipped}: {'; '.join(reasons)})" if found else ""
        click.echo(f"phase {number}: the gate is open{by}, {plural(len(phase.batch), 'host')} may change")
        return
    what, texts = f"phase {number}: the gate is shut", [reason.text for reason in shut]
    if record.touched() and all(reason.kind != "release" for reason in shut):
        hold(record, number, what, texts)
    stop(what, texts)


@cli.command()
@rollout_option
@click.option("--phase", "number", type=int, help="Number of the phase, from 1.")
@click.option("--rollback", is_flag=True, help="Check the way back of every touched host instead.")
def proof(folder: Path, number: int | None, rollback: bool) -> None:
    """Check that each host runs and reports what it should; a host without a proof has failed."""
    record = owned(folder)
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
        stop(f"{what}: {len(bad)} of {plural(len(found), 'host')} not proven", _lines(bad))
    if number is not None and (control := record.plan.restarted_control(record.plan.phase(number))):
        shown = read_json(record.phase_folder(number) / "control.json")
        if shown is None or shown.get("host") != control:
            hold(record, number, what, [f"{control}: it did not come back on the release that it had"])
    after = "run their previous release" if rollback else f"run {record.plan.release}"
    click.echo(f"{what}: {plural(len(found), 'host')} proven to {after}: {', '.join(found)}")


@cli.command()
@rollout_option
@phase_option
def soak(folder: Path, number: int) -> None:
    """Watch the updated hosts for the soak time and judge them; exit 0 only for the verdict `pass`."""
    record = controlled(folder)
    phase = record.plan.phase(number)
    hosts = plural(len(phase.updated), "updated host")
    click.echo(f"phase {number}: soaking {hosts} for {phase.soak_seconds:g} s")
    try:
        verdict = soak_phase(record, phase, Prometheus(record.plan.prometheus_url), click.echo)
    except StopAskedError as asked:
        stopped(asked)
    rows = []
    for criterion in verdict["criteria"]:
        ((kind, bound),) = criterion["bound"].items()
        unit, worst = criterion["unit"], criterion["worst"]
        value, limit = value_text(worst["value"], unit), bound_text(kind, bound, unit)
        rows.append((criterion["name"], value, limit, worst["host"], criterion["verdict"]))
    if rows:
        table(("criterion", "worst value", "bound", "on", "verdict"), rows)
    for contrast in verdict["contrasts"]:
        click.echo(f"{contrast['name']}: {contrast['verdict']}; {contrast['reason']}")
    if verdict["verdict"] == "inconclusive":
        hold(record, number, f"phase {number}: verdict inconclusive", verdict["reasons"], "inconclusive")
    if verdict["verdict"] != "pass":
        stop(f"phase {number}: verdict {verdict['verdict']}", verdict["reasons"])
    click.echo(f"phase {number}: verdict pass")


@cli.command()
@rollout_option
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
@rollout_option
@click.option("--outcome", required=True, type=click.Choice(OUTCOMES), help="What the playbook did.")
@click.option("--reason", default="", help="Why, in one sentence.")
def finish(folder: Path, outcome: Outcome, reason: str) -> None:
    """Write result and report, release the lock; the report's path is the last line."""
    record = owned(folder)
    try:
        result = finish_rollout(record, outcome, " ".join(reason.split()))
    except UnprovenError as gap:
        stop("it cannot be called completed", [str(gap)])
    plan = record.plan
    notify.send(
        record, "finished", f"{result['outcome']}: {result['reason'] or 'as planned'}".replace("_", " ")
    )
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
        raise SystemExit(FAILED)


@cli.command("lock")
@inventory_options
@click.option("--name", required=True, help="What it is taken for; also the name of the folder that is made.")
@owner_option
def lock_command(inventory: str, rollout_dir: Path | None, name: str, owner_pid: int) -> None:
    """Take the lock for an act that is not a rollout, such as a rollback by hand; prints its folder."""
    folder = rollouts(inventory, rollout_dir)
    owner = lock.acquire(folder, rollout=name, release="-", pid=owner_pid, since=utc_text(time.time()))
    click.echo(f"{inventory} is locked, held by {owner}")
    if name.startswith(lock.DRILL):  # it changes no release, and ends with its playbook
        return
    (folder / name / "fence").mkdir(parents=True)
    write_json(folder / name / "lock.json", {"token": owner.token})
    click.echo(str(folder / name))


@cli.command()
@inventory_options
@click.option("--name", help="Give back what `lock` took under this name.")
def unlock(inventory: str, rollout_dir: Path | None, name: str | None) -> None:
    """Remove the lock of a rollout whose controller is dead. Look at its folder first."""
    folder = rollouts(inventory, rollout_dir)
    if name is not None:
        if not lock.release_lock(folder, name):
            raise OperatorError(f"{inventory} is not locked for {name}; nothing was given back")
        click.echo(f"{inventory} is unlocked")
        return
    held = lock.read(folder)
    record = None
    if held is not None and (folder / held.rollout / "plan.json").exists():
        record = open_record(folder / held.rollout)
        if record.touched() and state_of(record).stage != "finished":
            raise OperatorError(
                f"{held.rollout} has touched {plural(len(record.touched()), 'host')} and is not finished: "
                "resume or abort it, ansible-playbook playbooks/canary.yml -e canary_action=status"
            )
    owner = lock.clear(folder)
    if owner is None:
        click.echo(f"{inventory} is not locked")
        return
    if record is not None:
        record.append("unlocked", by=current_user(), abandoned_by=str(owner))
        click.echo("it had touched no host")
    click.echo(f"{inventory} is unlocked; the lock was of {owner.rollout}, held by {owner}")


for _command in (*acts_cli.COMMANDS, *judge_cli.COMMANDS):
    cli.add_command(_command)


def main() -> None:
    """Entry point; a full disk or a forbidden folder is the operator's to mend, so it is one line as well."""
    try:
        cli(prog_name="canary")
    except OSError as error:
        OperatorError(f"{error.filename or 'canary'}: {error.strerror or error}").show()
        raise SystemExit(OperatorError.exit_code) from None


def _skipped(record: Record, number: int) -> str | None:
    """Who opened a phase's gate, if somebody did since it was held there last."""
    by: str | None = None
    for event in record.events():
        if event["event"] == "gate_skipped" and event["phase"] == number:
            by = event["by"]
        elif event["event"] == "proof":
            by = None
    return by


def _unused_name(folder: Path, name: str) -> str:
    """Two rollouts of one release may start within a second, when the first had nothing to do."""
    names = itertools.chain([name], (f"{name}-{number}" for number in itertools.count(2)))
    return next(one for one in names if not (folder / one).exists())


def _lines(faults: dict[str, list[str]]) -> list[str]:
    return [f"{host}: {fault}" for host, found in faults.items() for fault in found]
