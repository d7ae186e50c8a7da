"""The escrow, with the real age: what opens, and what does not."""

from __future__ import annotations

import base64
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from ops import paths
from ops.restore.cli import cli

KEYS = {name: {"api_key": f"{name}-key", "api_secret": f"{name}-secret"} for name in ("venue", "panic")}


@pytest.fixture
def identity(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(paths, "EVIDENCE", tmp_path / "evidence")
    subprocess.run(["age-keygen", "-o", tmp_path / "key"], check=True, capture_output=True)
    return tmp_path / "key"


def sealed(identity: Path, content: Any) -> str:
    public = subprocess.run(["age-keygen", "-y", identity], check=True, capture_output=True, text=True).stdout
    words = ["age", "--encrypt", "--recipient", public.strip()]
    done = subprocess.run(words, input=json.dumps(content).encode(), check=True, capture_output=True)
    return base64.b64encode(done.stdout).decode()


def judged(identity: Path, escrow: str, expected: Any = KEYS) -> Result:
    words = ["escrow", "--inventory", "desk", "--host", "trader-01", "--identity", str(identity)]
    given = json.dumps({"escrow": escrow, "expected": expected})
    return CliRunner().invoke(cli, [*words, "--began", "2026-11-28T12:00:00Z"], input=given)


def test_one_that_opens_passes(identity: Path) -> None:
    done = judged(identity, sealed(identity, KEYS))
    assert done.exit_code == 0, done.output
    assert "holds the keys in force" in done.output
    assert "secret" not in done.output


def test_other_keys_turn_it_red(identity: Path) -> None:
    done = judged(identity, sealed(identity, KEYS | {"venue": {"api_key": "old", "api_secret": "old"}}))
    assert done.exit_code == 1
    assert "another key than the one in force: venue" in done.output
    assert "secret" not in done.output


def test_the_wrong_key_turns_it_red(identity: Path, tmp_path: Path) -> None:
    subprocess.run(["age-keygen", "-o", tmp_path / "other"], check=True, capture_output=True)
    done = judged(tmp_path / "other", sealed(identity, KEYS))
    assert done.exit_code == 1
    assert "it cannot be opened" in done.output


def test_nothing_in_it_turns_it_red(identity: Path) -> None:
    assert judged(identity, sealed(identity, {})).exit_code == 1
    assert judged(identity, base64.b64encode(b"no age file").decode()).exit_code == 1
