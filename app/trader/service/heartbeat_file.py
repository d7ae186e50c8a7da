"""The heartbeat that others read with the service dead: a metric in node_exporter's textfile folder."""

import asyncio
import contextlib
import time
from pathlib import Path

from trader.kill_switch import files
from trader.telemetry.events import Events

FILE_NAME = "breakwater_heartbeat.prom"
EVERY_SECONDS = 5.0


class HeartbeatFile:
    """Written at most every `EVERY_SECONDS`, while the caller says that everything moves.

    The write is beside the loop and one at a time: a disk that hangs makes the file old, which is what it is
    for, and nothing else.

    Args:
        folder: None = it is not exported.

    Attributes:
        beats: how often everything moved since the start; a peer sees by it that we live.
    """

    def __init__(self, folder: Path | None, events: Events) -> None:
        self.beats = 0
        self._folder = folder
        self._events = events
        self._due = 0.0
        self._writing: asyncio.Task[None] | None = None
        self._failing = False
        self._ended = False

    def beat(self, now: float) -> None:
        """Everything moves (monotonic seconds)."""
        if self._ended:
            return
        self.beats += 1
        if self._folder is None or now < self._due:
            return
        if self._writing is not None and not self._writing.done():
            return
        self._due = now + EVERY_SECONDS
        self._write_beside(self._folder)

    async def stop(self, nothing_open: bool = False) -> None:
        """The last beat.

        Args:
            nothing_open: we end in order and leave no order: peers need not cancel for us.
        """
        self._ended = True
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(1.0):
                if self._writing is not None:
                    await asyncio.shield(self._writing)
                if self._folder is not None and nothing_open:
                    await asyncio.shield(self._write_beside(self._folder, stopped=1))

    def _write_beside(self, folder: Path, stopped: int = 0) -> "asyncio.Task[None]":
        self._writing = asyncio.create_task(self._write(folder / FILE_NAME, stopped), name="heartbeat file")
        return self._writing

    async def _write(self, path: Path, stopped: int) -> None:
        text = (
            "# HELP trader_heartbeat_timestamp_seconds When loop, timer and journal last moved (UTC).\n"
            "# TYPE trader_heartbeat_timestamp_seconds gauge\n"
            f"trader_heartbeat_timestamp_seconds {time.time():.3f}\n"
            "# HELP trader_heartbeat_stopped 1 after an orderly stop that left nothing open.\n"
            "# TYPE trader_heartbeat_stopped gauge\n"
            f"trader_heartbeat_stopped {stopped}\n"
        )
        try:
            await asyncio.to_thread(files.replace, path, text.encode(), 0o644)
        except OSError as error:
            if not self._failing:
                self._events.error("heartbeat_not_written", error)
            self._failing = True
        else:
            self._failing = False
