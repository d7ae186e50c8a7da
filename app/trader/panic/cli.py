"""`trader panic`."""

import gc
import os
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

import click

FILE = click.Path(path_type=Path, dir_okay=False)
BAD, CANNOT_BEGIN = 1, 2
BY = "trader panic"


@click.command()
@click.option("--config", type=FILE, required=True, help="The settings file; little of it must be right.")
@click.option("--by", default=BY, help="Your name; it is kept with the reason.")
@click.option("--reason", default="everything is cancelled", help="Why; it is kept for who re-arms.")
@click.option("--trigger", default="manual", help="What tripped it, in one word.")
@click.option("--credential", default="panic", help="Whose key of $CREDENTIALS_DIRECTORY is used.")
@click.option("--no-latch", is_flag=True, help="Another host's account: leave the latch of this host alone.")
@click.option(
    "--deadline",
    type=click.FloatRange(min=0, min_open=True),
    default=120.0,
    show_default=True,
    help="Seconds after which it gives up while orders are left.",
)
@click.option("--json", "as_json", is_flag=True, help="JSON for programs; the progress goes to stderr then.")
def panic(
    config: Path,
    by: str,
    reason: str,
    trigger: str,
    credential: str,
    no_latch: bool,
    deadline: float,
    as_json: bool,
) -> None:
    """Trip the latch and cancel every order of the account, whoever placed it, with nothing of the service.

    It works while the service is dead, hung or about to start. It goes on until the venue has said zero open
    orders twice, with a pause that an order in flight cannot outlast.

    \b
    Exit code 0: zero twice, and the latch is tripped. 1: orders are left or may be, or the latch is not
    tripped. 2: it could not begin.

    It needs the venue's key in a file of $CREDENTIALS_DIRECTORY, which on a trading host only systemd can
    decrypt: there, start it by `systemctl start trader-panic`.

    \b
    Example:
      CREDENTIALS_DIRECTORY=/dev/shm/keys trader panic --config trader.yml --credential recovery --no-latch
    """
    began = time.monotonic()
    gc.disable()  # a tenth of the start; what lives for two minutes leaves no garbage that counts
    # Only here: the other commands need none of it.
    from trader.panic.latching import Latching
    from trader.panic.settings import PanicError, check_target, read_key, read_target

    try:
        target = read_target(config)
    except PanicError as error:
        _end(CANNOT_BEGIN, str(error), "the latch was not found either")
    latching = None if no_latch else Latching(target.state_folder, target.textfiles, by, reason, trigger)

    import logging

    import uvloop

    from trader.panic.run import Plan, latch_fields
    from trader.panic.run import panic as cancel_everything
    from trader.telemetry.events import Events, LibraryLog
    from trader.telemetry.release import running_release

    events = Events(sys.stderr if as_json else sys.stdout, host=target.host, release=running_release().id)
    logging.basicConfig(handlers=[LibraryLog(events)], level=logging.WARNING)
    try:
        check_target(target, config)
        key = read_key(credential)
        events.hide(key.api_key, key.api_secret, key.passphrase)
        outcome = uvloop.new_event_loop().run_until_complete(
            cancel_everything(Plan(target, key, deadline, latching, began), events)
        )
    except PanicError as error:
        problem = latch_fields(latching)["latch_problem"]
        _end(CANNOT_BEGIN, events.scrub(str(error)), *([f"latch: {problem}"] if problem else []))
    except Exception as error:  # noqa: BLE001 - no traceback: one line, and a code that says "not proven"
        events.error("panic_broke", error)
        _end(BAD, events.scrub(f"broke off, nothing is proven: {type(error).__name__}: {error}"))
    if as_json:
        import json

        with suppress(OSError):  # nobody reads any more
            click.echo(json.dumps(outcome.fields()))
    events.emit("panic_ended", "warning" if outcome.good else "error", **outcome.fields())
    _end(0 if outcome.good else BAD, *(events.scrub(line) for line in outcome.complaints()))


def _end(code: int, *complaints: str) -> NoReturn:
    """End the process now: neither a name that is looked up nor a disk that hangs may hold it."""
    with suppress(OSError):
        for complaint in complaints:
            click.echo(f"trader panic: {complaint}", err=True)
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code)
