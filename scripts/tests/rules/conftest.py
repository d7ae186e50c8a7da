"""The real promtool, and the files of roles/prometheus as the role would write them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import jinja2
import pytest
import yaml

from tests.prometheus_tools import program

ROOT = Path(__file__).resolve().parents[3]
TEMPLATES = ROOT / "roles" / "prometheus" / "templates"
HOSTS = ["trader-01", "trader-02"]


@pytest.fixture(scope="session")
def promtool() -> Path:
    return program("promtool")


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
