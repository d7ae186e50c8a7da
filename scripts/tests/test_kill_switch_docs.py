"""The two documents of the kill switch name only what there is, with the values that it has."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
import yaml

from ops import paths
from ops.evidence.catalogue import catalogue

DOCS = paths.ROOT / "docs"
GUIDE, POLICY = DOCS / "kill_switch.md", DOCS / "kill_switch_policy.md"
BOTH = pytest.mark.parametrize("page", [GUIDE, POLICY], ids=lambda page: page.name)
DRILLS = {name.partition(".")[2] for name in catalogue().entries if name.startswith("kill_switch.")}
FOLDERS = ("app", "docs", "inventories", "molecule", "monitoring", "playbooks", "roles", "scripts")
SECTIONS = "venue|journal|latch|kill_switch|risk|drain|dead_man|reconcile|streams|clock|preflight"
EXTRA_VARIABLE = re.compile(r"-e '?(?:\{\")?(\w+)[=\"]")


def code(text: str) -> list[str]:
    """What stands in code spans and, line by line, in fenced blocks; continued lines are one."""
    blocks = re.findall(r"^```\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    lines = [line for block in blocks for line in block.replace("\\\n", "").splitlines()]
    rest = re.sub(r"^```\n.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    return [*re.findall(r"`([^`\n]+)`", rest), *lines]


def rows(text: str, first: str) -> list[list[str]]:
    """Cells of the table whose head begins with these words, without its head."""
    table = text.split(f"\n| {first}", 1)[1].split("\n\n", 1)[0].splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in table]


@cache
def help_of(*argv: str) -> str:
    environment = os.environ | {"PYTHONPATH": f"{paths.ROOT / 'app'}{os.pathsep}{paths.ROOT / 'scripts'}"}
    done = subprocess.run([*argv, "--help"], env=environment, capture_output=True, text=True, check=False)
    return done.stdout


@cache
def everything(*folders: str) -> str:
    """Text of the files in which names are made."""
    files = [file for folder in folders for file in (paths.ROOT / folder).rglob("*") if file.is_file()]
    return "\n".join(file.read_text() for file in files if file.suffix in (".py", ".yml", ".j2"))


def wrong_paths(text: str) -> Iterator[str]:
    """Files and folders of this tree, in code and behind links, and headings behind links."""
    for span in code(text):
        for name in re.findall(rf"(?<![\w/.<])(?:\./)?((?:{'|'.join(FOLDERS)})/[\w./-]*\w)", span):
            if not (paths.ROOT / name).exists():
                yield f"no file {name}"
    for target in re.findall(r"\]\(([^)]+)\)", text):
        name, _, anchor = target.partition("#")
        page = DOCS / name
        if not page.is_file():
            yield f"no file {name}"
        elif anchor and anchor not in headings(page.read_text()):
            yield f"no heading {anchor} in {name}"


def headings(text: str) -> set[str]:
    found = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^a-z0-9 _-]", "", heading.lower()).replace(" ", "-") for heading in found}


def wrong_commands(text: str) -> Iterator[str]:
    """Commands of `trader` and of scripts, with their options; variables and tags of playbooks."""
    for span in code(text):
        for words in re.findall(r"(?:^|\bsudo )((?:\./scripts/|trader )[a-z].*)", span):
            yield from wrong_words(re.split(r"\s+", re.sub(r"\"[^\"]*\"|#.*", "", words).strip()))
        if "ansible-playbook" not in span and not span.startswith("-e "):
            continue
        for name in EXTRA_VARIABLE.findall(span):
            if not re.search(rf"\b{name}\b", everything("playbooks")):
                yield f"no playbook knows -e {name}"
        for tag in re.findall(r"--tags (\w+)", span):
            if tag not in DRILLS:
                yield f"no drill {tag}"


def wrong_words(words: list[str]) -> Iterator[str]:
    label = words[0]
    if words[0] == "trader":
        argv = [sys.executable, "-c", "from trader.cli import main; main()"]
    else:
        argv = [sys.executable, "-m", f"ops.{words[0].removeprefix('./scripts/')}"]
    if len(words) > 1 and re.fullmatch(r"[a-z][a-z-]+", words[1]):
        label = " ".join(words[:2])
        if not re.search(rf"(?<![\w-]){words[1]}(?![\w-])", help_of(*argv)):
            yield f"no command {label}"
            return
        if "COMMAND [ARGS]" in help_of(*argv):
            argv.append(words[1])
    for option in (word.partition("=")[0] for word in words if word.startswith("--")):
        if not re.search(rf"{option}\b", help_of(*argv)):
            yield f"{label} has no {option}"


def wrong_settings(text: str) -> Iterator[str]:
    """Keys of the settings file, and the defaults that stand behind them."""
    listed = dict(
        re.findall(r"^\| `([\w.]+)` \| .+? \| `(.*?)` \|", (DOCS / "configuration.md").read_text(), re.M)
    )
    found = re.findall(rf"`((?:{SECTIONS})\.[a-z_]+)`(?: \(`([^`]+)`\))?", text)
    for key, value in found:
        if key.startswith("kill_switch.") and key.partition(".")[2] in DRILLS - {"rejects"}:
            continue  # the name of a drill, not of a setting
        if key not in listed:
            yield f"no setting {key}"
        elif value and listed[key] != value:
            yield f"{key} is {listed[key]}, not {value}"


def wrong_names(text: str) -> Iterator[str]:
    """Metrics, and variables of the inventory with the number behind them."""
    for name, value in re.findall(r"`(trader_\w+)`(?: \((\d+)[),])?", text):
        if not re.search(rf"\b{name}\b", everything("app/trader", "roles/trader")):
            yield f"nothing is called {name}"
        if value and f"\n{name}: {value}\n" not in everything("roles/trader/defaults"):
            yield f"{name} is not {value}"


CHECKS = (wrong_paths, wrong_commands, wrong_settings, wrong_names)


@BOTH
def test_everything_that_is_named_exists(page: Path) -> None:
    text = page.read_text()
    assert [problem for check in CHECKS for problem in check(text)] == []


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("`playbooks/stop.yml`", "no file playbooks/stop.yml"),
        ("[x](nowhere.md)", "no file nowhere.md"),
        ("[x](kill_switch.md#nowhere)", "no heading nowhere in kill_switch.md"),
        ("`trader halt --by ann`", "no command trader halt"),
        ('`trader rearm --who "ann"`', "trader rearm has no --who"),
        ('`./scripts/kill --why "x"`', "./scripts/kill has no --why"),
        ("`./scripts/evidence prove`", "no command ./scripts/evidence prove"),
        ("`ansible-playbook playbooks/kill.yml -e 'whyever=\"x\"'`", "no playbook knows -e whyever"),
        ("```\nansible-playbook playbooks/kill.yml \\\n  -e '{\"wh\": 1}'\n```", "no playbook knows -e wh"),
        ("`ansible-playbook playbooks/drills/kill_switch.yml --tags nothing`", "no drill nothing"),
        ("`kill_switch.latency_seconds`", "no setting kill_switch.latency_seconds"),
        ("`kill_switch.latency_ms` (`4000`)", "kill_switch.latency_ms is 5000, not 4000"),
        ("`trader_latch_lowered`", "nothing is called trader_latch_lowered"),
        ("`trader_watchdog_seconds` (11)", "trader_watchdog_seconds is not 11"),
    ],
)  # fmt: skip
def test_what_does_not_exist_is_found(text: str, problem: str) -> None:
    assert [found for check in CHECKS for found in check(f"{text}\n")] == [problem]


def test_the_links_of_every_page_lead_somewhere() -> None:
    pages = [paths.ROOT / "README.md", *DOCS.glob("*.md")]
    links = [(page, link) for page in pages for link in re.findall(r"\]\(([^)#:]+)[#)]", page.read_text())]
    assert [f"{page.name}: {link}" for page, link in links if not (page.parent / link).is_file()] == []
    assert {(page.name, link) for page, link in links} >= {
        ("README.md", f"docs/{page.name}") for page in (GUIDE, POLICY)
    }


def test_each_drill_is_explained() -> None:
    text = GUIDE.read_text()
    named = [row[-1] for row in rows(text, "trigger |")] + [row[0] for row in rows(text, "drill |")]
    assert {name for cell in named for name in re.findall(r"`(\w+)`", cell)} == DRILLS


def test_each_trigger_is_explained() -> None:
    metrics = yaml.safe_load((paths.ROOT / "app/trader/telemetry/metrics.yml").read_text())["metrics"]
    known = next(metric for metric in metrics if metric["name"] == "trader_kills_total")["labels"]["trigger"]
    named = {name for row in rows(GUIDE.read_text(), "trigger |") for name in re.findall(r"`(\w+)`", row[0])}
    by_systemd = {"watchdog", "crash", "systemd"}
    assert named == {*known} - {"other"} | by_systemd
    assert all(re.search(rf"\b{name}\b", everything("roles/trader/templates")) for name in by_systemd)


def test_each_clause_has_the_evidence_of_the_catalogue() -> None:
    found = {
        row[0]: set(re.findall(r"`(\w+)`", row[3])) for row in rows(POLICY.read_text(), "control | asks")[:7]
    }
    wanted = {control: evidence(control) for control in catalogue().controls if control in found}
    assert found == wanted
    clauses = {control for control in catalogue().controls if re.match(r"RTS6-1[245]\(", control)}
    assert found.keys() == clauses, (
        "each clause of Articles 12, 14 and 15 that the catalogue knows has its row"
    )


def evidence(control: str) -> set[str]:
    entries = catalogue().entries
    return {name.partition(".")[2] for name, entry in entries.items() if control in entry.controls}


def test_the_calendar_is_that_of_the_catalogue() -> None:
    ages = {
        re.findall(r"`(\w+)`", row[0])[0]: row[1]
        for row in rows(POLICY.read_text(), "what | at least")
        if "`" in row[0]
    }
    entries = catalogue().entries
    assert {
        f"{entry.max_age_days:g} days" for name, entry in entries.items() if name.startswith("kill_switch.")
    } == {ages["kill_switch"]}
    assert ages["canary"] == f"{entries['canary'].max_age_days:g} days"
