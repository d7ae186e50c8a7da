"""The command as a person and a playbook type it."""

import json
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from ops import paths
from ops.evidence.catalogue import catalogue
from ops.evidence.cli import cli
from tests.evidence_helpers import FLEET, draft, with_value

ROOT = Path(__file__).resolve().parents[3]


def run(*arguments: str, text: str | None = None) -> Result:
    result = CliRunner().invoke(cli, arguments, input=text)
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


@pytest.fixture
def three() -> None:
    """A good rollout, a failed drill, a good drill."""
    rollout = draft("canary", id="rollout-1")
    failed = with_value("orders_left", 2, id="drill-1", verdict="fail", reasons=["2 orders are left"])
    good = draft(id="drill-2", ended_at="2026-01-02T00:00:00Z")
    for made in (rollout, failed, good):
        added = run("add", text=json.dumps(made))
        assert added.exit_code == 0, added.output
        assert added.output == f"{made['id']}  {made['verdict']}\n"


def test_a_record_comes_from_a_file_too(tmp_path: Path) -> None:
    (tmp_path / "drill.json").write_text(json.dumps(draft(id="one")))
    done = run("add", str(tmp_path / "drill.json"), "--json")
    assert json.loads(done.output)["id"] == "one"
    assert (paths.EVIDENCE / f"{FLEET}.jsonl").read_text().count("\n") == 1


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("{", "Error: the evidence is not JSON: "),
        ("{}", "Error: inventory: null must be the name of a fleet, such as lab-lab"),
        (json.dumps(draft(inventory="../x")), 'Error: inventory: "../x" must be the name'),
        (json.dumps(draft(hosts=[])), "Error: hosts: at least one is needed"),
    ],
)
def test_what_is_refused_is_one_line_and_status_2(text: str, line: str) -> None:
    done = run("add", text=text)
    assert done.exit_code == 2
    assert done.output.startswith(line)
    assert done.output.count("\n") == 1
    assert not paths.EVIDENCE.exists()


@pytest.mark.usefixtures("three")
def test_the_list_is_plain_in_a_pipe_and_can_be_narrowed() -> None:
    lines = run("list").output.splitlines()
    assert lines[0].split() == ["ended", "kind", "name", "verdict", "hosts", "by", "id"]
    assert [line.split()[-1] for line in lines[1:]] == ["rollout-1", "drill-1", "drill-2"]

    def chosen(*words: str) -> list[str]:
        return [one["id"] for one in json.loads(run("list", "--json", *words).output)]

    assert chosen("--kind", "rollout") == ["rollout-1"]
    assert chosen("--name", "kill_switch") == ["drill-1", "drill-2"]
    assert chosen("--name", "kill_switch.on", "--since", "2026-01-02") == ["drill-2"]
    assert chosen("--name", "kill") == []
    assert run("list", "--since", "soon").output.startswith("Error: --since: 'soon' is not a date")


@pytest.mark.usefixtures("three")
def test_one_record_is_shown_with_what_it_measured() -> None:
    shown = run("show", "drill-1").output
    assert "kill_switch.on: fail" in shown
    assert "2 orders are left" in shown
    figures = [" ".join(line.split()) for line in shown.splitlines()]
    assert "orders_left 2 orders <= 0 MISSED" in figures
    assert json.loads(run("show", "rollout", "--json").output)["id"] == "rollout-1"
    assert run("show", "drill").output.startswith("Error: drill: 2 records of lab-test so called")
    assert run("show", "x").output.startswith("Error: x: no record of lab-test so called")


@pytest.mark.usefixtures("three")
def test_verify_says_what_is_there_and_finds_an_edit(tmp_path: Path) -> None:
    good = run("verify")
    assert good.exit_code == 0
    assert good.output.startswith("lab-test: 3 records as written, the last is ")
    file = paths.EVIDENCE / f"{FLEET}.jsonl"
    file.write_bytes(file.read_bytes().replace(b'"verdict":"fail"', b'"verdict":"pass"'))
    for words in (["verify"], ["list"], ["show", "rollout-1"], ["report", "-o", str(tmp_path / "page.html")]):
        bad = run(*words)
        assert bad.exit_code == 1
        assert "the evidence is not as it was written: record 2 (drill-1) was changed" in bad.output
    assert "drill-2" not in run("list").output
    page = (tmp_path / "page.html").read_text()
    assert "not as it was written" in page
    assert "drill-2" not in page


def test_verify_finds_an_attachment_that_was_changed_or_removed() -> None:
    paths.EVIDENCE.mkdir()
    log = paths.EVIDENCE / "log"
    log.write_text("as it was")
    assert run("add", text=json.dumps(draft(attachments=[{"path": "log"}], id="one"))).exit_code == 0
    assert run("verify").exit_code == 0
    log.write_text("as it is")
    assert run("verify").output == "one: attachment log was changed\n"
    log.unlink()
    done = run("verify")
    assert (done.exit_code, done.output) == (1, "one: attachment log: No such file or directory\n")


def test_without_evidence_there_is_nothing_to_verify() -> None:
    for words in (["verify"], ["list"], ["verify", "--inventory", FLEET]):
        done = run(*words)
        assert done.exit_code == 2
        assert "there is no evidence" in done.output


@pytest.mark.usefixtures("three")
def test_of_two_fleets_one_must_be_chosen() -> None:
    assert run("add", text=json.dumps(draft(inventory="lab-other"))).exit_code == 0
    assert run("verify").output == (
        "Error: there is evidence of lab-other, lab-test; choose one with --inventory\n"
    )
    assert run("verify", "--inventory", "lab-other").exit_code == 0


@pytest.mark.usefixtures("three")
def test_metrics_tell_the_last_success_and_what_never_ran(tmp_path: Path) -> None:
    assert run("metrics", str(tmp_path)).exit_code == 0
    text = (tmp_path / "breakwater_evidence_lab-test.prom").read_text()
    lines = text.splitlines()

    def value(metric: str, kind: str, drill: str) -> str:
        start = f'{metric}{{fleet="lab-test",kind="{kind}",drill="{drill}"}} '
        (line,) = [line for line in lines if line.startswith(start)]
        return line.removeprefix(start)

    success = "breakwater_drill_last_success_timestamp_seconds"
    assert value(success, "drill", "kill_switch.on") == "1767312000.0"
    assert value(success, "rollout", "canary") == "1767225609.25"
    assert value(success, "drill", "kill_switch.pnl") == "0.0"
    assert value("breakwater_drill_last_result", "drill", "kill_switch.on") == "1.0"
    assert value("breakwater_drill_last_result", "drill", "kill_switch.pnl") == "0.0"
    assert 'breakwater_evidence_chain_ok{fleet="lab-test"} 1' in lines
    assert 'breakwater_evidence_records{fleet="lab-test"} 3' in lines
    assert len([line for line in lines if line.startswith(success)]) == len(catalogue().entries)
    assert text.endswith("\n")

    file = paths.EVIDENCE / f"{FLEET}.jsonl"
    file.write_bytes(b"\n".join(file.read_bytes().split(b"\n")[:2]) + b"\n")  # the tail is gone
    assert run("metrics", str(tmp_path)).exit_code == 0
    lines = (tmp_path / "breakwater_evidence_lab-test.prom").read_text().splitlines()
    assert 'breakwater_evidence_chain_ok{fleet="lab-test"} 0' in lines
    assert value("breakwater_drill_last_result", "drill", "kill_switch.on") == "0.0"
    assert value(success, "drill", "kill_switch.on") == "0.0"


def test_a_failure_after_a_success_is_the_last_result(tmp_path: Path) -> None:
    assert run("add", text=json.dumps(draft(id="one"))).exit_code == 0
    later = with_value("orders_left", 1, id="two", verdict="fail", reasons=["one is left"])
    assert run("add", text=json.dumps(later | {"ended_at": "2026-01-01T00:01:00Z"})).exit_code == 0
    assert run("metrics", str(tmp_path)).exit_code == 0
    text = (tmp_path / "breakwater_evidence_lab-test.prom").read_text()
    assert 'last_result{fleet="lab-test",kind="drill",drill="kill_switch.on"} 0.0' in text
    assert 'timestamp_seconds{fleet="lab-test",kind="drill",drill="kill_switch.on"} 1767225609.25' in text


def test_the_launcher_refuses_in_one_line_without_a_traceback(tmp_path: Path) -> None:
    done = subprocess.run(
        [ROOT / "scripts/evidence", "metrics", "--inventory", "lab-none", str(tmp_path)],
        input="",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("Error: ")
    assert done.stderr.count("\n") == 1
