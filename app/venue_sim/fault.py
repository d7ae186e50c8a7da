"""What a fault is: the kinds, their fields, and whom, how often and how long each hits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

BEFORE = "before"
AFTER = "after"

REST = "rest"
WS = "ws"

USER = "user"
MARKET = "market"

LATENCY = "latency"
ERROR = "error"
HANG = "hang"
RESET = "reset"
CLOSE = "close"
TRUNCATED = "truncated"
HTML = "html"
BAD_JSON = "bad_json"
EMPTY = "empty"
OTHER_ID = "other_id"
NO_ID = "no_id"
IGNORE_CANCEL = "ignore_cancel"
REQUEST_KINDS = (
    LATENCY, ERROR, HANG, RESET, CLOSE, TRUNCATED, HTML, BAD_JSON, EMPTY, OTHER_ID, NO_ID, IGNORE_CANCEL,
)  # fmt: skip

CANCELS = ".cancel"
"""Part of the name of every endpoint that cancels."""

DUPLICATE = "duplicate"
REORDER = "reorder"
LATE = "late"
DROP = "drop"
EVENT_KINDS = (DUPLICATE, REORDER, LATE, DROP)

SILENCE = "silence"
TERMINATE = "terminate"
DISCONNECT = "disconnect"
SERVER_SHUTDOWN = "server_shutdown"
CONNECTION_KINDS = (SILENCE, TERMINATE, DISCONNECT, SERVER_SHUTDOWN)

CLOCK_SKEW = "clock_skew"

HOLDING = (HANG, REORDER, SILENCE)
"""Kinds that hold something back: what they hit stays held until their time is over, count used up or not."""

ABNORMAL_CLOSE = 1006
"""The close code that a client reports when the connection ends without a close frame; never sent."""

_REQUEST = ("account", "endpoint", "transport", "peer", "share", "count", "stage")
_CONNECTION = ("account", "stream", "peer", "share", "count")
_EVENT = (*_CONNECTION, "event")
_OWN = {
    LATENCY: ("latency_ms",),
    ERROR: ("code", "http_status", "message", "body", "retry_after_seconds"),
    HTML: ("http_status",),
    IGNORE_CANCEL: ("client_order_id",),
    LATE: ("latency_ms",),
    DISCONNECT: ("close_code",),
    CLOCK_SKEW: ("offset_ms",),
}
FIELDS: dict[str, tuple[str, ...]] = {
    kind: ("name", "kind", *scope, *_OWN.get(kind, ()), "duration_seconds")
    for kinds, scope in (
        (REQUEST_KINDS, _REQUEST),
        (EVENT_KINDS, _EVENT),
        (CONNECTION_KINDS, _CONNECTION),
        ((CLOCK_SKEW,), ()),
    )
    for kind in kinds
}
"""The fields that each kind takes."""


@dataclass(slots=True, eq=False)
class Fault:
    """One fault. Which fields a kind takes: `FIELDS`; their ranges: fault_reader.py.

    Attributes:
        fault_id: given by the emulator.
        name: chosen by who sets it, for the record.
        kind: of a request: "latency" waits, "error" answers with `code`, "hang" never answers, "reset" ends
            the connection with a TCP RST and "close" in order, both without an answer, "truncated" announces
            more than it sends and closes, "html" answers with a page, "bad_json" with cut JSON, "empty" with
            nothing; "other_id" names another client order id in a good answer, "no_id" leaves the ids out.
            Of a request that cancels: "ignore_cancel" answers that it was done and leaves the orders open,
            or only the one of `client_order_id`.
            Of an event: "duplicate" sends it twice, "reorder" after the next one, "late" after a while,
            "drop" never.
            Of a connection with streams: "silence" freezes it (nothing sent, nothing read, no pong),
            "terminate" ends its user streams with the venue's event (of USDM: the listen key, for all its
            connections), "disconnect" ends it, "server_shutdown" sends the venue's warning. Each connection
            is hit at most once, those opened later too.
            "clock_skew" sets the venue's clock off.
        account, endpoint, transport, peer: whom it hits; None is everyone or everything. Endpoints: see
            endpoints.py; transports: "rest", "ws"; a peer is a client's address.
        stream: "user" or "market", for the kinds of events and connections.
        event: only events of this name or execution type ("executionReport", "TRADE"; USDM:
            "ORDER_TRADE_UPDATE", "ACCOUNT_UPDATE", "ALGO_UPDATE").
        share: of what matches, 0..1. Of connections, each is drawn once.
        count: hits after which it ends; None is any number.
        stage: "before" the venue acts on the request, or "after" (the order is live, nobody was told).
        latency_ms, code, http_status, message, body, retry_after_seconds, close_code, offset_ms,
            client_order_id: what the kind needs. `body` is sent as plain text in place of the venue's JSON.
        ends_monotonic_ns: when it is over.
        hits: so far.
    """

    fault_id: int
    name: str
    kind: str
    duration_seconds: float
    ends_monotonic_ns: int
    account: str | None = None
    endpoint: str | None = None
    transport: str | None = None
    peer: str | None = None
    stream: str = USER
    event: str | None = None
    share: float = 1.0
    count: int | None = None
    stage: str = BEFORE
    latency_ms: int = 0
    code: int = -1000
    http_status: int = 500
    message: str | None = None
    body: str | None = None
    retry_after_seconds: int | None = None
    close_code: int = ABNORMAL_CLOSE
    offset_ms: int = 0
    client_order_id: str | None = None
    hits: int = 0

    def describe(self, now_monotonic_ns: int) -> dict[str, Any]:
        """The fault as the admin port shows it: its own fields, how often it hit, and what is left of it."""
        row: dict[str, Any] = {"id": self.fault_id}
        row |= {name: getattr(self, name) for name in FIELDS[self.kind]}
        row["hits"] = self.hits
        row["remaining_seconds"] = round(max(0, self.ends_monotonic_ns - now_monotonic_ns) / 1e9, 3)
        return row
