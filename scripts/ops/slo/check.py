"""What drifted from slo.yml: rules, rule tests, buckets, metrics, dashboards, runbooks."""

from collections.abc import Iterator

import jinja2
import yaml

from ops import paths, pictures
from ops.errors import OperatorError
from ops.runbooks import pages
from ops.slo import cases, claims, lint, mutants, mutate, page, rendered, rules
from ops.slo.model import FILE, Model

ROOT = paths.ROOT
METRICS = ROOT / "app" / "trader" / "telemetry" / "metrics.yml"
CONFIGURATION = ROOT / "roles" / "prometheus" / "templates" / "prometheus.yml.j2"


def problems(model: Model) -> list[str]:
    """One line for each thing that differs, with the next step; none = nothing drifted."""
    found: list[str] = []
    for part in (_rules, _cases, _buckets, _dashboards, _runbooks, _page, _lint, _survivors):
        found += part(model)
    return found


def _rules(model: Model) -> Iterator[str]:
    wanted = rules.templates(model)
    for name, text in wanted.items():
        path = rules.FOLDER / name
        if not path.exists() or path.read_text() != text:
            yield f"{path.relative_to(ROOT)}: differs from {FILE.name}; run ./scripts/slo generate"
    for path in sorted(rules.FOLDER.glob("*")):
        if path.name not in wanted:
            yield f"{path.relative_to(ROOT)}: nothing generates it; remove it or state it in {FILE.name}"


def _cases(model: Model) -> Iterator[str]:
    alerts = {alert.name: alert for alert in model.state_alerts()}
    for alert in rules.all_alerts(model):
        try:
            tests = claims.tests_of(alert)
        except OperatorError as error:
            yield error.message
            continue
        for claim in claims.missing(alert, tests):
            yield f"{alert.name}: no test has {claims.CLAIMS[claim]}; add it to its case or its objective's"
    known = {alert.name for alert in rules.all_alerts(model)}
    for path in sorted(cases.FOLDER.glob("*.yml")):
        if path.stem not in alerts:
            yield f"monitoring/cases/{path.name}: no state of {FILE.name} has this name; remove it"
            continue
        for name in yaml.safe_load(path.read_text()).get("companions") or []:
            if name not in known:
                yield f"monitoring/cases/{path.name}: companions: there is no alert {name}; correct the name"


def _buckets(model: Model) -> Iterator[str]:
    declared = {one["name"]: one for one in yaml.safe_load(METRICS.read_text())["metrics"]}
    for objective in model.objectives:
        if not objective.good:
            continue
        name, _, rest = objective.good.partition("_bucket{")
        bound = rest.partition('le="')[2].partition('"')[0]
        buckets = [str(float(bucket)) for bucket in declared.get(name, {}).get("buckets", [])]
        if bound not in buckets:
            yield (
                f"{METRICS.relative_to(ROOT)}: {name} has no bucket {bound}, which {objective.name} counts;"
                " without it the objective is never missed; add the bucket"
            )


def _dashboards(model: Model) -> Iterator[str]:
    for path, text in pictures.generate(ROOT).items():
        if not path.exists() or path.read_text() != text:
            yield f"{path.relative_to(ROOT)}: differs from what is generated; run ./scripts/slo generate"


def _runbooks(model: Model) -> Iterator[str]:
    yield from pages.problems(model)


def _page(model: Model) -> Iterator[str]:
    yield from page.problems(model)


def _lint(model: Model) -> Iterator[str]:
    defaults = yaml.safe_load((ROOT / "roles/prometheus/defaults/main.yml").read_text())
    text = CONFIGURATION.read_text()
    environment = jinja2.Environment(trim_blocks=True, autoescape=False)  # noqa: S701 - YAML
    hosts = {name: list(members) for name, members in cases.HOSTS.items()}
    address = {host: {"ansible_host": "198.51.100.1"} for host in cases.HOSTS["all"]}
    configuration = environment.from_string(text).render(
        defaults
        | {
            "groups": hosts,
            "hostvars": address,
            "inventory_hostname": "monitor-01",
            "prometheus_address": "198.51.100.1",
        }
    )
    yield from (str(finding) for finding in lint.run(rendered.render(model), configuration, model))


def _survivors(model: Model) -> Iterator[str]:
    known = {mutant.name for mutant in mutants.every(model)}
    try:
        reasons = mutate.reasons()
    except OperatorError as error:
        yield error.message
        return
    for name in reasons:
        if name not in known:
            yield f"monitoring/{mutate.SURVIVORS.name}: there is no mutant {name!r}; remove it"
