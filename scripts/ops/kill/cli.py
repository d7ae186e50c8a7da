"""The command ./scripts/kill."""

import asyncio
import getpass
import json
import os
import sys

import click

from ops import paths
from ops.errors import OperatorError
from ops.kill.act import Wish, kill
from ops.kill.kit import Kit, load
from ops.kill.outcome import Outcome, rows
from ops.text import plural, table

_NOT_STOPPED = 1  # 2 is for mistakes (OperatorError)


def _lab() -> str:
    return f"lab-{os.environ.get('BREAKWATER_LAB') or 'lab'}"


def _person() -> str:
    """The person, also behind sudo."""
    return os.environ.get("SUDO_USER") or getpass.getuser()


@click.command()
@click.option("--reason", help="Why; kept in every latch. Required.")
@click.option("--by", default=_person, help="Your name  [default: your login]")
@click.option("--fleet", default=_lab, help="`fleet_name` of the inventory  [default: lab-$BREAKWATER_LAB]")
@click.option("--host", "hosts", multiple=True, help="Only this host. May be repeated.")
@click.option(
    "--venue-only",
    is_flag=True,
    help="Do not go to the hosts: cancel at the venue from here, with the recovery keys.",
)
@click.option("--no-venue", is_flag=True, help="Never use the recovery keys.")
@click.option("--dry-run", is_flag=True, help="Show whom it would stop and how; touch nothing.")
@click.option(
    "--refresh",
    is_flag=True,
    help="Write the list of hosts anew from the inventory (needs Ansible), and stop there.",
)
@click.option("-i", "--inventory", default="inventories/lab", show_default=True, help="For --refresh.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def main(
    reason: str | None,
    by: str,
    fleet: str,
    hosts: tuple[str, ...],
    venue_only: bool,
    no_venue: bool,
    dry_run: bool,
    refresh: bool,
    inventory: str,
    as_json: bool,
) -> None:
    """Stop trading and cancel every order, on all hosts of a fleet at once, without Ansible.

    On each host, over plain ssh, `trader kill` trips the latch, cancels everything and asks the venue until
    it says twice that nothing is open; with the service dead, the host's trader-panic.service does. A host
    that does not let us in within a second, or fails, is taken at the venue from here, with its recovery key;
    it may place new orders all the same, so it counts as not stopped (docs/kill_switch.md).

    The hosts come from var/kill/FLEET, which playbooks/site.yml keeps; --refresh writes it.

    \b
    Exit status: 0 = every host is tripped and the venue has no open order of it; 1 = not so, and the table
    says where; 2 = it could not begin. Running it again does no harm.

    \b
    Examples:
      ./scripts/kill --reason "price feed is wrong"
      ./scripts/kill --fleet production --host trader-a1 --reason "runs away"
      ./scripts/kill --dry-run
    """
    if venue_only and no_venue:
        raise OperatorError("--venue-only and --no-venue: together they leave nothing to do; give one")
    if refresh:
        _refresh(inventory)
        return
    kit = load(fleet, hosts)
    for doubt in kit.doubts:
        click.echo(f"warning: {doubt}", err=True)
    if dry_run:
        _show(kit, venue_only, as_json)
        return
    if not (reason or "").strip() or not by.strip():
        raise OperatorError('--reason: say why, for the next person: ./scripts/kill --reason "..."')
    wish = Wish(by.strip(), str(reason).strip(), hosts=not venue_only, venue=not no_venue)
    outcomes = asyncio.run(kill(kit.targets, wish, lambda line: click.echo(line, err=True)))
    _report(outcomes, as_json)
    if kit.missing or not all(outcome.stopped for outcome in outcomes):
        sys.exit(_NOT_STOPPED)


def _refresh(inventory: str) -> None:
    from ops.run import run  # only here: the rest must not wait for what it imports

    run(["ansible-playbook", f"--inventory={inventory}", "playbooks/kill/kit.yml"])
    click.echo(f"written as {inventory} says: {paths.VAR / 'kill'}")


def _show(kit: Kit, venue_only: bool, as_json: bool) -> None:
    lines = [
        (target.name, "-" if venue_only else " ".join(target.ssh[-1:]), "yes" if target.recovery else "NO")
        for target in kit.targets
    ]
    if as_json:
        names = ("host", "address", "recovery_key")
        click.echo(
            json.dumps({"fleet": kit.fleet, "hosts": [dict(zip(names, row, strict=True)) for row in lines]})
        )
    else:
        table(("host", "ssh to", "recovery key"), lines)


def _report(outcomes: list[Outcome], as_json: bool) -> None:
    fields = [outcome.fields() for outcome in outcomes]
    stopped = sum(outcome.stopped for outcome in outcomes)
    if as_json:
        click.echo(json.dumps({"stopped": stopped == len(outcomes), "hosts": fields}))
        return
    headings, *lines = rows(fields)
    table(headings, lines)
    rest = len(outcomes) - stopped
    click.echo(f"{plural(stopped, 'host')} stopped" + (f", {rest} NOT" if rest else ""))
