"""The act on every host at once. No host waits for another, and the venue does not wait for a host."""

import asyncio
import shlex
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ops.kill.kit import Target
from ops.kill.outcome import Outcome, Word, conclude, read_answer
from ops.kill.venue import panic_command

HERE = "here"


@dataclass(frozen=True)
class Wish:
    """What was asked for.

    Args:
        patience_seconds: a host that has not let us in by then is taken at the venue as well.
        work_seconds: so long may it work once it has let us in, before the venue is asked as well.
        host_seconds: then a host is given up; what runs there goes on.
        venue_seconds: then the venue is given up. Longer than the deadline of `trader panic`.
        hosts, venue: which ways may be gone.
    """

    by: str
    reason: str
    patience_seconds: float = 1.0
    work_seconds: float = 3.0
    host_seconds: float = 30.0
    venue_seconds: float = 150.0
    hosts: bool = True
    venue: bool = True


def remote_command(target: Target, by: str, reason: str) -> str:
    """What the host's shell gets; it says first that it is there."""
    sudo = "sudo -n " if target.sudo else ""
    return f"echo {HERE}; exec {sudo}/usr/local/sbin/trader-life kill {shlex.quote(by)} {shlex.quote(reason)}"


async def kill(targets: Sequence[Target], wish: Wish, say: Callable[[str], None]) -> list[Outcome]:
    """Stop hosts; one outcome each, in their order.

    Args:
        say: gets a line whenever something has happened that a person wants to know now.
    """
    acts = [_Act(target, wish, say) for target in targets]
    return list(await asyncio.gather(*(act.run() for act in acts)))


class _Act:
    """One host."""

    def __init__(self, target: Target, wish: Wish, say: Callable[[str], None]) -> None:
        self._target = target
        self._wish = wish
        self._say = say
        self._began = time.monotonic()
        self._let_in = asyncio.Event()

    async def run(self) -> Outcome:
        host = asyncio.create_task(self._by_host()) if self._wish.hosts else None
        venue = asyncio.create_task(self._by_venue(host)) if self._wish.venue else None
        tasks = [task for task in (host, venue) if task is not None]
        await asyncio.gather(*tasks, return_exceptions=True)
        outcome = conclude(self._target.name, self._word(host), self._word(venue), self._seconds())
        end = "stopped" if outcome.stopped else outcome.problem
        self._say(f"{outcome.host}: {end} ({outcome.seconds:.1f} s)")
        return outcome

    def _word(self, task: "asyncio.Task[Word | None] | None") -> Word | None:
        """What came of one way. Whatever went wrong on it, the other way and the other hosts go on."""
        if task is None:
            return None
        error = task.exception()
        return task.result() if error is None else Word(problem=f"{type(error).__name__}: {error}")

    def _seconds(self) -> float:
        return time.monotonic() - self._began

    async def _by_host(self) -> Word | None:
        command = remote_command(self._target, self._wish.by, self._wish.reason)
        return await _ask([*self._target.ssh, command], None, self._let_in, self._wish.host_seconds)

    async def _by_venue(self, host: "asyncio.Task[Word | None] | None") -> Word | None:
        if host is not None:
            await self._be_patient(host)
            word = self._word(host) if host.done() else None
            if word is not None and word.zero:
                return None
            slow = "is not done" if self._let_in.is_set() else "does not answer"
            why = slow if word is None else f"failed ({word.problem})"
            self._say(f"{self._target.name}: {why} after {self._seconds():.1f} s; straight to the venue")
        if not self._target.recovery:
            return Word(problem="no recovery key is kept for it (trader_recovery_credential)")
        with panic_command(self._target, self._wish.by, self._wish.reason) as (argv, environment):
            return await _ask(argv, environment, asyncio.Event(), self._wish.venue_seconds)

    async def _be_patient(self, host: "asyncio.Task[Word | None]") -> None:
        """Wait for the host as long as it may take; it is not disturbed if it takes longer."""
        let_in = asyncio.create_task(self._let_in.wait())
        patience = self._wish.patience_seconds
        await asyncio.wait({host, let_in}, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
        let_in.cancel()
        if self._let_in.is_set():
            await asyncio.wait({host}, timeout=self._wish.work_seconds)


async def _ask(
    argv: Sequence[str], environment: dict[str, str] | None, let_in: asyncio.Event, seconds: float
) -> Word:
    """Run one command to its end and read its answer; a process that is given up is not left behind."""
    try:
        process = await asyncio.create_subprocess_exec(
            *argv, env=environment, stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, limit=1 << 22,
        )  # fmt: skip
    except OSError as error:
        return Word(problem=f"{argv[0]}: {error.strerror}")
    assert process.stdout is not None
    assert process.stderr is not None
    lines: list[str] = []
    complaints = asyncio.create_task(process.stderr.read())
    try:
        async with asyncio.timeout(seconds):
            async for line in process.stdout:
                lines.append(line.decode(errors="replace").strip())
                if lines[-1] == HERE:
                    let_in.set()
            said = await complaints
            status = await process.wait()
    except TimeoutError:
        return Word(problem=f"no result within {seconds:g} s")
    finally:
        complaints.cancel()
        if process.returncode is None:
            process.kill()
            await process.wait()
    return read_answer(lines, status, said.decode(errors="replace"))
