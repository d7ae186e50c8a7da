"""Who watches whom, and what the role writes for it, read by the program that it is for."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from ops import paths
from tests.ansible_modules import load
from trader.venue.venues import RULES, Scope

peers = load("peers", "filter_plugins")
ROLES = paths.ROOT / "roles"
KEY = {"api_key": "hush-hush", "api_secret": "hush-hush"}
FLEETS = st.integers(1, 12).map(lambda size: [f"trader-{number:02}" for number in range(size)])


@given(FLEETS, st.integers(0, 4))
def test_both_sides_of_the_ring_agree(fleet: list[str], count: int) -> None:
    for host in fleet:
        after = peers.peers_after(fleet, host, count)
        assert len(set(after)) == len(after) == min(count, len(fleet) - 1)
        assert host not in after
        for other in fleet:
            assert (other in after) == (host in peers.peers_before(fleet, other, count))


def test_each_is_watched_by_those_that_follow_it() -> None:
    fleet = ["a1", "a2", "b1", "b2"]
    assert [peers.peers_after(fleet, host, 1) for host in fleet] == [["a2"], ["b1"], ["b2"], ["a1"]]
    assert peers.peers_after(fleet, "b1", 2) == ["b2", "a1"]
    assert peers.peers_before(fleet, "a1", 2) == ["b2", "b1"]
    assert peers.peers_after(fleet, "monitor-01", 2) == []


def test_the_venues_without_a_timer_are_those_of_the_service() -> None:
    without = {name for name, rule in RULES.items() if rule.dead_man.scope is Scope.NONE}
    assert without == peers.NO_TIMER
    assert {name for name in RULES if peers.has_no_timer(name)} == without


HOSTS: dict[str, dict[str, Any]] = {
    "trader-01": {"trader_venue_hostname": "venue.lab:8443", "trader_venue_ca": "PEM of the lab"},
    "trader-02": {"trader_http_port": 9201, "node_exporter_port": 9200, "trader_symbols": ["ETH/USDT"]},
    "trader-03": {"trader_venue_id": "binanceusdm"},  # the venue's own timer
    "trader-04": {"trader_mode": "paper"},
    "trader-05": {"trader_peer_credential": {}},
    "monitor-01": {},
}


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The role's files for each trading host, by Ansible itself."""
    folder = tmp_path_factory.mktemp("peers")
    for host in HOSTS:
        (folder / host).mkdir()
    addresses = {host: {"ansible_host": f"198.51.100.{n}"} for n, host in enumerate(HOSTS, start=1)}
    hosts = {host: {"trader_peer_credential": KEY, **addresses[host], **own} for host, own in HOSTS.items()}
    trader = {"hosts": {host: own for host, own in hosts.items() if host.startswith("trader")}}
    others = {"hosts": {"monitor-01": hosts["monitor-01"]}}
    # As weak as a role's defaults are: what an inventory says of a host is stronger.
    defaults: dict[str, Any] = {}
    for role in ("trader", "peer_watchdog"):
        defaults |= yaml.safe_load((ROLES / role / "defaults" / "main.yml").read_text())
    inventory = {"all": {"vars": defaults, "children": {"trader": trader, "monitor": others}}}
    (folder / "inventory.yml").write_text(yaml.safe_dump(inventory))
    files = [str(ROLES / role / "vars" / "main.yml") for role in ("trader", "peer_watchdog")]
    to = f"{folder}/{{{{ inventory_hostname }}}}"
    play = {
        "hosts": "trader",
        "gather_facts": False,
        "connection": "local",
        "vars": {"role_path": str(ROLES / "peer_watchdog"), "fleet_name": "test"},
        "vars_files": files,
        "tasks": [
            {
                "ansible.builtin.template": {
                    "src": f"{ROLES}/peer_watchdog/templates/{{{{ item.src }}}}",
                    "dest": f"{to}/{{{{ item.dest | basename }}}}",
                },
                "loop": "{{ __peer_watchdog_files if __peer_watchdog_peers else [] }}",
            },
            {
                "ansible.builtin.copy": {
                    "content": "{{ __trader_watched_by | to_json }}",
                    "dest": f"{to}/watched_by",
                }
            },
        ],
    }
    (folder / "play.yml").write_text(yaml.safe_dump([play]))
    done = subprocess.run(
        ["ansible-playbook", "-i", str(folder / "inventory.yml"), str(folder / "play.yml")],
        cwd=paths.ROOT,
        env=os.environ
        | {"ANSIBLE_STRATEGY": "linear", "PATH": f"{paths.ROOT}/.venv/bin:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def settings(written: Path, host: str) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((written / host / "peers.yml").read_text())
    return loaded


def test_who_watches_whom(written: Path) -> None:
    """Only hosts that send orders to a venue without a timer, and have a key for it."""
    by_watcher = {
        host: list(settings(written, host)["hosts"]) if (written / host / "peers.yml").exists() else []
        for host in HOSTS
        if host != "monitor-01"
    }
    assert by_watcher == {
        "trader-01": [],
        "trader-02": ["trader-01"],
        "trader-03": ["trader-02", "trader-01"],
        "trader-04": ["trader-02"],
        "trader-05": [],
    }
    for host in by_watcher:
        told = json.loads((written / host / "watched_by").read_text())
        assert set(told) == {watcher for watcher, watched in by_watcher.items() if host in watched}


def test_a_peer_is_found_where_it_is(written: Path) -> None:
    found = settings(written, "trader-03")
    assert found["hosts"]["trader-01"] == {
        "health": "http://198.51.100.1:9101/healthz",
        "exporter": "http://198.51.100.1:9100/metrics",
        "settings": "/etc/trader/peer-trader-01.yml",
        "credential": "peer-trader-01",
    }
    assert found["hosts"]["trader-02"]["health"] == "http://198.51.100.2:9201/healthz"
    assert found["hosts"]["trader-02"]["exporter"] == "http://198.51.100.2:9200/metrics"
    assert set(found["witnesses"]) == HOSTS.keys() - {"trader-03"}
    target = yaml.safe_load((written / "trader-03" / "peer-trader-01.yml").read_text())
    venue = {"id": "binance", "hostname": "venue.lab:8443", "recv_window_ms": 5000}
    assert target["venue"] == venue | {"ca_file": "/etc/trader/peer-trader-01.pem"}
    assert (target["host"], target["account"], target["symbols"]) == ("trader-01", "trader-01", ["BTC/USDT"])
    assert (written / "trader-03" / "peer-trader-01.pem").read_text() == "PEM of the lab\n"
    second = yaml.safe_load((written / "trader-03" / "peer-trader-02.yml").read_text())
    assert (second["venue"], second["symbols"]) == (
        {"id": "binance", "recv_window_ms": 5000},
        ["ETH/USDT"],
    )


@pytest.mark.parametrize("host", ["trader-02", "trader-03", "trader-04"])
def test_the_program_takes_what_was_written(written: Path, host: str) -> None:
    folder = written / host
    text = (folder / "peers.yml").read_text().replace("/etc/trader/", f"{folder}/")
    (folder / "here.yml").write_text(text)
    for path in folder.glob("peer-*.yml"):
        path.write_text(path.read_text().replace("/etc/trader/", f"{folder}/"))
    program = [str(paths.ROOT / ".venv/bin/python"), "-c", "from trader.cli import main; main()"]
    checked = subprocess.run(
        [*program, "watch-peers", "--check", "--config", str(folder / "here.yml")],
        env={"PYTHONPATH": str(paths.ROOT / "app")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stderr
    assert f"valid; {host} watches " in checked.stdout


def test_the_unit_holds_the_keys_of_whom_it_watches_and_the_walls(written: Path) -> None:
    unit = (written / "trader-03" / "trader-peers.service").read_text()
    loads = [line for line in unit.splitlines() if line.startswith("LoadCredentialEncrypted=")]
    credential = "LoadCredentialEncrypted=peer-{0}:/etc/trader/credentials/peer-{0}.cred"
    assert loads == [credential.format("trader-02"), credential.format("trader-01")]
    assert "\nProtectSystem=strict\n" in unit
    assert "\nUser=trader-peers\n" in unit
    assert "{{" not in unit
    assert "hush-hush" not in "".join(path.read_text() for path in written.rglob("trader-*/*"))
