"""What the pages tell people to type exists: playbooks, scripts, subcommands, flags, units, metrics."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
from functools import cache
from pathlib import Path

import promql_parser as promql
import pytest
import yaml

from ops import paths
from ops.errors import OperatorError
from ops.run import run
from ops.runbooks import pages
from ops.runbooks.commands import Command, all_commands, of_page
from ops.slo import rules
from ops.slo.lint import known
from ops.slo.model import load

COMMANDS = all_commands()
DOCS = paths.ROOT / "docs"
UNIT = re.compile(r"\b(?:systemctl|journalctl)\b.*")
LINK = re.compile(r"\[[^\]]+\]\(([^)\s]+)\)")
# Of Debian's packages; the others are units of a role.
FOREIGN_UNITS = {"systemd-timesyncd", "prometheus", "prometheus-node-exporter"}
VERBS = {"status", "start", "stop", "restart", "show", "list-timers"}


def problems(command: Command) -> list[str]:
    """What a command names that is not there."""
    if command.kind == "promql":
        return metric_problems(command.text)
    found = []
    for line in command.text.splitlines():
        words = shlex.split(line)
        if words[0] in ("ansible-playbook", "./scripts/kill", "./scripts/evidence", "./scripts/release"):
            found += program_problems(words)
        elif words[0] == "trader":
            found += trader_problems(words)
        elif words[0] == "ansible":
            found += [] if words[1] in ("$HOST", "monitor", "vault") else [f"no group {words[1]}"]
        elif words[0] not in ("systemctl", "journalctl", "cat", "df", "du", "ls", "timedatectl", "apt-get"):
            found.append(f"nothing checks {words[0]!r}")
        found += unit_problems(line)
    return found


def program_problems(words: list[str]) -> list[str]:
    if words[0] == "ansible-playbook":
        playbook = paths.ROOT / words[1]
        if not playbook.exists():
            return [f"{words[1]} does not exist"]
        text = "".join(path.read_text() for path in [playbook, *playbook.with_suffix("").rglob("*.yml")])
        text += (paths.ROOT / "playbooks/guard.yml").read_text()
        given = [words[place + 1].partition("=")[0] for place, word in enumerate(words) if word == "-e"]
        tags = [words[place + 1] for place, word in enumerate(words) if word == "--tags"]
        return [f"{words[1]} knows no variable {name}" for name in given if name not in text] + [
            f"{words[1]} has no tag {tag}"
            for tag in tags
            if not tag.startswith("$") and f"[{tag}]" not in text
        ]
    subcommand = [word for word in words[1:2] if not word.startswith("-")]
    return flag_problems([*words[:1], *subcommand], words)


def trader_problems(words: list[str]) -> list[str]:
    subcommands = words[1:3] if words[1] == "journal" else words[1:2]
    return flag_problems(["trader", *subcommands], words)


def flag_problems(command: list[str], words: list[str]) -> list[str]:
    status, help_text = help_of(tuple(command))
    if status != 0:
        return [f"{' '.join(command)} is no command"]
    flags = [word.partition("=")[0] for word in words if word.startswith("--")]
    return [f"{' '.join(command)} has no {flag}" for flag in flags if flag not in help_text]


@cache
def help_of(command: tuple[str, ...]) -> tuple[int, str]:
    words, environment = [*command, "--help"], dict(os.environ)
    if command[0] == "trader":
        program = "from trader.cli import main; main()"
        words = [str(paths.ROOT / ".venv/bin/python"), "-c", program, *words[1:]]
        environment["PYTHONPATH"] = str(paths.ROOT / "app")
    done = subprocess.run(words, capture_output=True, text=True, check=False, cwd=paths.ROOT, env=environment)
    return done.returncode, done.stdout


@cache
def units() -> frozenset[str]:
    """Names of the units that roles write."""
    names = {
        path.name.removesuffix(".j2")
        for path in (paths.ROOT / "roles").glob("*/templates/*")
        if path.name.endswith((".service.j2", ".timer.j2"))
    }
    return frozenset(names | {name.rpartition(".")[0] for name in names} | FOREIGN_UNITS)


def unit_problems(line: str) -> list[str]:
    found = UNIT.search(line)
    if not found:
        return []
    words = shlex.split(found.group().rstrip("'"))
    named = [word.partition("=")[2] for word in words if word.startswith("--unit=")]
    if words[0] == "systemctl":
        named += [word for word in words[1:] if not word.startswith("-") and word not in VERBS]
    return [f"no role has a unit {name}" for name in named if name not in units()]


@cache
def metrics() -> frozenset[str]:
    names = set()
    for name, metric in known.metrics().items():
        names |= (
            {name, f"{name}_bucket", f"{name}_count", f"{name}_sum"} if metric.type == "histogram" else {name}
        )
    for text in rules.templates(load()).values():
        names |= set(re.findall(r"record: ([\w:]+)", text))
    return frozenset(names | {"ALERTS"})


def metric_problems(query: str) -> list[str]:
    try:
        promql.parse(query)
    except ValueError as error:
        return [f"not PromQL: {error}"]
    bare = re.sub(r'"[^"]*"', '""', query)
    bare = re.sub(r"\b(?:by|on|without|ignoring) \([^)]*\)|\{[^}]*\}|\[[^\]]*\]", " ", bare)
    words = set(re.findall(r"[A-Za-z_:][\w:]*(?!\s*\()\b", bare))
    functions = set(re.findall(r"([A-Za-z_]\w*)\s*\(", bare))
    operators = {"and", "or", "unless", "by", "Inf", "on", "bool"}
    return [
        f"no metric {word}"
        for word in sorted(words - functions - operators - metrics())
        if "_" in word or ":" in word
    ]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: f"{command.page}:{command.line}")
def test_what_a_page_tells_to_type_exists(command: Command) -> None:
    assert problems(command) == []


@pytest.mark.parametrize(
    ("kind", "text", "problem"),
    [
        ("bash control act", "ansible-playbook playbooks/kil.yml -e target=$HOST", "does not exist"),
        ("bash control act", "ansible-playbook playbooks/kill.yml -e victim=$HOST", "no variable victim"),
        (
            "bash control act",
            "ansible-playbook playbooks/drills/kill_switch.yml --tags nothing",
            "no tag nothing",
        ),
        ("bash control act", "./scripts/kill --host $HOST --gently", "has no --gently"),
        ("bash control read", "./scripts/evidence prove", "is no command"),
        ("bash control read", "ansible everybody -m ansible.builtin.ping", "no group everybody"),
        ("bash host read", "trader states --config x", "is no command"),
        ("bash host read", "trader status --config x --loud", "has no --loud"),
        ("bash host act", "systemctl restart traider", "no role has a unit traider"),
        ("bash host read", "journalctl --unit=trader --unit=tradre", "no role has a unit tradre"),
        ("bash host read", "rm --recursive /", "nothing checks 'rm'"),
        ("promql", "sum by (host) (trader_open_orderz)", "no metric trader_open_orderz"),
        ("promql", "sum by (host (trader_open_orders)", "not PromQL"),
    ],
)
def test_what_does_not_exist_is_found(kind: str, text: str, problem: str) -> None:
    found = problems(Command("Made up.md", 1, kind, text))
    assert any(problem in one for one in found), found


def test_a_block_of_no_known_kind_is_refused(tmp_path: Path) -> None:
    page = tmp_path / "X.md"
    page.write_text("# X\n\n```bash\nrm\n```\n")
    with pytest.raises(OperatorError, match=r"X\.md:3: a block of kind 'bash'"):
        list(of_page(page))


def broken_links(path: Path) -> list[str]:
    targets = [link.partition("#")[0] for link in LINK.findall(path.read_text())]
    return [link for link in targets if link and "://" not in link and not (path.parent / link).exists()]


def test_every_link_of_the_documents_leads_somewhere(tmp_path: Path) -> None:
    for path in [paths.ROOT / "README.md", *DOCS.rglob("*.md")]:
        assert broken_links(path) == [], path
    (tmp_path / "X.md").write_text("[a](nothing.md) [b](https://example.org)")
    assert broken_links(tmp_path / "X.md") == ["nothing.md"]


def test_every_runbook_url_is_a_page() -> None:
    urls = re.findall(r"runbook_url: .*/(\w+\.md)", "".join(rules.templates(load()).values()))
    assert len(urls) == len(rules.all_alerts(load()))
    assert [url for url in urls if not (pages.FOLDER / url).exists()] == []


def test_a_command_that_fails_on_the_lab_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The runner that Molecule uses, on this machine in place of a host."""
    for name, text in {
        "Good.md": "```bash control read\ntrue\n```\n\n```bash host read\ntrue\n```\n",
        "Bad.md": "```bash control read\nfalse\n```\n\n```bash host read\nls /no/such/file\n```\n",
    }.items():
        (tmp_path / name).write_text(text)
    inventory = tmp_path / "hosts.yml"
    inventory.write_text(yaml.safe_dump({"all": {"hosts": {"here": {"ansible_connection": "local"}}}}))
    program = (
        "import sys; from pathlib import Path; import ops.runbooks.commands as c; "
        f"c.all_commands.__defaults__ = (Path({json.dumps(str(tmp_path))}),); "
        "from ops.runbooks.__main__ import main; main()"
    )
    words = [
        str(paths.ROOT / ".venv/bin/python"),
        "-c",
        program,
        "--host=here",
        "--prometheus=http://127.0.0.1:9",
    ]
    done = run([*words, f"--inventory={inventory}"], environment={"PYTHONPATH": "scripts"}, expect=None)
    said = "\n".join(done.lines)
    assert done.status == 1, said
    assert "docs/runbooks/Bad.md:2:" in said
    assert "docs/runbooks/Bad.md:6: on here: 2" in said
    assert "Good.md" not in said
