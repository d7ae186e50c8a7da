"""`trader kill`: pull the kill switch of this host, through the service or past it."""

import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from trader.commands.output import AS_JSON, CONFIG, UserError, print_json

if TYPE_CHECKING:
    from trader.service.control_client import ControlClient

ANSWER_SECONDS = 1.0  # for the service to take the call, and to each question after it
PATIENCE_SECONDS = 10.0  # for the service's kill; a second key and a limiter of its own may then do better
POLL_SECONDS = 0.02
LATCH_SECONDS = 0.5  # a disk that hangs must not keep panic from beginning


@click.command()
@CONFIG
@click.option("--by", required=True, help="Your name; it is kept with the reason.")
@click.option("--reason", required=True, help="Why; it is kept for who re-arms.")
@AS_JSON
def kill(config: Path, by: str, reason: str, as_json: bool) -> None:
    """Stop trading and cancel every order of the account, whoever placed it.

    The service does it. If it does not take the call within a second, gives no answer, or is not done in ten
    seconds, the latch is tripped here and this command becomes `trader panic`, which needs a key of its own.
    On a trading host `/usr/local/sbin/trader-life kill NAME REASON` does both.

    \b
    Exit code 0: the venue has said twice that no order is open, and the latch is down. Else: not so.

    \b
    Example:
      trader kill --config /etc/trader/trader.yml --by ann --reason "quotes look wrong"
    """
    if not by.strip() or not reason.strip():
        raise UserError("--by and --reason: both need a text, they are kept for the next person")
    from trader.service.control_client import ControlClient, ControlError, control_socket

    try:
        client = ControlClient(control_socket(config), timeout_seconds=ANSWER_SECONDS)
        answer = _by_service(client, by, reason)
    except ControlError as error:
        click.echo(f"not by the service: {error}", err=True)
        _trip(config, by, reason)
        _become_panic(config, by, reason, as_json)
    if as_json:
        print_json(answer)
    else:
        click.echo(
            f"no order is open, the venue said so twice; {answer['cancelled']} cancelled,"
            f" {answer['already_gone']} already gone, {answer['seconds']:.2f} s"
        )
    if answer["latch"] is None:
        raise UserError("the latch holds in the running service, its file is not written; mend the disk")


def _by_service(client: "ControlClient", by: str, reason: str) -> dict[str, Any]:
    """Pull it there and wait for the second zero.

    Raises:
        ControlError: the service does not take it, stops answering, or does not get there.
    """
    from trader.service.control_client import ControlError

    until = time.monotonic() + PATIENCE_SECONDS
    answer = client.call("kill", by=by, reason=reason)
    while not answer["verified_twice"]:
        if time.monotonic() > until:
            left = "the venue has not listed them" if answer["open_orders"] is None else answer["open_orders"]
            raise ControlError(
                f"not done within {PATIENCE_SECONDS:g} s, open orders: {left}; {answer['problem']}"
            )
        time.sleep(POLL_SECONDS)
        answer = client.call("kill_progress")
    del answer["problem"]
    return answer


def _trip(config: Path, by: str, reason: str) -> None:
    """The latch's file; the service, should it live, sees it at its next look. Panic trips it too."""
    from trader.panic.latching import Latching
    from trader.panic.settings import PanicError, read_target

    try:
        target = read_target(config)
    except PanicError as error:
        problem: str | None = str(error)
    else:
        latching = Latching(target.state_folder, target.textfiles, by.strip(), reason, "manual")
        latching.wait(LATCH_SECONDS)
        problem = latching.problem
    if problem is None:
        click.echo("latch: tripped", err=True)
    else:
        click.echo(f"latch: not tripped here: {problem}; stop the service: systemctl stop trader", err=True)


def _become_panic(config: Path, by: str, reason: str, as_json: bool) -> NoReturn:
    words = ["panic", "--config", str(config), "--by", by, "--reason", reason]
    # The same program in the same way: whatever stood before our own words when it was started.
    own = len(sys.orig_argv) - len(sys.argv) + 1
    command = [sys.executable, *sys.orig_argv[1:own], *words, *(["--json"] if as_json else [])]
    sys.stdout.flush()
    sys.stderr.flush()
    try:
        os.execv(command[0], command)  # noqa: S606 - our own interpreter and program
    except OSError as error:
        raise UserError(f"trader panic cannot be started: {error}; run it by hand") from error


COMMANDS = (kill,)
