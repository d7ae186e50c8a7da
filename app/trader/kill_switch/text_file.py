"""A file in node_exporter's textfile folder, written beside the event loop and one at a time."""

import asyncio
from pathlib import Path

from trader.kill_switch import files
from trader.telemetry.events import Events


class TextFile:
    """Whoever reads it finds the old content or the new, whole. A disk that is full is told once, and never
    stops the caller.

    Args:
        path: None = nothing is exported.
        failed: name of the event that tells of a failure.
    """

    def __init__(self, path: Path | None, events: Events, failed: str) -> None:
        self._path = path
        self._events = events
        self._failed = failed
        self._writing: asyncio.Task[None] | None = None
        self._failing = False

    @property
    def busy(self) -> bool:
        """The last content is still being written, or there is no file."""
        return self._path is None or (self._writing is not None and not self._writing.done())

    def write(self, content: str) -> None:
        """Begin to replace the content; only when not `busy`."""
        assert self._path is not None
        self._writing = asyncio.create_task(self._write(self._path, content))

    async def _write(self, path: Path, content: str) -> None:
        try:
            await asyncio.to_thread(files.replace, path, content.encode(), 0o644)
        except OSError as error:
            if not self._failing:
                self._events.error(self._failed, error)
            self._failing = True
        else:
            self._failing = False
