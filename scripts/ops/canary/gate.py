"""The gate before a phase: nothing changes on a fleet that is not as the plan expects it."""

from ops.canary import lock, proof
from ops.canary.observe import ACTIVE, missing, observe
from ops.canary.plan import Phase
from ops.canary.prometheus import Prometheus, PrometheusError
from ops.canary.record import Record
from ops.files import read_json


def reasons(record: Record, phase: Phase, prometheus: Prometheus) -> list[str]:
    """Why the phase must not begin, one line each; none when it may."""
    found = _own_reasons(record, phase)
    plan = record.plan
    begun = {host for number, host in record.touched() if number == phase.number}
    updated = set(phase.updated) - set(phase.batch)
    try:
        fleet = observe(prometheus, plan.hosts, plan.scrape_interval_seconds)
    except PrometheusError as error:
        return [*found, f"Prometheus {prometheus.url}: {error}"]
    for host, seen in fleet.items():
        if host in begun:  # half-changed by an earlier attempt at this phase: this phase mends it
            continue
        problem = missing(seen, plan.scrape_interval_seconds)
        if problem:
            found.append(f"{host}: {problem}")
            continue
        if seen.state != ACTIVE:
            found.append(f"{host}: it is not trading (trader_trading_state is {_shown(seen.state)}, not 2)")
        if host in updated and (seen.release, seen.sha256) != (plan.release, plan.sha256):
            found.append(f"{host}: it reports release {seen.release or 'none'}, not {plan.release}")
    return found


def _own_reasons(record: Record, phase: Phase) -> list[str]:
    """What the rollout's own folder must show: our lock, and every earlier phase proven and passed."""
    found = []
    owner = lock.read(record.inventory_folder)
    if owner is None or owner.rollout != record.rollout:
        found.append("this rollout does not hold the lock; start another rollout")
    for earlier in record.plan.phases[: phase.number - 1]:
        verdict = read_json(record.phase_folder(earlier.number) / "verdict.json")
        if verdict is None or verdict.get("verdict") != "pass":
            found.append(f"phase {earlier.number} has no verdict `pass`")
        unproven = [host for host, problems in proof.forward(record, earlier).items() if problems]
        found += [f"{host}: phase {earlier.number} has no valid proof of it" for host in unproven]
    return found


def _shown(value: float | None) -> str:
    return "missing" if value is None else f"{value:g}"
