"""The command ./scripts/demo: the whole main job on a fleet of this machine, watched by a person."""

import time
from collections import Counter
from collections.abc import Callable

import click

from ops import paths
from ops.errors import OperatorError
from ops.fleet import NEXT_RELEASE_PATCH, SLOW_RELEASE_PATCH, Fleet, Rollout, build
from ops.text import table

LAB = "demo"


def other_release(current: Counter[str], tree: str, following: str) -> str:
    """The good release that the fleet does not run, so that a second demo has something to release as well.

    Args:
        current: how many hosts run which release id.
        tree: release of the tree as it stands.
        following: release of the tree with the next version.
    """
    return tree if current[following] == current.total() else following


@click.command()
@click.option("--hosts", type=click.IntRange(1, 99), default=10, show_default=True, help="Trading hosts.")
@click.option(
    "--down", is_flag=True, help="Take the lab down at the end; otherwise it stays for a look around."
)
@click.option("--quiet", is_flag=True, help="Print the steps only, not the playbooks' output.")
def main(hosts: int, down: bool, quiet: bool) -> None:
    """Boot a fleet, release to it, and watch a bad release being turned back.

    Boots a lab of systemd hosts on this machine, converges it with playbooks/site.yml, rolls out a good
    release to all hosts with playbooks/canary.yml, then a release that is too slow: it must be turned back
    in its first phase. Ends with a summary and the reports. Each step's output is kept under var/demo.
    """
    started = time.monotonic()
    fleet = Fleet(LAB, paths.VAR / "demo", say=say(started), show=not quiet)
    fleet.say("building releases ...")
    build(app="venue_sim")
    tree, following = build(), build(patch=NEXT_RELEASE_PATCH)
    slow = build(patch=SLOW_RELEASE_PATCH)
    fleet.lab("present", hosts)
    fleet.playbook("site", "playbooks/site.yml")
    good = other_release(fleet.releases(), tree, following)
    completed = fleet.canary("good release", good)
    turned_back = fleet.canary("bad release", slow, expect=(2,))
    check(turned_back, good, fleet.releases())
    if down:
        fleet.lab("absent")
    summary(completed, turned_back, time.monotonic() - started)
    if not down:
        tools = f"BREAKWATER_LAB={LAB} .venv/bin"
        click.echo(f"The lab is up. Look around: {tools}/ansible trader -a 'systemctl status trader'")
        click.echo(f"Take it down: {tools}/ansible-playbook playbooks/lab.yml -e lab_state=absent")


def say(started: float) -> Callable[[str], None]:
    """Print lines with the minutes and seconds since the start."""

    def line(text: str) -> None:
        elapsed = int(time.monotonic() - started)
        click.echo(f"[{elapsed // 60}:{elapsed % 60:02}] {text}")

    return line


def check(rollout: Rollout, good: str, running: Counter[str]) -> None:
    """A demo that shows the wrong thing must not end well.

    Raises:
        OperatorError: the bad release was not turned back in its first phase, touched other hosts, or is left
            on a host.
    """
    if rollout.result["outcome"] != "rolled_back":
        raise OperatorError(f"the bad release was not turned back; see {rollout.report}")
    if rollout.touched != rollout.plan["phases"][0]["batch"]:
        raise OperatorError(f"the bad release reached {' '.join(rollout.touched)}; see {rollout.report}")
    if set(running) != {good}:
        raise OperatorError(
            f"the fleet runs {' and '.join(sorted(running))}, not {good} alone; see {rollout.report}"
        )


def summary(completed: Rollout, turned_back: Rollout, seconds: float) -> None:
    """Print what happened and where to look."""
    rollouts = {"good": completed, "bad": turned_back}
    rows = [
        (
            name,
            rollout.plan["release"],
            rollout.result["outcome"].replace("_", " "),
            f"{len(rollout.touched)} of {len(rollout.plan['hosts'])}",
        )
        for name, rollout in rollouts.items()
    ]
    click.echo(f"\nThe demo took {seconds / 60:.1f} minutes.\n")
    table(("rollout", "release", "outcome", "hosts touched"), rows)
    click.echo("")
    for name, rollout in rollouts.items():
        click.echo(f"Report of the {name} release: {rollout.report.relative_to(paths.ROOT)}")


if __name__ == "__main__":
    main(prog_name="demo")
