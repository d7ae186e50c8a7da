"""Commands as a person types them: one clear line, exit code 2, and no side effect of a check."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest
import yaml
from click.testing import CliRunner

from tests.trader.support import APP, PROGRAM, settings_of
from trader.cli import main


def trader(*words: object, stdin: str = "", **environment: str) -> "subprocess.CompletedProcess[str]":
    inherited = {key: value for key, value in os.environ.items() if key != "CREDENTIALS_DIRECTORY"}
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, *map(str, words)],
        env=inherited | {"PYTHONPATH": str(APP)} | environment,
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )


def written(folder: Path, **changes: Any) -> Path:
    path = folder / "trader.yml"
    path.write_text(yaml.safe_dump(settings_of(folder, **changes)))
    return path


def credentials(folder: Path) -> dict[str, str]:
    (folder / "venue").write_text(json.dumps({"api_key": "k", "api_secret": "s"}))
    return {"CREDENTIALS_DIRECTORY": str(folder)}


def one_line(done: "subprocess.CompletedProcess[str]") -> str:
    """The only line of an error."""
    assert done.returncode == 2, done
    [line] = done.stderr.splitlines()
    return line


def test_a_valid_file_touches_nothing(tmp_path: Path) -> None:
    path = written(tmp_path, venue={"id": "binance", "ca_file": "/absent/ca.pem"})
    done = trader("validate-config", path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{path}: valid; trader-01 trades BTC/USDT at binance\n"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("command", [["validate-config"], ["run", "--config"]])
def test_a_bad_file_is_one_line(tmp_path: Path, command: list[str]) -> None:
    line = one_line(trader(*command, written(tmp_path, epoch="soon")))
    assert line.startswith(f"Error: {tmp_path}/trader.yml: epoch: ")


def test_no_credentials_is_one_line(tmp_path: Path) -> None:
    assert "$CREDENTIALS_DIRECTORY is not set" in one_line(trader("run", "--config", written(tmp_path)))


def test_an_absent_ca_file_is_one_line(tmp_path: Path) -> None:
    path = written(tmp_path, venue={"id": "binance", "ca_file": "/absent/ca.pem"})
    line = one_line(trader("run", "--config", path, **credentials(tmp_path)))
    assert line == "Error: venue.ca_file: /absent/ca.pem: No such file or directory"


def test_an_absent_journal_folder_is_one_line(tmp_path: Path) -> None:
    path = written(tmp_path, journal={"path": "/absent/journal.sqlite"})
    line = one_line(trader("run", "--config", path, **credentials(tmp_path)))
    assert line.startswith("Error: /absent/journal.sqlite.lock: No such file or directory")


def test_an_address_that_is_not_ours_is_one_line(tmp_path: Path) -> None:
    path = written(tmp_path, http={"host": "192.0.2.1", "port": 9101})
    line = one_line(trader("run", "--config", path, **credentials(tmp_path)))
    assert line.startswith("Error: http: cannot listen on 192.0.2.1:9101: ")


def commands(group: click.Group, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Every command there is, by the words that call it."""
    found: list[tuple[str, ...]] = [path]
    for name, command in group.commands.items():
        inner = (*path, name)
        found += commands(command, inner) if isinstance(command, click.Group) else [inner]
    return found


@pytest.mark.parametrize("words", commands(main), ids=" ".join)
def test_help_teaches_with_an_example(words: tuple[str, ...]) -> None:
    done = CliRunner().invoke(main, [*words, "--help"])
    assert done.exit_code == 0
    assert "Example:" in done.output
    assert f"trader {' '.join(words)}".strip() in done.output.split("Example:")[1]


def test_commands_that_need_no_venue_do_not_load_it(tmp_path: Path) -> None:
    code = (
        "import sys; from click.testing import CliRunner; from trader.cli import main\n"
        "for words in sys.argv[1:]: CliRunner().invoke(main, words.split('|'))\n"
        "print(sorted({'ccxt', 'uvloop', 'aiohttp'} & set(sys.modules)))"
    )
    absent = str(tmp_path / "absent")
    calls = [
        *(f"{name}|--config|{absent}" for name in ("status", "orders", "reconcile", "reload")),
        *(f"journal|{name}|{absent}" for name in ("show", "verify", "rebuild")),
        f"validate-config|{written(tmp_path)}",
        "config-docs",
    ]
    done = subprocess.run(
        [sys.executable, "-c", code, *calls],
        env=os.environ | {"PYTHONPATH": str(APP)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "[]\n"


def test_a_kill_begins_with_few_imports(tmp_path: Path) -> None:
    code = (
        "import sys; from click.testing import CliRunner; from trader.cli import main\n"
        "words = ['kill', '--config', sys.argv[1], '--by', 'ann', '--reason', ' ']\n"
        "assert CliRunner().invoke(main, words).exit_code == 2\n"
        "import trader.service.control_client\n"
        "print(sorted({'asyncio', 'pydantic', 'apsw', 'orjson', 'prometheus_client'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(written(tmp_path))],
        env=os.environ | {"PYTHONPATH": str(APP)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "[]\n", "each costs a core's time on every host of a fleet that is to stop now"
