"""Debian's prometheus and promtool, unpacked only: installing the package would start a server."""

import subprocess
from pathlib import Path

from ops import paths

TOOLS = paths.VAR / "tools"


def program(name: str) -> Path:
    """Path of `prometheus` or `promtool`; downloaded the first time.

    Raises:
        subprocess.CalledProcessError: apt cannot have the package.
    """
    tool = TOOLS / "usr" / "bin" / name
    if not tool.exists():
        TOOLS.mkdir(parents=True, exist_ok=True)
        download = ["apt-get", "download", "prometheus"]
        if subprocess.run(download, cwd=TOOLS, capture_output=True, check=False).returncode != 0:
            subprocess.run(["apt-get", "update", "-q"], capture_output=True, check=True)
            subprocess.run(download, cwd=TOOLS, capture_output=True, check=True)
        package = next(TOOLS.glob("prometheus_*.deb"))
        subprocess.run(["dpkg-deb", "--extract", package, TOOLS], check=True)
        package.unlink()
    return tool
