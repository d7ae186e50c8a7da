"""Every way in which a cancel can end, caused at the emulator, over REST and over the WebSocket API.

Only an answer that names the order and its end ends it here. Everything else is a question to the venue,
whose answer decides: cancelled, or still open and left to be cancelled again.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.trader.order_path import OrderPath
from tests.venue_sim.support import RunningVenue
from trader.model.transitions import OrderState
from trader.venue.interface import Found

QUICK_MS = 900
FAILED, ABSENT, FOUND = Found.FAILED, Found.ABSENT, Found.FOUND


@dataclass(frozen=True)
class Case:
    """One way to end.

    Attributes:
        found: what the answer is worth, by transport; a way that is not there cannot happen.
        done: whether the venue has cancelled.
        asked: requests to cancel that reach the venue over REST.
    """

    name: str
    fault: dict[str, Any]
    found: dict[str, Found]
    done: bool
    asked: int = 1
    timeout_ms: int = 2_000


def both(name: str, found: Found = FAILED, timeout_ms: int = 2_000, **fault: Any) -> list[Case]:
    """Caused before the venue acts, and after."""
    ways = {"rest": found} if fault["kind"] == "html" else {"rest": found, "ws": found}
    return [
        Case(f"{name}-{stage}", {**fault, "stage": stage}, ways, stage == "after", timeout_ms=timeout_ms)
        for stage in ("before", "after")
    ]


CASES = [
    *both("1000", kind="error", code=-1000, http_status=500),
    *both("1006", kind="error", code=-1006, http_status=500),
    *both("1007", kind="error", code=-1007, http_status=504),
    *both("1003", kind="error", code=-1003, http_status=429, retry_after_seconds=1)[:1],
    *both("2015", kind="error", code=-2015, http_status=401)[:1],
    # "Unknown order sent" is also what a cancel hears that comes after one that worked.
    *both("2011", found=ABSENT, kind="error", code=-2011, http_status=400),
    *both("hang", kind="hang", timeout_ms=QUICK_MS),
    *both("truncated", kind="truncated"),
    *both("html", kind="html", http_status=200),
    *both("html-502", kind="html", http_status=502),
    *both("bad-json", kind="bad_json", timeout_ms=QUICK_MS),
    *both("empty", kind="empty", timeout_ms=QUICK_MS),
    Case("other-id", {"kind": "other_id"}, {"rest": FAILED, "ws": FAILED}, done=True),
    Case("no-id", {"kind": "no_id"}, {"rest": FAILED, "ws": FAILED}, done=True),
    # aiohttp sends a DELETE again by itself when a connection that was in use before closes. That is harmless
    # for a cancel; but the second one hears "Unknown order sent" for an order that the first has cancelled.
    *(
        Case(f"{kind}-{stage}", {"kind": kind, "stage": stage}, {"rest": found, "ws": FAILED}, done, asked=2)
        for kind in ("reset", "close")
        for stage, found, done in (("before", FOUND, False), ("after", ABSENT, True))
    ),
]
TRIED = [
    pytest.param(case, way, id=f"{case.name}-{way}")
    for case in CASES
    for way in ("rest", "ws")
    if way in case.found
]


@pytest.mark.parametrize(("case", "way"), TRIED)
async def test_a_cancel(quiet_venue: RunningVenue, tmp_path: Path, case: Case, way: str) -> None:
    async with OrderPath(quiet_venue, tmp_path, way, timeout_ms=case.timeout_ms) as path:
        order = await path.place()
        assert order.state is OrderState.OPEN
        fault = {**case.fault, "endpoint": "order.cancel", "transport": way, "account": "trader-01"}
        quiet_venue.fault(**fault, count=1)
        await path.manager.cancel(order.client_id)
        [answer] = path.gateway.cancels
        assert answer.found is case.found[way], answer.error
        await path.proven()
        at_venue = await path.agreed(order)
        asked = case.asked if way == "rest" else 1
        assert at_venue.cancels == asked
        assert order.state is (OrderState.CANCELED if case.done or asked > 1 else OrderState.OPEN)

        # What is still open can be cancelled again; what is not is left alone.
        await path.manager.cancel(order.client_id)
        await path.proven()
        assert (await path.agreed(order)).status == "CANCELED"
