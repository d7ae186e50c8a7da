"""The lab comes up, survives what happens to machines, and leaves nothing behind. Real hosts."""

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from ops import paths
from ops.fleet import Fleet
from ops.run import Done, run

pytestmark = pytest.mark.molecule

SMALL = ["-e", "lab_trader_count=1", "-e", '{"lab_service_hosts": []}']


def playbook(name: str, *words: str, expect: tuple[int, ...] = (0,)) -> Done:
    argv = ["ansible-playbook", "playbooks/lab.yml", *words]
    log = paths.VAR / "tests" / f"lab_{name}.log"
    return run(argv, environment={"BREAKWATER_LAB": name}, log=log, expect=expect)


def up(name: str) -> Done:
    return playbook(name, *SMALL)


def down(name: str) -> Done:
    return playbook(name, "-e", "lab_state=absent")


def changed(done: Done) -> int:
    recap = next(line for line in reversed(done.lines) if "changed=" in line)
    return int(recap.split("changed=")[1].split()[0])


def output(*argv: str) -> str:
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout


def traces(name: str) -> list[str]:
    """Everything on this machine that carries the lab's name."""
    found = [f"namespace {line}" for line in output("ip", "netns", "list").splitlines()]
    found += [f"link {entry.name}" for entry in Path("/sys/class/net").iterdir()]
    found += [f"mount {line.split()[4]}" for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    found += [f"nspawn {path}" for path in Path("/run/systemd/nspawn").glob("*/*")]
    found += [
        f"control group {path}" for path in Path("/sys/fs/cgroup").rglob(f"bw-{name}-*") if path.is_dir()
    ]
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.append(f"process {path.parent.name} {path.read_bytes().replace(bytes(1), b' ').decode()}")
        except OSError:
            continue  # it ended meanwhile
    marks = (f"bw-{name}", f"/var/lab/{name}/")
    return [line for line in found if any(mark in line for mark in marks) and "pytest" not in line]


def address(name: str) -> str:
    lab = json.loads((paths.VAR / "lab" / name / "lab.json").read_text())
    return str(lab["hosts"][0]["address"])


def answers(name: str) -> bool:
    """Whether the host can be logged in to, with its key known beforehand."""
    environment = os.environ | {
        "BREAKWATER_LAB": name,
        "PATH": f"{paths.ROOT}/.venv/bin:{os.environ['PATH']}",
    }
    argv = ["ansible", "trader-01", "-m", "ping"]
    done = subprocess.run(argv, cwd=paths.ROOT, env=environment, capture_output=True, text=True, check=False)
    return done.returncode == 0 and "pong" in done.stdout


def runner(name: str) -> int:
    record = paths.VAR / "lab" / name / "hosts" / "trader-01" / "runner"
    return int(record.read_text().split()[0])


@pytest.fixture
def lab() -> Iterator[str]:
    down("tlab")
    up("tlab")
    yield "tlab"
    down("tlab")


def test_a_second_up_changes_nothing_and_down_leaves_nothing(lab: str) -> None:
    assert answers(lab)
    subnet = address(lab).rpartition(".")[0]
    assert traces(lab), "the test looks in the right places"
    assert changed(up(lab)) == 0
    down(lab)
    assert traces(lab) == []
    assert output("ip", "route", "show", "root", f"{subnet}.0/24") == ""
    assert not (paths.VAR / "lab" / lab).exists()
    assert changed(down(lab)) == 0


def test_a_lab_half_gone_comes_up_again_with_its_disks(lab: str) -> None:
    disk = paths.VAR / "lab" / lab / "hosts" / "trader-01" / "merged"
    (disk / "root" / "kept").write_text("before")
    os.killpg(runner(lab), signal.SIGKILL)  # as a crash of the machine: no shutdown, mount and namespace stay
    subprocess.run(["ip", "link", "del", f"bw-{lab}"], check=True)
    assert changed(up(lab)) > 0
    assert answers(lab)
    assert (disk / "root" / "kept").read_text() == "before"
    assert changed(up(lab)) == 0


def test_a_dead_host_stays_in_the_inventory_while_others_run(lab: str) -> None:
    playbook(lab, "-e", "lab_trader_count=2", "-e", '{"lab_service_hosts": []}')
    for pid in output("ip", "netns", "pids", f"bw-{lab}-trader-01").split():
        os.kill(int(pid), signal.SIGKILL)
    listed = run(["inventories/lab/lab.py"], environment={"BREAKWATER_LAB": lab})
    assert json.loads("\n".join(listed.lines))["trader"]["hosts"] == ["trader-01", "trader-02"]
    assert not answers(lab)


def test_no_host_shares_a_control_group_with_another(lab: str) -> None:
    playbook(lab, "-e", "lab_trader_count=2", "-e", '{"lab_service_hosts": []}')
    groups: list[set[str]] = []
    for host in ("trader-01", "trader-02"):
        pids = output("ip", "netns", "pids", f"bw-{lab}-{host}").split()
        lines = {line for pid in pids for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines()}
        groups.append({line for line in lines if line.startswith("0::") or ":name=systemd:" in line})
    assert all(groups)
    assert groups[0].isdisjoint(groups[1]), "each host's systemd manages the other's units"


def test_a_bridge_that_is_gone_is_made_again_under_running_hosts(lab: str) -> None:
    subprocess.run(["ip", "link", "del", f"bw-{lab}"], check=True)
    assert not answers(lab)
    before = runner(lab)
    assert changed(up(lab)) > 0
    assert answers(lab)
    assert runner(lab) == before, "the host went on running"


def test_a_host_that_reboots_comes_back(lab: str) -> None:
    environment = {"BREAKWATER_LAB": lab}

    def booted_at() -> str:
        show = "systemctl show --property=UserspaceTimestampMonotonic --value"
        return run(["ansible", "trader-01", "-a", show], environment=environment).lines[-1]

    before = booted_at()
    run(["ansible", "trader-01", "-a", "systemctl reboot"], environment=environment, expect=None)
    wait = ["ansible", "trader-01", "-m", "wait_for_connection", "-a", "timeout=60 delay=2"]
    run(wait, environment=environment)
    assert booted_at() != before


def test_two_labs_run_at_once(lab: str) -> None:
    try:
        up("tlab2")
        assert address("tlab2") != address(lab)
        assert answers(lab)
        assert answers("tlab2")
    finally:
        down("tlab2")
    assert traces("tlab2") == []
    assert answers(lab)


def test_a_host_with_another_key_is_refused(lab: str) -> None:
    known = paths.VAR / "lab" / lab / "known_hosts"
    foreign = paths.VAR / "lab" / lab / "secrets" / "id_ed25519.pub"
    known.write_text(f"{address(lab)} {foreign.read_text()}")
    assert not answers(lab)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["-e", "lab_name=Not_A_Name"], "must be 1 to 8 characters"),
        (["-e", "lab_trader_count=0"], "between 1 and 99"),
    ],
)
def test_a_bad_name_or_size_is_one_line_and_no_change(words: list[str], message: str) -> None:
    done = playbook("tbad", *words, expect=(2,))
    assert message in done.last_words
    assert traces("tbad") == []
    assert not (paths.VAR / "lab" / "tbad").exists()


def test_a_root_that_does_not_own_the_machine_is_refused() -> None:
    argv = ["unshare", "--user", "--map-root-user", "ansible-playbook", "playbooks/lab.yml"]
    done = run(argv, environment={"BREAKWATER_LAB": "tuser"}, expect=(2,))
    assert "The lab needs root and network namespaces" in done.last_words
    assert not (paths.VAR / "lab" / "tuser").exists()


@pytest.mark.parametrize("name", ["site.yml", "canary.yml", "rollback.yml"])
def test_a_lab_that_is_down_is_said_so(name: str) -> None:
    fleet = Fleet("tdown", paths.VAR / "tests")
    done = fleet.playbook(f"down {name}", f"playbooks/{name}", "-e", "target=trader", expect=(2,))
    assert "lab 'tdown' is down; start it with: ansible-playbook playbooks/lab.yml" in done.last_words
