"""The one error that an operator sees."""

import click


class OperatorError(click.ClickException):
    """A mistake or a missing condition that a person can mend.

    The message is one line: it names the key, file or host that is wrong, and the next step.
    """

    exit_code = 2
