"""`trader config-docs`: every key of the settings file, from the code that reads it."""

import click

from trader.commands.output import AS_JSON, print_json


@click.command("config-docs")
@AS_JSON
def config_docs(as_json: bool) -> None:
    """Print every key of the settings file as Markdown; with --json its JSON schema.

    \b
    Example:
      trader config-docs > docs/configuration.md
    """
    from trader.service.config_docs import markdown
    from trader.service.settings import Settings

    if as_json:
        print_json(Settings.model_json_schema())
    else:
        click.echo(markdown(Settings), nl=False)
