"""Commands as a person types them: one clear line, exit code 2, and no side effect of a check."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.trader.support import APP, PROGRAM, settings_of


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
