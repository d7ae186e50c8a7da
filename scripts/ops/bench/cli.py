"""The command ./scripts/bench."""

from collections.abc import Callable, Sequence
from pathlib import Path

import click

from ops.bench.converge import converge
from ops.bench.figures import Figure, show
from ops.bench.orders import orders

BENCHMARKS: dict[str, Callable[[Path | None], Sequence[Figure]]] = {
    "converge": lambda peers: converge(),
    "orders": orders,
}


@click.command()
@click.argument("name", type=click.Choice(sorted(BENCHMARKS)))
@click.option(
    "--json", "file", type=click.Path(dir_okay=False, path_type=Path), help="Write the figures here as well."
)
@click.option(
    "--peers",
    type=click.Path(exists=True, file_okay=False, resolve_path=True, path_type=Path),
    help="orders: an environment with freqtrade, which becomes a row of the same table.",
)
def main(name: str, file: Path | None, peers: Path | None) -> None:
    """Measure, print a table of figure, value, unit and bound, and exit 1 when a bound is missed.

    \b
    converge   on a fresh ten-host lab: first converge, no-op converge with Mitogen and with the stock
               linear strategy, and a canary's time without soak
    orders     against the emulator, beside raw ccxt: an order's way and acknowledgement, stream events,
               restarts, two hours' memory, the emulator's load; eleven minutes on an idle machine
    """
    if peers and name != "orders":
        raise click.UsageError("--peers: only orders compares with them")
    if not show(name, BENCHMARKS[name](peers), file):
        raise SystemExit(1)
