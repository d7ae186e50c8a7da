"""The `venue-sim` command."""

from __future__ import annotations

import asyncio
import gc
import signal
import sys
from pathlib import Path
from typing import NoReturn

import click
import orjson
import uvloop

from venue_sim import __version__
from venue_sim.config import Config, ConfigError, load_accounts, load_config, with_tls_key
from venue_sim.model import Account
from venue_sim.record import RecordError
from venue_sim.sd_notify import notify
from venue_sim.server import StartError, VenueServer

BAD_INPUT = 2

_HELP = """An exchange in one process, to test trading software: Binance spot and USDM
futures, REST and WebSocket, with TLS.

\b
It keeps accounts, matches orders by price and time, makes a market of its own, writes
everything that happens into an append-only record, and breaks on demand.

\b
  venue-sim validate-config venue.yml
  venue-sim run --config venue.yml

\b
The smallest configuration:
  api: {host: 127.0.0.1, port: 8443, certificate: cert.pem, key: key.pem}
  admin: {host: 127.0.0.1, port: 8480}
  accounts_file: accounts.json
  record: record.jsonl
  symbols:
    - {symbol: BTCUSDT, base: BTC, quote: USDT, price: "60000.00",
       tick_size: "0.01", step_size: "0.00001", min_notional: "5"}
\b
accounts.json (or, without accounts_file, the systemd credential "accounts"; the key likewise, "tls_key"):
  [{"name": "trader-01", "api_key": "...", "api_secret": "...",
    "balances": {"USDT": "100000", "BTC": "2"}, "usdm_balance": "10000",
    "keys": [{"name": "panic", "api_key": "...", "api_secret": "..."}]}]

`keys` are further API keys of the account, each of which can be disabled by itself.
\b
USDM futures as well (usdm_balance: an account's first wallet, where it is not the one set here):
  usdm:
    balance: "100000"
    symbols:
      - {symbol: BTCUSDT, base: BTC, quote: USDT, price: "60000.0",
         tick_size: "0.10", step_size: "0.001", min_notional: "100"}
\b
Make the venue slow for 30 seconds, for one account's orders:
  curl -X POST localhost:8480/faults -d '{"name": "slow", "kind": "latency", "latency_ms": 300,
    "account": "trader-01", "endpoint": "order.place", "share": 0.5, "duration_seconds": 30}'
Keep the next fill from an account's stream, drop all its streams, refuse its key:
  curl -X POST localhost:8480/faults -d '{"kind": "drop", "event": "TRADE", "account": "trader-01",
    "count": 1, "duration_seconds": 30}'
  curl -X POST localhost:8480/faults -d '{"kind": "disconnect", "account": "trader-01",
    "duration_seconds": 5}'
  curl -X PUT localhost:8480/accounts/trader-01/key -d '{"enabled": false}'
  curl -X PUT localhost:8480/accounts/trader-01/keys/panic -d '{"enabled": false}'
Answer that an account's orders are cancelled and leave them open:
  curl -X POST localhost:8480/faults -d '{"kind": "ignore_cancel", "account": "trader-01",
    "duration_seconds": 30}'
"""


@click.group(help=_HELP, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__)
def main() -> None:
    """The command group; its help is `_HELP`."""


@main.command()
@click.option("--config", "path", required=True, type=click.Path(path_type=Path), help="The YAML file.")
def run(path: Path) -> None:
    """Run until SIGTERM or SIGINT.

    Ready is told on stdout, as JSON with the real ports, and to systemd.
    """
    config, accounts = _load(path)
    try:
        code = uvloop.run(_serve(config, accounts))
    except (StartError, RecordError) as error:
        _fail(f"{path}: {error}")
    sys.exit(code)


@main.command("validate-config")
@click.argument("path", type=click.Path(path_type=Path))
def validate_config(path: Path) -> None:
    """Check a configuration, and its accounts when it names their file; touch nothing else."""
    try:
        config = load_config(path)
        accounts = "" if config.accounts_file is None else f", {len(load_accounts(config, path))} account(s)"
    except ConfigError as error:
        _fail(str(error))
    click.echo(f"{path}: good: {len(config.symbols)} symbol(s){accounts}")


def _load(path: Path) -> tuple[Config, list[Account]]:
    try:
        config = with_tls_key(load_config(path), path)
        return config, load_accounts(config, path)
    except ConfigError as error:
        _fail(str(error))


def _fail(message: str) -> NoReturn:
    click.echo(f"venue-sim: {message}", err=True)
    sys.exit(BAD_INPUT)


def _calm_the_collector() -> None:
    """Keep full garbage collections away: they walk every order kept, and clients would see the pause."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 1_000)


async def _serve(config: Config, accounts: list[Account]) -> int:
    server = VenueServer(config, accounts)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await server.start()
    _calm_the_collector()
    ready = {"event": "ready", "api_port": server.api_port, "admin_port": server.admin_port}
    click.echo(orjson.dumps(ready).decode())
    notify("READY=1")
    stopping = asyncio.create_task(stop.wait())
    failing = asyncio.create_task(server.failed())
    await asyncio.wait({stopping, failing}, return_when=asyncio.FIRST_COMPLETED)
    notify("STOPPING=1")
    failure = failing.result() if failing.done() else None
    failing.cancel()
    stopping.cancel()
    try:
        await server.stop()
    except RecordError as error:
        failure = failure or error
    if failure is not None:
        click.echo(f"venue-sim: stopped: {failure}", err=True)
        return 1
    return 0
