"""The rule files as the role would write them, for the small fleet of the rule tests."""

from collections.abc import Mapping
from typing import Any

import jinja2

from ops.slo import cases, rules
from ops.slo.model import Model

DRILL_DAYS: Mapping[str, int] = {"kill_switch.on": 92}
RUNBOOKS = "https://runbooks.example"


def render(model: Model, **over: Any) -> dict[str, str]:
    """Text by file name (without .j2).

    Args:
        over: variables of the role that differ.
    """
    environment = jinja2.Environment(
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        autoescape=False,  # noqa: S701 - YAML
    )
    variables: dict[str, Any] = {
        "ansible_managed": "Ansible managed",
        "groups": {name: list(hosts) for name, hosts in cases.HOSTS.items()},
        "hostvars": {host: {"backup_expected": host.startswith("trader")} for host in cases.HOSTS["all"]},
        "__prometheus_drill_days": dict(DRILL_DAYS),
        "prometheus_runbook_base_url": RUNBOOKS,
        **over,
    }
    return {
        name.removesuffix(".j2"): environment.from_string(text).render(variables)
        for name, text in rules.templates(model).items()
    }
