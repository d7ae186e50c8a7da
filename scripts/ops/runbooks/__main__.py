"""Runs every command of the pages that only reads, on a running fleet: `python -m ops.runbooks --host
trader-01 ...`.

Molecule does it on its lab: a command that a page names must work on a host that is well.
"""

import json
import os
import shlex
import sys
import urllib.parse
import urllib.request
from collections.abc import Sequence
from pathlib import Path

import click

from ops import paths
from ops.errors import OperatorError
from ops.run import run
from ops.runbooks.commands import KINDS, Command, all_commands, once

_MARK = "runbook-command"


@click.command()
@click.option("--host", required=True, help="Trading host on which the commands of hosts are run.")
@click.option("--prometheus", required=True, metavar="URL", help="That scrapes it.")
@click.option("--inventory", "inventories", multiple=True, help="Of Ansible; may be repeated.")
def main(host: str, prometheus: str, inventories: tuple[str, ...]) -> None:
    """Run every command of docs/runbooks that only reads, each once; name those that fail."""
    commands = all_commands()
    failed = [
        *_ask(prometheus, once(commands, "promql")),
        *_here(host, once(commands, "bash control read"), inventories),
        *_there(host, once(commands, "bash host read"), inventories),
    ]
    for line in failed:
        click.echo(line, err=True)
    count = sum(len(once(commands, kind)) for kind in KINDS if not kind.endswith("act"))
    click.echo(f"{count} commands run")
    sys.exit(1 if failed else 0)


def _ask(url: str, commands: Sequence[Command]) -> list[str]:
    failed = []
    for command in commands:
        query = urllib.parse.urlencode({"query": command.text})
        try:
            with urllib.request.urlopen(f"{url}/api/v1/query?{query}", timeout=10) as answer:  # noqa: S310
                json.load(answer)
        except (OSError, ValueError) as error:
            failed.append(f"{command.where}: Prometheus: {error}")
    return failed


def _here(host: str, commands: Sequence[Command], inventories: Sequence[str]) -> list[str]:
    words = [f"--inventory={Path(one).resolve()}" for one in inventories]
    failed = []
    for command in commands:
        text = command.text
        if words and text.startswith(("ansible ", "ansible-playbook ")):
            text = f"{text} {shlex.join(words)}"
        done = run(["bash", "-c", text], environment={"HOST": host}, expect=None)
        # A fleet that was never drilled has no evidence yet.
        if done.status != 0 and "there is no evidence" not in "\n".join(done.lines):
            failed.append(f"{command.where}: {done.status}: {done.last_words}")
    return failed


def _there(host: str, commands: Sequence[Command], inventories: Sequence[str]) -> list[str]:
    """All of them in one visit; journalctl answers 1 when nothing matches."""
    script = "".join(
        f"({command.text}) >/dev/null 2>/tmp/{_MARK}; echo {_MARK} {number} $? $(tail -n 1 /tmp/{_MARK})\n"
        for number, command in enumerate(commands)
    )
    words = ["ansible", host, "-m", "ansible.builtin.shell", "-a", script]
    done = run([*words, *(f"--inventory={one}" for one in inventories)], expect=None)
    said = {
        int(line.split()[1]): line.split(maxsplit=3)[2:]
        for line in done.lines
        if line.startswith(f"{_MARK} ")
    }
    failed = []
    for number, command in enumerate(commands):
        status, *words = said.get(number, ["never run:", done.last_words])
        nothing_matches = "--grep=" in command.text and status == "1" and not words
        if status != "0" and not nothing_matches:
            failed.append(f"{command.where}: on {host}: {status} {' '.join(words)}")
    return failed


if __name__ == "__main__":
    os.chdir(paths.ROOT)
    try:
        main()
    except OSError as error:
        OperatorError(f"{error.filename or 'runbooks'}: {error.strerror or error}").show()
        raise SystemExit(OperatorError.exit_code) from None
