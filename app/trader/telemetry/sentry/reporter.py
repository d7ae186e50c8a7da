"""Sends reports from a thread of its own: who logs an error queues it, or counts that the queue is full."""

import contextlib
import queue
import random
import re
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, cast

from sentry_sdk import Client
from sentry_sdk.transport import HttpTransport
from sentry_sdk.utils import event_from_exception

from trader.telemetry.events import Events
from trader.telemetry.metrics import Metrics
from trader.telemetry.sentry import policy
from trader.telemetry.sentry.event import Line, breadcrumb, event, fingerprint
from trader.telemetry.sentry.scrub import scrub
from trader.telemetry.sentry.settings import SentrySettings

if TYPE_CHECKING:
    from sentry_sdk.types import Event

QUEUED: Final = 200  # lines that wait for the thread
BREADCRUMBS: Final = 50
# Making a report takes milliseconds in which the thread holds the interpreter again and again, and an order
# that is under way waits for it: so one at a time, with a pause between, and short turns.
# `benchmarks.error_reports` measures it.
PAUSE_SECONDS: Final = 0.2
TURN_SECONDS: Final = 0.0005  # the interpreter's own 5 ms would be an order's delay
FLUSH_SECONDS: Final = 2.0
DROPPED: Final = "trader_sentry_dropped_total"
SUPPRESSED: Final = "trader_sentry_suppressed_total"
# The SDK's words for what it lost (client reports, "reason").
_LOST: Final = {"queue_overflow": "queue_full", "network_error": "network", "ratelimit_backoff": "refused"}


def start(
    dsn: str, given: SentrySettings, scope: Mapping[str, str], release: str, events: Events, metrics: Metrics
) -> "Reporter":
    """A reporter of every line that `events` writes from now on.

    Args:
        scope: fields of every report beside those of the log: host, strategy, venue.
        release: its id.
    """
    sys.setswitchinterval(TURN_SECONDS)
    shares = policy.shares(given.environment, given.given)
    reporter = Reporter(dsn, given.environment, release, scope["host"], shares, events.scrub, metrics)

    def report(name: str, level: str, fields: dict[str, Any], error: BaseException | None) -> None:
        reporter.take(name, level, {**scope, **fields}, error)

    events.report = report
    return reporter


class Reporter:
    """Takes lines of the log from any thread; never raises and never waits.

    Args:
        dsn: where reports go.
        environment, release, host: tags of every report.
        shares: of each kind that is reported, 0 to 1.
        known: takes the service's own secrets out of a text.
        metrics: counts what did not go out.
        options: further options of the SDK's client, for tests.
    """

    def __init__(
        self,
        dsn: str,
        environment: str,
        release: str,
        host: str,
        shares: Mapping[str, float],
        known: Callable[[str], str],
        metrics: Metrics,
        **options: Any,
    ) -> None:
        self._known, self._metrics, self._shares = known, metrics, shares
        self._client = Client(
            **{
                "dsn": dsn,
                "environment": environment,
                "release": release,
                "server_name": host,
                "default_integrations": False,
                "auto_enabling_integrations": False,
                "auto_session_tracking": False,
                "send_client_reports": False,
                "include_local_variables": False,
                "include_source_context": False,
                "max_value_length": 2_000,
                # Its own 100 would lose what our queue has let through.
                "transport_queue_size": QUEUED,
                "shutdown_timeout": FLUSH_SECONDS,
                "before_send": self._before_send,
                "transport": _transport(metrics),
                **options,
            }
        )
        self._lines: queue.Queue[Line | None] = queue.Queue(QUEUED)
        self._breadcrumbs: deque[dict[str, Any]] = deque(maxlen=BREADCRUMBS)
        self._ending = threading.Event()
        self._storms = policy.Storms()
        self._chance = random.Random()  # noqa: S311 - which of many like it is sent
        self._thread = threading.Thread(target=self._run, name="sentry", daemon=True)
        self._thread.start()

    def take(self, name: str, level: str, fields: Mapping[str, Any], error: BaseException | None) -> None:
        """A line was written; what is worth a report is queued."""
        now = time.time()
        before = tuple(self._breadcrumbs)
        self._breadcrumbs.append(breadcrumb(name, level, now, fields))
        if not policy.is_reported(name, level):
            return
        if self._ending.is_set():
            self._metrics.count(DROPPED, reason="shutdown")
            return
        try:
            self._lines.put_nowait(Line(name, level, now, dict(fields), error, before))
        except queue.Full:
            self._metrics.count(DROPPED, reason="queue_full")

    def close(self, seconds: float = FLUSH_SECONDS) -> None:
        """Send what waits, for so long, and end. Before the process does."""
        until = time.monotonic() + seconds
        self._ending.set()
        with contextlib.suppress(queue.Full):
            self._lines.put(None, timeout=seconds)
            self._thread.join(max(0.0, until - time.monotonic()))
        # Taken away from the thread, so that none is both sent and counted.
        with contextlib.suppress(queue.Empty):
            while True:
                if self._lines.get_nowait() is not None:
                    self._metrics.count(DROPPED, reason="shutdown")
        self._lines.put(None)
        self._client.close(timeout=max(0.1, until - time.monotonic()))

    def _run(self) -> None:
        while (line := self._lines.get()) is not None:
            try:
                sent = self._send(line)
            except Exception as error:  # noqa: BLE001 - a report that cannot be made is told as such
                sent = True
                self._metrics.count(DROPPED, reason="error")
                self._capture(_minimal(line.name, error), None)
            if sent:
                self._ending.wait(PAUSE_SECONDS)

    def _send(self, line: Line) -> bool:
        """Whether it went on its way; what is held back is counted."""
        kind = policy.kind_of(line.name)
        if self._chance.random() >= self._shares[kind]:
            self._metrics.count(SUPPRESSED, reason="sampled")
            return False
        passes, held_back = self._storms.passes(fingerprint(line), time.monotonic())
        if not passes:
            self._metrics.count(SUPPRESSED, reason="storm")
            return False
        made, hint = event(line, held_back), None
        if line.error is not None:
            raised, hint = event_from_exception(line.error, client_options=self._client.options)
            made = {**raised, **made}
        self._capture(made, hint)
        return True

    def _capture(self, made: Mapping[str, Any], hint: Any) -> None:
        self._client.capture_event(cast("Event", made), hint=hint)

    def _before_send(self, made: Any, _hint: Any) -> Any:
        """The last thing before the wire. What raises here would be dropped by the SDK without a word."""
        try:
            return scrub(made, self._known)
        except Exception as error:  # noqa: BLE001 - the report must go out, without what could not be read
            return {**_minimal(str(made.get("transaction")), error), "event_id": made.get("event_id")}


def _minimal(name: str, error: Exception) -> dict[str, Any]:
    """What is left of a report that could not be made: that there was one, and of which event."""
    # A name of ours; anything else was not scrubbed, and may be a URL.
    told = name if re.fullmatch(r"[a-z][a-z0-9_]{0,60}", name) else "an event"
    return {
        "level": "error",
        "platform": "python",
        "message": f"report of {told} could not be made: {type(error).__name__}",
        "fingerprint": ["report_broke", type(error).__name__],
        "tags": {"event": "report_broke"},
    }


def _transport(metrics: Metrics) -> type[HttpTransport]:
    """The SDK's transport, which counts what it loses."""

    class Counting(HttpTransport):
        def record_lost_event(self, reason: str, *words: Any, **more: Any) -> None:
            metrics.count(DROPPED, reason=_LOST.get(reason, "refused"))
            super().record_lost_event(reason, *words, **more)

    return Counting
