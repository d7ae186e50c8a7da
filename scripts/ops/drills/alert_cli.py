"""The commands `python -m ops.drills alert-path ...`: what playbooks/drills/alert_path.yml asks."""

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from ops import paths
from ops.drills import alert_watch
from ops.drills.alert_path import CASES, Seen, judge
from ops.drills.alert_watch import Places
from ops.errors import OperatorError
from ops.evidence.catalogue import catalogue
from ops.files import write_text

_F = TypeVar("_F", bound=Callable[..., None])
_case = click.option(
    "--case", "name", required=True, type=click.Choice(sorted(CASES)), help="Class of faults."
)
_host = click.option("--host", required=True, help="Inventory name of the host that is drilled.")
_since = click.option("--since-ns", required=True, type=int, help="Begin of the drill, unix nanoseconds.")
_out = click.option("--out", required=True, type=click.Path(path_type=Path), help="File of what was seen.")


def _places(function: _F) -> _F:
    for name in reversed(Places.__annotations__):
        function = click.option(f"--{name}", required=True, metavar="URL", help=f"Of the {name}.")(function)
    return function


@click.group("alert-path")
def alert_path() -> None:
    """From a fault to the person on call, watched and judged."""


@alert_path.command()
@_case
@_host
@_since
@_out
@click.option("--deadline-seconds", required=True, type=float, help="Then nobody was told.")
@_places
def watch(name: str, host: str, since_ns: int, out: Path, deadline_seconds: float, **urls: str) -> None:
    """Watch until a person is told. The file is made when the watch begins: act after that."""
    out.parent.mkdir(parents=True, exist_ok=True)
    places = Places(**urls)
    # Before the act, which may stop those who could tell.
    intervals = alert_watch.configured(places)
    job = CASES[name].job or "trader"
    known = {
        "budget_seconds": intervals.budget_seconds(name),
        "scrape_seconds": intervals.scrape_seconds(job),
    }
    out.touch()
    found = known | alert_watch.wait_for_page(name, places, host, since_ns, deadline_seconds)
    write_text(out, json.dumps(found) + "\n")
    click.echo(found["page_name"] or "nobody was told")


@alert_path.command()
@click.option("--alert", required=True)
@_host
@click.option("--what", required=True, help="What was killed: the figure is gap_WHAT_seconds.")
@click.option("--watch-seconds", required=True, type=float)
@_out
@_places
def hold(alert: str, host: str, what: str, watch_seconds: float, out: Path, **urls: str) -> None:
    """Watch that Alertmanager goes on holding an alert for firing; adds the longest gap to the file."""
    gap = alert_watch.longest_gap(Places(**urls), alert, host, watch_seconds)
    seen = json.loads(out.read_text())
    seen.setdefault("held", {})[what] = gap
    write_text(out, json.dumps(seen) + "\n")
    click.echo(f"{what}: {gap} s without {alert}")


@alert_path.command()
@click.option(
    "--case", "name", type=click.Choice(sorted(CASES)), help="Its alerts must be over [default: none]."
)
@_host
@click.option("--deadline-seconds", default=420.0, show_default=True, help="keep_firing_for is five minutes.")
@_places
def ready(name: str | None, host: str, deadline_seconds: float, **urls: str) -> None:
    """Wait until the way is whole: heartbeats arrive, and the alerts of the case do not fire already."""
    places = Places(**urls)
    deadline = time.monotonic() + deadline_seconds
    problem = ""
    while time.monotonic() < deadline:
        alive = not alert_watch.ask(f"{places.deadman}/state")["dead"]
        busy = [
            alert for alert in (CASES[name].alerts if name else ()) if alert_watch.active(places, alert, host)
        ]
        if alive and not busy:
            return
        problem = f"{busy[0]} fires already" if busy else "no heartbeat reaches the dead man's receiver"
        time.sleep(1)
    raise OperatorError(f"{host}: the alert path is not ready within {deadline_seconds:g} s: {problem}")


@alert_path.command("judge")
@click.option("--drill", required=True, help="Name in the catalogue of evidence, such as alert_path.kill.")
@_host
@_since
@click.option("--inventory", required=True, help="Name of the fleet.")
@click.option("--release", required=True, help="Id of the release that ran.")
@click.option("--sha256", required=True, help="Of its artifact.")
@click.option("--problem", default="", help="Why the act failed.")
@_out
@_places
def judge_command(
    drill: str,
    host: str,
    since_ns: int,
    inventory: str,
    release: str,
    sha256: str,
    problem: str,
    out: Path,
    **urls: str,
) -> None:
    """Judge what was seen; prints the evidence as JSON for ./scripts/evidence add."""
    places = Places(**urls)
    found: dict[str, Any] = {
        "exposed_ns": None,
        "page_ns": None,
        "page_name": "",
        "budget_seconds": None,
        "scrape_seconds": None,
    }
    try:
        found |= json.loads(out.read_text())
    except (OSError, ValueError):
        problem = problem or "the watch ended without a word"
    resolved = sum(status != "firing" for *_, status in alert_watch.Pager(places.pager, since_ns).messages())
    seen = Seen(
        started_ns=since_ns,
        exposed_ns=found["exposed_ns"],
        page_ns=found["page_ns"],
        page_name=found["page_name"],
        until_ns=time.time_ns(),
        budget_seconds=found["budget_seconds"],
        scrape_seconds=found["scrape_seconds"],
        resolved=resolved,
        held=found.get("held", {}),
    )
    about = {
        "name": drill,
        "inventory": inventory,
        "hosts": [host],
        "release": {"id": release, "sha256": sha256},
        "attachments": [{"path": os.path.relpath(out.resolve(), paths.EVIDENCE)}] if out.exists() else [],
    }
    click.echo(json.dumps(about | judge(catalogue().entry(drill), host, seen, problem)))
