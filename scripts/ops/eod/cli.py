"""The command ./scripts/eod: pages of the reports that playbooks/eod.yml brought here."""

import json
import sys
from pathlib import Path

import click

from ops import paths
from ops.eod.page import fleet_page, host_page, money
from ops.eod.reports import Rollup, read
from ops.files import write_text
from ops.text import plural, table

EOD = paths.VAR / "eod"


@click.group()
def cli() -> None:
    """End-of-day reports of a fleet."""


@cli.command("report")
@click.option("--inventory", required=True, help="Name of the fleet.")
@click.option("--day", required=True, help="The UTC day, 2026-01-31.")
@click.option("--hosts", required=True, help="Hosts that must have a report, with commas.")
@click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    help="Where the reports are [default: var/eod].",
)
@click.option("--json", "as_json", is_flag=True, help="Print the roll-up as JSON.")
def report(inventory: str, day: str, hosts: str, folder: Path | None, as_json: bool) -> None:
    """Write a page a host and one of the fleet. Exit code 1: a day does not agree with the venue, or is
    missing.

    \b
    Example:
      ./scripts/eod report --inventory lab-lab --day 2026-01-31 --hosts trader-01,trader-02
    """
    place = (folder or EOD) / inventory / day
    rollup = read(place, inventory, day, hosts.split(","))
    for one in rollup.reports:
        write_text(place / f"{one['host']}.html", host_page(one, inventory))
    write_text(place / "index.html", fleet_page(rollup))
    if as_json:
        click.echo(json.dumps(rollup.fields()))
    else:
        _show(rollup)
        click.echo(str(place / "index.html"))
    sys.exit(0 if rollup.closed else 1)


def _show(rollup: Rollup) -> None:
    rows = [
        (
            one["host"],
            str(one["fills"]),
            money(one["pnl_usd"]["net"]),
            money(one["drift_usd"]),
            str(one["discrepancy_count"]),
            "agrees" if one["reconciled"] else "DOES NOT AGREE",
        )
        for one in rollup.reports
    ]
    rows += [(host, "-", "-", "-", "-", "NO REPORT") for host in rollup.missing]
    table(("host", "fills", "net USD", "drift USD", "discrepancies", "with the venue"), rows)
    end = "closed" if rollup.closed else "NOT closed"
    click.echo(f"{rollup.day}: {plural(len(rollup.reports), 'account')}, net {rollup.text('net')} USD, {end}")
