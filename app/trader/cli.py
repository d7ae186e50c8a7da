"""The `trader` command."""

import os
import sys
from pathlib import Path

import click

from trader import __version__
from trader.commands import control, kill
from trader.commands.accept import accept_baseline
from trader.commands.check_key import check_key
from trader.commands.config_docs import config_docs
from trader.commands.eod import eod
from trader.commands.journal import journal
from trader.commands.output import CONFIG, FILE, UserError
from trader.commands.preflight import preflight
from trader.commands.recovery import backup, check_backup, lost, restore
from trader.commands.trial import try_release
from trader.panic.cli import panic
from trader.peers.cli import watch_peers
from trader.shadow.cli import shadow


@click.group()
@click.version_option(__version__)
def main() -> None:
    """The trading service of one account on one host.

    \b
    Example:
      trader status --config /etc/trader/trader.yml
    """


shadow.add_command(try_release)
for recovery in (backup, check_backup, lost, restore):
    journal.add_command(recovery)
for command in (
    *control.COMMANDS,
    *kill.COMMANDS,
    accept_baseline,
    check_key,
    eod,
    journal,
    panic,
    preflight,
    shadow,
    watch_peers,
    config_docs,
):
    main.add_command(command)


@main.command("validate-config")
@click.argument("file", type=FILE)
def validate_config(file: Path) -> None:
    """Check a settings FILE; touches no port, lock, network or credential.

    \b
    Example:
      trader validate-config /etc/trader/trader.yml
    """
    from trader.service.settings import SettingsError, load_settings

    try:
        settings = load_settings(file)
    except SettingsError as error:
        raise UserError(str(error)) from error
    click.echo(f"{file}: valid; {settings.host} trades {', '.join(settings.symbols)} at {settings.venue.id}")


@main.command()
@CONFIG
def run(config: Path) -> None:
    """Run the service until SIGTERM.

    \b
    Example:
      trader run --config /etc/trader/trader.yml
    """
    # Only here: the other commands need neither ccxt nor a loop, and should answer at once.
    import asyncio
    import gc
    import logging

    import uvloop

    from trader.journal import JournalError
    from trader.kill_switch import LatchError
    from trader.service.control_client import ControlError
    from trader.service.credentials import NO_KEY, load_credentials, sentry_dsn
    from trader.service.heap import keep_heap_flat
    from trader.service.http import HttpError
    from trader.service.service import Service
    from trader.service.settings import SettingsError, check_files, load_current
    from trader.telemetry.events import Events, LibraryLog
    from trader.telemetry.metrics import Metrics
    from trader.telemetry.release import running_release

    async def live() -> int:
        settings = load_current(config)
        check_files(settings)
        credentials = load_credentials() if settings.mode == "live" else NO_KEY
        release = running_release()
        run = os.environ.get(
            "INVOCATION_ID", ""
        )  # systemd's name for this run of the unit: journalctl knows it
        events = Events(
            host=settings.host,
            release=release.id,
            account=settings.account,
            epoch=str(settings.epoch),
            run=run,
        )
        events.hide(*credentials.secrets)
        logging.basicConfig(handlers=[LibraryLog(events)], level=logging.WARNING)
        events.emit("starting", sha256=release.sha256, version=release.version, epoch=settings.epoch)
        metrics = Metrics()
        reporter = None
        if dsn := sentry_dsn():
            from trader.telemetry.sentry.reporter import start

            scope = {
                "host": settings.host,
                "strategy": settings.strategy.name,
                "venue": settings.venue.id,
            }
            reporter = start(dsn, settings.sentry, scope, release.id, events, metrics)
        try:
            service = Service(settings, credentials, release, events, metrics, lambda: load_current(config))
            # What is loaded by now stays: keep the collector from walking through it between two orders.
            gc.freeze()
            return await service.run()
        except Exception as error:
            events.error("crash", error)
            raise
        finally:
            if reporter is not None:
                await asyncio.to_thread(reporter.close)

    keep_heap_flat()
    try:
        code = uvloop.run(live())
    except (SettingsError, JournalError, LatchError, ControlError, HttpError, ValueError) as error:
        raise UserError(str(error)) from error
    sys.stdout.flush()
    sys.exit(code)
