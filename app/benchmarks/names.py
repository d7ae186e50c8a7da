"""Names under the test domain lead to this machine, in one program and what it starts, and nowhere else."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path

from benchmarks.certificates import DOMAIN

MARK = "BENCHMARK_HOSTS"
NAMES = ("api", "stream", "ws-api", "fapi", "fstream", "ws-fapi")  # all that the emulator is reached by


def command_prefix(folder: Path) -> list[str]:
    """Words to put before a command, so that it has a hosts file of its own, which is written to `folder`."""
    hosts = folder / "hosts"
    names = " ".join(
        [DOMAIN, *(f"{name}.{DOMAIN}" for name in ("api", "stream", "ws-api", "fapi", "fstream", "ws-fapi"))]
    )
    hosts.write_text(f"{Path('/etc/hosts').read_text()}\n127.0.0.1 {names}\n")
    as_root = [] if os.geteuid() == 0 else ["--map-root-user"]
    script = f"mount --bind '{hosts}' /etc/hosts && exec \"$@\""
    return ["unshare", *as_root, "--mount", "sh", "-c", script, "sh"]


def resolve_here(module: str) -> None:
    """Begin this program again with the names resolved; returns in the program that has them.

    Args:
        module: what was started with `python -m`.
    """
    if folder := os.environ.pop(MARK, ""):
        shutil.rmtree(folder)  # the mount keeps the file
        return
    folder = tempfile.mkdtemp(prefix="bench-hosts-")
    os.environ[MARK] = folder
    words = [*command_prefix(Path(folder)), sys.executable, "-m", module, *sys.argv[1:]]
    os.execvp(words[0], words)  # noqa: S606 - our own words
