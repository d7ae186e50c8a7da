"""Every way in which a new order can end, caused at the emulator and judged by its record.

Each case says what the answer, or the lack of one, has to be taken for, and whether the order is at the
venue. Two things must hold whatever the case is: an order that was called NOT_PLACED never is at the venue,
not later either; one that was called ACKNOWLEDGED is. And then the order path ends where the venue is, and
has sent the order once.

A refusal comes before the venue acts: with these codes it promises that. Those that promise nothing are
caused before it acts and after.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import uvloop

from benchmarks.certificates import Certificates
from tests.trader.order_path import OrderPath
from tests.venue_sim.support import RunningVenue, resolve_test_names, run_venue
from trader.orders import resolution
from trader.venue.outcomes import Outcome

REST, WS = "rest", "ws"
BOTH = (REST, WS)
NOT_PLACED, BEFORE, UNKNOWN = Outcome.NOT_PLACED, Outcome.PLACED_BEFORE, Outcome.UNKNOWN
QUICK_MS = 900  # of cases that are about waiting for an answer in vain


@dataclass(frozen=True)
class Case:
    """One way to end.

    Attributes:
        fault: what the emulator does to the request.
        outcome: what must be made of it.
        there: whether the venue has taken the order, then or later.
        transports: on which it can happen.
    """

    name: str
    fault: dict[str, Any]
    outcome: Outcome
    there: bool
    transports: tuple[str, ...] = BOTH
    timeout_ms: int = 2_000
    recv_window_ms: int = 800


def refused(name: str, code: int, http_status: int = 400, **more: Any) -> Case:
    """An answer by which the venue says that it did nothing."""
    fault = {"kind": "error", "code": code, "http_status": http_status, "stage": "before", **more}
    return Case(name, fault, NOT_PLACED, there=False)


def open_(name: str, transports: tuple[str, ...] = BOTH, timeout_ms: int = 2_000, **fault: Any) -> list[Case]:
    """What leaves everything open: caused before the venue acts, and after."""
    return [
        Case(f"{name}-{stage}", {**fault, "stage": stage}, UNKNOWN, stage == "after", transports, timeout_ms)
        for stage in ("before", "after")
    ]


def error(name: str, code: int, http_status: int, **more: Any) -> list[Case]:
    return open_(name, kind="error", code=code, http_status=http_status, **more)


REFUSALS = [
    refused("1003", -1003, 429, retry_after_seconds=1),
    refused("1003-without-retry-after", -1003, 429),
    refused("1003-banned", -1003, 418, retry_after_seconds=1),
    refused("1013", -1013, message="Filter failure: LOT_SIZE"),
    refused("1015", -1015, 429),
    refused("1021-late", -1021),
    refused("1021-early", -1021, message="Timestamp for this request was 1000ms ahead of the server's time."),
    refused("1022", -1022, message="Signature for this request is not valid."),
    refused("1111", -1111, message="Parameter 'price' has too much precision."),
    refused("1121", -1121, message="Invalid symbol."),
    refused("2010-balance", -2010, message="Account has insufficient balance for requested action."),
    refused("2010-would-match", -2010, message="Order would immediately match and take."),
    refused("2010-would-trigger", -2010, message="Stop price would trigger immediately."),
    refused("2010-closed", -2010, message="Market is closed."),
    refused("2010-not-permitted", -2010, message="This symbol is not permitted for this account."),
    refused("2010-disabled", -2010, message="This action is disabled on this account."),
    refused("2010-rest-off", -2010, message="Rest API trading is not enabled."),
    refused("2014", -2014, 401, message="API-key format invalid."),
    refused("2015", -2015, 401),
    Case(
        "503-failed",
        {"kind": "error", "http_status": 503, "body": "Service Unavailable.", "stage": "before"},
        NOT_PLACED,
        there=False,
        transports=(REST,),
    ),
]
OPEN = [
    *error("1000", -1000, 500),
    *error("1000-400", -1000, 400),
    *error("1001", -1001, 500),
    *error("1006", -1006, 500),
    *error("1007-408", -1007, 408),
    *error("1007-504", -1007, 504),
    *error("1008", -1008, 503),
    *error("1999-never-heard-of", -1999, 400, message="Something new."),
    *error("503-unknown", -1000, 503, message="Unknown error, please check your request or try again later."),
    *open_(
        "503-unknown-text",
        (REST,),
        kind="error",
        http_status=503,
        body="Unknown error, please check your request or try again later.",
    ),
    *open_("504-text", (REST,), kind="error", http_status=504, body="Gateway Time-out"),
    *open_("hang", kind="hang", timeout_ms=QUICK_MS),
    *open_("reset", kind="reset"),
    *open_("close", kind="close"),
    *open_("truncated", kind="truncated"),
    *open_("html-200", (REST,), kind="html", http_status=200),
    *open_("html-403", (REST,), kind="html", http_status=403),
    *open_("html-502", (REST,), kind="html", http_status=502),
    *open_("bad-json", kind="bad_json", timeout_ms=QUICK_MS),
    *open_("empty", kind="empty", timeout_ms=QUICK_MS),
    Case("other-id", {"kind": "other_id"}, UNKNOWN, there=True),
    Case("no-id", {"kind": "no_id"}, UNKNOWN, there=True),
    # The answer is late, the order is there.
    Case(
        "slow-answer",
        {"kind": "latency", "latency_ms": 1_500, "stage": "after"},
        UNKNOWN,
        there=True,
        timeout_ms=QUICK_MS,
    ),
    # The request itself is on its way for long: "no such order" is true for a while, and proves nothing.
    Case(
        "arrives-late",
        {"kind": "latency", "latency_ms": 1_500, "stage": "before"},
        UNKNOWN,
        there=True,
        timeout_ms=QUICK_MS,
        recv_window_ms=3_000,
    ),
    # For longer than its window: the venue refuses it when it comes.
    Case(
        "arrives-too-late",
        {"kind": "latency", "latency_ms": 1_900, "stage": "before"},
        UNKNOWN,
        there=False,
        timeout_ms=QUICK_MS,
    ),
]
DUPLICATE = {"kind": "error", "code": -2010, "message": "Duplicate order sent.", "http_status": 400}
PLACED_BEFORE = [
    Case("duplicate", {**DUPLICATE, "stage": "after"}, BEFORE, there=True),
    Case("duplicate-of-nothing", {**DUPLICATE, "stage": "before"}, BEFORE, there=False),
    Case("4116", {**DUPLICATE, "code": -4116, "message": None, "stage": "after"}, BEFORE, there=True),
]
CASES = [(case, way) for case in (*REFUSALS, *OPEN, *PLACED_BEFORE) for way in case.transports]
LANES = [(account, way) for account in ("trader-01", "trader-02", "trader-03") for way in BOTH]
Failures = dict[tuple[str, str], AssertionError]


@pytest.fixture(scope="module")
def failures(tmp_path_factory: pytest.TempPathFactory, certificates: Certificates) -> Iterator[Failures]:
    """All cases, tried at one emulator: most of their time is waiting, so they wait side by side."""
    folder = tmp_path_factory.mktemp("venue")
    with pytest.MonkeyPatch.context() as monkeypatch:
        resolve_test_names(monkeypatch)
        monkeypatch.setattr(resolution, "MARGIN_MS", 200)  # both clocks are one here
        with contextmanager(run_venue)(folder, certificates, background={"events_per_second": 0}) as venue:
            yield uvloop.run(_try_all(venue, tmp_path_factory.mktemp("journals")))


async def _try_all(venue: RunningVenue, folder: Path) -> Failures:
    """The cases of a way are shared out to its lanes; no two lanes are hit by one fault."""
    failures: Failures = {}

    async def lane(account: str, way: str, cases: list[Case]) -> None:
        for number, case in enumerate(cases, start=1):
            place = folder / f"{account}-{way}-{number}"
            place.mkdir()
            epoch = 2 * number + (way == WS)  # ids of their own
            path = OrderPath(
                venue, place, way, timeout_ms=case.timeout_ms, recv_window_ms=case.recv_window_ms,
                account=account, epoch=epoch,
            )  # fmt: skip
            try:
                await _try(path, venue, account, way, case)
            except AssertionError as error:
                failures[case.name, way] = error

    async with asyncio.TaskGroup() as group:
        for number, (account, way) in enumerate(LANES):
            cases = [case for case, its_way in CASES if its_way == way]
            group.create_task(lane(account, way, cases[number // len(BOTH) :: len(LANES) // len(BOTH)]))
    return failures


async def _try(path: OrderPath, venue: RunningVenue, account: str, way: str, case: Case) -> None:
    async with path:
        number = await asyncio.to_thread(
            venue.fault, **case.fault, endpoint="order.place", transport=way, account=account, count=1
        )
        order = await path.place()
        [placed] = path.gateway.placements
        assert placed.outcome is case.outcome, f"{placed.outcome}: {placed.error!r}"
        await path.proven()
        if not case.there:
            await path.too_late_to_arrive()
        await path.recorded(order)
        at_venue = await path.agreed(order)
        safe(placed.outcome, at_venue=at_venue.accepted > 0)
        assert (at_venue.requests, at_venue.accepted) == (1, int(case.there))
        await asyncio.to_thread(venue.admin, "DELETE", f"/faults/{number}")  # lets go what it still holds


def safe(outcome: Outcome, *, at_venue: bool) -> None:
    """What was said and what is must not lose money together."""
    if outcome is Outcome.NOT_PLACED:
        assert not at_venue, "said not to be placed, and it is"
    if outcome is Outcome.ACKNOWLEDGED:
        assert at_venue, "acknowledged, and it is not there"


@pytest.mark.parametrize(("case", "way"), CASES, ids=lambda value: getattr(value, "name", value))
def test_a_new_order_that_does_not_end_well(failures: Failures, case: Case, way: str) -> None:
    if (case.name, way) in failures:
        raise failures[case.name, way]
