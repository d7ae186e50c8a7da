"""The command ./scripts/evidence: what was proved, by which run, and whether somebody changed it since."""

import json
import re
import sys
import time
from pathlib import Path
from typing import IO, Any

import click

from ops import paths
from ops.errors import OperatorError
from ops.evidence import metrics as metrics_file
from ops.evidence import record as records
from ops.evidence.catalogue import catalogue
from ops.evidence.chain import Chain, Examined
from ops.evidence.latest import ended_seconds, latest
from ops.evidence.report import page
from ops.files import write_text
from ops.text import plural, table
from ops.times import moment_text, parse_time
from ops.who import author

_BROKEN = 1  # the evidence is not what was written; 2 is for mistakes (OperatorError)
KINDS = ("rollout", "drill", "restore", "chaos")

_inventory_option = click.option(
    "--inventory", "-i", help="Name of the fleet [default: the only one that there is evidence of]."
)


@click.group()
def cli() -> None:
    """Evidence of rollouts, drills, restores and chaos runs: chained records in var/evidence."""


@cli.command()
@click.argument("file", type=click.File("rb"), default="-")
@click.option("--json", "as_json", is_flag=True, help="Print the record as it was written.")
def add(file: IO[bytes], as_json: bool) -> None:
    """Add a record: JSON from FILE or stdin, written whole or refused."""
    draft = records.parse(file.read())
    inventory = draft.get("inventory")
    if not isinstance(inventory, str) or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", inventory):
        raise OperatorError(
            f"inventory: {json.dumps(inventory)} must be the name of a fleet, such as lab-lab"
        )
    written = Chain(paths.EVIDENCE, inventory).add(draft, author(), time.time())
    click.echo(json.dumps(written) if as_json else f"{written['id']}  {written['verdict']}")


@cli.command("list")
@_inventory_option
@click.option("--kind", type=click.Choice(KINDS), help="Only this kind.")
@click.option(
    "--name", help="Only this name, or the names below it: kill_switch is kill_switch.on and the others."
)
@click.option("--since", help="Only what ended at this time or later: 2026-01-31, or with a time (UTC).")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list of the records.")
def list_command(
    inventory: str | None, kind: str | None, name: str | None, since: str | None, as_json: bool
) -> None:
    """List the records, the oldest first."""
    earliest = parse_time(since) if since is not None else 0.0
    if earliest is None:
        raise OperatorError(f"--since: {since!r} is not a date such as 2026-01-31")
    _, examined = _examine(inventory)
    chosen = [
        one
        for one in examined.records
        if (kind is None or one["kind"] == kind)
        and (name is None or one["name"] == name or one["name"].startswith(f"{name}."))
        and ended_seconds(one) >= earliest
    ]
    if as_json:
        click.echo(json.dumps(chosen))
    else:
        table(("ended", "kind", "name", "verdict", "hosts", "by", "id"), [_row(one) for one in chosen])
    _stop_when_broken(examined)


@cli.command()
@click.argument("record_id", metavar="ID")
@_inventory_option
@click.option("--json", "as_json", is_flag=True, help="Print the record as it was written.")
def show(record_id: str, inventory: str | None, as_json: bool) -> None:
    """Show one record; the beginning of its id is enough when it is the only one."""
    chain, examined = _examine(inventory, whole=True)
    found = [one for one in examined.records if one["id"].startswith(record_id)]
    found = [one for one in found if one["id"] == record_id] or found
    if len(found) != 1:
        what = "no record" if not found else f"{len(found)} records"
        raise OperatorError(
            f"{record_id}: {what} of {chain.inventory} so called; see ./scripts/evidence list"
        )
    if as_json:
        click.echo(json.dumps(found[0]))
    else:
        _print(found[0])
    _stop_when_broken(examined)


@cli.command()
@_inventory_option
def verify(inventory: str | None) -> None:
    """Find out whether any record was changed, removed, moved or cut off; names the first bad one."""
    chain, examined = _examine(inventory, whole=True)
    _stop_when_broken(examined)
    for one in examined.records:
        problem = records.attachment_fault(one, chain.folder)
        if problem:
            click.echo(f"{one['id']}: {problem}", err=True)
            raise SystemExit(_BROKEN)
    count = plural(len(examined.records), "record")
    click.echo(f"{chain.inventory}: {count} as written, the last is {examined.last}")


@cli.command()
@_inventory_option
@click.option("-o", "output", type=click.Path(path_type=Path), help="File of the page.")
def report(inventory: str | None, output: Path | None) -> None:
    """Write one HTML page for people who were not there; its path is the last line."""
    chain, examined = _examine(inventory, whole=True)
    path = output or chain.folder / f"{chain.inventory}.html"
    write_text(path, page(chain.inventory, examined, catalogue(), time.time()))
    click.echo(str(path))
    _stop_when_broken(examined)


@cli.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path, exists=True, file_okay=False))
@_inventory_option
def metrics(folder: Path, inventory: str | None) -> None:
    """Write metrics into node_exporter's textfile folder DIR; a broken chain is a metric, not a failure."""
    chain, examined = _examine(inventory)
    found = latest(examined.records, catalogue(), time.time())
    text = metrics_file.exposition(chain.inventory, found, len(examined.records), not examined.fault)
    write_text(folder / f"breakwater_evidence_{chain.inventory}.prom", text)


def main() -> None:
    """Entry point; a full disk or a forbidden folder is the operator's to mend, so it is one line as well."""
    try:
        cli(prog_name="evidence")
    except OSError as error:
        OperatorError(f"{error.filename or 'evidence'}: {error.strerror or error}").show()
        raise SystemExit(OperatorError.exit_code) from None


def _examine(inventory: str | None, whole: bool = False) -> tuple[Chain, Examined]:
    if inventory is None:
        there = sorted({path.stem for kind in ("*.jsonl", "*.head") for path in paths.EVIDENCE.glob(kind)})
        if not there:
            raise OperatorError("there is no evidence yet; drills and rollouts make it")
        if len(there) > 1:
            raise OperatorError(f"there is evidence of {', '.join(there)}; choose one with --inventory")
        inventory = there[0]
    chain = Chain(paths.EVIDENCE, inventory)
    return chain, chain.examine(whole)


def _stop_when_broken(examined: Examined) -> None:
    if examined.fault:
        sys.stdout.flush()
        click.echo(f"the evidence is not as it was written: {examined.fault}", err=True)
        raise SystemExit(_BROKEN)


def _row(one: dict[str, Any]) -> tuple[str, ...]:
    hosts = one["hosts"]
    shown = hosts[0] if len(hosts) == 1 else f"{hosts[0]} and {len(hosts) - 1} more"
    ended = moment_text(ended_seconds(one))
    return ended, one["kind"], one["name"], one["verdict"], shown, one["by"], one["id"]


def _print(one: dict[str, Any]) -> None:
    entry = catalogue().entries.get(one["name"])
    click.echo(f"{one['name']}: {one['verdict']}" + (f"  ({entry.title})" if entry else ""))
    for reason in one["reasons"]:
        click.echo(f"  {reason}")
    facts = (
        ("id", one["id"]),
        ("from", one["started_at"]),
        ("to", one["ended_at"]),
        ("by", one["by"]),
        ("hosts", ", ".join(one["hosts"])),
        ("release", one["release"]["id"]),
        ("controls", ", ".join(one["controls"]) or "-"),
        ("red twin", one["red_twin"]),
        ("sha256", one["sha256"]),
    )
    table(("record", ""), facts)
    held = {None: "", True: "held", False: "MISSED"}
    rows = [(value["name"], *records.figure_text(value), held[value["held"]]) for value in one["values"]]
    table(("figure", "value", "bound", ""), rows)
    steps = [(step["name"], step["started_at"], step["ended_at"], step["result"]) for step in one["steps"]]
    table(("step", "from", "to", "result"), steps)
    if one["attachments"]:
        table(("attachment", "sha256"), [(file["path"], file["sha256"]) for file in one["attachments"]])
