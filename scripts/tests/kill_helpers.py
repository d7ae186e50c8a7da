"""Hosts that are not there: a stand-in for ssh that behaves as it is told, and the kit of such a fleet."""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ops.kill.act import Wish
from ops.kill.kit import Target

LATCH = {"state": "tripped", "at_ns": 1, "by": "ann", "reason": "drill", "trigger": "manual"}
STOPPED = {
    "open_orders": 0,
    "cancelled": 3,
    "already_gone": 0,
    "failed": [],
    "seconds": 0.1,
    "latch": LATCH,
    "verified_twice": True,
}
# What a host or `trader panic` does: lines that it prints, what it complains of, how it ends.
WELL = {"say": ["here", json.dumps(STOPPED)], "complain": "", "hang": False, "status": 0}
CANCELLED = {"say": [json.dumps(STOPPED | {"latch": None, "cancelled": 5})]}

# The file of its behaviour stands where ssh has the address; what follows is the command, kept for the test.
STAND_IN = """
import json, pathlib, sys, time
place = next(word for word in sys.argv if word.endswith(".json"))
behaviour = json.loads(pathlib.Path(place).read_text())
command = sys.argv[sys.argv.index(place) + 1 :]
pathlib.Path(place).with_suffix(".called").write_text(json.dumps(command))
for line in behaviour["say"]:
    print(line, flush=True)
print(behaviour["complain"], file=sys.stderr, flush=True)
while behaviour["hang"]:
    time.sleep(1)
sys.exit(behaviour["status"])
"""

PATIENT = Wish("ann", "drill", patience_seconds=20, work_seconds=20)
"""For a machine that is slow: nobody is given up by mistake."""


def stand_in(folder: Path, name: str, **changes: Any) -> tuple[str, ...]:
    """The words of a program that behaves so."""
    behaviour = folder / f"{name}.json"
    behaviour.write_text(json.dumps(WELL | changes))
    return (sys.executable, "-c", STAND_IN, str(behaviour))


def called(folder: Path, name: str) -> list[str] | None:
    """The words that a stand-in got; None = it was not called."""
    path = folder / f"{name}.called"
    words: list[str] | None = json.loads(path.read_text()) if path.exists() else None
    return words


def target(folder: Path, name: str, recovery: bool = True, sudo: bool = False, **changes: Any) -> Target:
    return Target(
        name=name,
        ssh=stand_in(folder, name, **changes),
        sudo=sudo,
        recovery={"api_key": "k" * 20, "api_secret": "s" * 20} if recovery else {},
        settings={"host": name, "venue": {"id": "binance", "hostname": "", "recv_window_ms": 5000}},
        venue_ca="",
        venue_addresses={},
    )


def entry(name: str, fleet: Sequence[str], inventory: Path, **changes: Any) -> dict[str, Any]:
    """A host's file in a kit, as the role writes it."""
    return {
        "host": name,
        "fleet": list(fleet),
        "inventory": [str(inventory)],
        "address": "192.0.2.1",
        "port": 22,
        "user": "root",
        "key_file": "/keys/one",
        "ssh_arguments": "-o UserKnownHostsFile='/some where/known_hosts'",
        "sudo": False,
        "recovery": {"api_key": "k" * 20, "api_secret": "s" * 20},
        "venue_ca": "",
        "venue_addresses": {},
        "settings": {"host": name, "venue": {"id": "binance", "hostname": "", "recv_window_ms": 5000}},
    } | changes


def write_kit(kits: Path, names: Sequence[str], changes: Mapping[str, dict[str, Any]] | None = None) -> Path:
    """A whole kit that was just compared with its inventory.

    Args:
        changes: of a host's entry, by its name.
    """
    inventory = kits / "inventory"
    inventory.mkdir(parents=True, exist_ok=True)
    (inventory / "hosts.yml").touch()
    place = kits / "kill" / "lab-test"
    place.mkdir(parents=True)
    for name in names:
        content = entry(name, names, inventory, **(changes or {}).get(name, {}))
        (place / f"{name}.json").write_text(json.dumps(content))
    (place / "confirmed").touch()
    return place
