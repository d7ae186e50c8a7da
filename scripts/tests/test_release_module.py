"""The Ansible module `release`: what is on a host is whole, known and never the wrong one."""

import hashlib
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.ansible_modules import load

IDS = [f"trader-0.1.{number}-{number:012x}" for number in range(8)]


MODULE = load("release")


def releases(home: Path, check_mode: bool = False) -> Any:
    return MODULE.Releases(home, check_mode)


def artifact(folder: Path, name: str) -> tuple[Path, str]:
    content = folder / "content" / name
    (content / "bin").mkdir(parents=True)
    (content / "bin" / "trader").write_text(name)
    path = folder / f"{name}.tar.zst"
    subprocess.run(
        ["tar", "--create", "--zstd", f"--file={path}", f"--directory={content}", "bin"], check=True
    )
    return path, hashlib.sha256(path.read_bytes()).hexdigest()


def install(home: Path, release: str) -> str:
    path, sha256 = artifact(home.parent / f"artifacts-{release}", release)
    assert releases(home).install(release, sha256, "0.1.0", path)
    assert not path.exists(), "an artifact is not left lying"
    return sha256


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "trader"
    folder.mkdir()
    return folder


def test_an_installed_release_says_what_it_is(home: Path) -> None:
    sha256 = install(home, IDS[0])
    revision = json.loads((home / "releases" / IDS[0] / "REVISION").read_text())
    assert revision == {"app": "trader", "id": IDS[0], "sha256": sha256, "version": "0.1.0"}
    assert (home / "releases" / IDS[0] / "bin" / "trader").read_text() == IDS[0]
    assert not releases(home).install(IDS[0], sha256, "0.1.0", Path("/nonexistent")), (
        "a second time is no change"
    )


def test_altered_bytes_are_refused_and_leave_nothing(home: Path, tmp_path: Path) -> None:
    path, sha256 = artifact(tmp_path / "artifacts", IDS[0])
    path.write_bytes(path.read_bytes() + b"x")
    with pytest.raises(MODULE.ReleaseError, match="as released"):
        releases(home).install(IDS[0], sha256, "0.1.0", path)
    assert list((home / "releases").glob("*")) == []


def test_one_id_never_means_two_contents(home: Path) -> None:
    install(home, IDS[0])
    with pytest.raises(MODULE.ReleaseError, match="other bytes"):
        releases(home).install(IDS[0], "0" * 64, "0.1.0", Path("/nonexistent"))


def test_what_an_interruption_left_is_no_release(home: Path) -> None:
    (home / "releases" / f".{IDS[0]}.part" / "bin").mkdir(parents=True)
    with pytest.raises(MODULE.ReleaseError, match="is not installed"):
        releases(home).activate(IDS[0], None)
    install(home, IDS[0])
    assert releases(home).activate(IDS[0], None)


def test_previous_is_where_a_rollback_goes(home: Path) -> None:
    for release in IDS[:3]:
        install(home, release)
        assert releases(home).activate(release, None)
    assert releases(home).target("current") == IDS[2]
    assert releases(home).target("previous") == IDS[1]
    assert not releases(home).activate(IDS[2], None), "a second time is no change and keeps previous"
    assert releases(home).target("previous") == IDS[1]
    releases(home).activate(IDS[1], None)
    assert (releases(home).target("current"), releases(home).target("previous")) == (IDS[1], IDS[2])


def test_a_release_that_was_turned_back_is_never_where_a_rollback_goes(home: Path) -> None:
    for release in IDS[:3]:
        install(home, release)
        releases(home).activate(release, None)
    assert releases(home).activate(IDS[1], None, back=True)
    assert (releases(home).target("current"), releases(home).target("previous")) == (IDS[1], None)
    assert not releases(home).activate(IDS[1], None, back=True), "a second time is no change"


def test_pruning_never_takes_current_or_previous(home: Path) -> None:
    for age, release in enumerate(IDS):
        install(home, release)
        os.utime(home / "releases" / release / "REVISION", (age, age))
    releases(home).activate(IDS[0], None)
    releases(home).activate(IDS[1], None)  # the oldest two are current and previous
    assert releases(home).prune(2) == [IDS[5], IDS[4], IDS[3], IDS[2]]
    left = sorted(path.name for path in (home / "releases").iterdir())
    assert left == [IDS[0], IDS[1], IDS[6], IDS[7]]


def test_a_dry_run_changes_nothing(home: Path, tmp_path: Path) -> None:
    path, sha256 = artifact(tmp_path / "artifacts", IDS[0])
    assert releases(home, check_mode=True).install(IDS[0], sha256, "0.1.0", path)
    assert releases(home, check_mode=True).activate(IDS[0], None)
    assert list(home.iterdir()) == []
    assert path.exists()


# --- fencing: a controller that was overtaken changes nothing ---------------------------------------------


def test_a_host_obeys_the_largest_token_that_it_was_told(home: Path) -> None:
    assert releases(home).told() == 0
    assert releases(home).tell(7)
    assert not releases(home).tell(7), "a second time is no change"
    assert releases(home).tell(9)
    with pytest.raises(MODULE.ReleaseError, match="obeys a later rollout"):
        releases(home).tell(8)
    assert (home / "fence").read_text() == "9\n"
    assert releases(home, check_mode=True).tell(10)
    assert releases(home).told() == 9


@pytest.mark.parametrize("token", [6, 8])
def test_a_change_needs_the_hosts_own_token(home: Path, token: int) -> None:
    install(home, IDS[0])
    releases(home).tell(7)
    refusal = rf"obeys token 7, this rollout has {token}: overtaken"
    with pytest.raises(MODULE.ReleaseError, match=refusal):
        releases(home).activate(IDS[0], None, token=token)
    with pytest.raises(MODULE.ReleaseError, match=refusal):
        releases(home).restart("trader", token)
    assert releases(home).target("current") is None
    assert releases(home).activate(IDS[0], None, token=7)


def test_a_unit_that_runs_the_release_already_is_not_restarted(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(home, IDS[0])
    releases(home).activate(IDS[0], None)
    called: list[tuple[str, ...]] = []
    monkeypatch.setattr(MODULE, "systemctl", lambda *words: called.append(words))
    monkeypatch.setattr(MODULE.Releases, "runs", lambda self, release, unit: True)
    assert not releases(home).activate(IDS[0], "trader")
    assert called == []
    # Stopped by whatever cut off the first attempt: it is started.
    monkeypatch.setattr(MODULE.Releases, "runs", lambda self, release, unit: False)
    assert releases(home).activate(IDS[0], "trader")
    assert [words[0] for words in called] == ["stop", "reset-failed", "start"]
