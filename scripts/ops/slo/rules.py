"""The rule files of roles/prometheus, as templates that the role fills with its inventory."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from ops import paths
from ops.slo import burn
from ops.slo.model import Alert, Model, number

FOLDER = paths.ROOT / "roles" / "prometheus" / "templates" / "rules"
HEADER = (
    "Generated from monitoring/slo.yml by ./scripts/slo generate; a change here fails ./scripts/slo check."
)
BUDGET_DAYS = 30
RUNBOOK_URL = "<<runbooks>>"

# A value that the service knows, else what its state file last said: that outlives the service, and a day
# without node_exporter.
_KNOWN = "(max by (host) ({direct}) >= -Inf) or max by (host) (last_over_time({state}[1d]))"
HOST_RECORDS: Mapping[str, str] = {
    "host:daily_loss:share": _KNOWN.format(
        direct="-trader_daily_pnl_usd / (trader_daily_loss_limit_usd > 0)",
        state="trader_state_daily_loss_share",
    ),
    "host:drift:usd": _KNOWN.format(direct="abs(trader_reconcile_drift_usd)", state="trader_state_drift_usd"),
    "host:unknown_order:age_seconds": (
        "max by (host) (trader_unknown_oldest_age_seconds)"
        " or time() - max by (host) (last_over_time(trader_state_unknown_since_timestamp_seconds[1d]) > 0)"
    ),
    "host:reconciled:timestamp_seconds": (
        "max by (host) (trader_reconcile_last_success_timestamp_seconds > 0)"
        " or max by (host) (last_over_time(trader_state_reconciled_timestamp_seconds[1d]))"
    ),
}

FLEET = """\
# {{ ansible_managed }}
# %s
groups:
  # A host that vanished from the scrape has no series that could alert; what must be there is stated here.
  - name: expected
    rules:
{%% for host in groups['trader'] | default([]) | sort %%}
      - {record: expected_target, expr: vector(1), labels: {job: trader, host: {{ host }}}}
{%% endfor %%}
{%% for host in groups['all'] | sort %%}
      - {record: expected_target, expr: vector(1), labels: {job: node, host: {{ host }}}}
{%% if hostvars[host].backup_expected | default(false) %%}
      - {record: expected_backup, expr: vector(1), labels: {host: {{ host }}}}
{%% endif %%}
{%% endfor %%}
{%% for host in groups['monitor'] | default([]) | sort %%}
      - {record: expected_target, expr: vector(1), labels: {job: prometheus, host: {{ host }}}}
      - {record: expected_target, expr: vector(1), labels: {job: alertmanager, host: {{ host }}}}
{%% endfor %%}
{%% for host in groups['vault'] | default([]) | sort %%}
      - {record: expected_target, expr: vector(1), labels: {job: deadman, host: {{ host }}}}
{%% endfor %%}
{%% for drill, days in __prometheus_drill_days.items() | sort %%}
      - {record: expected_drill_max_age_seconds, expr: vector({{ days * 86400 }}), labels: {drill: {{ drill
      }}}}
{%% endfor %%}
"""


def templates(model: Model) -> dict[str, str]:
    """The text of every generated file, by its name below FOLDER."""
    files = {
        "objectives.yml.j2": objective_groups(model),
        # One group, so that an alert reads what was recorded in the same pass: money has 15 seconds.
        "states.yml.j2": [
            _group("states", [*host_records(), *(rule(alert) for alert in model.state_alerts())])
        ],
    }
    found = {name: _template(groups) for name, groups in files.items()}
    return found | {"fleet.yml.j2": FLEET % HEADER}


def host_records() -> list[dict[str, Any]]:
    """What several alerts of a host read."""
    return [{"record": name, "expr": expr} for name, expr in HOST_RECORDS.items()]


def objective_groups(model: Model) -> list[dict[str, Any]]:
    """Counts, burn rates and budgets. The groups run in the order and the pace in which one reads the
    other."""
    minute: list[dict[str, Any]] = []
    for objective in model.objectives:
        minute += burn.counts(objective)
    minute += burn.records()
    symptoms: list[Alert] = []
    for objective in model.objectives:
        first, *others = burn.alerts(objective)
        symptoms.append(first)
        minute += [rule(alert) for alert in others]
    return [
        _group("symptoms", (rule(alert) for alert in symptoms)),
        # One group, so that what is read was recorded in the same pass.
        _group("burn_rates", minute, interval="1m"),
        _group("budgets", _budgets(model), interval="10m"),
    ]


def _budgets(model: Model) -> list[dict[str, Any]]:
    """Event-weighted: a ratio of sums. An average of ratios is NaN for a month after one idle interval."""
    rules: list[dict[str, Any]] = [
        {
            "record": "slo:objective:ratio",
            "expr": f"vector({number(one.target)})",
            "labels": {"slo": one.slug},
        }
        for one in model.objectives
    ]
    for kind in ("bad", "total"):
        expr = f"sum by (slo) (sum_over_time(slo:{kind}:increase1m[{burn.span('10m')}]))"
        rules.append({"record": f"slo:{kind}:increase10m", "expr": expr})
    window = f"{BUDGET_DAYS}d"
    bad, total = (f"sum_over_time(slo:{kind}:increase10m[{window}])" for kind in ("bad", "total"))
    spent = f"{bad} / ({total} > 0) / on (slo) (1 - slo:objective:ratio)"
    # Nothing happened: nothing of the budget is spent.
    rules.append(
        {"record": "slo:error_budget:remaining", "expr": f"1 - ({spent}) or slo:objective:ratio * 0 + 1"}
    )
    return rules


def rule(alert: Alert) -> dict[str, Any]:
    """An alerting rule as Prometheus reads it."""
    entry: dict[str, Any] = {"alert": alert.name, "expr": alert.expr}
    if alert.for_:
        entry["for"] = alert.for_
    if alert.keep:
        entry["keep_firing_for"] = alert.keep
    # The recorded counts carry `slo` themselves; the symptom reads the service's counters.
    recorded = {"slo"} if "slo:bad:" in alert.expr else set()
    entry["labels"] = {key: value for key, value in alert.labels.items() if key not in recorded}
    entry["annotations"] = {"summary": alert.summary, "runbook_url": f"{RUNBOOK_URL}/{alert.name}.md"}
    return entry


def all_alerts(model: Model) -> tuple[Alert, ...]:
    """Every alert of the product, by objective and then by state."""
    of_objectives = [alert for one in model.objectives for alert in burn.alerts(one)]
    return (*of_objectives, *model.state_alerts())


def write(model: Model, folder: Path = FOLDER) -> list[Path]:
    """Write what differs, remove what is generated no more; returns what was changed."""
    wanted = templates(model)
    changed = []
    for name, text in wanted.items():
        path = folder / name
        if not path.exists() or path.read_text() != text:
            path.write_text(text)
            changed.append(path)
    for path in folder.glob("*.j2"):
        if path.name not in wanted:
            path.unlink()
            changed.append(path)
    return changed


def _group(name: str, rules: Iterable[Mapping[str, Any]], interval: str = "") -> dict[str, Any]:
    group: dict[str, Any] = {"name": name}
    if interval:
        group["interval"] = interval
    return group | {"rules": [dict(entry) for entry in rules]}


def _template(groups: list[dict[str, Any]]) -> str:
    text = yaml.safe_dump({"groups": groups}, sort_keys=False, width=10_000, allow_unicode=True)
    body = text.replace(RUNBOOK_URL, "{% endraw %}{{ prometheus_runbook_base_url }}{% raw %}")
    return f"# {{{{ ansible_managed }}}}\n# {HEADER}\n{{% raw %}}\n{body}{{% endraw %}}\n"
