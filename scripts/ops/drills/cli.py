"""The command `python -m ops.drills`: what playbooks/drills asks of the control node."""

import json
import os
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

import click

from ops import paths
from ops.drills import venue_client
from ops.drills.admin import Admin, read_file
from ops.drills.alert_cli import alert_path
from ops.drills.kill_switch import Run, judge
from ops.drills.venue_client import Venue
from ops.drills.venue_record import part
from ops.errors import OperatorError
from ops.evidence.catalogue import catalogue
from ops.files import write_text
from ops.text import plural

_POLL_SECONDS = 0.2
_admin_option = click.option("--admin", required=True, metavar="URL", help="Admin port of the emulator.")
_account_option = click.option("--account", required=True, help="Account at the venue.")


@click.group()
def cli() -> None:
    """Parts of the drills in playbooks/drills; the playbooks call these."""


cli.add_command(alert_path)


@cli.command("judge")
@click.option("--drill", required=True, help="Name in the catalogue of evidence, such as kill_switch.on.")
@_account_option
@click.option("--host", help="Inventory name [default: the account's].")
@click.option("--inventory", required=True, help="Name of the fleet.")
@click.option("--release", required=True, help="Id of the release that ran.")
@click.option("--sha256", required=True, help="Of its artifact.")
@click.option("--started-ns", required=True, type=int, help="Begin of the drill.")
@click.option("--act-ns", type=int, help="When the fault was set or the command typed [default: the begin].")
@click.option("--trigger-ns", type=int, help="When the kill switch tripped [default: as the latch says].")
@click.option("--clock-difference-seconds", type=float, help="Between host and venue, with its doubt.")
@click.option("--latch-json", default="", help="Content of the latch file afterwards; empty: there is none.")
@click.option("--latch-before-json", help="The same before what must not lower the latch.")
@click.option("--rearm-ns", type=int, help="When the host was re-armed.")
@click.option("--rearm-refused/--rearm-taken", default=None, help="What became of a re-arm that must not be.")
@click.option("--expect", "triggers", multiple=True, help="What must have tripped it, such as pnl.")
@click.option("--problem", default="", help="Why the act failed.")
@click.option("--record", type=click.Path(path_type=Path), help="File of the venue's record.")
@click.option("--admin", metavar="URL", help="Admin port of the emulator, in place of --record.")
@click.option("--keep", type=click.Path(path_type=Path), help="File for what was judged, to be attached.")
def judge_command(
    drill: str,
    account: str,
    host: str | None,
    inventory: str,
    release: str,
    sha256: str,
    started_ns: int,
    act_ns: int | None,
    trigger_ns: int | None,
    clock_difference_seconds: float | None,
    latch_json: str,
    latch_before_json: str | None,
    rearm_ns: int | None,
    rearm_refused: bool | None,
    triggers: tuple[str, ...],
    problem: str,
    record: Path | None,
    admin: str | None,
    keep: Path | None,
) -> None:
    """Judge one run by the venue's record; prints the evidence as JSON for ./scripts/evidence add."""
    entry = catalogue().entry(drill)
    if (record is None) == (admin is None):
        raise OperatorError("give either --record FILE or --admin URL")
    venue_open = None
    if record is not None:
        entries, until_ns = read_file(record, account)
    else:
        assert admin is not None
        venue = Admin(admin)
        venue_open = len(venue.open_orders(account))
        entries, until_ns = venue.record(account)
    latch = _latch(latch_json)
    if trigger_ns is None and latch is not None and isinstance(latch.get("at_ns"), int):
        trigger_ns = latch["at_ns"] if latch.get("state") == "tripped" else None
    run = Run(
        account=account,
        host=host or account,
        started_ns=started_ns,
        act_ns=started_ns if act_ns is None else act_ns,
        trip_ns=trigger_ns,
        until_ns=until_ns,
        clock_difference_seconds=clock_difference_seconds,
        latch=latch,
        latch_before=None if latch_before_json is None else _latch(latch_before_json) or {},
        rearm_ns=rearm_ns,
        rearm_refused=rearm_refused,
        venue_open=venue_open,
        triggers=triggers,
        problem=problem,
    )
    found = judge(entry, run, entries)
    attached = []
    if keep is not None:
        keep.parent.mkdir(parents=True, exist_ok=True)
        write_text(keep, "".join(json.dumps(one) + "\n" for one in part(entries, account, started_ns)))
        attached.append({"path": os.path.relpath(keep.resolve(), paths.EVIDENCE)})
    about = {
        "name": drill,
        "inventory": inventory,
        "hosts": [run.host],
        "release": {"id": release, "sha256": sha256},
        "attachments": attached,
    }
    click.echo(json.dumps(about | found))


@cli.command()
@_admin_option
@_account_option
@click.option("--state", required=True, type=click.Choice(["open", "flat"]), help="What to wait for.")
@click.option("--orders", default=1, show_default=True, help="How many orders must be open.")
@click.option("--symbols", default=1, show_default=True, help="On how many symbols.")
@click.option("--watch-seconds", default=0.0, help="How long the venue is watched after that.")
@click.option("--deadline-seconds", required=True, type=float, help="Then it has failed.")
def wait(
    admin: str,
    account: str,
    state: str,
    orders: int,
    symbols: int,
    watch_seconds: float,
    deadline_seconds: float,
) -> None:
    """Wait until the venue lists enough open orders of an account, or none."""
    venue = Admin(admin)
    deadline = time.monotonic() + deadline_seconds
    while True:
        found = venue.open_orders(account)
        there = len({symbol for _, symbol in found})
        if (not found) if state == "flat" else (len(found) >= orders and there >= symbols):
            break
        if time.monotonic() >= deadline:
            listed = f"{plural(len(found), 'open order')} on {plural(there, 'symbol')}"
            raise OperatorError(f"{account}: not {state} within {deadline_seconds:g} s, but {listed}")
        time.sleep(_POLL_SECONDS)
    time.sleep(watch_seconds)  # a measurement, not a hope: what is placed meanwhile is in the record
    click.echo(f"{account}: {plural(len(found), 'open order')} on {plural(there, 'symbol')}")


@cli.command()
@_admin_option
@_account_option
@click.option("--key", "key_name", required=True, help="Its name; empty: the first one.")
@click.option("--since-ns", required=True, type=int, help="By the venue's clock.")
@click.option("--most", required=True, type=click.IntRange(min=0), help="More than so many have failed.")
def requests(admin: str, account: str, key_name: str, since_ns: int, most: int) -> None:
    """Count the requests that came with one key of an account."""
    entries, _ = Admin(admin).record(account)
    found = [
        entry["endpoint"]
        for entry in entries
        if entry["kind"] == "request" and entry["key"] == key_name and entry["arrival_wall_ns"] >= since_ns
    ]
    if len(found) > most:
        names = ", ".join(sorted(set(found)))
        raise OperatorError(f"{account}: {plural(len(found), 'request')} with the key {key_name!r}: {names}")
    click.echo(f"{account}: {plural(len(found), 'request')} with the key {key_name!r}")


_F = TypeVar("_F", bound=Callable[..., None])


def _venue_options(function: _F) -> _F:
    """How a person reaches the venue: where, and with which key."""
    options: tuple[Callable[[_F], _F], ...] = (
        click.option("--url", required=True, help="The venue's API, such as https://api.venue.lab:8443."),
        click.option("--address", default="", help="Where to connect, in place of DNS."),
        click.option(
            "--authority", type=click.Path(path_type=Path, exists=True), help="PEM of its authority."
        ),
        click.option("--accounts", required=True, type=click.Path(path_type=Path), help="JSON of accounts."),
        _account_option,
        click.option(
            "--key", "key_name", default="", help="A further key of the account [default: its first]."
        ),
    )
    for option in reversed(options):
        function = option(function)
    return function


@cli.command()
@_venue_options
@click.option("--orders", default=1, show_default=True, type=click.IntRange(1, 1000))
@click.option("--symbols", default=1, show_default=True, type=click.IntRange(1, 100))
@click.option("--prefix", default="by-hand", show_default=True, help="Of the client order ids.")
def place(
    url: str,
    address: str,
    authority: Path | None,
    accounts: Path,
    account: str,
    key_name: str,
    orders: int,
    symbols: int,
    prefix: str,
) -> None:
    """Place resting orders as a person at the venue would, beside the service."""
    stamped = f"{prefix}-{time.time_ns() // 10**6}"
    venue = Venue(url, address, authority)
    venue_client.place(venue, _key(accounts, account, key_name), orders, symbols, stamped)
    click.echo(f"{account}: {plural(orders, 'order')} on {plural(symbols, 'symbol')} as {stamped}-*")


@cli.command()
@_venue_options
@click.option("--symbol", required=True, help="Of the venue, such as BTCUSDT.")
@click.option("--side", required=True, type=click.Choice(["BUY", "SELL"]))
@click.option("--usd", required=True, type=click.FloatRange(1, 10_000), help="For how much.")
def trade(
    url: str,
    address: str,
    authority: Path | None,
    accounts: Path,
    account: str,
    key_name: str,
    symbol: str,
    side: str,
    usd: float,
) -> None:
    """Trade at the market as a person at the venue would: a position that no journal explains."""
    venue = Venue(url, address, authority)
    venue_client.trade(venue, _key(accounts, account, key_name), symbol, side, Decimal(str(usd)))
    click.echo(f"{account}: {side} {symbol} for {usd:g} USD")


@cli.command()
@_admin_option
@click.option("--symbol", required=True, help="Of the venue's spot market, such as BTCUSDT.")
@click.option("--bps", required=True, type=click.IntRange(1, 2_000), help="How far, in 1/100 %.")
@click.option("--seconds", required=True, type=click.FloatRange(1, 300), help="For how long.")
def shake(admin: str, symbol: str, bps: int, seconds: float) -> None:
    """Let the market jump up and down, a jump a second; it ends where it began."""
    venue = Admin(admin)
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        for step in (bps, -bps):
            venue.jump(symbol, step)
            time.sleep(1)
    click.echo(f"{symbol}: jumped by {bps} bps for {seconds:g} s")


def main() -> None:
    """Entry point; a file that cannot be written is the operator's to mend, so it is one line as well."""
    try:
        cli(prog_name="drills")
    except OSError as error:
        OperatorError(f"{error.filename or 'drills'}: {error.strerror or error}").show()
        raise SystemExit(OperatorError.exit_code) from None


def _latch(text: str) -> dict[str, Any] | None:
    """Content of a latch file; a damaged one is none."""
    try:
        content = json.loads(text)
    except ValueError:
        return None
    return content if isinstance(content, dict) else None


def _key(accounts: Path, account: str, name: str) -> dict[str, str]:
    try:
        found = [one for one in json.loads(accounts.read_text()) if one["name"] == account]
        (keys,) = ([one] if not name else [k for k in one["keys"] if k["name"] == name] for one in found)
        (key,) = keys
        return {"api_key": key["api_key"], "api_secret": key["api_secret"]}
    except OSError as error:
        raise OperatorError(f"--accounts: {accounts}: {error.strerror}") from None
    except (ValueError, KeyError, TypeError):
        wanted = f"key {name!r} of account {account!r}" if name else f"account {account!r}"
        raise OperatorError(f"--accounts: {accounts} has no {wanted}") from None
