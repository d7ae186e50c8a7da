"""`trader shadow try`: would this release decide as the live instance does."""

import json
from pathlib import Path

import click

from trader.commands.output import CONFIG, UserError
from trader.shadow.cli import comparison_json, comparison_text


@click.command("try")
@CONFIG
@click.option(
    "--seconds",
    type=click.FloatRange(min=1, max=3_600),
    default=30.0,
    show_default=True,
    help="How long the shadow decides.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def try_release(config: Path, seconds: float, *, as_json: bool) -> None:
    """Run this release in shadow beside the live instance, and compare what they decide.

    Nothing is sent and the live instance goes on. Exit code 2 when the shadow does not live until the end.

    \b
    Example:
      /opt/trader/releases/ID/bin/trader shadow try --config /etc/trader/trader.yml --seconds 30
    """
    from trader.journal import JournalError
    from trader.service.settings import SettingsError
    from trader.service.trial import TrialError, run_trial

    try:
        trial = run_trial(config, seconds)
    except (JournalError, SettingsError, TrialError) as error:
        raise UserError(str(error)) from error
    if as_json:
        found = json.loads(comparison_json(trial.comparison, 10))
        click.echo(json.dumps({"seconds": trial.seconds, "ratio": trial.ratio} | found))
        return
    shown = "no live decision" if trial.ratio is None else f"{trial.ratio:.2f} times the live decisions"
    click.echo(f"{shown} in {trial.seconds:g} s\n{comparison_text(trial.comparison, 10)}")
