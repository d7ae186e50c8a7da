"""A trial: this release in shadow beside the live instance, for a while, and how its decisions compare.

The release runs as `trader run` in a process of its own with the live settings, on a journal, a socket and a
port of its own, with no key; nothing private is asked and nothing is sent. Decisions of a strategy with
chance in it never agree order for order, so their number is compared as well: a release that has stopped
deciding, or decides twice, shows in that.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import yaml

from trader.journal import JournalError
from trader.service.settings import load_settings
from trader.shadow.diff import Comparison, compare, load_decisions
from trader.venue import address_file

STOP_SECONDS = 15.0
WINDOW_NS = 500_000_000
TOLERANCE_BPS = Decimal(1)
# What a live instance has and its shadow must not: its files, its sockets, its watchers.
_OWN = ("journal", "latch", "http", "control", "dead_man", "sentry")


class TrialError(Exception):
    """The trial could not be run; one line."""


@dataclass(frozen=True, slots=True)
class Trial:
    """What a trial found. `last_words` are the end of the shadow's own log."""

    seconds: float
    comparison: Comparison
    exit_code: int
    last_words: str

    @property
    def ratio(self) -> float | None:
        """Decisions of the shadow as a multiple of the live ones; None when those were none."""
        return None if self.comparison.live == 0 else self.comparison.shadow / self.comparison.live


def shadow_settings(config: Path, folder: Path) -> dict[str, Any]:
    """The live settings, made into those of a shadow that keeps to a folder.

    Raises:
        SettingsError: they are not valid.
    """
    load_settings(config)
    text: dict[str, Any] = yaml.safe_load(config.read_text())
    kept = {key: value for key, value in text.items() if key not in _OWN}
    return kept | {
        "mode": "shadow",
        "trading_state": "active",
        "journal": {"path": str(folder / "journal.sqlite")},
        "http": {"host": "127.0.0.1", "port": 0},
        "control": {"socket": str(folder / "control")},
    }


def run_trial(config: Path, seconds: float) -> Trial:
    """Run this release in shadow and compare.

    Args:
        config: settings of the live instance, which goes on.
        seconds: how long the shadow decides.
    Raises:
        SettingsError: the settings are not valid for this release.
        TrialError: the shadow did not live until the end.
        JournalError: a journal cannot be read.
    """
    live = load_settings(config).journal.path
    with tempfile.TemporaryDirectory(prefix="trader-shadow-") as name:
        folder = Path(name)
        settings = folder / "trader.yml"
        settings.write_text(yaml.safe_dump(shadow_settings(config, folder)))
        # The last good addresses of the venue's names: the shadow must not need what the live one does not.
        if (addresses := live.with_name(address_file.NAME)).is_file():
            shutil.copy(addresses, folder)
        log = folder / "log"
        # systemd must not hear of this one: neither that it is ready nor that it lives.
        environment = {
            key: value for key, value in os.environ.items() if key not in ("NOTIFY_SOCKET", "WATCHDOG_USEC")
        }
        command = [sys.executable, *_interpreter(), "run", "--config", str(settings)]
        with log.open("wb") as out:
            process = subprocess.Popen(command, stdout=out, stderr=out, env=environment)  # noqa: S603 - ourselves
            try:
                began = _first_decision(process, folder / "journal.sqlite", seconds)
                _wait(process, seconds)
            finally:
                died = process.poll()
                if died is None:
                    process.send_signal(signal.SIGTERM)
                    _stop(process)
        words = log.read_text(errors="replace").strip().splitlines()
        last = words[-1][:500] if words else ""
        if died is not None:
            raise TrialError(f"the shadow ended by itself with status {died}: {last}")
        until = time.time_ns()
        found = compare(
            load_decisions(folder / "journal.sqlite", began, until),
            load_decisions(live, began, until),
            WINDOW_NS,
            TOLERANCE_BPS,
        )
    return Trial(seconds, found, process.returncode, last)


def _interpreter() -> list[str]:
    """The command `trader` with the flags and the packages of this process and no others."""
    flags = ["-IB"] if sys.flags.isolated else []
    return [*flags, "-c", f"import sys; sys.path[:] = {sys.path!r}; from trader.cli import main; main()"]


def _first_decision(process: "subprocess.Popen[bytes]", journal: Path, seconds: float) -> int:
    """Wait until the shadow has decided something, at most so long; when it began to (ns)."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and process.poll() is None:
        if journal.is_file():
            # Not a journal yet while it is being made; the deadline says when that takes too long.
            with contextlib.suppress(JournalError):
                if decisions := load_decisions(journal, 0, 2**63 - 1):
                    return decisions[0].at_ns
        time.sleep(0.2)
    return time.time_ns()


def _wait(process: "subprocess.Popen[bytes]", seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.1)


def _stop(process: "subprocess.Popen[bytes]") -> None:
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
