"""Watches a lab while an alert-path drill acts: when a fault is shown, and when a person is told."""

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import yaml
from prometheus_client.parser import text_string_to_metric_families

from ops.drills.alert_path import CASES, Configured, Series
from ops.errors import OperatorError

LOOK_SECONDS = 0.1
TIMEOUT_SECONDS = 2.0


@dataclass(frozen=True)
class Places:
    """URLs of what is watched, without a path.

    Args:
        trader, exporter: of the host that is drilled.
        prometheus, alertmanager, deadman, pager: of the fleet.
    """

    trader: str
    exporter: str
    prometheus: str
    alertmanager: str
    deadman: str
    pager: str


def read(url: str) -> bytes | None:
    """The body of an answer; None when there is none."""
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT_SECONDS) as answer:  # noqa: S310 - the inventory's
            return bytes(answer.read())
    except (OSError, ValueError):
        return None


def ask(url: str) -> Any:
    """JSON of an answer.

    Raises:
        OperatorError: there is none.
    """
    body = read(url)
    try:
        return json.loads(body or b"")
    except ValueError:
        raise OperatorError(f"{url} does not answer with JSON; is the lab up, and site.yml run?") from None


def configured(places: Places) -> Configured:
    """What the running processes say of their intervals."""
    groups = ask(f"{places.prometheus}/api/v1/rules")["data"]["groups"]
    rules = {rule["name"]: rule for group in groups for rule in group["rules"] if rule["type"] == "alerting"}
    alertmanager = yaml.safe_load(ask(f"{places.alertmanager}/api/v2/status")["config"]["original"])
    return Configured(
        prometheus=yaml.safe_load(ask(f"{places.prometheus}/api/v1/status/config")["data"]["yaml"]),
        flags=ask(f"{places.prometheus}/api/v1/status/flags")["data"],
        rules=rules,
        route=alertmanager["route"],
        patience_seconds=float(ask(f"{places.deadman}/state")["patience_seconds"]),
    )


def series(body: bytes) -> dict[str, float]:
    """Samples of a scrape by name with labels."""
    return {
        sample.name + (str(sorted(sample.labels.items())) if sample.labels else ""): sample.value
        for family in text_string_to_metric_families(body.decode())
        for sample in family.samples
    }


class Pager:
    """What the person on call of the lab got since a moment (unix ns)."""

    def __init__(self, url: str, since_ns: int) -> None:
        self._url, self._since_ns = url, since_ns

    def messages(self) -> Iterator[tuple[int, str, str, str]]:
        """When, name of the alert, its host, and firing or resolved; one for each alert of each message."""
        body = read(f"{self._url}/messages?after_ns={self._since_ns}")
        if body is None:
            raise OperatorError(f"{self._url} does not answer: nobody can tell who was told")
        for line in body.splitlines():
            message = json.loads(line)
            for alert in message["body"]["alerts"]:
                labels = alert["labels"]
                yield message["at_ns"], labels["alertname"], labels.get("host", ""), alert["status"]


def shown(name: str, places: Places) -> Callable[[], bool]:
    """Whether the host shows the fault of a case, as a function that is called time and again."""
    case = CASES[name]
    gone = {
        "service_dead": f"{places.trader}/metrics",
        "exporter_dead": f"{places.exporter}/metrics",
        "deadman_dead": f"{places.deadman}/metrics",
        "prometheus_dead": f"{places.prometheus}/-/healthy",
        "alertmanager_dead": f"{places.alertmanager}/-/healthy",
    }
    if case.shown is None:
        return lambda: read(gone[name]) is None
    first: Series = series(read(f"{places.trader}/metrics") or b"")
    holds = case.shown

    def look() -> bool:
        body = read(f"{places.trader}/metrics")
        return body is not None and holds(series(body), first)

    return look


def wait_for_page(
    name: str, places: Places, host: str, since_ns: int, deadline_seconds: float
) -> dict[str, Any]:
    """Watch until a person is told of a case, or the deadline.

    Args:
        name: key of CASES.
        host: whose fault it is; the dead man's page names its own host.
        since_ns: begin of the drill (unix ns).
        deadline_seconds: from now.

    Returns:
        exposed_ns and page_ns (None: never), page_name.
    """
    case, look = CASES[name], shown(name, places)
    pager = Pager(places.pager, since_ns)
    exposed_ns: int | None = None
    deadline = time.monotonic() + deadline_seconds
    while time.monotonic() < deadline:
        if exposed_ns is None and look():
            exposed_ns = time.time_ns()
        for at_ns, alert, its, status in pager.messages():
            if alert in case.alerts and status == "firing" and (its == host or name.endswith("_dead")):
                return {"exposed_ns": exposed_ns, "page_ns": at_ns, "page_name": alert}
        time.sleep(LOOK_SECONDS)
    return {"exposed_ns": exposed_ns, "page_ns": None, "page_name": ""}


def active(places: Places, alert: str, host: str) -> bool:
    """Whether Alertmanager holds an alert of a host for firing; an Alertmanager that is away does not."""
    body = read(f"{places.alertmanager}/api/v2/alerts")
    return body is not None and any(
        one["labels"].get("alertname") == alert and one["labels"].get("host", host) == host
        for one in json.loads(body)
    )


def longest_gap(places: Places, alert: str, host: str, watch_seconds: float) -> float:
    """Seconds of the longest time in which Alertmanager did not hold an alert for firing, within a watch."""
    began = last = time.monotonic()
    longest = 0.0
    while time.monotonic() - began < watch_seconds:
        if active(places, alert, host):
            last = time.monotonic()
        else:
            longest = max(longest, time.monotonic() - last)
        time.sleep(LOOK_SECONDS)
    return round(longest, 3)
