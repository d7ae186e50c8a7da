#!/usr/bin/python3
"""Ansible module: the hosts of one lab, their bridge and their routes, present or absent.

Everything is looked up anew on each call (namespaces, links, mounts, processes), so a run after a crash
half-way or after a reboot of the machine finishes what is missing and touches nothing that is already right.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: lab_fleet
short_description: Boot or remove the hosts of one lab on this machine
options:
  lab: {type: str, required: true, description: "Name of the lab; prefix of its bridge and namespaces."}
  state:
    type: str
    choices: [present, absent, destroyed]
    default: present
    description: "Run; leave nothing; or, for some hosts, cut the power and delete the disk."
  folder: {type: path, required: true, description: "Folder of the hosts' disks; one each."}
  image: {type: path, description: "Root file system under every host's overlay; for present."}
  subnet: {type: str, required: true, description: "First three octets of the /24; the bridge is .1."}
  hosts:
    type: list
    elements: dict
    description: "name and address of each"
  files:
    type: dict
    description: "host -> path -> {content, mode}: what is written on its disk before a boot"
  boot_timeout_seconds: {type: int, default: 60, description: "Seconds from power-on to an SSH banner."}
"""

NSPAWN_PROPAGATE = Path("/run/systemd/nspawn/propagate")
# Arguments: control groups to join, "--", and what systemd-nspawn takes.
# 133: systemd-nspawn --keep-unit says so when the host asked for a reboot (EXIT_FORCE_RESTART in systemd).
POWER_LOOP = """
until [ "$1" = -- ]; do echo $$ >"$1/cgroup.procs" || exit 1; shift; done
shift
while systemd-nspawn "$@"; [ $? -eq 133 ]; do :; done
"""
STOP_SECONDS = 10.0


class LabError(Exception):
    """Something that the person at the keyboard can mend; the message is one line."""


def sh(*argv: str, check: bool = True) -> str:
    """Run a program and return its standard output; a failure is raised with its own last words."""
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if check and done.returncode != 0:
        words = done.stderr.strip().splitlines() or [f"exit {done.returncode}"]
        raise LabError(f"{' '.join(argv)}: {words[-1]}")
    return done.stdout


@dataclass(frozen=True, eq=False)
class Host:
    """One host: where it lies, how it is reached, and what is written on its disk before its first boot."""

    name: str
    address: str
    lab: str
    folder: Path
    files: dict[str, dict[str, str]]

    @property
    def namespace(self) -> str:
        return f"bw-{self.lab}-{self.name}"

    @property
    def link(self) -> str:
        """Name of the host's end on the bridge, in Linux' 15 characters: bw-<lab>-<last of the address>."""
        return f"bw-{self.lab}-{self.address.rpartition('.')[2]}"

    @property
    def plugged_in(self) -> bool:
        return Path(f"/sys/class/net/{self.link}/master").exists()

    @property
    def place(self) -> Path:
        return self.folder / self.name

    @property
    def disk(self) -> Path:
        return self.place / "merged"

    @property
    def console(self) -> Path:
        return self.place / "console.log"

    @property
    def control_groups(self) -> list[Path]:
        """Where the host's systemd keeps its units: a group of its own in each of systemd's hierarchies.

        In a group that they share, each host's systemd would take the others' processes and groups of units
        of the same name for its own: starts then fail with 219/CGROUP now and then.
        """
        return [hierarchy / self.namespace for hierarchy in systemd_hierarchies()]

    @property
    def record(self) -> Path:
        """Process id and start time of the host's power loop."""
        return self.place / "runner"


class Fleet:
    """The wanted and the actual state of one lab. Every step says in `log` what it changed."""

    def __init__(self, lab: str, subnet: str, folder: Path, check_mode: bool) -> None:
        self.lab = lab
        self.subnet = subnet
        self.folder = folder
        self.check_mode = check_mode
        self.bridge = f"bw-{lab}"
        self.log: list[str] = []

    def change(self, what: str) -> bool:
        """Note a change; true when it is to be carried out."""
        self.log.append(what)
        return not self.check_mode

    # ---- what is there

    def namespaces(self) -> set[str]:
        names = {line.split()[0] for line in sh("ip", "netns", "list").splitlines() if line.strip()}
        return {name for name in names if name.startswith(f"{self.bridge}-")}

    @staticmethod
    def links() -> set[str]:
        return {entry.name for entry in Path("/sys/class/net").iterdir()}

    @staticmethod
    def mounted(path: Path) -> bool:
        wanted = f" {path} "
        return any(wanted in line for line in Path("/proc/self/mountinfo").read_text().splitlines())

    @staticmethod
    def pids(namespace: str) -> list[int]:
        """Processes inside a namespace: this lab started all of them, whatever else crashed."""
        return [int(pid) for pid in sh("ip", "netns", "pids", namespace, check=False).split()]

    def runner(self, host: Host) -> int | None:
        """The recorded power loop of a host, when that very process (pid and start time) still lives."""
        with contextlib.suppress(OSError, ValueError):
            pid, started = host.record.read_text().split()
            if start_time(int(pid)) == started:
                return int(pid)
        return None

    # ---- network

    def guarded(self) -> bool:
        return bool(sh("ip", "route", "show", "type", "unreachable", f"{self.subnet}.0/24"))

    def network_up(self) -> None:
        # While the lab is half up, a packet for a lab host must not leave through the default route.
        if not self.guarded() and self.change("route"):
            sh("ip", "route", "add", "unreachable", f"{self.subnet}.0/24", "metric", "4294967295")
        if self.bridge not in self.links() and self.change("bridge"):
            sh("ip", "link", "add", self.bridge, "type", "bridge")
            sh("ip", "addr", "add", f"{self.subnet}.1/24", "dev", self.bridge)
            sh("ip", "link", "set", self.bridge, "up")

    def network_down(self) -> None:
        for link in sorted(self.links()):
            if (link == self.bridge or link.startswith(f"{self.bridge}-")) and self.change(f"link {link}"):
                # A host's end goes with its namespace, in its own time.
                sh("ip", "link", "del", link, check=False)
        if self.guarded() and self.change("route"):
            sh("ip", "route", "del", "unreachable", f"{self.subnet}.0/24")

    # ---- hosts

    def power_on(self, host: Host, image: Path) -> bool:
        """Start a host that does not run; true when it was started."""
        if self.runner(host) and self.pids(host.namespace):
            if not host.plugged_in and self.change(
                f"plug in {host.name}"
            ):  # the bridge is newer than the host
                self.plug_in(host)
            return False
        if not self.change(f"start {host.name}"):
            return True
        self.shut_down([host])
        self.clear(host)  # what a crash half-way may have left
        upper, work = host.place / "upper", host.place / "work"
        for path in (upper, work, host.disk):
            path.mkdir(parents=True, exist_ok=True)
        write_files(upper, host.files)
        layers = f"lowerdir={image},upperdir={upper},workdir={work}"
        sh("mount", "-t", "overlay", self.bridge, "-o", layers, str(host.disk))
        sh("ip", "netns", "add", host.namespace)
        sh("ip", "link", "add", host.link, "type", "veth", "peer", "name", "host0", "netns", host.namespace)
        self.plug_in(host)
        sh("ip", "-n", host.namespace, "addr", "add", f"{host.address}/24", "dev", "host0")
        sh("ip", "-n", host.namespace, "link", "set", "host0", "up")
        sh("ip", "-n", host.namespace, "link", "set", "lo", "up")
        nspawn = [
            *("--quiet", "--boot", "--register=no", "--keep-unit", "--console=read-only"),
            # The host's files are its own: nothing of this machine's journal, name servers or clock zone.
            *("--link-journal=no", "--resolv-conf=off", "--timezone=off"),
            *(f"--network-namespace-path=/run/netns/{host.namespace}", "--capability=CAP_NET_ADMIN"),
            *(f"--machine={host.namespace}", f"--hostname={host.name}", f"--directory={host.disk}"),
        ]
        for group in host.control_groups:
            group.mkdir(exist_ok=True)
        with host.console.open("ab") as console:
            loop = subprocess.Popen(
                ["/bin/sh", "-c", POWER_LOOP, "power-loop", *map(str, host.control_groups), "--", *nspawn],
                stdin=subprocess.DEVNULL, stdout=console, stderr=console, start_new_session=True, cwd="/",
            )  # fmt: skip
        host.record.write_text(f"{loop.pid} {start_time(loop.pid)}\n")
        return True

    def plug_in(self, host: Host) -> None:
        sh("ip", "link", "set", host.link, "master", self.bridge, "up")

    def shut_down(self, hosts: list[Host]) -> None:
        """Ask hosts to stop, all at once since each takes a second, and wait for them."""
        runners = {host: runner for host in hosts if (runner := self.runner(host))}
        for runner in runners.values():
            signal_group(runner, signal.SIGTERM)
        for host, runner in runners.items():
            if not wait(partial(self.stopped, host, runner), STOP_SECONDS):
                signal_group(runner, signal.SIGKILL)

    def stopped(self, host: Host, runner: int) -> bool:
        return not group_lives(runner) and not self.pids(host.namespace)

    def clear(self, host: Host) -> None:
        """Take away what a stopped or crashed host left: processes, mount, namespace; not its disk."""
        for pid in self.pids(host.namespace):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if not wait(lambda: not self.pids(host.namespace), STOP_SECONDS):
            raise LabError(
                f"{host.name}: processes {self.pids(host.namespace)} do not end; see {host.console}"
            )
        for group in host.control_groups:
            if not wait(partial(removed, group), STOP_SECONDS):
                raise LabError(f"{host.name}: its control group {group} cannot be removed")
        while self.mounted(host.disk):
            sh("umount", str(host.disk))
        if host.namespace in self.namespaces():
            sh("ip", "netns", "del", host.namespace)
        if host.link in self.links():
            # Its end on the bridge goes with the namespace, but in its own time.
            sh("ip", "link", "del", host.link, check=False)
        with contextlib.suppress(FileNotFoundError):
            (NSPAWN_PROPAGATE / host.namespace).rmdir()
        host.record.unlink(missing_ok=True)

    def present(self, hosts: list[Host], image: Path, timeout_seconds: float) -> None:
        self.network_up()
        self.remove(sorted(self.known() - {host.name for host in hosts}))
        started = [host for host in hosts if self.power_on(host, image)]
        for host in started if not self.check_mode else []:
            if not wait(partial(answers, host.address), timeout_seconds):
                raise LabError(
                    f"{host.name} does not answer on {host.address}:22 after {timeout_seconds:.0f} s;"
                    f" see {host.console}"
                )

    def absent(self) -> None:
        self.remove(sorted(self.known()))
        self.network_down()

    def destroy(self, names: list[str]) -> None:
        """Cut the power of hosts and delete their disks: nothing is written, closed or said any more."""
        if unknown := sorted(set(names) - self.known()):
            raise LabError(f"no such host in lab {self.lab}: {' '.join(unknown)}")
        for name in names:
            host = Host(name, "", self.lab, self.folder, {})
            if (runner := self.runner(host)) is not None and self.change(f"destroy {name}"):
                signal_group(runner, signal.SIGKILL)
        if not self.check_mode:
            self.remove(names)

    def known(self) -> set[str]:
        """Names of every host that left a trace: a namespace, a mount or a folder."""
        names = {namespace.removeprefix(f"{self.bridge}-") for namespace in self.namespaces()}
        if self.folder.is_dir():
            names |= {entry.name for entry in self.folder.iterdir() if entry.is_dir()}
        return names

    def remove(self, names: list[str]) -> None:
        """Stop hosts and delete their disks."""
        hosts = [Host(name, "", self.lab, self.folder, {}) for name in names if self.change(f"remove {name}")]
        self.shut_down(hosts)
        for host in hosts:
            self.clear(host)
            if host.place.exists():
                shutil.rmtree(host.place)


def signal_group(leader: int, number: signal.Signals) -> None:
    """Signal the power loop of a host and the systemd-nspawn below it."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(leader, number)


def group_lives(leader: int) -> bool:
    """True while any process of the group is left."""
    try:
        os.killpg(leader, 0)
    except ProcessLookupError:
        return False
    return True


def systemd_hierarchies() -> list[Path]:
    """Mount points of the control group hierarchies in which systemd keeps its units: v2, v1's, or both."""
    found = []
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _, place, kind, options, *_ = line.split()
        if kind == "cgroup2" or (kind == "cgroup" and "name=systemd" in options.split(",")):
            found.append(Path(place))
    return found


def removed(group: Path) -> bool:
    """Remove a control group and those in it; false while a process is left."""
    try:
        for folder, _, _ in os.walk(group, topdown=False):
            Path(folder).rmdir()
    except OSError:
        return not group.exists()
    return True


def start_time(pid: int) -> str:
    """Start time of a process in clock ticks since boot (proc(5), field 22), '' when there is none such.

    With the pid it names one process for ever; a pid alone is used again.
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return ""
    fields = stat.rpartition(")")[2].split()
    return "" if fields[0] == "Z" else fields[19]


def wait(condition: Any, seconds: float) -> bool:
    """Wait until a condition holds; false when it did not within the time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        with contextlib.suppress(ChildProcessError):  # a child stays a zombie until it is waited for
            os.waitpid(-1, os.WNOHANG)
        time.sleep(0.02)
    return True


def answers(address: str) -> bool:
    """True when an SSH server greets at the address."""
    try:
        with socket.create_connection((address, 22), timeout=1) as link:
            link.settimeout(1)
            return link.recv(4) == b"SSH-"
    except OSError:
        return False


def write_files(root: Path, files: dict[str, dict[str, str]]) -> None:
    """Write the host's identity onto its disk (only before a boot: a running host owns its files)."""
    for name, entry in files.items():
        path = root / name.lstrip("/")
        for folder in reversed([parent for parent in path.parents if root in parent.parents]):
            if not folder.exists():
                folder.mkdir(mode=0o700 if folder.name == ".ssh" else 0o755)
        path.unlink(missing_ok=True)
        with os.fdopen(os.open(path, os.O_CREAT | os.O_WRONLY, int(entry["mode"], 8)), "w") as out:
            out.write(entry["content"])


@contextlib.contextmanager
def alone(lab: str) -> Iterator[None]:
    """One change of one lab at a time on this machine."""
    with Path(f"/run/lock/breakwater-{lab}.lock").open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise LabError(f"lab {lab!r} is being changed by another run; wait for it to end") from None
        yield


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "lab": {"type": "str", "required": True},
            "state": {"type": "str", "choices": ["present", "absent", "destroyed"], "default": "present"},
            "folder": {"type": "path", "required": True},
            "image": {"type": "path"},
            "subnet": {"type": "str", "required": True},
            "hosts": {"type": "list", "elements": "dict"},
            "files": {"type": "dict", "no_log": True},
            "boot_timeout_seconds": {"type": "int", "default": 60},
        },
        required_if=[("state", "present", ("image", "hosts", "files"))],
        supports_check_mode=True,
    )
    given = module.params
    folder = Path(given["folder"])
    fleet = Fleet(given["lab"], given["subnet"], folder, module.check_mode)
    try:
        with alone(given["lab"]):
            if given["state"] == "absent":
                fleet.absent()
            elif given["state"] == "destroyed":
                fleet.destroy([host["name"] for host in given["hosts"]])
            else:
                hosts = [
                    Host(host["name"], host["address"], fleet.lab, folder, given["files"][host["name"]])
                    for host in given["hosts"]
                ]
                fleet.present(hosts, Path(given["image"]), given["boot_timeout_seconds"])
    except LabError as error:
        module.fail_json(msg=str(error), done=fleet.log)
    module.exit_json(changed=bool(fleet.log), done=fleet.log)


if __name__ == "__main__":
    main()
