"""The inventories that are shipped: their plans are valid, and nothing in them is a secret."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from ops import paths
from ops.canary import metrics
from ops.canary.plan_settings import make_plan
from ops.run import run

INVENTORIES = sorted(path for path in (paths.ROOT / "inventories").iterdir() if path.is_dir())


def settings(inventory: Path) -> dict[str, Any]:
    text = (inventory / "group_vars" / "all" / "canary.yml").read_text()
    loaded: dict[str, Any] = yaml.safe_load(text.replace("{{ prometheus_url }}", "http://198.51.100.1:9090"))
    return loaded["canary"]  # type: ignore[no-any-return]


@pytest.mark.parametrize("inventory", INVENTORIES, ids=lambda path: path.name)
def test_the_plan_is_valid_and_has_the_promised_phases(inventory: Path) -> None:
    hosts = [f"trader-{number:02}" for number in range(1, 11)]
    plan = make_plan(settings(inventory), hosts, inventory=inventory.name, release="r", sha256="0" * 64)
    metrics.check_plan(plan, metrics.known_names(paths.ROOT / metrics.FILE))
    held_out = [9] if inventory.name == "production" else []
    assert [len(phase.updated) for phase in plan.phases] == [1, 3, 5, 8, *held_out, 10]
    assert {criterion.name for criterion in plan.criteria} >= {
        "order_error_share",
        "order_latency_p95",
        "order_latency_p99",
        "reconciliation_differences",
    }
    assert all(criterion.minimum_samples for criterion in plan.criteria), "no data must never pass"


def test_the_worked_example_is_an_inventory() -> None:
    listed = run(["ansible-inventory", "-i", "inventories/production", "--list"])
    groups = json.loads("\n".join(line for line in listed.lines if not line.startswith("[")))
    assert len(groups["trader"]["hosts"]) == 3
    assert len(groups["monitor"]["hosts"]) == 1
    run(["ansible-playbook", "-i", "inventories/production", "playbooks/site.yml", "--syntax-check"])


@pytest.mark.parametrize("playbook", ["rearm", "rollback"])
@pytest.mark.parametrize("target", [(), ("-e", "target=")], ids=["none", "empty"])
def test_no_target_is_no_host_rather_than_all(playbook: str, target: tuple[str, ...]) -> None:
    """A shell variable that is empty must not let a whole fleet trade again."""
    words = ["ansible-playbook", f"playbooks/{playbook}.yml", "-i", "inventories/production", "--list-hosts"]
    done = run([*words, *target], expect=None)
    assert "say_which_hosts_with_-e_target" in "\n".join(done.lines)
    assert not [line for line in done.lines if line.strip().startswith("trader-")]
