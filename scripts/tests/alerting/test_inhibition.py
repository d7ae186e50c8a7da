"""What is held back, on a real Alertmanager: each rule once where it holds and once where it must not."""

from collections.abc import Callable, Mapping

import pytest

from ops.slo.model import load
from ops.slo.rules import all_alerts
from tests.alerting.conftest import Alertmanager, Catcher, until

pytestmark = pytest.mark.rules

ALERTS = {alert.name: alert for alert in all_alerts(load())}
BURN = ("OrderErrorsBurnPage", "OrderErrorsBurnTicket")
PAIRS = [
    ("DailyLoss100", "DailyLoss80"),
    ("DailyLoss100", "DailyLoss50"),
    ("DailyLoss80", "DailyLoss50"),
    ("KillSwitchTripped", "TraderHalted"),
    ("TraderDown", "HostMissing"),
    ("DiskFull", "DiskLow"),
    BURN,
    ("OrderErrorsSymptom", "OrderErrorsBurnTicket"),
]


def labels(name: str, **more: str) -> dict[str, str]:
    extra = {"mountpoint": "/"} if name.startswith("Disk") else {}
    return {"alertname": name, **ALERTS[name].labels, **extra, **more}


def key(alert: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(alert.items()))


@pytest.mark.parametrize(("source", "target"), PAIRS, ids=[f"{one}-{other}" for one, other in PAIRS])
def test_a_page_holds_back_what_it_says_already(
    start: Callable[..., Alertmanager], catcher: Catcher, source: str, target: str
) -> None:
    server = start(alertmanager_page={"webhook": {"url": f"{catcher.url}/page"}})
    held, other = labels(target, host="trader-01"), labels(target, host="trader-02")
    # Without the label that both must have: never equal.
    bare = labels(target)
    apart = [other, bare]
    if source == "DiskFull":
        apart.append(labels(target, host="trader-01", mountpoint="/var"))
    if "slo" in held:
        apart.append(labels("FeedAvailabilityBurnTicket", host="trader-01"))
    server.fire(labels(source, host="trader-01"), held, *apart)
    states = until(
        lambda: (found := server.states()).get(key(held)) == "suppressed" and found, f"{target} held back"
    )
    assert states[key(labels(source, host="trader-01"))] == "active"
    assert [states[key(alert)] for alert in apart] == ["active"] * len(apart)


def test_a_source_without_the_label_holds_nothing_back(
    start: Callable[..., Alertmanager], catcher: Catcher
) -> None:
    server = start(alertmanager_page={"webhook": {"url": f"{catcher.url}/page"}})
    sources = [labels(source) for source, _ in PAIRS]
    targets = [labels(target) for _, target in PAIRS]
    server.fire(*sources, *targets)
    until(lambda: len(server.states()) == len({key(one) for one in sources + targets}), "all alerts")
    assert set(server.states().values()) == {"active"}


def test_money_is_never_held_back_by_anything_else(
    start: Callable[..., Alertmanager], catcher: Catcher
) -> None:
    """All alerts of the product at once on one host: whatever is about money and no lower step goes out."""
    server = start(alertmanager_page={"webhook": {"url": f"{catcher.url}/page"}})
    all_of_them = {name: labels(name, host="trader-01") for name in ALERTS}
    server.fire(*all_of_them.values())
    until(lambda: "TraderHalted" in held_of(server), "what the kill switch holds back")
    until(lambda: "KillSwitchTripped" in told_of(catcher), "the page")
    money = {name for name in held_of(server) if ALERTS[name].money}
    assert money == {"DailyLoss50", "DailyLoss80"}


def held_of(server: Alertmanager) -> set[str]:
    return {dict(alert)["alertname"] for alert, state in server.states().items() if state == "suppressed"}


def told_of(catcher: Catcher) -> set[str]:
    return {
        alert["labels"]["alertname"] for message in catcher.messages for alert in message["body"]["alerts"]
    }
