"""Which host changes in which phase. Pure.

Shares are cumulative and rounded up. Ansible's `serial` is not used for this: its entries are sizes of
batches, so that "10 %, 25 %, 50 %" would be 10 %, 35 %, 85 %, and an unreachable host does not stop its
later batches.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ops.errors import OperatorError
from ops.text import plural

_HOST = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


@dataclass(frozen=True)
class Host:
    """What the order depends on. `exposure_usd` is what the host may lose by a bad release, in USD."""

    name: str
    exposure_usd: float = 0.0
    venue: str = ""
    account: str = ""


@dataclass(frozen=True)
class Share:
    """One phase as the plan file has it: `percent` or `hosts` that have the release at its end."""

    percent: int | None
    hosts: int | None
    soak_seconds: float
    soak_max_seconds: float
    risk_scale: float

    def updated(self, fleet: int) -> int:
        """How many hosts of a fleet have the release at its end."""
        if self.hosts is not None:
            return min(self.hosts, fleet)
        assert self.percent is not None
        return -(-fleet * self.percent // 100)

    def __str__(self) -> str:
        return f"{self.percent} %" if self.hosts is None else plural(self.hosts, "host")


@dataclass(frozen=True)
class Phase:
    """One phase. `batch` are the hosts that change in it, `updated` all that have the release at its end.

    `risk_scale` is what their risk limits are multiplied by until the rollout has ended.
    """

    number: int
    share: str
    batch: tuple[str, ...]
    updated: tuple[str, ...]
    soak_seconds: float
    soak_max_seconds: float
    risk_scale: float


def read_hosts(hosts: Sequence[object]) -> tuple[Host, ...]:
    """The hosts of the inventory: names, or mappings with name, exposure_usd, venue and account.

    Raises:
        OperatorError: names the host, or says that there is none.
    """
    if not hosts:
        raise OperatorError("the group to roll out to is empty; is the lab up, and is --limit right?")
    found: list[Host] = []
    for host in hosts:
        data: dict[str, Any] = host if isinstance(host, dict) else {"name": host}
        name = data.get("name")
        if not isinstance(name, str) or not _HOST.fullmatch(name):
            raise OperatorError(f"{host!r} is not a host name; the hosts are a list of inventory names")
        if any(name == other.name for other in found):
            raise OperatorError(f"host {name} is in the list twice")
        try:
            exposure = float(data.get("exposure_usd") or 0)
        except (TypeError, ValueError):
            exposure = -1.0
        if not 0 <= exposure < float("inf"):
            raise OperatorError(f"{name}: canary_exposure_usd must be a number of USD, not negative")
        found.append(Host(name, exposure, str(data.get("venue") or ""), str(data.get("account") or "")))
    return tuple(found)


def order(hosts: Sequence[Host]) -> tuple[str, ...]:
    """The order of change: least to lose first, and over venues and accounts before any is doubled up.

    So the first phases see every venue that they can, and the host with most to lose comes last.

    Args:
        hosts: in the order of the inventory, which decides between equals.
    """
    left, names = list(hosts), []
    venues: Counter[str] = Counter()
    accounts: Counter[str] = Counter()
    most = max(left, key=lambda host: host.exposure_usd)
    last = most if most.exposure_usd > min(host.exposure_usd for host in hosts) else None
    while left:
        choice = [host for host in left if host is not last] or left
        host = min(choice, key=lambda one: (venues[one.venue], accounts[one.account], one.exposure_usd))
        venues[host.venue] += 1
        accounts[host.account] += 1
        left.remove(host)
        names.append(host.name)
    return tuple(names)


def lay_out(
    shares: Sequence[Share], hosts: tuple[str, ...], hold_out: bool = False
) -> tuple[tuple[Phase, ...], tuple[str, ...]]:
    """Turn cumulative shares into phases; shares that mean the same hosts become one phase.

    Args:
        shares: increasing, and the last one all hosts.
        hosts: names in the order of change, not empty.
        hold_out: the last host has a phase to itself: while it has the old release there is something to
            compare with.
    Returns:
        The phases (a merged one has the longest soaks and the smallest limits), and one sentence for each
        share that fell together with another or was moved.
    """
    fleet = len(hosts)
    steps: list[tuple[Share, int, list[str]]] = []  # share, hosts updated, shares that fell into it
    for share in shares:
        updated = share.updated(fleet)
        if steps and steps[-1][1] == updated:
            before, _, merged = steps.pop()
            share_of_both = Share(
                share.percent,
                share.hosts,
                max(before.soak_seconds, share.soak_seconds),
                max(before.soak_max_seconds, share.soak_max_seconds),
                min(before.risk_scale, share.risk_scale),
            )
            steps.append((share_of_both, updated, [*merged, str(before)]))
        else:
            steps.append((share, updated, []))
    notes = []
    if hold_out and fleet > 1 and (len(steps) < 2 or steps[-2][1] < fleet - 1):
        steps.insert(-1, (steps[-1][0], fleet - 1, []))
        notes.append(f"{hosts[-1]} is held out: it changes alone, after all others were judged beside it")
    phases: list[Phase] = []
    done = 0
    for number, (share, updated, merged) in enumerate(steps, start=1):
        shown = f"{fleet - 1} hosts" if hold_out and updated == fleet - 1 and number == len(steps) - 1 else ""
        phases.append(
            Phase(
                number,
                shown or str(share),
                hosts[done:updated],
                hosts[:updated],
                share.soak_seconds,
                share.soak_max_seconds,
                share.risk_scale,
            )
        )
        done = updated
        if merged:
            notes.append(
                f"{', '.join(merged)} and {share} of {fleet} hosts are the same {updated}: one phase "
                f"(number {number}), soak {share.soak_seconds:g} s"
            )
    return tuple(phases), tuple(notes)
