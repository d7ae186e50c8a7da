#!/usr/bin/env python3
"""Ansible inventory of the lab that runs on this machine.

It is read from what playbooks/lab.yml wrote, while the lab is up.

BREAKWATER_LAB names the lab (default: lab). While it is down the groups are there and empty, and the variable
`inventory_problem` says how to start it: the playbooks print it and stop.
"""

import json
import os
import sys
from pathlib import Path

GROUPS = {"trader": "trader-", "monitor": "monitor-", "vault": "vault-", "venue": "venue-"}


def runs(host_folder: Path) -> bool:
    """True while the host's power loop lives: same pid, same start time (proc(5), field 22)."""
    try:
        pid, started = (host_folder / "runner").read_text().split()
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19] == started
    except (OSError, ValueError):
        return False


def inventory(folder: Path, name: str) -> dict[str, object]:
    """The inventory in Ansible's JSON form.

    A single host that died stays listed: a playbook must meet it as unreachable, not miss it. Without any
    running host there is no lab, and no address is handed out.
    """
    problem = f"lab {name!r} is down; start it with: ansible-playbook playbooks/lab.yml"
    try:
        lab = json.loads((folder / "lab.json").read_text())
    except FileNotFoundError:
        lab = {"hosts": []}
    except PermissionError:
        lab = {"hosts": []}
        problem = f"lab {name!r} may belong to another user; choose another BREAKWATER_LAB"
    up = any(runs(folder / "hosts" / host["name"]) for host in lab["hosts"])
    hosts = lab["hosts"] if up else []
    groups: dict[str, object] = {
        group: {"hosts": [host["name"] for host in hosts if host["name"].startswith(prefix)]}
        for group, prefix in GROUPS.items()
    }
    known = f"-o UserKnownHostsFile={folder / 'known_hosts'} -o GlobalKnownHostsFile=/dev/null"
    variables = {
        "lab_name": name,
        "lab_folder": str(folder),
        "ansible_user": "root",
        "ansible_ssh_private_key_file": str(folder / "secrets" / "id_ed25519"),
        "ansible_ssh_common_args": f"{known} -o StrictHostKeyChecking=yes",
    }
    if not up:
        variables["inventory_problem"] = problem
    addresses = {host["name"]: {"ansible_host": host["address"]} for host in hosts}
    return groups | {"all": {"vars": variables}, "_meta": {"hostvars": addresses}}


def main() -> None:
    name = os.environ.get("BREAKWATER_LAB", "") or "lab"
    folder = Path(__file__).resolve().parents[2] / "var" / "lab" / name
    json.dump({} if sys.argv[1:2] == ["--host"] else inventory(folder, name), sys.stdout, indent=2)


if __name__ == "__main__":
    main()
