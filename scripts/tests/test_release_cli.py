import json
import shutil
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from ops import paths
from ops.release.cli import cli

pytest_plugins = ["tests.release_helpers"]


@pytest.fixture(autouse=True)
def here(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(paths, "ROOT", checkout)
    monkeypatch.setattr(paths, "VAR", checkout / "var")
    monkeypatch.setattr(paths, "RELEASES", checkout / "var/releases")
    return checkout


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, arguments)


def build() -> dict[str, str]:
    result = run("build", "--json")
    assert result.exit_code == 0, result.output
    manifest: dict[str, str] = json.loads(result.stdout)
    return manifest


def test_the_last_word_of_the_last_line_is_the_sha256() -> None:
    manifest = build()
    result = run("build")
    assert result.exit_code == 0
    last = result.stdout.splitlines()[-1].split()
    assert last[1] == manifest["id"]
    assert last[-1] == manifest["sha256"]


def test_list_show_and_verify(here: Path) -> None:
    assert "no releases yet" in run("list").stdout
    first = build()
    (here / "app/trader/metrics.yml").write_text("name: down\n")
    second = build()
    assert [line.split()[0] for line in run("list").stdout.splitlines()] == [second["id"], first["id"]]
    build_again = run("build")
    assert build_again.exit_code == 0
    assert [one["id"] for one in json.loads(run("list", "--json").stdout)] == [second["id"], first["id"]]
    assert json.loads(run("show", first["id"], "--json").stdout) == first
    assert f"sha256: {first['sha256']}" in run("show", first["id"]).stdout
    assert run("verify", first["id"]).stdout.split()[-1] == first["sha256"]


@pytest.mark.parametrize("damage", ["flip", "missing", "manifest", "renamed"])
def test_a_corrupt_release_is_one_line_and_exit_2(here: Path, damage: str) -> None:
    release = build()["id"]
    folder = here / "var/releases" / release
    if damage == "flip":
        data = bytearray((folder / "artifact.tar.zst").read_bytes())
        data[-1] ^= 1
        (folder / "artifact.tar.zst").write_bytes(data)
    elif damage == "missing":
        (folder / "artifact.tar.zst").unlink()
    elif damage == "manifest":
        (folder / "manifest.json").write_text("{")
    else:
        folder.rename(folder.with_name("trader-1.2.3-000000000000"))
        release = "trader-1.2.3-000000000000"
    result = run("verify", release)
    assert result.exit_code == 2
    assert result.stderr.count("\n") == 1
    assert f"release {release} is corrupt" in result.stderr
    if damage != "renamed":
        build()
        assert run("verify", release).exit_code == 0


@pytest.mark.parametrize("release", ["trader-1.2.3-aaaaaaaaaaaa", "../releases", "", "x"])
@pytest.mark.parametrize("command", ["verify", "show"])
def test_an_unknown_release_is_one_line_and_exit_2(release: str, command: str) -> None:
    result = run(command, release)
    assert result.exit_code == 2
    assert result.stderr == f"Error: unknown release {release!r}; ./scripts/release list shows what is here\n"


def test_the_launcher_runs_the_command_it_is_linked_as(tmp_path: Path) -> None:
    root = Path(__file__).parents[2]
    done = subprocess.run([root / "scripts/release", "--help"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "Usage: release" in done.stdout
    copy = tmp_path / "copy"
    (copy / "scripts/ops").mkdir(parents=True)
    (copy / ".venv/bin").mkdir(parents=True)
    shutil.copy(root / "scripts/ops/launch", copy / "scripts/ops/launch")
    (copy / "scripts/some-command").symlink_to("ops/launch")
    for program, text in (("scripts/setup", "echo setup"), (".venv/bin/python", 'echo "$PYTHONPATH" "$@"')):
        (copy / program).write_text(f"#!/bin/sh\n{text}\n")
        (copy / program).chmod(0o755)
    done = subprocess.run(
        [copy / "scripts/some-command", "a b", "c"], capture_output=True, text=True, check=True, cwd="/"
    )
    assert done.stdout == f"setup\n{copy}/scripts -m ops.some_command a b c\n"
