"""The state file: what node_exporter shows of a dead service."""

import asyncio
import io
import json
import re
from pathlib import Path

from trader.service.state_file import EVERY_SECONDS, FILE_NAME, State, StateFile
from trader.telemetry.events import Events


def values(folder: Path) -> dict[str, float]:
    text = (folder / FILE_NAME).read_text()
    return {
        name: float(value) for name, value in re.findall(r"^trader_state_(\w+) (\S+)$", text, re.MULTILINE)
    }


async def settled(file: StateFile) -> None:
    async with asyncio.timeout(5):
        while file._file.busy:  # noqa: ASYNC110 - the service asks the same way
            await asyncio.sleep(0.01)


async def test_only_what_is_known_is_there(tmp_path: Path) -> None:
    file = StateFile(tmp_path, Events(io.StringIO()))
    file.tell(State(daily_loss_share=0.5, unknown_since_timestamp_seconds=0), 0.0)
    await settled(file)
    assert values(tmp_path).keys() == {
        "daily_loss_share",
        "unknown_since_timestamp_seconds",
        "written_timestamp_seconds",
    }
    assert values(tmp_path)["daily_loss_share"] == 0.5


async def test_a_restart_keeps_what_was_known(tmp_path: Path) -> None:
    before = StateFile(tmp_path, Events(io.StringIO()))
    before.tell(State(daily_loss_share=0.8, drift_usd=120), 0.0)
    await settled(before)
    after = StateFile(tmp_path, Events(io.StringIO()))
    after.tell(State(drift_usd=3), 0.0)
    await settled(after)
    assert values(tmp_path)["daily_loss_share"] == 0.8
    assert values(tmp_path)["drift_usd"] == 3


async def test_at_most_once_a_second_and_at_least_every_ten(tmp_path: Path) -> None:
    file = StateFile(tmp_path, Events(io.StringIO()))
    file.tell(State(drift_usd=1), 0.0)
    await settled(file)
    file.tell(State(drift_usd=2), 0.5)
    await settled(file)
    assert values(tmp_path)["drift_usd"] == 1
    file.tell(State(drift_usd=2), 1.0)
    await settled(file)
    assert values(tmp_path)["drift_usd"] == 2
    (tmp_path / FILE_NAME).unlink()
    file.tell(State(drift_usd=2), EVERY_SECONDS)
    assert not (tmp_path / FILE_NAME).exists()
    file.tell(State(drift_usd=2), EVERY_SECONDS + 1)
    await settled(file)
    assert values(tmp_path)["drift_usd"] == 2


async def test_a_folder_that_is_not_there_is_told_once(tmp_path: Path) -> None:
    stream = io.StringIO()
    file = StateFile(tmp_path / "missing", Events(stream))
    for second in (0.0, 20.0, 40.0):
        file.tell(State(drift_usd=second), second)
        await settled(file)
    events = [json.loads(line)["event"] for line in stream.getvalue().splitlines()]
    assert events == ["state_file_not_written"]


async def test_without_a_folder_nothing_happens() -> None:
    StateFile(None, Events(io.StringIO())).tell(State(drift_usd=1), 0.0)


def test_a_foreign_file_is_not_believed(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_text("trader_state_evil 5\ntrader_state_drift_usd oops\n")
    assert StateFile(tmp_path, Events(io.StringIO()))._known == {}
