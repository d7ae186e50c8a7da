"""`trader accept-baseline`: a person takes what the venue says for the new beginning."""

import sys
from pathlib import Path
from typing import Any

import click

from trader.commands.control import ask
from trader.commands.output import AS_JSON, CONFIG, UserError, print_json, print_rows


@click.command("accept-baseline")
@CONFIG
@click.option("--by", required=True, help="Your name; it is kept with the reason.")
@click.option("--reason", required=True, help="What was done on the account, and why.")
@click.option("--yes", is_flag=True, help="Do not ask for the host's name.")
@click.option(
    "--above-limit", is_flag=True, help="Also when it is worth more than reconcile.max_accepted_usd."
)
@AS_JSON
def accept_baseline(config: Path, by: str, reason: str, yes: bool, above_limit: bool, as_json: bool) -> None:
    """Accept the venue's balances after a trade or transfer that was made on the account by hand.

    Only while trading is halted by such differences, and no order is open or unresolved. Trades that the
    venue lists are booked as trades, the rest goes into the baseline and is no profit or loss. It is written
    to the journal with your name. Exit code 1: accepted, and journal and venue do not agree yet.

    \b
    Example:
      trader accept-baseline --config /etc/trader/trader.yml --by ann --reason "500 USDT moved to the vault"
    """
    if not by.strip() or not reason.strip():
        raise UserError("--by and --reason: both need a text, they are kept for the next person")
    proposal = ask(config, "accept_baseline", by=by, reason=reason)
    if not as_json:
        _show(proposal)
    if proposal["above_limit"] and not above_limit:
        worth = "not known" if proposal["usd"] is None else f"{proposal['usd']} USD"
        raise UserError(
            f"their worth is {worth}, reconcile.max_accepted_usd is {proposal['limit_usd']}: nothing was"
            " changed; give --above-limit if that is meant"
        )
    if not yes:
        _confirm(proposal["host"])
    answer = ask(
        config, "accept_baseline", by=by, reason=reason, shown=proposal["shown"], above_limit=above_limit
    )
    differs = answer["differs"]
    if as_json:
        print_json(answer)
    else:
        click.echo(f"accepted by {by}; {differs or 'journal and venue agree'}")
    if differs:
        sys.exit(1)


def _show(proposal: dict[str, Any]) -> None:
    print_rows(
        ("asset", "ours", "venue", "usd"),
        [(row["asset"], row["ours"], row["venue"], row["usd"]) for row in proposal["rows"]],
    )
    if trades := proposal["shown"]["fills"]:
        click.echo(f"trades by hand: {', '.join(trades)}")


def _confirm(host: str) -> None:
    """Somebody who accepts types which host it is."""
    typed = click.prompt(
        "Type the host's name to accept what the venue says", default="", show_default=False, err=True
    )
    if typed != host:
        raise UserError(f"{typed!r} is not {host!r}; nothing was changed")
