"""What a kill needs of each host, kept in var/kill/<fleet> by the role trader (its tasks/kit.yml).

A file of its own, and not the inventory: reading that needs Ansible, which may be what is broken, and half a
second. One JSON file a host; `confirmed` is touched each time the role has compared them with the inventory.
"""

import json
import shlex
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ops import paths
from ops.errors import OperatorError
from ops.text import plural

KITS = paths.VAR / "kill"
REFRESH = "./scripts/kill --refresh -i INVENTORY writes it anew"

# Short: a host that does not answer is taken at the venue. The keep-alives find one that dies meanwhile.
_SSH = (
    "ssh",
    *("-o", "BatchMode=yes"),
    *("-o", "ConnectTimeout=2"),
    *("-o", "ConnectionAttempts=1"),
    *("-o", "ServerAliveInterval=2"),
    *("-o", "ServerAliveCountMax=3"),
    # A connection of its own: a master that hangs would take this one with it.
    *("-o", "ControlPath=none"),
    *("-o", "LogLevel=ERROR"),
    # A quick way to agree on a key first: OpenSSH's own first choice takes a tenth of a second of a core at
    # both ends, ten times. What is said on this connection is no secret that must keep for years.
    *("-o", "KexAlgorithms=^curve25519-sha256"),
)


@dataclass(frozen=True)
class Target:
    """One trading host.

    Attributes:
        ssh: the words that run a command there; the command is the next word.
        sudo: whether the command needs `sudo` there.
        recovery: the API key that stays here, {} = none is kept for it.
        settings: of the service: what `trader panic` reads.
    """

    name: str
    ssh: tuple[str, ...]
    sudo: bool
    recovery: dict[str, str] = field(repr=False)
    settings: dict[str, Any] = field(repr=False)
    venue_ca: str = field(repr=False)
    venue_addresses: dict[str, list[str]] = field(repr=False)


@dataclass(frozen=True)
class Kit:
    """The hosts of a fleet.

    Attributes:
        missing: hosts of the inventory of which there is no file here.
        doubts: what a person should know about the list, one line each.
    """

    fleet: str
    targets: tuple[Target, ...]
    missing: tuple[str, ...]
    doubts: tuple[str, ...]


def load(fleet: str, only: tuple[str, ...] = (), folder: Path | None = None) -> Kit:
    """Read a fleet's kit.

    Args:
        fleet: the inventory's `fleet_name`.
        only: names of hosts; () = all.
        folder: where the kits are; None = var/kill.
    Raises:
        OperatorError: there is no such kit, a host is not in it, or a file in it is damaged.
    """
    place = (folder or KITS) / fleet
    entries = {path.stem: _read(path) for path in sorted(place.glob("*.json"))}
    if not entries:
        there = ", ".join(sorted(path.name for path in (folder or KITS).glob("*"))) or "none"
        raise OperatorError(f"{place}: no hosts of fleet {fleet!r} (there: {there}); {REFRESH}")
    newest = max(entries, key=lambda name: (place / f"{name}.json").stat().st_mtime_ns)
    fleet_names = [str(name) for name in entries[newest]["fleet"]]
    wanted = only or tuple(fleet_names)
    missing = [name for name in wanted if name not in entries]
    if missing and only:
        raise OperatorError(f"{' '.join(missing)}: not in {place} ({', '.join(sorted(entries))}); {REFRESH}")
    doubts = [f"{name}: is in the inventory, but not in {place}; {REFRESH}" for name in missing]
    doubts += _age(place, [Path(path) for path in entries[newest]["inventory"]])
    targets = tuple(_target(place, name, entries[name]) for name in wanted if name in entries)
    return Kit(fleet, targets, tuple(missing), tuple(doubts))


def _read(path: Path) -> dict[str, Any]:
    try:
        content: dict[str, Any] = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise OperatorError(f"{path}: {error}; {REFRESH}") from None
    return content


def _target(place: Path, name: str, entry: dict[str, Any]) -> Target:
    try:
        words = [*_SSH, "-p", str(entry["port"]), *shlex.split(entry["ssh_arguments"])]
        if entry["key_file"]:
            words += ["-i", str(Path(entry["key_file"]).expanduser())]
        if entry["user"]:
            words += ["-l", entry["user"]]
        return Target(
            name=name,
            ssh=(*words, entry["address"]),
            sudo=bool(entry["sudo"]),
            recovery=entry["recovery"],
            settings=entry["settings"],
            venue_ca=entry["venue_ca"],
            venue_addresses=entry["venue_addresses"],
        )
    except (KeyError, TypeError, ValueError) as error:
        raise OperatorError(f"{place / name}.json: {error!r} is missing or wrong; {REFRESH}") from None


def _age(place: Path, inventories: list[Path]) -> list[str]:
    """A file of the inventory that is newer than the last comparison with it."""
    try:
        confirmed = (place / "confirmed").stat().st_mtime
    except OSError:
        return [f"{place}: was never compared with the whole inventory; {REFRESH}"]
    files = [
        path
        for inventory in inventories
        for path in ([inventory] if inventory.is_file() else inventory.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    ]
    newer = sorted(path for path in files if path.stat().st_mtime > confirmed)
    if not newer:
        return []
    return [
        f"{place}: {plural(len(newer), 'file')} of the inventory changed since, the first is {newer[0]};"
        f" a new host may be missing; {REFRESH}"
    ]
