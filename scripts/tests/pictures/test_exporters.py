"""What foreign_metrics.yml says of other programs is what the real ones expose, with the role's options."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from socket import socket

import jinja2
import pytest
from prometheus_client.parser import text_string_to_metric_families

from ops import paths
from ops.prometheus_tools import program
from ops.slo.lint import known
from tests.pictures_fleet import Running, get

pytestmark = pytest.mark.rules

# It asks systemd, which a machine that only runs tests may not have.
NEEDS_SYSTEMD = {"node_systemd_unit_state"}


@pytest.fixture(scope="module")
def node_exporter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("node")
    with socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    template = (paths.ROOT / "roles/node_exporter/templates/default.j2").read_text()
    settings = jinja2.Template(template, autoescape=True).render(
        ansible_managed="Ansible managed",
        node_exporter_address="127.0.0.1",
        node_exporter_port=port,
        node_exporter_textfile_directory=folder,
    )
    (folder / "default").write_text(settings)
    (folder / "broken.prom").write_text("no metric\n")
    command = f'. {folder / "default"}; exec "{program("prometheus-node-exporter")}" $ARGS'
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(["sh", "-c", command], stdout=log, stderr=log)
        try:
            running = Running(f"http://127.0.0.1:{port}")
            assert running.wait_for(lambda: get(f"{running.url}/metrics")[0] == 200), (
                folder / "log"
            ).read_text()
            yield running
        finally:
            process.terminate()
            process.wait(10)


def exposed(url: str) -> dict[str, set[str]]:
    """Names of the samples with the labels that they carry."""
    found: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(get(f"{url}/metrics")[1]):
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    return found


def test_node_exporter(node_exporter: Running) -> None:
    found = exposed(node_exporter.url)
    declared = [metric for metric in known.metrics().values() if metric.name.startswith("node_")]
    assert len(declared) > 5
    for metric in declared:
        if metric.name in NEEDS_SYSTEMD and metric.name not in found:
            continue
        assert metric.name in found, f"node_exporter has no {metric.name}"
        assert set(metric.labels) == found[metric.name], metric.name


def test_node_exporter_tells_of_a_broken_text_file(node_exporter: Running) -> None:
    _, text = get(f"{node_exporter.url}/metrics")
    assert re.search(r"^node_textfile_scrape_error 1$", text, re.MULTILINE)


def test_prometheus_itself(well_fleet: Running) -> None:
    found = exposed(well_fleet.url)
    declared = [metric for metric in known.metrics().values() if metric.jobs == {"prometheus"}]
    assert declared
    for metric in declared:
        assert set(metric.labels) == found[metric.name], metric.name


def test_the_unit_reads_the_options_and_the_default_folders_of_pages() -> None:
    """The role sets no flag for the pages: Debian's program looks for them where the role writes them."""
    tools = program("prometheus").parents[2]
    unit = next(tools.glob("**/prometheus.service")).read_text()
    assert "ExecStart=/usr/bin/prometheus $ARGS" in unit
    usage = subprocess.run([program("prometheus"), "--help"], capture_output=True, text=True, check=True)
    for flag, folder in (("templates", "consoles"), ("libraries", "console_libraries")):
        assert f'--web.console.{flag}="/etc/prometheus/{folder}"' in usage.stdout + usage.stderr
        assert (Path(tools) / "etc/prometheus" / folder).is_dir()
