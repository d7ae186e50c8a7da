"""The command ./scripts/slo."""

import json
import sys
import tempfile
from pathlib import Path

import click

from ops import paths
from ops.errors import OperatorError
from ops.prometheus_tools import program
from ops.slo import burn, mutants, mutate, page
from ops.slo.generate import generate as generate_all
from ops.slo.model import load


@click.group()
def cli() -> None:
    """Objectives and alerts: monitoring/slo.yml and what is made of it.

    To change or add one: edit monitoring/slo.yml, run `./scripts/slo generate`, fill in the skeletons that
    it names (monitoring/cases, docs/runbooks), then `./scripts/slo check` and `./scripts/test --only rules`.
    docs/slo.md has the steps.
    """


@cli.command()
def generate() -> None:
    """Write rules, dashboards, tables and heads of pages, and skeletons of what a person must fill in."""
    for path in generate_all(load()):
        click.echo(f"wrote {path.relative_to(paths.ROOT)}")


@cli.command()
@click.option("--json", "as_json", is_flag=True, help="Print the findings as a JSON list.")
def check(as_json: bool) -> None:
    """Find whatever drifted from monitoring/slo.yml; exit code 1 if anything did."""
    from ops.slo.check import problems  # the dashboards' library takes half a second

    found = problems(load())
    if as_json:
        click.echo(json.dumps(found))
    else:
        for line in found:
            click.echo(line)
        if not found:
            click.echo("nothing drifted")
    sys.exit(1 if found else 0)


@cli.command()
@click.option("--json", "as_json", is_flag=True, help="Print the rows as a JSON list.")
def table(as_json: bool) -> None:
    """Print how long a total outage goes on before each burn-rate alert fires.

    By events a minute on a host, all good before and all bad from a moment on. Counts are recorded once a
    minute. - = never, which is what OrderFailuresInARow and SignalsWithoutOrders are for.
    """
    rows = burn.detection_table(load().objectives, page.RATES)
    if as_json:
        click.echo(json.dumps(rows))
        return
    heads = [f"{rate:g}/min" for rate in page.RATES]
    click.echo(f"{'alert':28}{'windows':>9}" + "".join(f"{head:>10}" for head in heads))
    for row in rows:
        cells = "".join(f"{page.minutes(row[f'{rate:g}']):>10}" for rate in page.RATES)
        click.echo(f"{row['alert']!s:28}{row['window']!s:>9}{cells}")


@cli.command("mutate")
@click.option(
    "--sample", default=0, show_default=True, help="Only so many mutants, drawn by the seed; 0 = all."
)
@click.option("--seed", default=1, show_default=True, help="Of the sample.")
@click.option("--rule", "names", multiple=True, help="Only this alert or record. May be repeated.")
@click.option("--json", "as_json", is_flag=True, help="Print the outcome as JSON.")
def mutate_command(sample: int, seed: int, names: tuple[str, ...], as_json: bool) -> None:
    """Break each rule in many ways and expect its tests to see it.

    All of them take about 16 minutes on two cores. Exit code 1 when fewer than 95 % are seen, or when a
    survivor is not in monitoring/mutation_survivors.yml with its reason.
    """
    model = load()
    unknown = set(names) - {one.subject for one in mutants.every(model)}
    if unknown:
        raise OperatorError(f"--rule {min(unknown)}: no alert and no record of slo.yml has this name")
    known = mutate.reasons()
    with tempfile.TemporaryDirectory() as folder:
        outcome = mutate.run(
            model,
            program("promtool"),
            Path(folder),
            sample,
            seed,
            names,
            lambda line: click.echo(line, err=True),
        )
    unexplained = [one.name for one in outcome.survivors if one.name not in known]
    if as_json:
        found = {
            "mutants": outcome.mutants,
            "score": outcome.score,
            "survivors": [one.name for one in outcome.survivors],
        }
        click.echo(json.dumps(found))
    else:
        killed = outcome.mutants - len(outcome.survivors)
        click.echo(f"{killed} of {outcome.mutants} mutants seen, {outcome.score:.1%}; goal {mutate.GOAL:.0%}")
        for name in unexplained:
            click.echo(f"without a reason in {mutate.SURVIVORS.name}: {name}")
    sys.exit(0 if outcome.score >= mutate.GOAL and not unexplained else 1)


def main() -> None:
    """Entry point; a full disk or a forbidden folder is the operator's to mend, so it is one line as well."""
    try:
        cli(prog_name="slo")
    except OSError as error:
        OperatorError(f"{error.filename or 'slo'}: {error.strerror or error}").show()
        raise SystemExit(OperatorError.exit_code) from None
