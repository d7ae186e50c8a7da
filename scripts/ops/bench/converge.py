"""How long the fleet's acts take on a fresh lab of ten trading hosts, in one run."""

import re
from collections.abc import Sequence

import click

from ops import paths
from ops.bench.figures import Figure
from ops.errors import OperatorError
from ops.fleet import NEXT_RELEASE_PATCH, Fleet, build

LAB = "bench"


def converge() -> Sequence[Figure]:
    """Boot a lab of its own, measure, and take it down again.

    Raises:
        OperatorError: a step failed, or a second converge changed something (then there is no no-op to time).
    """
    fleet = Fleet(LAB, paths.VAR / "bench" / "converge", say=click.echo)
    build(app="venue_sim")
    build()
    following = build(patch=NEXT_RELEASE_PATCH)
    fleet.lab("absent")
    try:
        up = fleet.lab("present")
        first = fleet.playbook("first converge", "playbooks/site.yml")
        mitogen = fleet.playbook("no-op converge, mitogen", "playbooks/site.yml")
        linear = fleet.playbook(
            "no-op converge, linear", "playbooks/site.yml", environment={"ANSIBLE_STRATEGY": "linear"}
        )
        for done in (mitogen, linear):
            if re.search(r"changed=[1-9]", "\n".join(done.lines)):
                raise OperatorError(f"a second converge changed something; see {fleet.logs}")
        rollout = fleet.canary("canary", following)
    finally:
        fleet.lab("absent")
    soaks = sum(phase["soak_seconds"] for phase in rollout.plan["phases"])
    pauses = sorted(proof["pause_seconds"] for proof in rollout.proofs)
    return [
        Figure("lab up, 13 hosts", up.seconds, "s"),
        Figure("first converge", first.seconds, "s"),
        Figure("no-op converge, mitogen", mitogen.seconds, "s", at_most=12),
        Figure("no-op converge, stock linear", linear.seconds, "s"),
        Figure("stock linear / mitogen", linear.seconds / mitogen.seconds, "ratio"),
        Figure("canary of ten hosts, without soak", rollout.done.seconds - soaks, "s"),
        Figure("  artifact to running, slowest host", max(rollout.update_seconds), "s", at_most=8),
        Figure("  pause in trading, slowest host", pauses[-1], "s", at_most=4),
    ]
