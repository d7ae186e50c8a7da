"""The real promtool, the rules of slo.yml, and the files of roles/prometheus as the role would write them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import jinja2
import pytest
import yaml

from ops import paths
from ops.prometheus_tools import program
from ops.slo.model import Model, load
from ops.slo.replay import Replay

TEMPLATES = paths.ROOT / "roles" / "prometheus" / "templates"
HOSTS = ["trader-01", "trader-02"]


@pytest.fixture(scope="session")
def promtool() -> Path:
    return program("promtool")


@pytest.fixture(scope="session")
def model() -> Model:
    return load()


@pytest.fixture(scope="session")
def replay(promtool: Path, model: Model, tmp_path_factory: pytest.TempPathFactory) -> Replay:
    return Replay(promtool, tmp_path_factory.mktemp("rules"), model)


@pytest.fixture
def render(tmp_path: Path) -> Callable[[str], Path]:
    """Write a template of the role as it is written for two trading hosts, a monitor and a vault."""
    defaults: dict[str, Any] = yaml.safe_load((paths.ROOT / "roles/prometheus/defaults/main.yml").read_text())
    hosts = [*HOSTS, "monitor-01", "vault-01"]
    variables = defaults | {
        "ansible_managed": "Ansible managed",
        "inventory_hostname": "monitor-01",
        "prometheus_address": "198.51.100.13",
        "groups": {"all": hosts, "trader": HOSTS, "monitor": ["monitor-01"], "vault": ["vault-01"]},
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
