"""./scripts/kill as a person types it, at hosts that are stand-ins."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from ops.kill import cli, kit
from tests.kill_helpers import stand_in, write_kit

NAMES = ["trader-01", "trader-02"]


@pytest.fixture(autouse=True)
def fleet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A kit whose ssh is a stand-in; a host's address is the file of its behaviour."""
    monkeypatch.setattr(kit, "_SSH", stand_in(tmp_path, "unused")[:-1])
    monkeypatch.setattr(kit, "KITS", tmp_path / "kill")
    monkeypatch.setenv("BREAKWATER_LAB", "test")
    behaviour(tmp_path)
    addresses = {name: {"address": str(tmp_path / f"{name}.json"), "recovery": {}} for name in NAMES}
    return write_kit(tmp_path, NAMES, addresses)


def behaviour(folder: Path, **hosts: dict[str, Any]) -> None:
    for name in NAMES:
        stand_in(folder, name, **hosts.get(name.replace("-", "_"), {}))


def run(*arguments: str) -> Result:
    result = CliRunner().invoke(cli.main, arguments, prog_name="kill")
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def test_a_fleet_that_stops_is_success() -> None:
    result = run("--reason", "drill", "--by", "ann")
    assert result.exit_code == 0, result.output
    assert "2 hosts stopped\n" in result.stdout
    assert result.stdout.splitlines()[1].split()[:5] == ["trader-01", "tripped", "3", "0", "host"]


def test_one_host_that_does_not_is_a_failure(tmp_path: Path) -> None:
    behaviour(tmp_path, trader_02={"say": [], "complain": "ssh: no route", "status": 255})
    result = run("--reason", "drill")
    assert result.exit_code == 1
    assert "1 host stopped, 1 NOT" in result.stdout
    assert "ssh: no route" in result.stdout
    assert "trader-02: failed (ssh: no route)" in result.stderr


def test_json_is_one_object(tmp_path: Path) -> None:
    behaviour(tmp_path, trader_01={"status": 3})
    result = run("--reason", "drill", "--json")
    answer = json.loads(result.stdout)
    assert answer["stopped"] is False
    assert [host["stopped"] for host in answer["hosts"]] == [False, True]
    assert result.exit_code == 1


def test_a_host_that_is_missing_is_never_success(fleet: Path) -> None:
    (fleet / "trader-02.json").unlink()
    result = run("--reason", "drill")
    assert result.exit_code == 1
    assert "warning: trader-02: is in the inventory" in result.stderr


@pytest.mark.parametrize("arguments", [(), ("--reason", "  "), ("--reason", "x", "--by", " ")])
def test_it_begins_only_with_a_reason_and_a_name(arguments: tuple[str, ...], tmp_path: Path) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert "--reason" in result.stderr
    assert not list(tmp_path.glob("*.called")), "a host was gone to"


def test_a_dry_run_touches_nothing(tmp_path: Path) -> None:
    result = run("--dry-run", "--host", "trader-02")
    assert result.exit_code == 0
    assert [line.split()[0] for line in result.stdout.splitlines()] == ["host", "trader-02"]
    assert "NO" in result.stdout, "without a recovery key"
    assert json.loads(run("--dry-run", "--json").stdout)["fleet"] == "lab-test"
    assert not list(tmp_path.glob("*.called"))


def test_two_ways_that_exclude_each_other() -> None:
    assert run("--reason", "x", "--venue-only", "--no-venue").exit_code == 2


def test_the_hot_path_imports_neither_ansible_nor_ccxt() -> None:
    """They cost a second and more, and what is broken may be they."""
    program = "import sys, ops.kill.cli; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    scripts = Path(cli.__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=scripts, capture_output=True, text=True, check=True
    )
    assert not {"ansible", "ccxt", "aiohttp", "yaml", "rich", "jinja2", "trader"} & set(done.stdout.split())
