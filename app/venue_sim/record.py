"""The record: an append-only file of every request, order event, fill and balance. Others check against it.

One JSON object a line, each with `seq` (rising by one, over restarts too), `kind` and `wall_ns` (UTC, in ns,
by the true clock whatever the venue's says).

kind      fields
start     version, seed, symbols, usdm_symbols
request   request_id, arrival_monotonic_ns, arrival_wall_ns, done_monotonic_ns, peer, transport (rest | ws),
          endpoint, account, key (the name of its API key, "" = the first), params (without apiKey and
          signature), http_status, code (0: success), fault (id of the last that hit it, or null), outcome
          (answered, or the kind of the fault that broke the answer: hang | reset | close | truncated | html |
          bad_json | empty); http_status is null when nothing was answered, code also when no JSON that can be
          read was
          Entries of orders, accounts and connections have `market` (spot | usdm); ids count in each market
          by themselves
order     request_id (of the request that caused it, also of another account's; null for a fill by the
          background flow), event (NEW, TRADE, CANCELED, EXPIRED) and the order as it is after the event;
          `cause` when it was not a request (a countdown)
fill      request_id, account, order_id, client_order_id, trade_id, price, quantity, ... maker; usdm: realised
balances  account, and the absolute free and locked amounts of the assets that changed; usdm: the wallet, in
          which nothing is locked
          Of usdm only (usdm/record.py): positions, algo, countdown, funding, leverage,
          listen_key
fault     action (set | ended | removed), and fault: its id, name, kind, scope and hits; those of kind
          clock_skew tell by how much the venue's own times (created_ms, time_ms) were off meanwhile
stream    fault (id, or null when it is the venue's own doing), stream (user | market), account, peer and
          action: what became of an event (duplicate | reorder | late | drop, with event, execution,
          client_order_id and trade_id; of market streams not recorded), or of a connection (silence |
          terminate | disconnect | server_shutdown; without a fault life_over | pong_missed)
key       account, key, enabled: one of its API keys was disabled or enabled, in both markets
stop      an orderly stop

It is never rotated. An order that another fills, or is filled by, costs about 2 kB over REST or the WebSocket
API (request 0.5, order 0.4 for each of its two or three events, fill 0.4, balances 0.1 for each event): a
million orders are 2 GB (benchmarks/venue_load.py measures it).

Lines are gathered in memory and written every `FLUSH_SECONDS`: an orderly stop loses nothing, a SIGKILL of
the emulator at most that much. What one request caused is written together or not at all.
"""

from __future__ import annotations

import os
import time
from bisect import bisect_right
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

from venue_sim.exchange import Market, OrderEvent
from venue_sim.model import USDM, Account, Trade, money

FLUSH_SECONDS = 0.01
_INDEX_EVERY = 500


class RecordError(Exception):
    """The record file cannot be used; the text names it."""


class Record:
    """Appends to the record and reads it back.

    Args:
        path: the file; made when absent, continued when present.

    Raises:
        RecordError: the file cannot be opened, or ends in something that is not a record.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.request_id: int | None = None
        """The request being served: events that it causes carry its id."""
        self.cause: str | None = None
        """What else causes the events of this moment."""
        self._lines: list[dict[str, Any]] = []
        self._index: list[tuple[int, int]] = [(0, 0)]  # (seq before it, offset), every so many lines
        self._size = 0
        self.seq = 0
        self.last_request_id = 0
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o640)
        except OSError as error:
            raise RecordError(f"record: cannot open {path}: {error.strerror}") from None

    def past(self) -> Iterator[dict[str, Any]]:
        """Read what earlier runs wrote, once, before anything is appended; sets `seq`.

        A last line without its end (the emulator was killed while writing) is cut off.
        """
        with self.path.open("rb") as file:
            for line in file:
                if not line.endswith(b"\n"):
                    os.ftruncate(self._file, self._size)
                    break
                try:
                    entry: dict[str, Any] = orjson.loads(line)
                    self.seq = int(entry["seq"])
                except (orjson.JSONDecodeError, KeyError, TypeError, ValueError):
                    raise RecordError(
                        f"record: {self.path} has a line that is no record at byte {self._size}"
                    ) from None
                self._advance(len(line))
                self.last_request_id = max(self.last_request_id, entry.get("request_id") or 0)
                yield entry

    def append(self, kind: str, fields: dict[str, Any]) -> None:
        """Add an entry; it is written with the next flush."""
        self.seq += 1
        self._lines.append({"seq": self.seq, "kind": kind, "wall_ns": time.time_ns(), **fields})

    def next_request_id(self) -> int:
        """An id for a request."""
        self.last_request_id += 1
        return self.last_request_id

    def flush(self) -> None:
        """Write what was gathered."""
        if not self._lines:
            return
        lines, self._lines = self._lines, []
        first = lines[0]["seq"] - 1
        chunks = []
        for number, entry in enumerate(lines):
            chunk = orjson.dumps(entry, option=orjson.OPT_APPEND_NEWLINE)
            chunks.append(chunk)
            self._advance(len(chunk), first + number + 1)
        data = memoryview(b"".join(chunks))
        try:
            while data:
                data = data[os.write(self._file, data) :]
        except OSError as error:
            raise RecordError(f"record: cannot write {self.path}: {error.strerror}") from None

    def close(self) -> None:
        """Write the rest and make it durable."""
        try:
            self.flush()
            os.fsync(self._file)
        finally:
            os.close(self._file)

    def read(self, after: int, limit: int) -> bytes:
        """Entries with `seq` greater than `after`, at most `limit`, as JSON lines."""
        self.flush()
        at = bisect_right(self._index, (after, self._size)) - 1
        seq, offset = self._index[max(at, 0)]
        wanted: list[bytes] = []
        with self.path.open("rb") as file:
            file.seek(offset)
            for line in file:
                seq += 1
                if seq > after:
                    wanted.append(line)
                    if len(wanted) == limit:
                        break
        return b"".join(wanted)

    # the exchange tells what happened (exchange.Sink)

    def order_event(self, event: OrderEvent) -> None:
        """An order changed."""
        order = event.order
        entry: dict[str, Any] = {
            "request_id": self.request_id,
            "event": event.execution,
            "market": order.account.market,
            "account": order.account.name,
            "symbol": order.rules.symbol,
            "order_id": order.order_id,
            "client_order_id": order.client_order_id,
            "side": order.side,
            "type": order.type,
            "time_in_force": order.time_in_force,
            "price": money(order.price),
            "quantity": money(order.quantity),
            "quote_quantity": money(order.quote_quantity),
            "executed": money(order.executed),
            "executed_quote": money(order.executed_quote),
            "status": order.status,
            "created_ms": order.created_ms,
            "time_ms": event.time_ms,
        }
        if event.cancel_id is not None:
            entry["cancel_id"] = event.cancel_id
        if order.extra:
            entry["tags"] = order.extra
        if self.cause is not None:
            entry["cause"] = self.cause
        fill = event.fill
        if fill is not None:
            entry["trade_id"] = fill.trade_id
        self.append("order", entry)
        if fill is None:
            return
        self.append(
            "fill",
            {
                "request_id": self.request_id,
                "market": order.account.market,
                "account": order.account.name,
                "symbol": order.rules.symbol,
                "order_id": order.order_id,
                "client_order_id": order.client_order_id,
                "trade_id": fill.trade_id,
                "side": order.side,
                "price": money(fill.price),
                "quantity": money(fill.quantity),
                "quote": money(fill.quote),
                "commission": money(fill.commission),
                "commission_asset": fill.commission_asset,
                "maker": fill.is_maker,
                "time_ms": fill.time_ms,
                **({"realised": money(fill.realised)} if order.account.market == USDM else {}),
            },
        )

    def balances(self, account: Account, assets: tuple[str, ...], _now_ms: int) -> None:
        """Balances of an account changed."""
        held = {a: [money(account.balance(a).free), money(account.balance(a).locked)] for a in assets}
        self.append("balances", {"market": account.market, "account": account.name, "balances": held})

    def trade(self, market: Market, trade: Trade) -> None:
        """Public trades are not recorded: the fills of both sides are."""

    def book(self, market: Market) -> None:
        """Books are not recorded."""

    def _advance(self, length: int, seq: int | None = None) -> None:
        self._size += length
        seq = self.seq if seq is None else seq
        if seq % _INDEX_EVERY == 0:
            self._index.append((seq, self._size))
