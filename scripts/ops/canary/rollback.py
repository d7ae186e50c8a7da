"""Whether and how touched hosts go back: a rollback is an act that can do harm, so it is judged as well.

| on a touched host | schema unchanged or expanded | schema contracted |
|---|---|---|
| every order accounted for, flat or not | roll_back (drained) | hold: fix forward |
| an unknown order or an unexplained difference | stop trading, and ask again | stop, and ask again |
| still so after that | kill | kill |

Two ways back that failed, or a host whose former release is this one or unknown: hold. What cannot be seen
does not keep a bad release running: the drain before the change settles what is in flight, and the former
release does not trade before it has reconciled.
"""

import time
from dataclasses import dataclass
from typing import Literal

from ops.canary.prometheus import Prometheus, PrometheusError
from ops.canary.record import Record

Answer = Literal["roll_back", "hold", "stop", "kill"]
ATTEMPTS = 2
_DOUBTS = {
    "trader_unknown_orders": "orders whose fate is unknown",
    "trader_reconcile_unexplained_differences": "differences that nothing explains",
}


@dataclass(frozen=True)
class Decision:
    """The answer and one line for each of its reasons."""

    answer: Answer
    reasons: tuple[str, ...]


def decide(record: Record, prometheus: Prometheus, wait_seconds: float = 0.0) -> Decision:
    """Choose by the matrix.

    Args:
        record: the rollout.
        prometheus: what the hosts report.
        wait_seconds: trading was stopped; how long hosts may take to account for everything.
    """
    failed = 0
    for event in record.events():
        if event["event"] == "proof" and event["rollback"] and event["faults"]:
            failed += 1
        elif event["event"] == "resumed":  # a person asked for it again
            failed = 0
    if failed >= ATTEMPTS:
        return Decision("hold", (f"{failed} ways back have failed; a third would be blind",))
    stuck = []
    for number, host in record.touched():
        previous, _ = record.previous(number, host)
        if previous is None:
            stuck.append(f"{host}: nobody knows which release it had; name one with playbooks/rollback.yml")
        elif previous == record.plan.release:
            stuck.append(f"{host}: it had {previous} before as well; there is nowhere to go back to")
    hosts = [host for _, host in record.touched()]
    doubts = _doubts(prometheus, hosts)
    deadline = time.monotonic() + wait_seconds
    while doubts and time.monotonic() < deadline:
        time.sleep(1.0)
        doubts = _doubts(prometheus, hosts)
    if doubts:
        return Decision("kill" if wait_seconds > 0 else "stop", tuple(doubts))
    if record.plan.schema == "contracted" and hosts:
        return Decision(
            "hold",
            ("the release contracts the journal's schema: the former release cannot read it; fix forward",),
        )
    if stuck and len(stuck) == len(hosts):
        return Decision("hold", tuple(stuck))
    return Decision("roll_back", tuple(stuck))


def _doubts(prometheus: Prometheus, hosts: list[str]) -> list[str]:
    if not hosts:
        return []
    found = []
    try:
        now = prometheus.now()
        for metric, words in _DOUBTS.items():
            for host, series in sorted(prometheus.query(_query(metric, hosts), now).by_host().items()):
                value = series[0].value
                if value:
                    found.append(f"{host}: {value:g} {words}")
    except PrometheusError:
        return []
    return found


def _query(metric: str, hosts: list[str]) -> str:
    return f'max by (host) ({metric}{{job="trader", host=~"{"|".join(hosts)}"}})'
