"""The `trader` command."""

import asyncio
import gc
import logging
import sys
from pathlib import Path

import click

from trader import __version__
from trader.service.settings import SettingsError, check_files, load_settings

FILE = click.Path(path_type=Path, dir_okay=False)


class UserError(click.ClickException):
    """A mistake that a person can mend: one line, exit code 2."""

    exit_code = 2


@click.group()
@click.version_option(__version__)
def main() -> None:
    """The trading service of one account on one host."""


@main.command("validate-config")
@click.argument("file", type=FILE)
def validate_config(file: Path) -> None:
    """Check a settings FILE; touches no port, lock, network or credential."""
    try:
        settings = load_settings(file)
    except SettingsError as error:
        raise UserError(str(error)) from error
    click.echo(f"{file}: valid; {settings.host} trades {', '.join(settings.symbols)} at {settings.venue.id}")


@main.command()
@click.option("--config", "config", type=FILE, required=True, help="The settings file.")
def run(config: Path) -> None:
    """Run the service until SIGTERM."""
    # Only here: the other commands need neither ccxt nor a loop, and should answer at once.
    import uvloop

    from trader.journal import JournalError
    from trader.service.credentials import load_credentials
    from trader.service.http import HttpError
    from trader.service.service import Service
    from trader.telemetry.events import Events, LibraryLog
    from trader.telemetry.release import running_release

    async def live() -> int:
        settings = load_settings(config)
        check_files(settings)
        credentials = load_credentials()
        release = running_release()
        events = Events(host=settings.host, release=release.id)
        events.hide(credentials.api_key, credentials.api_secret)
        logging.basicConfig(handlers=[LibraryLog(events)], level=logging.WARNING)
        events.emit("starting", sha256=release.sha256, version=release.version, epoch=settings.epoch)
        service = Service(settings, credentials, release, events)
        # What is loaded by now stays for ever: keep the collector from walking through it between two orders.
        gc.freeze()
        return await service.run()

    try:
        code = uvloop.run(live())
    except (SettingsError, JournalError, HttpError, asyncio.CancelledError) as error:
        raise UserError(str(error)) from error
    sys.stdout.flush()
    sys.exit(code)
