"""Commands that ask the running service over its control socket."""

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from trader.commands.output import AS_JSON, CONFIG, UserError, print_fields, print_json, print_rows, utc

if TYPE_CHECKING:
    from trader.service.control_client import ControlClient


def _client(config: Path) -> "ControlClient":
    """For the socket that a settings file names."""
    from trader.service.control_client import ControlClient, ControlError, control_socket

    try:
        return ControlClient(control_socket(config))
    except ControlError as error:
        raise UserError(str(error)) from error


def ask(config: Path, name: str, **params: Any) -> dict[str, Any]:
    """Call the service; its no, or its absence, is one line."""
    from trader.service.control_client import ControlError

    try:
        return _client(config).call(name, **params)
    except ControlError as error:
        raise UserError(str(error)) from error


@click.command()
@CONFIG
@AS_JSON
def status(config: Path, as_json: bool) -> None:
    """Tell what the running service does: state, streams, orders, positions, profit and loss.

    \b
    Example:
      trader status --config /etc/trader/trader.yml
    """
    answer = ask(config, "status")
    if as_json:
        print_json(answer)
        return
    print_fields(_overview(answer, time.time_ns()))


def _overview(answer: dict[str, Any], now_ns: int) -> list[tuple[str, Any]]:
    """Name and value, one thing a line."""
    clock, pnl = answer.get("clock"), answer.get("pnl")
    fields: list[tuple[str, Any]] = [
        ("host", f"{answer['host']}, account {answer['account']}, epoch {answer['epoch']}"),
        ("release", f"{answer['release']} ({answer['version']})"),
        ("state", answer["state"]),
        *((f"reason {key}", text) for key, text in answer["reasons"].items()),
        ("latch", _latch(answer.get("latch"))),
        ("running for", _ago(answer["started_at_ns"], now_ns)),
        ("trading for", _ago(answer["trading_since_ns"], now_ns)),
        ("reconciled", _ago(answer["last_reconciled_at_ns"], now_ns, " ago")),
        ("last order", _ago(answer["last_order_at_ns"], now_ns, " ago")),
        *((f"stream {name}", f"{age:.1f} s old") for name, age in answer.get("streams", {}).items()),
        ("vault", _shipping(answer.get("shipping"))),
        ("clock offset", clock and f"{clock['offset_ms']:g} ms (limit {clock['limit_ms']:g} ms)"),
        *((f"orders {state}", count) for state, count in _orders(answer).items()),
        *((f"position {symbol}", quantity) for symbol, quantity in answer["positions"].items()),
        ("pnl", pnl and _pnl(pnl)),
    ]
    if (budget := answer.get("budget")) is not None:
        fields.append(("rate budget", _budget(budget)))
    return fields


def _orders(answer: dict[str, Any]) -> dict[str, int]:
    """Orders by state, or as far as the service tells."""
    known: dict[str, int] | None = answer.get("orders")
    if known is not None:
        return known
    return {name: answer[f"{name}_orders"] for name in ("open", "in_flight", "unknown")}


def _shipping(shipping: dict[str, Any] | None) -> str | None:
    """What the vault has of the journal; None = nothing is shipped."""
    if shipping is None or shipping["mode"] == "off":
        return None
    if shipping["acknowledged"] is None:
        return f"{shipping['mode']}: not reached yet"
    lacks = f"lacks {shipping['lacks_records']} records for {shipping['lacks_seconds']:g} s"
    has = lacks if shipping["lacks_records"] else f"has every record up to {shipping['acknowledged']}"
    return f"{shipping['mode']}: {has}" + ("" if shipping["connected"] else ", and is not reached now")


def _latch(latch: dict[str, Any] | None) -> str | None:
    if latch is None:
        return None
    return f"{latch['state']} by {latch['by']} at {utc(latch['at_ns'])}: {latch['reason']}"


def _pnl(pnl: dict[str, Any]) -> str:
    value = "not known" if pnl["usd"] is None else f"{pnl['usd']} USD"
    return f"{value} on {pnl['day']} (trips at {pnl['limit_usd']} USD)"


def _budget(budget: dict[str, Any]) -> str:
    text = f"{budget['used_weight']} of {budget['limit']} used, {budget['waiting']} waiting"
    blocked = budget["blocked_seconds"]
    return f"{text}; the venue wants nothing for {blocked:g} s" if blocked else text


def _ago(at_ns: int, now_ns: int, suffix: str = "") -> str | None:
    """The time since then; None = never."""
    if not at_ns:
        return None
    seconds = max(0, (now_ns - at_ns) // 1_000_000_000)
    hours, minutes = seconds // 3_600, seconds // 60 % 60
    return (f"{hours} h {minutes} min" if hours else f"{minutes} min {seconds % 60} s") + suffix


@click.command()
@CONFIG
@AS_JSON
def reconcile(config: Path, as_json: bool) -> None:
    """Compare journal and venue now. Exit code 1: something is not explained, and it is listed.

    \b
    Example:
      trader reconcile --config /etc/trader/trader.yml
    """
    answer = ask(config, "reconcile")
    if as_json:
        print_json(answer)
    else:
        rows = [(difference["kind"], difference["text"]) for difference in answer["differences"]]
        if rows:
            print_rows(("difference", "detail"), rows)
        else:
            click.echo(f"journal and venue agree ({answer['seconds']:.2f} s)")
    if not answer["clean"]:
        sys.exit(1)


@click.command()
@CONFIG
@AS_JSON
def orders(config: Path, as_json: bool) -> None:
    """List the orders that are not final.

    \b
    Example:
      trader orders --config /etc/trader/trader.yml
    """
    answer = ask(config, "orders")["orders"]
    if as_json:
        print_json(answer)
        return
    names = ("client_id", "symbol", "side", "kind", "quantity", "price", "filled", "state", "venue_order_id")
    rows = [(utc(order["created_ns"]), *(order[name] for name in names), order["reason"]) for order in answer]
    print_rows(("created", *names, "reason"), rows)


@click.command()
@CONFIG
@click.option("--by", required=True, help="Your name; it is kept with the reason.")
@click.option("--reason", required=True, help="Why it is safe to trade again.")
@click.option("--yes", is_flag=True, help="Do not ask for the host's name.")
@AS_JSON
def rearm(config: Path, by: str, reason: str, yes: bool, as_json: bool) -> None:
    """Arm the kill switch again after it was tripped.

    The service asks the venue first and refuses while any order of the account is open. What halts trading
    beside the latch still halts it.

    \b
    Exit code 0: armed. Else: as it was, and one line says why.

    \b
    Example:
      trader rearm --config /etc/trader/trader.yml --by ann --reason "price feed repaired"
    """
    if not by.strip() or not reason.strip():
        raise UserError("--by and --reason: both need a text, they are kept for the next person")
    if not yes:
        _confirm(ask(config, "status"))
    answer = ask(config, "rearm", by=by, reason=reason)
    if as_json:
        print_json(answer)
    else:
        click.echo(f"latch: {_latch(answer['latch'])}")


def _confirm(answer: dict[str, Any]) -> None:
    """Somebody who re-arms types which host it is."""
    click.echo(f"latch of {answer['host']}: {_latch(answer.get('latch'))}", err=True)
    typed = click.prompt("Type the host's name to re-arm it", default="", show_default=False, err=True)
    if typed != answer["host"]:
        raise UserError(f"{typed!r} is not {answer['host']!r}; nothing was changed")


@click.command("reload")
@CONFIG
@AS_JSON
def reload_settings(config: Path, as_json: bool) -> None:
    """Take over the limits of the settings file, as SIGHUP does, and tell what changed.

    \b
    Example:
      trader reload --config /etc/trader/trader.yml
    """
    answer = ask(config, "reload")
    if as_json:
        print_json(answer)
        return
    rows = [
        (change["key"], change["before"], change["after"], "looser" if change["loosened"] else "")
        for change in answer["changes"]
    ]
    if rows:
        print_rows(("key", "before", "after", "note"), rows)
    else:
        click.echo("nothing changed")


COMMANDS = (status, reconcile, orders, rearm, reload_settings)
