"""The gate before a phase: nothing changes on a fleet that is not as the plan expects it.

What shuts it is of two kinds. A host of the release that is not as it was proven speaks against the
release: the rollout turns back. Anything else (a page, a freeze window, an old backup, a host that was not
touched) speaks against changing hosts now: the rollout is held, and goes on or back by a person's word.
"""

import time
from dataclasses import dataclass
from typing import Literal

from ops.canary import lock, proof
from ops.canary.freeze import frozen
from ops.canary.layout import Phase
from ops.canary.observe import ACTIVE, missing, observe
from ops.canary.plan import Plan
from ops.canary.prometheus import Prometheus, PrometheusError
from ops.canary.record import Record
from ops.canary.state import state_of
from ops.files import read_json

# lasting: no word of a person opens the gate. passing: it may be skipped, with a reason.
Kind = Literal["release", "lasting", "passing"]


@dataclass(frozen=True)
class Reason:
    """One reason why the phase must not begin."""

    text: str
    kind: Kind


def reasons(record: Record, phase: Phase, prometheus: Prometheus, proofs: bool = False) -> list[Reason]:
    """Why the phase must not begin; none when it may.

    Args:
        record: the rollout.
        phase: the one that would begin.
        prometheus: what it sees of the fleet.
        proofs: whether every host was asked to prove what it runs (playbooks/canary/prove_batch.yml).
    """
    found = _own(record, phase)
    if proofs:
        found += _proven(record, phase)
    window = frozen(record.plan.gates.freeze, time.time(), record.plan.gates.freeze_lead_minutes)
    if window:
        found.append(Reason(f"freeze window: {window}", "passing"))
    try:
        # Half-changed by an earlier attempt at this phase: this phase mends it.
        begun = {host for number, host in record.touched() if number == phase.number}
        found += _hosts(record.plan, begun, set(phase.updated) - set(phase.batch), prometheus)
        found += _surroundings(record.plan, prometheus)
    except PrometheusError as error:
        found.append(Reason(f"Prometheus {prometheus.url}: {error}", "lasting"))
    return found


def look(plan: Plan, prometheus: Prometheus) -> list[Reason]:
    """Why a rollout of this plan could not begin now; nothing is locked.

    Raises:
        PrometheusError: no usable answer.
    """
    window = frozen(plan.gates.freeze, time.time(), plan.gates.freeze_lead_minutes)
    found = [Reason(f"freeze window: {window}", "passing")] if window else []
    return found + _hosts(plan, set(), set(), prometheus) + _surroundings(plan, prometheus)


def _surroundings(plan: Plan, prometheus: Prometheus) -> list[Reason]:
    return [
        *_clock(plan, prometheus),
        *_pages(plan, prometheus),
        *_budget(plan, prometheus),
        *_ages(plan, prometheus),
    ]


def _own(record: Record, phase: Phase) -> list[Reason]:
    """What the rollout's own folder must show: our lock, and every earlier phase proven and passed."""
    found = []
    owner = lock.read(record.inventory_folder)
    if owner is None or owner.rollout != record.rollout:
        found.append(Reason("this rollout does not hold the lock; start another rollout", "lasting"))
    passed = state_of(record).passed
    for earlier in record.plan.phases[: phase.number - 1]:
        if earlier.number not in passed:
            found.append(Reason(f"phase {earlier.number} has no verdict `pass`", "release"))
        unproven = [host for host, problems in proof.forward(record, earlier).items() if problems]
        found += [
            Reason(f"{host}: phase {earlier.number} has no valid proof of it", "release") for host in unproven
        ]
    return found


def _proven(record: Record, phase: Phase) -> list[Reason]:
    """Earlier hosts still run the release, byte by byte; the others have one to go back to."""
    plan, found = record.plan, []
    begun = {host for number, host in record.touched() if number == phase.number}
    updated = set(phase.updated) - set(phase.batch)
    for host in plan.hosts:
        if host in begun:
            continue
        shown = read_json(record.before_file(phase.number, host))
        if host in updated:
            wrong = proof.faults(host, shown, plan.release, plan.sha256)
            found += [Reason(f"{host}: {text}", "release") for text in wrong]
        elif shown is None:
            text = "gave no proof that the release that it has is whole: there is nothing to go back to"
            found.append(Reason(f"{host}: {text}", "lasting"))
        elif shown.get("pid_release") == plan.release:
            found.append(Reason(f"{host}: it runs {plan.release} already", "lasting"))
    return found


def _hosts(plan: Plan, begun: set[str], updated: set[str], prometheus: Prometheus) -> list[Reason]:
    found = []
    fleet = observe(prometheus, plan.hosts, plan.scrape_interval_seconds)
    for host, seen in fleet.items():
        if host in begun:
            continue
        kind: Kind = "release" if host in updated else "lasting"
        problem = missing(seen, plan.scrape_interval_seconds)
        if problem:
            found.append(Reason(f"{host}: {problem}", kind))
            continue
        if seen.state != ACTIVE:
            state = "missing" if seen.state is None else f"{seen.state:g}"
            found.append(Reason(f"{host}: it is not trading (trader_trading_state is {state}, not 2)", kind))
        if host in updated and (seen.release, seen.sha256) != (plan.release, plan.sha256):
            text = f"{host}: it reports release {seen.release or 'none'}, not {plan.release}"
            found.append(Reason(text, "release"))
    return found


def _clock(plan: Plan, prometheus: Prometheus) -> list[Reason]:
    """Freeze windows and tokens go by this machine's clock, the judge's windows by Prometheus'."""
    bound = plan.gates.clock_seconds
    before = time.time()
    there = prometheus.now()
    after = time.time()
    off = before - there if there < before else there - after if there > after else 0.0
    if off <= bound:
        return []
    text = (
        f"the clocks of this machine and of Prometheus differ by {off:.1f} s, at most {bound:g} s are allowed"
    )
    return [Reason(text, "lasting")]


def _pages(plan: Plan, prometheus: Prometheus) -> list[Reason]:
    if not plan.gates.pages:
        return []
    answer = prometheus.query('ALERTS{alertstate="firing", severity="page"}', prometheus.now())
    return [
        Reason(
            f"alert {one.labels.get('alertname', '?')} is firing" + _on(one.labels.get("host")),
            "passing",
        )
        for one in answer.samples
        if one.labels.get("alertname") != "Watchdog"
    ]


def _budget(plan: Plan, prometheus: Prometheus) -> list[Reason]:
    if not plan.gates.error_budget:
        return []
    answer = prometheus.query("slo:error_budget:remaining", prometheus.now())
    if not answer.samples:
        return [Reason("no error budget is known: Prometheus has no slo:error_budget:remaining", "passing")]
    return [
        Reason(f"objective {one.labels.get('slo', '?')} has no error budget left", "passing")
        for one in answer.samples
        if one.value is None or one.value <= 0
    ]


def _ages(plan: Plan, prometheus: Prometheus) -> list[Reason]:
    """A backup whose age nobody knows is none."""
    gates, hosts = plan.gates, plan.hosts
    found = []
    for what, metric, hours in (
        ("backup", "breakwater_backup_last_success_timestamp_seconds", gates.backup_hours),
        ("restore test", "breakwater_restore_test_last_success_timestamp_seconds", gates.restore_test_hours),
    ):
        if hours is None:
            continue
        now = prometheus.now()
        pattern = "|".join(hosts)
        query = f'max by (host) (last_over_time({metric}{{host=~"{pattern}"}}[1d]))'
        ages = prometheus.query(query, now).by_host()
        for host in hosts:
            value = ages[host][0].value if host in ages else None
            if value is None:
                found.append(Reason(f"{host}: no {what} is known", "passing"))
            elif now - value > 3600 * hours:
                text = f"{host}: the last {what} is {(now - value) / 3600:.1f} h old, at most {hours:g} h"
                found.append(Reason(text, "passing"))
    return found


def _on(host: str | None) -> str:
    return f" on {host}" if host else ""
