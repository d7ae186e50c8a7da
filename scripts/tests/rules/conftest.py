"""The real promtool, and the files of roles/prometheus as the role would write them."""

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jinja2
import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
TEMPLATES = ROOT / "roles" / "prometheus" / "templates"
TOOLS = ROOT / "var" / "tools"
HOSTS = ["trader-01", "trader-02"]


@pytest.fixture(scope="session")
def promtool() -> Path:
    """Debian's promtool, unpacked beside the project: installing the package would start a server here."""
    tool = TOOLS / "usr" / "bin" / "promtool"
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


@pytest.fixture
def render(tmp_path: Path) -> Callable[[str], Path]:
    """Write a template of the role as it is written for two trading hosts and a monitor."""
    defaults: dict[str, Any] = yaml.safe_load((ROOT / "roles/prometheus/defaults/main.yml").read_text())
    hosts = [*HOSTS, "monitor-01"]
    variables = defaults | {
        "ansible_managed": "Ansible managed",
        "inventory_hostname": "monitor-01",
        "prometheus_address": "198.51.100.11",
        "groups": {"all": hosts, "trader": HOSTS},
        "hostvars": {host: {"ansible_host": f"198.51.100.{n}"} for n, host in enumerate(hosts, start=11)},
    }
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES), trim_blocks=True, undefined=jinja2.StrictUndefined
    )

    def write(name: str) -> Path:
        target = tmp_path / Path(name).name.removesuffix(".j2")
        target.write_text(environment.get_template(name).render(variables))
        return target

    return write
