"""Whatever is done to the files, it is found; whenever an add is cut off, nothing is lost."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops.errors import OperatorError
from ops.evidence import chain as chain_module
from ops.evidence.chain import Chain, Head, examine, read_head
from ops.evidence.record import GENESIS, canonical, complete, seal
from tests.evidence_helpers import FLEET, NOW, draft

ROOT = Path(__file__).resolve().parents[3]


def filled(folder: Path, records: int = 3) -> Chain:
    chain = Chain(folder, FLEET)
    for number in range(records):
        chain.add(draft(id=f"run-{number}"), "ops@control", NOW)
    return chain


def sealed_lines(records: int) -> list[bytes]:
    """Lines as they would be written, without a disk."""
    lines: list[bytes] = []
    prev = GENESIS
    for number in range(records):
        record = seal(complete(draft(id=f"run-{number}"), Path("/nowhere"), "ops@control"), prev)
        prev = record["sha256"]
        lines.append(canonical(record))
    return lines


LINES = sealed_lines(4)
CONTENT = b"".join(line + b"\n" for line in LINES)
HEAD = json.dumps(vars(Head(4, json.loads(LINES[-1])["sha256"], ""))).encode()


def fault(content: bytes, head: bytes | None = HEAD) -> str:
    return examine(content, head, FLEET).fault


def test_what_was_written_is_sound(tmp_path: Path) -> None:
    chain = filled(tmp_path)
    found = chain.examine()
    assert found.fault == ""
    assert [one["id"] for one in found.records] == ["run-0", "run-1", "run-2"]
    assert found.records[0]["prev"] == GENESIS
    assert found.records[2]["prev"] == found.records[1]["sha256"]
    assert fault(CONTENT) == ""


@given(st.integers(0, len(CONTENT) - 1), st.integers(1, 255))
def test_any_changed_byte_is_found(at: int, change: int) -> None:
    changed = bytearray(CONTENT)
    changed[at] ^= change
    found = examine(bytes(changed), HEAD, FLEET)
    assert found.fault
    assert len(found.records) <= CONTENT[:at].count(b"\n")


@given(st.integers(0, len(CONTENT) - 1))
def test_any_lost_tail_is_found(length: int) -> None:
    assert fault(CONTENT[:length])


@given(st.permutations(range(4)), st.integers(0, 4))
def test_any_other_order_or_number_of_records_is_found(order: list[int], count: int) -> None:
    chosen = order[:count]
    content = b"".join(LINES[index] + b"\n" for index in chosen)
    assert bool(fault(content)) == (chosen != [0, 1, 2, 3])


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (CONTENT.replace(b'"value":1000.0', b'"value":2000.0', 1), "record 1 (run-0) was changed"),
        (CONTENT.replace(b'"run-2"', b'"run-9"'), "record 3 (run-9) was changed"),
        (CONTENT.replace(b",", b", ", 1), "record 1 (run-0) was changed"),
        (b"\n".join([LINES[0], LINES[2], LINES[3], b""]), "record 2 (run-2) does not follow record 1"),
        (b"\n".join([LINES[1], LINES[2], LINES[3], b""]), "record 1 (run-1) does not follow the beginning"),
        (b"\n".join([*LINES[:3], b""]), "record 4 is missing: the file has 3 records of 4"),
        (b"", "record 1 is missing: the file has 0 records of 4"),
        (CONTENT[:-1], "record 4 is missing"),
        (CONTENT + b"{", "record 5 is damaged: its line has no end"),
        (CONTENT + LINES[0] + b"\n", "record 5 (run-0) does not follow record 4"),
        (b"[]\n", "record 1 is damaged: it is not a record"),
        (b"\xff\n", "record 1 is damaged: it is not JSON"),
        (b"[" * 100_000 + b"\n", "record 1 is damaged: it is not JSON"),
    ],
)
def test_the_first_bad_record_is_named(content: bytes, text: str) -> None:
    assert fault(content).startswith(text)


def test_a_record_that_was_appended_by_hand_is_found() -> None:
    record = json.loads(LINES[3])
    more = seal(record | {"id": "run-4"}, record["sha256"])
    assert fault(CONTENT + canonical(more) + b"\n") == "record 5 (run-4) was not added by ./scripts/evidence"


def test_a_file_that_was_written_anew_is_found() -> None:
    lines = []
    prev = GENESIS
    for line in LINES:
        record = seal(json.loads(line) | {"by": "other@control"}, prev)
        prev = record["sha256"]
        lines.append(canonical(record) + b"\n")
    assert fault(b"".join(lines)).startswith("record 4 is not the one that was added last")


def test_another_fleet_s_file_is_found() -> None:
    found = examine(CONTENT, HEAD, "lab-other")
    assert found.fault == "record 1 (run-0) is of lab-test, not of lab-other"


@pytest.mark.parametrize(
    ("changes", "quickly"),
    [
        ({"hosts": []}, True),
        ({"hosts": "x"}, True),
        ({"by": 3}, True),
        ({"ended_at": "soon"}, True),
        ({"values": 3}, False),
        ({"steps": [{}]}, False),
    ],
)
def test_a_malformed_record_with_a_good_hash_is_found(changes: dict[str, Any], quickly: bool) -> None:
    """Forged together with its head; what lists and counts need is always looked at."""
    record = seal(json.loads(LINES[0]) | changes, GENESIS)
    content = canonical(record) + b"\n"
    head = json.dumps(vars(Head(1, record["sha256"], ""))).encode()
    text = f"record 1 (run-0) is malformed: {next(iter(changes))}"
    assert examine(content, head, FLEET, whole=True).fault.startswith(text)
    assert bool(examine(content, head, FLEET).fault) == quickly


def test_a_record_that_lacks_a_key_is_found() -> None:
    record = json.loads(LINES[0])
    del record["verdict"]
    assert (
        fault(canonical(seal(record, GENESIS)) + b"\n") == "record 1 (run-0) is malformed: verdict: missing"
    )


@pytest.mark.parametrize(
    "head", [None, b"", b"{}", b"[]", b"3", b'{"records": -1}', HEAD[:-1], b'{"records": "4", "sha256": ""}']
)
def test_a_head_that_is_missing_or_damaged_is_found(head: bytes | None) -> None:
    assert fault(CONTENT, head).startswith("the .head file is missing or damaged")


def test_a_file_that_is_gone_is_found(tmp_path: Path) -> None:
    chain = filled(tmp_path)
    chain.path.unlink()
    assert chain.examine().fault == "lab-test.jsonl is gone; lab-test.head is left of it"
    with pytest.raises(OperatorError, match=r"record 1 is missing"):
        chain.add(draft(id="run-9"), "ops@control", NOW)
    with pytest.raises(OperatorError, match="there is no evidence of lab-other"):
        Chain(tmp_path, "lab-other").examine()


def test_nothing_is_added_to_a_file_that_was_changed(tmp_path: Path) -> None:
    chain = filled(tmp_path)
    chain.path.write_bytes(chain.path.read_bytes().replace(b"trader-01", b"trader-02", 1))
    before = chain.path.read_bytes(), chain.head_path.read_bytes()
    with pytest.raises(OperatorError, match=r"record 1 \(run-0\) was changed.*aside together"):
        chain.add(draft(id="run-9"), "ops@control", NOW)
    assert (chain.path.read_bytes(), chain.head_path.read_bytes()) == before


def test_a_refused_record_changes_nothing(tmp_path: Path) -> None:
    with pytest.raises(OperatorError):
        Chain(tmp_path / "evidence", FLEET).add(draft(hosts=[]), "ops@control", NOW)
    assert not (tmp_path / "evidence").exists()


def test_the_same_record_is_added_once(tmp_path: Path) -> None:
    chain = Chain(tmp_path, FLEET)
    chain.add(draft(), "ops@control", NOW)
    with pytest.raises(OperatorError, match="was added before"):
        chain.add(draft(), "ops@control", NOW)
    assert len(chain.examine().records) == 1


class StopError(Exception):
    """The machine stops here."""


def stop_at(step: int, patch: pytest.MonkeyPatch, tear: int) -> None:
    """Let the machine stop in one step of an add: before the append, within it, or after it."""
    append: Callable[[int, bytes], None] = chain_module._append
    write_head = Chain._write_head
    heads = 0

    def torn(descriptor: int, data: bytes) -> None:
        if step == 1:
            os.write(descriptor, data[:tear])
            raise StopError
        append(descriptor, data)

    def head(self: Chain, content: Head) -> None:
        nonlocal heads
        heads += 1
        if step == 2 and heads == 2:
            raise StopError
        write_head(self, content)

    patch.setattr(chain_module, "_append", torn)
    patch.setattr(Chain, "_write_head", head)


@pytest.mark.parametrize(("step", "tear"), [(1, 0), (1, 1), (1, 300), (2, 0)])
@pytest.mark.parametrize("before", [0, 2])
def test_an_add_that_was_cut_off_is_finished_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int, tear: int, before: int
) -> None:
    chain = filled(tmp_path, before)
    with monkeypatch.context() as patch:
        stop_at(step, patch, tear)
        with pytest.raises(StopError):
            chain.add(draft(id="cut-off"), "ops@control", NOW)
    assert chain.examine().fault == ""
    chain.add(draft(id="next"), "ops@control", NOW)
    found = chain.examine()
    assert found.fault == ""
    assert [one["id"] for one in found.records[before:]] == ["cut-off", "next"]
    head = read_head(chain.head_path.read_bytes())
    assert head == Head(before + 2, found.last, "")


@pytest.mark.parametrize("other", [b"{", b"\n", LINES[0]])
def test_a_tail_that_is_not_the_record_being_added_is_found(tmp_path: Path, other: bytes) -> None:
    chain = filled(tmp_path, 1)
    head = read_head(chain.head_path.read_bytes())
    assert head is not None
    pending = seal(json.loads(LINES[1]), head.sha256)
    chain._write_head(Head(1, head.sha256, canonical(pending).decode()))
    chain.path.write_bytes(chain.path.read_bytes() + b" " + other)
    assert chain.examine().fault.startswith("record 2 is damaged")


def test_many_at_once_are_all_there(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from ops.evidence.chain import Chain; "
        "from tests.evidence_helpers import draft, FLEET, NOW\n"
        "for n in range(5): Chain(Path(sys.argv[1]), FLEET)"
        ".add(draft(id=f'{sys.argv[2]}-{n}'), 'ops@control', NOW)"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT / "scripts")}
    runs = [
        subprocess.Popen([sys.executable, "-c", code, str(tmp_path), f"writer-{number}"], env=environment)
        for number in range(4)
    ]
    assert [run.wait(60) for run in runs] == [0] * 4
    found = Chain(tmp_path, FLEET).examine()
    assert found.fault == ""
    expected: list[Any] = sorted(f"writer-{number}-{n}" for number in range(4) for n in range(5))
    assert sorted(one["id"] for one in found.records) == expected
