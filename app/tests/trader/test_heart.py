"""The watchdog is petted only while everything moves."""

import asyncio
import socket
from pathlib import Path

import pytest

from trader.service.heart import Heart
from trader.service.notify import Notifier
from trader.telemetry.metrics import Metrics


@pytest.mark.parametrize("stalled", [[], ["journal"]])
async def test_it_beats_unless_something_stalls(tmp_path: Path, stalled: list[str]) -> None:
    asked = asyncio.Event()
    questions = 0

    def ask(limit_seconds: float) -> list[str]:
        nonlocal questions
        assert limit_seconds == pytest.approx(0.02)
        questions += 1
        if questions == 3:
            asked.set()
        return stalled

    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.setblocking(False)
        environment = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "20000"}
        heart = asyncio.create_task(Heart(Notifier(environment), Metrics(), ask).run())
        async with asyncio.timeout(5):
            await asked.wait()
        heart.cancel()
        if stalled:
            with pytest.raises(BlockingIOError):
                systemd.recv(100)
        else:
            assert systemd.recv(100) == b"WATCHDOG=1"
