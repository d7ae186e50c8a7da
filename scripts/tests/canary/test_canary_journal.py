import json
import multiprocessing
from pathlib import Path

import pytest

from ops.canary.journal import START, Journal
from ops.errors import OperatorError


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    made = Journal(tmp_path / "events.jsonl")
    for name in ("one", "two", "three"):
        made.append(name, phase=1)
    return made


def test_events_come_back_in_order_and_chained(journal: Journal) -> None:
    events = journal.read()
    assert [event["event"] for event in events] == ["one", "two", "three"]
    assert [event["sequence"] for event in events] == [0, 1, 2]
    assert events[0]["previous_sha256"] == START
    assert len({event["previous_sha256"] for event in events} | {journal.head()}) == 4


def test_a_journal_that_is_not_there_is_empty(tmp_path: Path) -> None:
    assert Journal(tmp_path / "none").read() == []
    assert Journal(tmp_path / "none").head() == START


@pytest.mark.parametrize("change", ["alter", "remove", "swap", "insert"])
def test_a_change_of_any_kind_is_found_and_nothing_is_added(journal: Journal, change: str) -> None:
    lines = journal.path.read_text().splitlines()
    match change:
        case "alter":
            lines[1] = lines[1].replace("two", "TWO")
        case "remove":
            del lines[1]
        case "swap":
            lines[0], lines[1] = lines[1], lines[0]
        case "insert":
            lines.insert(1, lines[0])
    text = "\n".join(lines) + "\n"
    journal.path.write_text(text)
    with pytest.raises(OperatorError, match="does not follow the one before it"):
        journal.read()
    with pytest.raises(OperatorError, match="does not follow the one before it"):
        journal.append("four")
    assert journal.path.read_text() == text


def test_the_last_line_altered_shows_in_the_head(journal: Journal) -> None:
    head = journal.head()
    journal.path.write_text(journal.path.read_text().replace("three", "THREE"))
    assert journal.head() != head


def test_what_a_crash_cut_off_never_happened(journal: Journal) -> None:
    whole = journal.path.read_bytes()
    for cut in range(1, len(whole.splitlines(keepends=True)[-1])):
        journal.path.write_bytes(whole[:-cut])
        assert [event["event"] for event in journal.read()] == ["one", "two"]
    journal.append("again")
    assert [event["event"] for event in journal.read()] == ["one", "two", "again"]


def _write(path: Path, name: str) -> None:
    for _ in range(20):
        Journal(path).append(name)


def test_two_who_write_at_once_make_one_chain(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    writers = [multiprocessing.Process(target=_write, args=(path, name)) for name in ("a", "b", "c")]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert len(Journal(path).read()) == 60
    assert all(json.loads(line) for line in path.read_text().splitlines())
