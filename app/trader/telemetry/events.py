"""Structured events: one JSON line each on stdout, with times in UTC ns and without secrets.

Where stdout is journald's stream (systemd sets JOURNAL_STREAM), each line begins with its priority
(sd-daemon(3)), which journald takes off again: `journalctl -p err` finds what is an error, and no library is
needed.
"""

import logging
import os
import re
import sys
import time
from collections.abc import Callable
from decimal import Decimal
from typing import Any, TextIO

import orjson

from trader.telemetry.secret_forms import forms

_SIGNATURE = re.compile(r"(signature|apiKey|api_key|secret)=[^&\s\"']+", re.IGNORECASE)
HIDDEN = "[hidden]"
_PRIORITIES = {"debug": 7, "info": 6, "warning": 4, "error": 3, "critical": 2}
BURST, BURST_SECONDS = 20, 10.0
# An event of these families, or an error, is never left out: what happened to an order, the money or the
# latch must be in the log.
KEPT = re.compile(
    r"order_|orders_|cancel_|kill_|latch_|trading_|dead_man|daily_loss|fills_|reconciled|difference|contradiction|peer_|panic_"
    r"|baseline_|start|stop|not_clean|drain"
)


class _Limiter:
    """So many of one name in so many seconds; the rest are counted."""

    def __init__(self) -> None:
        self._windows: dict[str, tuple[float, int]] = {}

    def passes(self, event: str, now: float) -> tuple[bool, int]:
        """Whether it may be written, and how many of its name were left out before it."""
        begin, count = self._windows.get(event, (now, 0))
        left_out = 0
        if now - begin >= BURST_SECONDS:
            left_out, begin, count = max(0, count - BURST), now, 0
        self._windows[event] = (begin, count + 1)
        return count < BURST, left_out


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
        self._limiter = _Limiter()
        # Takes name, level, fields and what was raised, of every line; None = nobody does.
        self.report: Callable[[str, str, dict[str, Any], BaseException | None], None] | None = None
        journal = os.environ.get("JOURNAL_STREAM") if self._stream in (sys.stdout, sys.stderr) else None
        self._prefixed = bool(journal)

    def hide(self, *secrets: str) -> None:
        """From now on these texts never appear in a line, from wherever and however quoted."""
        self._secrets += tuple(form for secret in secrets if secret for form in forms(secret))

    def scrub(self, text: str) -> str:
        """The text without secrets and request signatures."""
        for secret in self._secrets:
            text = text.replace(secret, HIDDEN)
        return _SIGNATURE.sub(rf"\1={HIDDEN}", text)

    def emit(self, event: str, level: str = "info", **fields: Any) -> None:
        """Write one line; every string in it is scrubbed. A flood of one name is cut, and says by how many
        lines."""
        self.line(event, level, fields, None)

    def line(self, event: str, level: str, fields: dict[str, Any], error: BaseException | None) -> None:
        """The same, with what was raised, for whoever takes reports."""
        if self.report is not None:
            self.report(event, level, {**self._fixed, **fields}, error)
        if level not in ("error", "critical") and not KEPT.match(event):
            passes, left_out = self._limiter.passes(event, time.monotonic())
            if not passes:
                return
            if left_out:
                fields["left_out"] = left_out
        line = {"at_ns": time.time_ns(), "level": level, "event": event, **self._fixed, **fields}
        text = self.scrub(orjson.dumps(line, default=_plain).decode())
        try:
            prefix = f"<{_PRIORITIES.get(level, 6)}>" if self._prefixed else ""
            self._stream.write(f"{prefix}{text}\n")
            self._stream.flush()
        except (BrokenPipeError, ValueError):
            # Nobody reads any more; trading must not end for that.
            return

    def error(self, event: str, error: BaseException | str, **fields: Any) -> None:
        """Write an error: its class and its first line."""
        raised = error if isinstance(error, BaseException) else None
        kind = "error" if raised is None else type(raised).__name__
        lines = str(error).splitlines()
        told = {"error": kind, "message": (lines[0] if lines else "")[:500], **fields}
        self.line(event, "error", told, raised)


class LibraryLog(logging.Handler):
    """Takes what libraries log, so that it has the same form and the same scrubbing."""

    def __init__(self, events: Events) -> None:
        super().__init__(logging.WARNING)
        self._events = events

    def emit(self, record: logging.LogRecord) -> None:
        fields = {"logger": record.name, "message": record.getMessage()[:1_000]}
        raised = record.exc_info[1] if record.exc_info else None
        if raised is not None:
            fields["error"] = f"{type(raised).__name__}: {raised}"[:500]
        self._events.line("library", record.levelname.lower(), fields, raised)


def _plain(value: object) -> str:
    if isinstance(value, Decimal):
        return str(value)
    return repr(value)
