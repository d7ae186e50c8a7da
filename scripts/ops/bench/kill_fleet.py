"""How fast a whole fleet is stopped, from Enter to the last cancel acknowledged, by the venue's record.

On the running lab. A round: every host has open orders; the act, as a person types it; the venue lists no
order of any host; all hosts are re-armed by playbooks/rearm.yml and trade again. The lab's hosts, its venue
and this machine share one clock.
"""

import json
import math
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import click

from ops import paths
from ops.bench.figures import Figure
from ops.bench.kill_record import FleetRecord
from ops.drills.admin import Admin
from ops.errors import OperatorError
from ops.run import run

FOLDER = paths.VAR / "bench" / "kill_fleet"
HOSTS, ROUNDS = 10, 20
PLAYBOOK_SECONDS, SCRIPT_SECONDS = 2.5, 1.5
TRADING_SECONDS = 90.0  # for every host to have open orders again after a re-arm
POLL_SECONDS = 0.2
ADMIN_PORT = 8480  # of venue_sim, where the lab leaves it
UP = "ansible-playbook playbooks/lab.yml && ansible-playbook playbooks/site.yml"
ACTS = {
    "ansible-playbook playbooks/kill.yml": (
        ("ansible-playbook", "playbooks/kill.yml", "-e", "reason=measured", "-e", "by=bench"),
        PLAYBOOK_SECONDS,
    ),
    "scripts/kill": (("scripts/kill", "--reason=measured", "--by=bench"), SCRIPT_SECONDS),
}
REARM = (
    *("ansible-playbook", "playbooks/rearm.yml", "-e", "target=trader", "-e", f"at_once={HOSTS}"),
    *("-e", "by=bench", "-e", "reason=measured", "-e", "confirm=rearm"),
)


@dataclass(frozen=True)
class Lab:
    """The running lab: its name, its trading hosts (as accounts are named too), the venue's admin port."""

    name: str
    hosts: tuple[str, ...]
    admin_url: str


def fleet() -> Sequence[Figure]:
    """Measure both acts, in turn, so that both meet the same machine.

    Raises:
        OperatorError: the lab is down or too small, a step failed, or an order was left open.
    """
    lab = find_lab()
    before = os.getloadavg()[0]
    record = FleetRecord(Admin(lab.admin_url), lab.hosts)
    found: dict[str, list[float]] = {name: [] for name in ACTS}
    _act(lab, REARM, "rearm")
    for number in range(1, ROUNDS + 1):
        for name, (words, _) in ACTS.items():
            found[name].append(one_round(lab, record, name, words))
            _act(lab, REARM, "rearm")
        last = ", ".join(f"{name} {seconds[-1]:.2f} s" for name, seconds in found.items())
        click.echo(f"    {number} of {ROUNDS} rounds: {last}")
    return [
        Figure("load average of the machine before", before, ""),
        Figure("trading hosts", len(lab.hosts), "", at_least=HOSTS),
        *figures(found),
    ]


def one_round(lab: Lab, record: FleetRecord, name: str, words: Sequence[str]) -> float:
    """One act on a fleet that trades; seconds from Enter to the last cancel acknowledged.

    Raises:
        OperatorError: a host does not trade, the act failed, or the venue lists an open order after it.
    """
    wait_until_trading(record)
    record.mark()
    enter_ns = time.time_ns()
    _act(lab, words, name)
    left = [f"{host}: {count}" for host, count in record.open_orders().items() if count]
    if left:
        raise OperatorError(f"{name}: orders are open after it ({', '.join(left)}); nothing is re-armed")
    return (record.last_ack_ns(enter_ns) - enter_ns) / 1e9


def wait_until_trading(record: FleetRecord) -> None:
    """Until every host has an open order, all of them at one look.

    Raises:
        OperatorError: not in time.
    """
    deadline = time.monotonic() + TRADING_SECONDS
    while idle := [host for host, count in record.open_orders().items() if not count]:
        if time.monotonic() > deadline:
            raise OperatorError(
                f"{' '.join(idle)}: no open order within {TRADING_SECONDS:g} s; see trader status on the host"
            )
        time.sleep(POLL_SECONDS)


def figures(found: dict[str, list[float]]) -> Iterator[Figure]:
    """p95 by nearest rank: of twenty the second slowest."""
    for name, seconds in found.items():
        ordered = sorted(seconds)
        title = f"{name}, Enter to last cancel"
        yield Figure(f"{title}, p50 of {len(ordered)}", _rank(ordered, 0.5), "s")
        yield Figure(f"{title}, p95", _rank(ordered, 0.95), "s", at_most=ACTS[name][1])
        yield Figure(f"{title}, slowest", ordered[-1], "s")


def find_lab() -> Lab:
    """The lab that $BREAKWATER_LAB names.

    Raises:
        OperatorError: it is down, or smaller than what the bounds are for.
    """
    name = os.environ.get("BREAKWATER_LAB") or "lab"
    done = run(["python", "inventories/lab/lab.py"], environment={"BREAKWATER_LAB": name})
    inventory = json.loads("\n".join(done.lines))
    hosts = tuple(inventory["trader"]["hosts"])
    if not hosts:
        raise OperatorError(f"lab {name!r} is down; start it: {UP}; then ./scripts/bench kill --fleet")
    if len(hosts) < HOSTS:
        raise OperatorError(
            f"lab {name!r} has {len(hosts)} trading hosts, the bounds are for {HOSTS};"
            f" start it with -e lab_trader_count={HOSTS}: {UP}"
        )
    venue = inventory["_meta"]["hostvars"][inventory["venue"]["hosts"][0]]["ansible_host"]
    return Lab(name, hosts, f"http://{venue}:{ADMIN_PORT}")


def _act(lab: Lab, words: Sequence[str], what: str) -> None:
    kept = FOLDER / f"{what.split('/')[-1]}.log"
    run(words, environment={"BREAKWATER_LAB": lab.name, "ANSIBLE_FORCE_COLOR": "0"}, log=kept)


def _rank(ordered: Sequence[float], share: float) -> float:
    return ordered[math.ceil(len(ordered) * share) - 1]
