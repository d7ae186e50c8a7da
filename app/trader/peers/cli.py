"""`trader watch-peers`."""

from pathlib import Path

import click

FILE = click.Path(path_type=Path, dir_okay=False)


class _Problem(click.ClickException):
    """Something that a person can mend: one line, exit code 2."""

    exit_code = 2


@click.command("watch-peers")
@click.option("--config", type=FILE, required=True, help="The settings file.")
@click.option("--check", is_flag=True, help="Only check the settings; needs no credential.")
def watch_peers(config: Path, check: bool) -> None:
    """Watch other hosts until SIGTERM, and cancel every order of one whose heartbeat is lost.

    It cancels with a key of its own for that host's account, and only when neither the host's service nor its
    node_exporter shows a new heartbeat while the venue and another host do answer.

    \b
    Example:
      trader watch-peers --config /etc/trader/peers.yml
    """
    # Only here: the other commands need neither aiohttp nor a loop.
    import asyncio
    import signal

    import uvloop

    from trader.peers.settings import PeersError, load
    from trader.peers.watcher import Watcher
    from trader.service.notify import Notifier
    from trader.telemetry.events import Events
    from trader.telemetry.release import running_release

    try:
        settings, peers = load(config, keys=not check)
    except PeersError as error:
        raise _Problem(str(error)) from error
    if check:
        click.echo(f"{config}: valid; {settings.host} watches {', '.join(settings.hosts)}")
        return
    events = Events(host=settings.host, release=running_release().id)
    for peer in peers:
        events.hide(peer.key.api_key, peer.key.api_secret, peer.key.passphrase)

    async def live() -> None:
        notifier = Notifier()
        watcher = asyncio.create_task(Watcher(settings, peers, events, notifier).run(), name="watcher")
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, watcher.cancel)
        await asyncio.wait({watcher})
        notifier.send(STOPPING=1)
        events.emit("stopped")
        if not watcher.cancelled():
            watcher.result()

    uvloop.run(live())
