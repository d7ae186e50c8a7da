"""What a check is, and how one that fails, hangs or breaks keeps none of the others from running."""

import asyncio
import contextlib
import threading
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Verdict(StrEnum):
    OK = "ok"
    WARN = "warn"  # not proven, or soon a problem; may trade
    FAIL = "FAIL"  # must not trade


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the table.

    Args:
        detail: what was seen.
        next_step: what a person does about it; "" when there is nothing to do.
    """

    verdict: Verdict
    detail: str
    next_step: str = ""


def ok(detail: str) -> Finding:
    return Finding(Verdict.OK, detail)


def warn(detail: str, next_step: str) -> Finding:
    return Finding(Verdict.WARN, detail, next_step)


def fail(detail: str, next_step: str) -> Finding:
    return Finding(Verdict.FAIL, detail, next_step)


@dataclass(frozen=True, slots=True)
class Check:
    """One question.

    Args:
        run: answers it; may raise, which is a FAIL.
    """

    name: str
    run: Callable[[], Awaitable[Finding]]
    timeout_seconds: float = 10.0


def blocking(name: str, run: Callable[[], Finding], timeout_seconds: float = 10.0) -> Check:
    """A check that reads files: on a thread of its own, because a disk may hang."""
    return Check(name, lambda: _on_thread(run), timeout_seconds)


async def run_checks(checks: Sequence[Check]) -> list[tuple[str, Finding]]:
    """One after the other: side by side they would disturb what is timed."""
    return [(check.name, await _run(check)) for check in checks]


async def _run(check: Check) -> Finding:
    try:
        async with asyncio.timeout(check.timeout_seconds):
            return await check.run()
    except TimeoutError:
        return fail(
            f"no answer within {check.timeout_seconds:g} s", "find out what hangs, then run preflight again"
        )
    except Exception as error:  # noqa: BLE001 - a check that breaks has proven nothing, and the others must run
        lines = str(error).splitlines() or [""]
        return fail(f"{type(error).__name__}: {lines[0][:300]}", "mend what the message names")


async def _on_thread(run: Callable[[], Finding]) -> Finding:
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Finding] = loop.create_future()

    def settle(method: Callable[[Any], None], value: Any) -> None:
        if not future.done():
            method(value)

    def work() -> None:
        method: Callable[[Any], None] = future.set_result
        value: Any
        try:
            value = run()
        except Exception as error:  # noqa: BLE001 - handed on as it is
            method, value = future.set_exception, error
        with contextlib.suppress(RuntimeError):  # the loop is closed: it was given up, nobody waits any more
            loop.call_soon_threadsafe(settle, method, value)

    # A daemon: the loop's own pool would be waited for at exit, and one that hangs would never let go.
    threading.Thread(target=work, name="preflight", daemon=True).start()
    return await future
