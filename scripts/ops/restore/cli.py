"""The command ./scripts/restore: what playbooks/restore.yml asks before, between and after its steps."""

import base64
import json
import os
import sys
import time
from pathlib import Path
from typing import IO

import click

from ops import paths
from ops.errors import OperatorError
from ops.evidence.chain import Chain
from ops.files import write_json
from ops.restore import keys
from ops.restore.escrow import escrow_draft, opened
from ops.restore.finish import draft, values
from ops.restore.run import RESTORES, STEPS, Restore, Wish, begin
from ops.text import plural, table
from ops.times import duration_text, moment_text
from ops.who import author, current_user

FOLDER = click.Path(path_type=Path, file_okay=False)
CONTROLLER = "BREAKWATER_CONTROLLER_PID"
NAMES = {
    "differences": "differences with the venue",
    "rpo_orders": "orders rebuilt from the venue",
    "rpo_seconds": "younger than the last record by",
    "rpo_usd": "traded by them",
    "rto_critical_seconds": "critical path",
    "rto_full_seconds": "whole restore",
}


@click.group()
def cli() -> None:
    """Restores of trading hosts; the acts are in playbooks/restore.yml."""


@cli.command("begin")
@click.option("--inventory", required=True, help="Name of the fleet.")
@click.option("--host", required=True, help="Whose journal.")
@click.option("--at", default="", help="Leave out what came later (UTC).")
@click.option("--by", default="", help="Who restores [default: the login].")
@click.option("--reason", default="", help="Why.")
@click.option("--no-records", is_flag=True, help="Without the shipped records, when those are damaged.")
@click.option("--hosts", required=True, help="Trading hosts of the inventory, with commas.")
def begin_command(
    inventory: str, host: str, at: str, by: str, reason: str, no_records: bool, hosts: str
) -> None:
    """Start a restore, or find the unfinished one; prints the plan and, last, its folder."""
    wish = Wish(host, at or None, by or current_user(), reason, not no_records)
    pid = int(os.environ.get(CONTROLLER) or os.getppid())
    restore = begin(inventory, wish, hosts.split(","), pid)
    left = restore.left()
    done = len(STEPS) - len(left)
    table(
        ("restore", restore.folder.name),
        [
            ("host", host),
            ("up to", at or "the last record there is"),
            ("records", "backup and shipped records" if wish.records else "the backup alone"),
            (
                "begun",
                moment_text(restore.plan["began"]) + (f", {plural(done, 'step')} done" if done else ""),
            ),
            ("steps", " > ".join(left) or "all done"),
        ],
    )
    click.echo(str(restore.folder))


@cli.command("todo")
@click.argument("folder", type=FOLDER)
def todo(folder: Path) -> None:
    """Print the steps that are left as JSON."""
    click.echo(json.dumps(Restore(folder).left()))


@cli.command("step")
@click.argument("folder", type=FOLDER)
@click.argument("name", type=click.Choice(STEPS))
@click.argument("moment", type=click.Choice(["begin", "end"]))
def step(folder: Path, name: str, moment: str) -> None:
    """Note that a step begins or is done."""
    restore = Restore(folder)
    (restore.begin if moment == "begin" else restore.end)(name)


@cli.command("check-key")
@click.argument("folder", type=FOLDER)
@click.option("--expect", type=click.Choice(["refused", "taken"]), required=True)
@click.argument("key", type=click.File("r"), default="-")
def check_key(folder: Path, expect: str, key: IO[str]) -> None:
    """Make one signed call at the venue with the KEY (JSON, on stdin), and prove what came of it.

    Exit code 1: not what was expected.
    """
    restore = Restore(folder)
    said = keys.check(restore.plan["fleet"], restore.wish.host, json.loads(key.read()))
    click.echo(f"{restore.wish.host}: {said.text}")
    if expect == "refused":
        write_json(folder / "fence.json", {"refused": said.refused, "text": said.text, "at": time.time()})
    if said.refused is not (expect == "refused"):
        raise OperatorError(f"the key must be {expect}: {said.text}")


@cli.command("finish")
@click.argument("folder", type=FOLDER)
def finish(folder: Path) -> None:
    """Write the evidence, and print it. Exit code 1: host and venue do not agree, or a figure missed its
    bound.
    """
    restore = Restore(folder)
    if restore.left():
        raise OperatorError(f"{folder.name}: not done yet: {' '.join(restore.left())}")
    record = Chain(paths.EVIDENCE, restore.plan["fleet"]).add(
        draft(restore, paths.EVIDENCE), author(), time.time()
    )
    write_json(folder / "result.json", {"evidence": record["id"], "verdict": record["verdict"]})
    _show(restore)
    click.echo(f"{record['verdict']}: evidence {record['id']}")
    for reason in record.get("reasons", []):
        click.echo(f"  {reason}", err=True)
    sys.exit(0 if record["verdict"] == "pass" else 1)


@cli.command("give-up")
@click.argument("folder", type=FOLDER)
@click.option("--reason", required=True, help="Why; it is kept in the evidence.")
def give_up(folder: Path, reason: str) -> None:
    """End a restore that is not gone on with; the host stays as it is, halted."""
    restore = Restore(folder)
    if restore.finished:
        raise OperatorError(f"{folder.name} is finished")
    given = draft(restore, paths.EVIDENCE) | {
        "verdict": "fail",
        "reasons": [f"given up by {current_user()}: {reason}"],
    }
    record = Chain(paths.EVIDENCE, restore.plan["fleet"]).add(given, author(), time.time())
    write_json(folder / "result.json", {"evidence": record["id"], "verdict": "fail"})
    click.echo(f"{folder.name} is given up; evidence {record['id']}")


@cli.command("escrow")
@click.option("--inventory", required=True, help="Name of the fleet.")
@click.option("--host", required=True, help="Whose escrow.")
@click.option(
    "--identity", type=click.Path(path_type=Path, exists=True), required=True, help="The key kept off line."
)
@click.option("--began", required=True, help="When the rehearsal began (UTC).")
@click.argument("given", type=click.File("r"), default="-")
def escrow(inventory: str, host: str, identity: Path, began: str, given: IO[str]) -> None:
    """Open an escrow and compare it with the API keys in force; GIVEN is JSON on stdin: escrow (base64) and
    expected.

    Writes evidence, and prints no key. Exit code 1: it cannot be opened, or holds other keys.
    """
    content = json.loads(given.read())
    problem = opened(base64.b64decode(content["escrow"]), content["expected"], identity)
    record = Chain(paths.EVIDENCE, inventory).add(
        escrow_draft(inventory, host, began, problem, time.time()), author(), time.time()
    )
    click.echo(
        f"{host}: {problem or 'the escrow opens, and holds the keys in force'}: evidence {record['id']}"
    )
    sys.exit(1 if problem else 0)


@cli.command("list")
@click.option("--inventory", required=True, help="Name of the fleet.")
def list_command(inventory: str) -> None:
    """List the restores of a fleet, the oldest first."""
    folders = sorted((RESTORES / inventory).glob("*/plan.json"))
    rows = []
    for folder in (path.parent for path in folders):
        restore = Restore(folder)
        result = (
            json.loads((folder / "result.json").read_text())["verdict"]
            if restore.finished
            else "not finished"
        )
        rows.append((folder.name, restore.wish.host, restore.wish.by, result, restore.wish.reason))
    table(("restore", "host", "by", "result", "reason"), rows)


def _show(restore: Restore) -> None:
    found = values(restore)
    rows = [(NAMES[name], _text(name, value)) for name, value in found.items() if name in NAMES]
    rows += [(f"  {step['name']}", duration_text(step["ended"] - step["began"])) for step in restore.steps]
    table(("measured", ""), rows)


def _text(name: str, value: float | None) -> str:
    if value is None:
        return "not known"
    if name.endswith("_seconds"):
        return f"{value:.1f} s"
    return f"{value:.2f} USD" if name.endswith("_usd") else f"{value:.0f}"
