"""Structured events: one JSON line each on stdout, with times in UTC ns and without secrets."""

import logging
import re
import sys
import time
from decimal import Decimal
from typing import Any, TextIO

import orjson

_SIGNATURE = re.compile(r"(signature|apiKey|api_key|secret)=[^&\s\"']+", re.IGNORECASE)
HIDDEN = "[hidden]"


class Events:
    """Writes events.

    Args:
        stream: where the lines go.
        fixed: fields of every line, for example host and release.
    """

    def __init__(self, stream: TextIO | None = None, **fixed: str) -> None:
        self._stream = stream or sys.stdout
        self._fixed = fixed
        self._secrets: tuple[str, ...] = ()

    def hide(self, *secrets: str) -> None:
        """From now on these texts never appear in a line, wherever they come from."""
        self._secrets += tuple(secret for secret in secrets if secret)

    def scrub(self, text: str) -> str:
        """The text without secrets and request signatures."""
        for secret in self._secrets:
            text = text.replace(secret, HIDDEN)
        return _SIGNATURE.sub(rf"\1={HIDDEN}", text)

    def emit(self, event: str, level: str = "info", **fields: Any) -> None:
        """Write one line; every string in it is scrubbed."""
        line = {"at_ns": time.time_ns(), "level": level, "event": event, **self._fixed, **fields}
        text = self.scrub(orjson.dumps(line, default=_plain).decode())
        try:
            self._stream.write(text + "\n")
            self._stream.flush()
        except (BrokenPipeError, ValueError):
            # Nobody reads any more; trading must not end for that.
            return

    def error(self, event: str, error: BaseException | str, **fields: Any) -> None:
        """Write an error: its class and its first line."""
        kind = type(error).__name__ if isinstance(error, BaseException) else "error"
        lines = str(error).splitlines()
        self.emit(event, "error", error=kind, message=(lines[0] if lines else "")[:500], **fields)


class LibraryLog(logging.Handler):
    """Takes what libraries log, so that it has the same form and the same scrubbing."""

    def __init__(self, events: Events) -> None:
        super().__init__(logging.WARNING)
        self._events = events

    def emit(self, record: logging.LogRecord) -> None:
        fields = {"logger": record.name, "message": record.getMessage()[:1_000]}
        if record.exc_info and record.exc_info[1] is not None:
            fields["error"] = f"{type(record.exc_info[1]).__name__}: {record.exc_info[1]}"[:500]
        self._events.emit("library", record.levelname.lower(), **fields)


def _plain(value: object) -> str:
    if isinstance(value, Decimal):
        return str(value)
    return repr(value)
