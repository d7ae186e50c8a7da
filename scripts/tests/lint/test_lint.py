"""The checkers over the whole tree; each prints its own findings when it fails."""

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
BIN = ROOT / ".venv" / "bin"

pytestmark = pytest.mark.lint


def check(*argv: str) -> None:
    """Run a checker from the project's folder; its output is the failure's text."""
    environment = os.environ | {"PATH": f"{BIN}:{os.environ['PATH']}", "NO_COLOR": "1"}
    done = subprocess.run(argv, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(argv)}\n{done.stdout}{done.stderr}"


def test_ruff_finds_nothing() -> None:
    check("ruff", "check")


def test_ruff_would_change_no_layout() -> None:
    check("ruff", "format", "--check")


def test_mypy_strict() -> None:
    check("mypy", "app", "scripts")


def test_yamllint() -> None:
    check("yamllint", "--strict", ".")


def test_ansible_lint_production_profile() -> None:
    check("ansible-lint", "--strict")


def test_shell_scripts_parse() -> None:
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)
    files = [ROOT / name for name in tracked.stdout.splitlines() if (ROOT / name).is_file()]
    shells = [path for path in files if path.read_bytes().startswith((b"#!/bin/bash", b"#!/bin/sh"))]
    assert len(shells) >= 5
    for path in shells:
        check("bash", "-n", str(path))
