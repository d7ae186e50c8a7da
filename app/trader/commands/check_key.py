"""`trader check-key`: does the venue still take an API key? The proof of a fence."""

import sys
from pathlib import Path

import click

from trader.commands.output import CONFIG, UserError

ACCEPTED, REFUSED, UNKNOWN = 0, 1, 3


@click.command("check-key")
@CONFIG
@click.option("--credential", default="venue", show_default=True, help="Its name in $CREDENTIALS_DIRECTORY.")
def check_key(config: Path, credential: str) -> None:
    """Ask the venue for the account's balances with a key, once, and say whether it took the key.

    A lost host is fenced when its key is refused: whatever it still sends is refused as well.

    \b
    Exit code 0: taken. 1: refused by the venue, in its own words. 3: neither; nothing is proven. 2: a
    mistake.

    \b
    Example:
      CREDENTIALS_DIRECTORY=/dev/shm/keys trader check-key --config trader.yml --credential fenced
    """
    import asyncio

    from trader.panic.settings import PanicError, check_target, read_key, read_target

    try:
        target = read_target(config)
        check_target(target, config)
        key = read_key(credential)
    except PanicError as error:
        raise UserError(str(error)) from error

    from trader.panic.run import own_exchange
    from trader.telemetry.events import Events
    from trader.venue.account import balances
    from trader.venue.interface import describe
    from trader.venue.request_errors import REQUEST_ERRORS
    from trader.venue.slim_ccxt import errors
    from trader.venue.venues import rule_of

    try:
        exchange = own_exchange(target, key, Events(sys.stderr))
    except PanicError as error:
        raise UserError(str(error)) from error

    async def ask() -> tuple[int, str]:
        try:
            await balances(exchange, rule_of(target.venue))
        except errors.AuthenticationError as error:
            return REFUSED, f"refused: {describe(error)}"
        except REQUEST_ERRORS as error:
            return UNKNOWN, f"not proven: {describe(error)}"
        else:
            return ACCEPTED, "taken: the venue told the account's balances"
        finally:
            await exchange.close()

    code, text = asyncio.run(ask())
    click.echo(text)
    sys.exit(code)
