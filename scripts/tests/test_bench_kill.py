"""What ./scripts/bench kill promises of a host, and how it measures a fleet; the fleet is a stand-in."""

import copy
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner

from ops.bench import cli, kill, kill_fleet
from ops.bench.figures import Figure
from ops.bench.kill_record import FleetRecord
from ops.drills.admin import Admin
from ops.errors import OperatorError
from ops.run import Done
from tests.venue_script import TRIP_NS, Script, at


def row(**changes: float) -> dict[str, float]:
    return {"p50": 1.0, "p99": 2.0, "max": 3.0, "count": 20} | changes


FOUND: dict[str, dict[str, Any]] = {
    "service": {"last_cancel": row(p99=300, max=9e9), "verified": row(max=9e9), "refused": 0.0},
    "storm": {"last_cancel": row(max=2_000), "verified": row(max=9e9), "refused": 1.0},
    "command": {"last_cancel": row(max=9e9), "verified": row(max=9e9), "refused": 0.0},
    "panic": {"first_cancel": row(max=1_000), "last_cancel": row(max=1_500)},
}


def figures_of(found: dict[str, dict[str, Any]]) -> list[Figure]:
    made = [
        *kill.service(found["service"]),
        *kill.storm(found["storm"]),
        *kill.command(found["command"]),
        *kill.panic(found["panic"]),
    ]
    assert len({figure.name for figure in made}) == len(made), "a name stands for one figure"
    return made


def test_every_promise_about_a_host_is_held_at_its_bound() -> None:
    figures = figures_of(FOUND)
    assert [figure.name for figure in figures if not figure.held] == []
    assert len([figure for figure in figures if figure.bound]) == 5


@pytest.mark.parametrize(
    ("place", "value", "missed"),
    [
        (("service", "last_cancel", "p99"), 300.1, "kill to last cancel, p99"),
        (("storm", "last_cancel", "max"), 2_000.1, "in a 429 storm, kill to last cancel, slowest"),
        (("storm", "refused"), 0.5, "requests refused"),
        (("panic", "first_cancel", "max"), 1_000.1, "first cancel on the wire, slowest"),
        (("panic", "last_cancel", "max"), 1_500.1, "panic, exec to last cancel, slowest"),
    ],
)
def test_each_promise_about_a_host_can_be_missed(place: tuple[str, ...], value: float, missed: str) -> None:
    found = copy.deepcopy(FOUND)
    part: Any = found
    for key in place[:-1]:
        part = part[key]
    part[place[-1]] = value
    names = [figure.name for figure in figures_of(found) if not figure.held]
    assert len(names) == 1
    assert missed in names[0]


def test_the_host_is_measured_by_enough_kills(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: list[tuple[str, ...]] = []

    def measure(program: str, folder: Path, *words: str, kept_as: str = "") -> dict[str, Any]:
        asked.append((program, *words[1:]))
        return FOUND["panic"] if program == "panic" else FOUND["storm"]

    monkeypatch.setattr(kill, "measure", measure)
    monkeypatch.setattr(kill, "FOLDER", tmp_path)
    assert kill.kill()[0].name == "load average of the machine before"
    assert asked == [
        ("kill", "--kills=100"),
        ("kill", "--kills=20", "--storm"),
        ("kill", "--kills=20", "--command"),
        ("panic", "--panics=20"),
    ]


# -- the fleet

HOSTS = tuple(f"trader-{number:02}" for number in range(1, 11))
KILL_BOOK, KILL_SCRIPT = "playbooks/kill.yml", "scripts/kill"


class StandIn(Admin):
    """A venue at which each host has one order, and a machine on which commands change that.

    Attributes:
        took_ms: from Enter to the answer to the last cancel, by the act.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__("http://venue-01:8480")
        self.took_ms = {KILL_BOOK: 2_000.0, KILL_SCRIPT: 1_000.0}
        self.open = dict.fromkeys(HOSTS, 0)
        self.commands: list[str] = []
        self.spared = ""
        self.idle = ""
        self._entries: dict[str, list[dict[str, Any]]] = {}
        self._monotonic = 0.0
        monkeypatch.setattr(kill_fleet, "run", self.run)
        clock = SimpleNamespace(time_ns=lambda: TRIP_NS, monotonic=lambda: self._monotonic, sleep=self._sleep)
        monkeypatch.setattr(kill_fleet, "time", clock)

    def run(self, argv: Sequence[str], **named: Any) -> Done:
        assert named["environment"]["BREAKWATER_LAB"] == "test"
        act = next(word for word in argv if word.startswith(("playbooks/", "scripts/")))
        self.commands.append(" ".join(argv))
        if act in self.took_ms:
            self._stop(self.took_ms[act])
        else:
            self.open |= {host: 2 for host in HOSTS if host != self.idle}
        return Done(argv, 0, [], 1.0)

    def _stop(self, took_ms: float) -> None:
        self._entries = {}
        for number, host in enumerate(HOSTS):
            script = Script(host)
            script.place("before", -5_000)
            script.place("late", 100)
            script.cancel("late", 200)
            if host != self.idle:
                script.cancel("before", took_ms - 100 if number else took_ms - 20, took_ms=20)
            self._entries[host] = script.entries
        self.open = {host: int(host == self.spared) for host in HOSTS}

    def _sleep(self, seconds: float) -> None:
        self._monotonic += seconds

    def open_orders(self, account: str) -> list[tuple[str, str]]:
        return [("id", "BTCUSDT")] * self.open[account]

    def last_entry(self) -> int:
        return 7

    def record_since(
        self, accounts: Sequence[str], after: int
    ) -> tuple[dict[str, list[dict[str, Any]]], int]:
        assert after == 7, "what was before Enter is not read again"
        return {account: self._entries[account] for account in accounts}, at(10_000)


@pytest.fixture
def venue(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> StandIn:
    stand_in = StandIn(monkeypatch)
    monkeypatch.setattr(kill_fleet, "FOLDER", tmp_path)
    monkeypatch.setattr(kill_fleet, "Admin", lambda url: stand_in)
    monkeypatch.setattr(kill_fleet, "find_lab", lambda: kill_fleet.Lab("test", HOSTS, stand_in.url))
    return stand_in


def measured(name: str = "") -> dict[str, float]:
    return {figure.name: figure.value for figure in kill_fleet.fleet() if name in figure.name}


def test_a_fleet_is_timed_to_its_slowest_host_by_the_record(venue: StandIn) -> None:
    found = measured("p95")
    assert found == {
        "ansible-playbook playbooks/kill.yml, Enter to last cancel, p95": 2.0,
        "scripts/kill, Enter to last cancel, p95": 1.0,
    }
    acts = [KILL_BOOK in one or KILL_SCRIPT in one for one in venue.commands]
    assert acts == [False, *[True, False] * 2 * kill_fleet.ROUNDS], "re-armed before each, and at the end"
    rearm = venue.commands[-1]
    assert "playbooks/rearm.yml -e target=trader -e at_once=10" in rearm
    assert "confirm=rearm" in rearm


@pytest.mark.parametrize(
    ("act", "took_ms", "missed"),
    [(KILL_BOOK, 2_501.0, "kill.yml"), (KILL_SCRIPT, 1_501.0, "scripts/kill")],
)
def test_each_promise_about_the_fleet_can_be_missed(
    venue: StandIn, act: str, took_ms: float, missed: str
) -> None:
    assert all(figure.held for figure in kill_fleet.fleet())
    venue.took_ms[act] = took_ms
    names = [figure.name for figure in kill_fleet.fleet() if not figure.held]
    assert len(names) == 1
    assert f"{missed}, Enter to last cancel, p95" in names[0]


def test_p95_of_twenty_is_the_second_slowest() -> None:
    seconds = [float(number) for number in range(20, 0, -1)]
    (_, p95, slowest) = kill_fleet.figures({"scripts/kill": seconds})
    assert (p95.value, slowest.value) == (19, 20)


def test_an_order_that_is_left_ends_it_and_nothing_is_re_armed(venue: StandIn) -> None:
    venue.spared = "trader-03"
    with pytest.raises(OperatorError, match=r"playbooks/kill.yml: orders are open after it \(trader-03: 1\)"):
        kill_fleet.fleet()
    assert KILL_BOOK in venue.commands[-1]


def test_a_host_that_does_not_trade_is_named(venue: StandIn) -> None:
    venue.idle = "trader-05"
    with pytest.raises(OperatorError, match=r"^trader-05: no open order within 90 s"):
        kill_fleet.fleet()
    assert not any(KILL_BOOK in one for one in venue.commands)


def test_a_host_without_a_cancel_was_not_measured(venue: StandIn) -> None:
    record = FleetRecord(venue, HOSTS[:2])
    record.mark()
    venue._entries = {HOSTS[0]: [], HOSTS[1]: []}
    with pytest.raises(OperatorError, match=r"^trader-01 trader-02: no order was cancelled"):
        record.last_ack_ns(TRIP_NS)


def inventory(hosts: int) -> Callable[..., Done]:
    """What inventories/lab/lab.py says of a lab."""
    names = [f"trader-{number:02}" for number in range(1, hosts + 1)]
    venue = ["venue-01"] if hosts else []
    content = {
        "trader": {"hosts": names},
        "venue": {"hosts": venue},
        "_meta": {"hostvars": {"venue-01": {"ansible_host": "198.51.100.7"}}},
    }
    return lambda argv, **named: Done(argv, 0, json.dumps(content, indent=2).splitlines(), 0.1)


def test_the_lab_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BREAKWATER_LAB", "test")
    monkeypatch.setattr(kill_fleet, "run", inventory(10))
    assert kill_fleet.find_lab() == kill_fleet.Lab("test", HOSTS, "http://198.51.100.7:8480")


@pytest.mark.parametrize(
    ("hosts", "problem"), [(0, "lab 'test' is down; start it: "), (9, "lab 'test' has 9 trading hosts")]
)
def test_without_ten_hosts_one_line_says_what_to_run(
    hosts: int, problem: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BREAKWATER_LAB", "test")
    monkeypatch.setattr(kill_fleet, "run", inventory(hosts))
    result = CliRunner().invoke(cli.main, ["kill", "--fleet"])
    assert result.exit_code == 2
    assert problem in result.output
    assert "playbooks/lab.yml" in result.output
    assert len(result.output.splitlines()) == 1


def test_the_fleet_belongs_to_kill() -> None:
    result = CliRunner().invoke(cli.main, ["orders", "--fleet"])
    assert result.exit_code == 2
    assert "--fleet" in result.output
