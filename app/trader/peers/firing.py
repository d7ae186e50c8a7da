"""Cancels everything of a lost host's account: `trader panic` as a child, again until it succeeds."""

import asyncio
import contextlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from trader.peers.settings import Peer
from trader.telemetry.events import Events

CHILD_SECONDS = 180.0  # longer than a panic goes on by itself; one that hangs is replaced
RETRY_SECONDS = 0.5
END_SECONDS = 2.0


class Firing:
    """One host's.

    Args:
        programs: `trader`, the one to try first first.
        by: our own name.

    Attributes:
        ended: loop seconds when the venue had proven the last one; None = none yet.
        fired: panics that the venue has proven.
        cancelled: orders that they cancelled.
    """

    def __init__(self, peer: Peer, programs: Sequence[Path], by: str, events: Events) -> None:
        self._peer = peer
        self._programs = programs
        self._by = by
        self._events = events
        self._task: asyncio.Task[None] | None = None
        self.ended: float | None = None
        self.fired = 0
        self.cancelled = 0

    @property
    def running(self) -> bool:
        return self._task is not None and not self._task.done()

    def start(self, reason: str) -> None:
        """Begin, in a task of its own."""
        if self._task is not None and self._task.done() and not self._task.cancelled():
            self._task.result()  # whatever broke it breaks us, and systemd starts us anew
        self._task = asyncio.create_task(self._fire(reason), name=f"panic for {self._peer.name}")

    async def stop(self) -> None:
        """End it: the host looks after its own orders again."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _fire(self, reason: str) -> None:
        number = 0
        while not await self._panic(self._programs[number % len(self._programs)], reason):
            number += 1
            await asyncio.sleep(RETRY_SECONDS)

    async def _panic(self, program: Path, reason: str) -> bool:
        """Run one to its end; whether the venue has said zero twice."""
        peer = self._peer
        words = ["panic", "--config", str(peer.settings.settings), "--credential", peer.settings.credential]
        words += ["--no-latch", "--by", f"peer:{self._by}", "--trigger", "peer", "--reason", reason, "--json"]
        try:
            # Its progress goes where ours goes; its last word comes to us.
            child = await asyncio.create_subprocess_exec(
                str(program), *words, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE
            )
        except OSError as error:
            self._failed(program, f"cannot be started: {error.strerror}")
            return False
        try:
            async with asyncio.timeout(CHILD_SECONDS):
                said, _ = await child.communicate()
        except TimeoutError:
            self._failed(program, f"has not ended within {CHILD_SECONDS:g} s")
            return False
        finally:
            await _end(child)
        outcome = _outcome(said)
        if child.returncode != 0:
            self._failed(program, f"ended with {child.returncode}", **outcome)
            return False
        self.ended = asyncio.get_running_loop().time()
        self.fired += 1
        self.cancelled += int(outcome.get("cancelled", 0))
        self._events.emit("peer_cancelled", "warning", peer=peer.name, **outcome)
        return True

    def _failed(self, program: Path, problem: str, **outcome: Any) -> None:
        self._events.error("peer_panic_failed", f"{program} panic {problem}", peer=self._peer.name, **outcome)


async def _end(child: asyncio.subprocess.Process) -> None:
    if child.returncode is not None:
        return
    with contextlib.suppress(ProcessLookupError):
        child.terminate()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(END_SECONDS):
                await child.wait()
        if child.returncode is None:
            child.kill()
            await child.wait()


def _outcome(said: bytes) -> dict[str, Any]:
    """What it printed, without what the exit code says; a child that was killed has printed nothing."""
    try:
        outcome = json.loads(said)
    except ValueError:
        return {}
    names = ("open_orders", "cancelled", "already_gone", "failed", "seconds")
    return {name: outcome[name] for name in names if name in outcome} if isinstance(outcome, dict) else {}
