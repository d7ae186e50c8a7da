"""The command ./scripts/bench."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from ops.bench.converge import converge
from ops.bench.figures import Figure, show
from ops.bench.judge import judge
from ops.bench.kill import kill
from ops.bench.kill_fleet import fleet
from ops.bench.orders import orders
from ops.bench.restore import restore


@dataclass(frozen=True)
class Wanted:
    """What was asked for beside the name."""

    peers: Path | None = None
    fleet: bool = False
    rounds: int = 5
    megabytes: int = 100


BENCHMARKS: dict[str, Callable[[Wanted], Sequence[Figure]]] = {
    "converge": lambda wanted: converge(),
    "judge": lambda wanted: judge(),
    "kill": lambda wanted: fleet() if wanted.fleet else kill(),
    "orders": lambda wanted: orders(wanted.peers),
    "restore": lambda wanted: restore(wanted.rounds, wanted.megabytes),
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
@click.option("--fleet", "of_fleet", is_flag=True, help="kill: the ten hosts of the running lab instead.")
@click.option(
    "--rounds", type=click.IntRange(1, 100), default=5, show_default=True, help="restore: of each mode."
)
@click.option(
    "--megabytes",
    type=click.IntRange(0, 10_000),
    default=100,
    show_default=True,
    help="restore: size of the host's journal.",
)
def main(
    name: str, file: Path | None, peers: Path | None, of_fleet: bool, rounds: int, megabytes: int
) -> None:
    """Measure, print a table of figure, value, unit and bound, and exit 1 when a bound is missed.

    \b
    converge   on a fresh ten-host lab: first converge, no-op converge with Mitogen and with the stock
               linear strategy, and a canary's time without soak
    judge      the canary's judge on simulated rollouts: how often it turns back what is good, how often it
               finds what is bad, and a Mann-Whitney judge beside it; three minutes
    kill       against the emulator, by its record: from the command to the last cancel of 200 orders on ten
               symbols, by the service, in a 429 storm, and by trader panic with the service dead; fifteen
               minutes on an idle machine. With --fleet: playbooks/kill.yml and scripts/kill on the running
               lab, which is stopped and re-armed forty times; half an hour
    orders     against the emulator, beside raw ccxt: an order's way and acknowledgement, stream events,
               restarts, two hours' memory, error reports that nobody takes, the emulator's load; thirteen
               minutes on an idle machine
    restore    commits beside backups, a journal of 1 GB out and back, a day of 10,000 fills; then, on a lab
               of one host, --rounds times in each mode of shipping: destroyed under load and restored; two
               minutes a round
    """
    if peers and name != "orders":
        raise click.UsageError("--peers: only orders compares with them")
    if of_fleet and name != "kill":
        raise click.UsageError("--fleet: only kill is measured on it")
    title = f"{name} --fleet" if of_fleet else name
    if not show(title, BENCHMARKS[name](Wanted(peers, of_fleet, rounds, megabytes)), file):
        raise SystemExit(1)
