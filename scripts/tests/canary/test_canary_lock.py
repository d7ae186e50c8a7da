import contextlib
import json
import os
import subprocess
import threading
from pathlib import Path

import pytest

from ops.canary import lock
from ops.errors import OperatorError


def acquire(folder: Path, pid: int, rollout: str = "r1") -> lock.Owner:
    return lock.acquire(folder, rollout=rollout, release="trader-1-a", pid=pid, since="2026-01-01T00:00:00Z")


def dead_pid() -> int:
    process = subprocess.Popen(["true"])
    process.wait()
    return process.pid


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "lab"


def test_the_second_rollout_is_told_who_holds_it_and_since_when(folder: Path) -> None:
    owner = acquire(folder, os.getpid())
    with pytest.raises(OperatorError) as caught:
        acquire(folder, os.getpid(), "r2")
    message = caught.value.message
    assert f"held by {owner.who}@{owner.host} (pid {os.getpid()}) since 2026-01-01T00:00:00Z" in message
    assert "r1 of trader-1-a" in message
    assert caught.value.exit_code == 2
    assert lock.read(folder) == owner
    assert sorted(path.name for path in folder.iterdir()) == ["last_token", "lock"]


def test_another_inventory_is_free(folder: Path) -> None:
    acquire(folder, os.getpid())
    acquire(folder.with_name("testnet"), os.getpid())


def test_only_the_holder_gives_it_up(folder: Path) -> None:
    acquire(folder, os.getpid())
    assert not lock.release_lock(folder, "r2")
    assert lock.release_lock(folder, "r1")
    assert not lock.release_lock(folder, "r1")
    acquire(folder, os.getpid(), "r2")


def test_a_dead_controller_is_reported_and_its_lock_can_be_cleared(folder: Path) -> None:
    with subprocess.Popen(["sleep", "60"]) as controller:
        acquire(folder, controller.pid)
        with pytest.raises(OperatorError, match="still runs, held by"):
            lock.clear(folder)
        controller.kill()
    with pytest.raises(OperatorError, match=r"was abandoned.*\./scripts/canary unlock --inventory lab"):
        acquire(folder, os.getpid(), "r2")
    cleared = lock.clear(folder)
    assert cleared is not None
    assert cleared.rollout == "r1"
    assert lock.clear(folder) is None
    acquire(folder, os.getpid(), "r2")


def test_a_later_process_of_the_same_pid_is_not_the_controller(folder: Path) -> None:
    acquire(folder, os.getpid())
    data = json.loads((folder / "lock").read_text())
    data["process"] = data["process"].rpartition("/")[0] + "/1"
    (folder / "lock").write_text(json.dumps(data))
    with pytest.raises(OperatorError, match="was abandoned"):
        acquire(folder, os.getpid(), "r2")


def test_a_controller_on_another_machine_counts_as_alive(folder: Path) -> None:
    acquire(folder, os.getpid())
    data = json.loads((folder / "lock").read_text()) | {"host": "elsewhere", "pid": dead_pid()}
    (folder / "lock").write_text(json.dumps(data))
    with pytest.raises(OperatorError, match="is running"):
        acquire(folder, os.getpid(), "r2")
    with pytest.raises(OperatorError, match="still runs"):
        lock.clear(folder)


def test_a_zombie_is_dead() -> None:
    with subprocess.Popen(["sleep", "60"]) as process:
        assert lock.process_identity(process.pid) is not None
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert lock.process_identity(process.pid) is None


def test_the_owner_must_run(folder: Path) -> None:
    pid = dead_pid()
    with pytest.raises(OperatorError, match=f"--owner-pid: no process {pid} runs here"):
        acquire(folder, pid)
    assert not folder.exists()


def test_a_damaged_lock_is_one_line(folder: Path) -> None:
    folder.mkdir()
    (folder / "lock").write_text("{")
    with pytest.raises(OperatorError, match="lock cannot be read"):
        acquire(folder, os.getpid())


def test_of_many_at_once_one_gets_it(folder: Path) -> None:
    won: list[str] = []

    def run(name: str) -> None:
        with contextlib.suppress(OperatorError):
            won.append(acquire(folder, os.getpid(), name).rollout)

    threads = [threading.Thread(target=run, args=(f"r{number}",)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    owner = lock.read(folder)
    assert owner is not None
    assert won == [owner.rollout]


def test_each_holder_has_a_larger_token_even_when_the_clock_goes_back(folder: Path) -> None:
    first = acquire(folder, os.getpid())
    lock.release_lock(folder, "r1")
    (folder / "last_token").write_text(f"{first.token + 10**9}\n")
    assert acquire(folder, os.getpid(), "r2").token == first.token + 10**9 + 1


def test_only_the_lock_of_a_dead_controller_is_taken_over(folder: Path) -> None:
    def take(rollout: str, pid: int) -> lock.Owner:
        return lock.take_over(folder, rollout=rollout, release="trader-1-a", pid=pid, since="now")

    with subprocess.Popen(["sleep", "60"]) as controller:
        before = acquire(folder, controller.pid)
        with pytest.raises(OperatorError, match="r1 is still run by"):
            take("r1", os.getpid())
        controller.kill()
    with pytest.raises(OperatorError, match=r"r1 was abandoned"):
        take("r2", os.getpid())
    after = take("r1", os.getpid())
    assert after.token > before.token
    assert lock.require(folder, "r1", os.getpid()) == after
    with pytest.raises(OperatorError, match="must not act any more"):
        lock.require(folder, "r1", before.pid)
    with pytest.raises(OperatorError, match="does not hold the lock"):
        lock.require(folder, "r2", None)


def test_a_drill_keeps_rollouts_out_while_it_runs_and_leaves_nothing(folder: Path) -> None:
    with subprocess.Popen(["sleep", "60"]) as drill:
        acquire(folder, drill.pid, "drill-1")
        with pytest.raises(OperatorError, match="a drill of lab is running"):
            acquire(folder, os.getpid(), "r1")
        drill.kill()
    assert acquire(folder, os.getpid(), "r1").rollout == "r1"
