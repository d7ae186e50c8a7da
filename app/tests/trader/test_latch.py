"""One way, whatever happens to the file, the disk, or the process."""

import json
import multiprocessing
import os
import subprocess
import sys
import time
from collections.abc import Callable
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

import pytest

from tests.trader.support import APP
from trader.kill_switch import Latch, LatchError, LatchState, ProvenFlat, files, latch

FULL = OSError(28, "No space left on device")


def flat(open_orders: int = 0, age: float = 0.0) -> ProvenFlat:
    return ProvenFlat(open_orders, time.monotonic() - age)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / latch.FILE_NAME


@pytest.fixture
def armed(path: Path) -> Latch:
    return Latch.load(path, has_traded=False)


def again(path: Path, has_traded: bool = True) -> Latch:
    """The same file, after a restart."""
    return Latch.load(path, has_traded)


def test_a_new_host_is_armed_and_stays_so(path: Path) -> None:
    assert Latch.load(path, has_traded=False).status.state is LatchState.ARMED
    assert again(path).status.state is LatchState.ARMED
    assert path.stat().st_mode & 0o777 == 0o640


def test_a_trip_lasts_and_the_first_reason_counts(armed: Latch, path: Path) -> None:
    first = armed.trip("service", "down\n200 USD", "pnl")
    assert armed.trip("somebody", "later", "manual") == first
    assert (first.by, first.reason, first.trigger) == ("service", "down 200 USD", "pnl")
    for _ in range(2):
        assert again(path).status == first
    assert again(path).trip("x", "y", "z") == first


def test_a_missing_file_is_a_trip_on_a_host_that_has_traded(path: Path) -> None:
    status = again(path).status
    assert status.tripped
    assert status.reason == f"{path} is missing"
    assert json.loads(path.read_text())["state"] == "tripped"


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"state": "open"}', "\x00" * 64])
@pytest.mark.parametrize("has_traded", [True, False])
def test_a_corrupt_file_is_a_trip_and_is_kept(path: Path, content: str, has_traded: bool) -> None:
    path.write_text(content)
    assert latch.read(path).tripped
    status = again(path, has_traded).status
    assert (status.tripped, status.reason) == (True, f"{path} is corrupt")
    [kept] = path.parent.glob("*.corrupt-*")
    assert kept.read_text() == content
    assert json.loads(path.read_text())["reason"] == status.reason


def test_what_another_process_did_is_seen_at_once(armed: Latch, path: Path) -> None:
    assert not armed.tripped
    other = again(path).trip("panic", "by hand", "manual")
    assert armed.status == other


@pytest.mark.parametrize("harm", [Path.unlink, lambda path: path.write_text("{")])
def test_harm_to_the_file_is_a_trip_at_once(armed: Latch, path: Path, harm: Callable[[Path], object]) -> None:
    harm(path)
    assert armed.tripped


def test_a_file_that_says_armed_again_does_not_lower_it(armed: Latch, path: Path) -> None:
    before = path.read_bytes()
    armed.trip("service", "x", "pnl")
    path.write_bytes(before)  # an old backup
    assert armed.tripped
    armed.trip("service", "again", "pnl")
    assert again(path).status.reason == "x"


def test_rearming_needs_proof_a_name_and_a_reason(armed: Latch, path: Path) -> None:
    armed.trip("service", "x", "pnl")
    for by, reason, proof, message in (
        ("ann", "fixed", flat(3), "3 orders are open at the venue"),
        ("ann", "fixed", flat(age=60), "too long ago"),
        ("ann", "fixed", flat(age=-60), "too long ago"),
        (" ", "fixed", flat(), "name and a reason"),
        ("ann", "", flat(), "name and a reason"),
    ):
        with pytest.raises(LatchError, match=message):
            armed.rearm(by, reason, proof)
        assert armed.tripped
        assert again(path).tripped
    status = armed.rearm("ann", "limits corrected", flat())
    assert (status.state, status.by, status.trigger) == (LatchState.ARMED, "ann", "")
    assert again(path).status == status
    assert [entry["state"] for entry in armed.history] == ["armed", "tripped", "armed"]
    assert armed.history[1]["reason"] == "x"


def test_the_history_is_bounded(armed: Latch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(latch, "HISTORY", 4)
    for number in range(3):
        armed.trip("service", str(number), "pnl")
        armed.rearm("ann", str(number), flat())
    assert [entry["reason"] for entry in armed.history] == ["1", "1", "2", "2"]


class Crash(BaseException):
    """The process is gone at this point."""


STEPS = ["os.open", "os.fchmod", "os.write", "os.fsync", "pathlib.Path.rename", "files._sync_folder"]


def fail(monkeypatch: pytest.MonkeyPatch, step: str, error: BaseException, only_first: bool = False) -> None:
    """Let one step of the file work fail."""
    owner, name = step.rsplit(".", 1)
    target = {"os": os, "pathlib.Path": Path, "files": files}[owner]
    real, calls = getattr(target, name), []

    def failing(*args: Any, **kwargs: Any) -> Any:
        if name == "open" and str(args[0]).endswith(".lock"):
            return real(*args, **kwargs)
        calls.append(args)
        if only_first and len(calls) > 1:
            return real(*args, **kwargs)
        raise error

    monkeypatch.setattr(target, name, failing)


@pytest.mark.parametrize("step", STEPS)
def test_a_crash_at_any_step_of_a_rearm_leaves_a_whole_file(
    armed: Latch, path: Path, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    armed.trip("service", "x", "pnl")
    with monkeypatch.context() as patch:
        fail(patch, step, Crash())
        with pytest.raises(Crash):
            armed.rearm("ann", "fixed", flat())
    assert armed.tripped
    after = again(path).status
    assert (after.reason, after.doubtful) in (("x", False), ("fixed", False))
    if step != "files._sync_folder":
        assert after.tripped
    assert not list(path.parent.glob("*.corrupt-*"))


@pytest.mark.parametrize("step", STEPS)
def test_a_disk_error_at_any_step_trips_all_the_same(
    armed: Latch, path: Path, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        fail(patch, step, FULL, only_first=True)
        with pytest.raises(LatchError, match="No space left on device; the latch is tripped"):
            armed.trip("service", "x", "pnl")
    assert armed.tripped
    assert again(path).status.reason == "x", "also after a restart"


def test_a_disk_that_takes_nothing_is_said(armed: Latch, monkeypatch: pytest.MonkeyPatch) -> None:
    fail(monkeypatch, "os.write", FULL)
    with pytest.raises(LatchError, match="tripped in this process only"):
        armed.trip("service", "x", "pnl")
    assert armed.tripped


@pytest.mark.parametrize("step", STEPS)
def test_a_disk_error_never_arms(
    armed: Latch, path: Path, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    armed.trip("service", "x", "pnl")
    with monkeypatch.context() as patch:
        fail(patch, step, FULL, only_first=True)
        with pytest.raises(LatchError, match="the latch is tripped"):
            armed.rearm("ann", "fixed", flat())
    assert armed.tripped
    assert again(path).tripped


def _trip(path: Path, name: str, start: Barrier) -> None:
    own = Latch.load(path, has_traded=True)
    start.wait()
    own.trip(name, name, "manual")


def test_two_processes_trip_at_once_and_one_reason_stands(armed: Latch, path: Path) -> None:
    context = multiprocessing.get_context("fork")
    start = context.Barrier(2)
    processes = [context.Process(target=_trip, args=(path, name, start)) for name in ("a", "b")]
    for process in processes:
        process.start()
    for process in processes:
        process.join(20)
        assert process.exitcode == 0
    assert armed.status.by in ("a", "b")
    assert [entry["by"] for entry in armed.history] == ["trader", armed.status.by]


def test_a_lock_that_hangs_stops_a_rearm_but_no_trip(
    armed: Latch, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "LOCK_SECONDS", 0.02)
    with files.locked(path, required=True):
        armed.trip("service", "x", "pnl")
        assert again(path).tripped
        with pytest.raises(LatchError, match="another process is changing it"):
            armed.rearm("ann", "fixed", flat())
    assert armed.tripped


def test_the_metric_is_there_with_the_service_dead(path: Path, tmp_path: Path) -> None:
    own = Latch.load(path, False, textfiles=tmp_path)
    metric = tmp_path / latch.METRIC_FILE
    assert "trader_latch_tripped 0\n" in metric.read_text()
    own.trip("service", "x", "pnl")
    assert "trader_latch_tripped 1\n" in metric.read_text()
    assert f"trader_latch_changed_timestamp_seconds {own.status.at_ns / 1e9:.3f}\n" in metric.read_text()
    assert metric.stat().st_mode & 0o777 == 0o644
    metric.unlink()
    Latch.load(path, True, textfiles=tmp_path)
    assert "trader_latch_tripped 1\n" in metric.read_text(), "told again at every start"
    own.rearm("ann", "fixed", flat())
    assert "trader_latch_tripped 0\n" in metric.read_text()


def test_a_metric_that_cannot_be_written_hides_no_trip(path: Path, tmp_path: Path) -> None:
    folder = tmp_path / "textfiles"
    folder.mkdir()
    own = Latch.load(path, False, textfiles=folder)
    (folder / latch.METRIC_FILE).unlink()
    folder.rmdir()
    with pytest.raises(LatchError, match="the latch is tripped, its metric is not"):
        own.trip("service", "x", "pnl")
    assert own.tripped
    assert again(path).tripped


def test_it_needs_the_standard_library_only() -> None:
    """`trader panic` starts with it, and must start at once."""
    code = "import sys; import trader.kill_switch; print(*sorted({m.split('.')[0] for m in sys.modules}))"
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", f"import sys; sys.path.insert(0, {str(APP)!r}); {code}"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert not {"asyncio", "ccxt", "pydantic", "orjson", "apsw", "yaml"} & set(done.stdout.split())
