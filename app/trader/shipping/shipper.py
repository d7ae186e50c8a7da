"""Keeps the vault's copy of the journal up to date, and trading off while it is too far behind."""

import asyncio
import contextlib
import math
from collections.abc import Sequence
from pathlib import Path

from trader.journal import Journal
from trader.journal.lines import line
from trader.journal.reader import reading
from trader.journal.storage import JournalError, Row, query
from trader.orders.gate import Gate
from trader.shipping.backlog import Backlog
from trader.shipping.lines import Have, ShippingError, read_acknowledgement, read_greeting
from trader.shipping.settings import ShippingSettings
from trader.telemetry.events import Events
from trader.telemetry.metrics import Metrics

KEY = "shipping"
BATCH = 2_000  # records that are read from the journal at once
BUFFER_BYTES = 1 << 20  # more than this on its way: what follows is read from the journal later
GREETING_SECONDS = 10.0
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.2, 5.0
EPOCH = "{epoch}"


class Shipper:
    """Runs beside trading, from before the first order until after the last.

    What is committed while the vault is reached goes there at once; what it lacks otherwise is read from the
    journal. In both modes trading starts only when it lacks no more than the limits allow.
    """

    def __init__(
        self,
        settings: ShippingSettings,
        path: Path,
        journal: Journal,
        gate: Gate,
        metrics: Metrics,
        events: Events,
    ) -> None:
        self._settings = settings
        self._path = path
        self._epoch = journal.epoch
        self._gate = gate
        self._metrics = metrics
        self._events = events
        self._backlog = Backlog(journal.last_sequence)
        self._process: asyncio.subprocess.Process | None = None
        self._behind = asyncio.Event()
        self._sent = 0
        self._problem = "the vault was not reached yet"
        if self.on:
            journal.committed = self.committed
            gate.ask(KEY, self.why)
        metrics.refresh_with(self._publish)

    @property
    def on(self) -> bool:
        return self._settings.mode != "off"

    @property
    def strict(self) -> bool:
        return self._settings.mode == "strict"

    def why(self) -> str | None:
        """The gate's question: why nothing new may be sent; None = the copy is near enough."""
        backlog, settings = self._backlog, self._settings
        records, milliseconds = backlog.records, backlog.seconds * 1_000
        if backlog.acknowledged is None:
            return f"the vault has no copy of the journal yet: {self._problem}"
        if records > settings.max_records or milliseconds > settings.max_ms:
            why = self._problem or "it is slow"
            return f"the vault lacks {records} records, the oldest for {milliseconds:.0f} ms: {why}"
        if self.strict and self._process is None:
            return f"the vault is not reached: {self._problem}"
        return None

    async def copied(self, sequence: int) -> bool:
        """Whether an order may leave whose intent has this sequence. Waits in strict mode."""
        if not self.strict:
            return True
        return await self._backlog.wait(sequence, self._settings.acknowledge_ms / 1_000)

    def committed(self, rows: Sequence[Row]) -> None:
        """Records are durable here; called on the loop, in their order."""
        self._backlog.commit(rows[-1][0])
        if self._process is None or self._behind.is_set():
            return
        # A pipe that closes is noticed by those who read from it; what is committed meanwhile is not lost.
        if rows[0][0] != self._sent + 1 or self._closing() or self._buffered() > BUFFER_BYTES:
            self._behind.set()
            return
        self._send(rows)

    async def run(self) -> None:
        """Ship until cancelled."""
        if not self.on:
            await asyncio.Event().wait()
        pause = FIRST_PAUSE_SECONDS
        while True:
            try:
                await self._session()
            except (ShippingError, JournalError, OSError) as error:
                if self._problem == "":
                    pause = FIRST_PAUSE_SECONDS  # it had worked
                self._problem = str(error)
                self._events.error("shipping_interrupted", error)
                self._metrics.count("trader_errors_total", **{"class": "shipping"})
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)

    async def settled(self, seconds: float) -> bool:
        """Whether the vault has everything within so long; for the end of an orderly stop."""
        return not self.on or await self._backlog.wait(self._backlog.committed, seconds)

    @property
    def state(self) -> dict[str, object]:
        """JSON-ready, for people and scripts."""
        backlog = self._backlog
        return {
            "mode": self._settings.mode,
            "connected": self._process is not None,
            "acknowledged": backlog.acknowledged,
            "lacks_records": backlog.records,
            "lacks_seconds": round(backlog.seconds, 3),
        }

    # -- one connection

    async def _session(self) -> None:
        argv = [word.replace(EPOCH, str(self._epoch)) for word in self._settings.command]
        process = await asyncio.create_subprocess_exec(
            *argv,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        assert process.stdout is not None
        assert process.stderr is not None
        complaints = asyncio.create_task(process.stderr.read(4_000))
        try:
            try:
                async with asyncio.timeout(GREETING_SECONDS):
                    greeting = await process.stdout.readline()
            except TimeoutError as error:
                raise ShippingError(f"no word from the vault within {GREETING_SECONDS:g} s") from error
            if not greeting:
                raise ShippingError(await _last_words(complaints, "the connection to the vault ended"))
            have = read_greeting(greeting)
            await asyncio.to_thread(self._same_journal, have)
            self._sent = have.sequence
            self._backlog.acknowledge(have.sequence)
            self._behind.set()
            self._process, self._problem = process, ""
            self._events.emit("shipping_connected", has=have.sequence, lacks=self._backlog.records)
            async with asyncio.TaskGroup() as work:
                work.create_task(self._acknowledgements(process.stdout, complaints))
                work.create_task(self._catch_up())
        except ExceptionGroup as group:
            raise group.exceptions[0] from None
        finally:
            self._process = None
            complaints.cancel()
            await _end(process)

    async def _acknowledgements(
        self, stdout: asyncio.StreamReader, complaints: "asyncio.Task[bytes]"
    ) -> None:
        while text := await stdout.readline():
            waited = self._backlog.acknowledge(read_acknowledgement(text))
            if waited is not None:
                self._metrics.observe("trader_shipping_seconds", waited)
            if KEY in self._gate.halts and self.why() is None:
                self._gate.clear(KEY)
        raise ShippingError(await _last_words(complaints, "the connection to the vault ended"))

    async def _catch_up(self) -> None:
        """What the vault lacks, from the journal; then `committed` goes on without it."""
        while True:
            await self._behind.wait()
            rows = await asyncio.to_thread(self._read, self._sent)
            if rows:
                self._send(rows)
                process = self._process
                if process is not None and process.stdin is not None:
                    await process.stdin.drain()
            elif self._sent >= self._backlog.committed:
                self._behind.clear()
                if KEY in self._gate.halts and self.why() is None:
                    self._gate.clear(KEY)

    def _send(self, rows: Sequence[Row]) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(b"".join(line(row) for row in rows))
        self._sent = rows[-1][0]

    def _closing(self) -> bool:
        assert self._process is not None
        assert self._process.stdin is not None
        return self._process.stdin.is_closing()

    def _buffered(self) -> int:
        assert self._process is not None
        assert self._process.stdin is not None
        return self._process.stdin.transport.get_write_buffer_size()

    def _read(self, after: int) -> list[Row]:
        with reading(self._path) as connection:
            sql = "SELECT seq, at_ns, kind, body, hash FROM events WHERE seq > ? ORDER BY seq LIMIT ?"
            return query(connection, sql, (after, BATCH))

    def _same_journal(self, have: Have) -> None:
        """Refuse to add to the copy of another journal: neither of the two would be whole then."""
        if have.sequence == 0:
            return
        with reading(self._path) as connection:
            known = query(connection, "SELECT hash FROM events WHERE seq = ?", (have.sequence,))
        if not known:
            raise ShippingError(
                f"the vault has {have.sequence} records of this host, the journal here has fewer: this is"
                f" not the"
                " journal that was copied; restore it (playbooks/restore.yml)"
            )
        if known[0][0] != have.digest:
            raise ShippingError(
                f"record {have.sequence} here is not the vault's: this is not the journal that was copied;"
                f" restore it"
                " (playbooks/restore.yml)"
            )

    def _publish(self) -> None:
        metrics, backlog = self._metrics, self._backlog
        metrics.set("trader_shipping_connected", float(self._process is not None) if self.on else math.nan)
        metrics.set("trader_shipping_lag_records", backlog.records if self.on else math.nan)
        metrics.set("trader_shipping_lag_seconds", backlog.seconds if self.on else math.nan)


async def _last_words(complaints: "asyncio.Task[bytes]", otherwise: str) -> str:
    """What the program said on stderr, its last line."""
    with contextlib.suppress(TimeoutError, asyncio.CancelledError):
        async with asyncio.timeout(1):
            lines = (await asyncio.shield(complaints)).decode(errors="replace").strip().splitlines()
            return f"{otherwise}: {lines[-1][:300]}" if lines else otherwise
    return otherwise


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
