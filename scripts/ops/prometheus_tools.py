"""Debian's prometheus, node exporter and alertmanager, unpacked only: installed they would start servers."""

import subprocess
from pathlib import Path

from filelock import FileLock

from ops import paths
from ops.errors import OperatorError

TOOLS = paths.VAR / "tools"
PACKAGES = {
    "prometheus": "prometheus",
    "promtool": "prometheus",
    "prometheus-node-exporter": "prometheus-node-exporter",
    "prometheus-alertmanager": "prometheus-alertmanager",
    "amtool": "prometheus-alertmanager",
}


def program(name: str) -> Path:
    """Path of one of the programs of PACKAGES; downloaded the first time.

    Raises:
        OperatorError: apt cannot have the package.
    """
    tool = TOOLS / "usr" / "bin" / name
    TOOLS.mkdir(parents=True, exist_ok=True)
    # Tests run side by side.
    with FileLock(TOOLS / ".lock"):
        if not tool.exists():
            _unpack(PACKAGES[name])
    return tool


def _unpack(package: str) -> None:
    for update in (False, True):
        if update:
            subprocess.run(["apt-get", "update", "-q"], capture_output=True, check=False)
        done = subprocess.run(
            ["apt-get", "download", package], cwd=TOOLS, capture_output=True, text=True, check=False
        )
        if done.returncode == 0:
            break
    else:
        raise OperatorError(
            f"apt cannot download {package}: {done.stderr.strip().splitlines()[-1:] or 'no answer'}"
        )
    archive = next(TOOLS.glob(f"{package}_*.deb"))
    subprocess.run(["dpkg-deb", "--extract", archive, TOOLS], check=True)
    archive.unlink()
