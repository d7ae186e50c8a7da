"""Request weight and order counts."""

from __future__ import annotations

import pytest

from venue_sim.errors import VenueError
from venue_sim.limits import Limits

START_MS = 1_700_000_040_000  # the first millisecond of a minute


def test_weight_is_counted_per_peer_and_minute() -> None:
    limits = Limits(10, 5, 100)
    assert limits.weigh("p", 4, START_MS) == 4
    assert limits.weigh("p", 6, START_MS + 59_999) == 10
    assert limits.weigh("q", 1, START_MS) == 1
    with pytest.raises(VenueError) as refused:
        limits.weigh("p", 1, START_MS + 59_000)
    assert (refused.value.code, refused.value.http_status) == (-1003, 429)
    assert refused.value.retry_after_seconds == 2
    assert limits.weigh("p", 1, START_MS + 60_000) == 1


def test_orders_are_counted_per_account() -> None:
    limits = Limits(10, 2, 3)
    assert limits.count_order("a", START_MS) == {"X-MBX-ORDER-COUNT-10S": "1", "X-MBX-ORDER-COUNT-1D": "1"}
    limits.count_order("a", START_MS)
    with pytest.raises(VenueError, match=r"-1015 .* 2 orders per 10 SECOND") as refused:
        limits.check_orders("a", START_MS)
    assert refused.value.http_status == 429
    limits.check_orders("b", START_MS)
    limits.check_orders("a", START_MS + 10_000)
    limits.count_order("a", START_MS + 10_000)
    with pytest.raises(VenueError, match="3 orders per 1 DAY"):
        limits.check_orders("a", START_MS + 20_000)


def test_status_tells_what_is_used() -> None:
    limits = Limits(10, 2, 3)
    limits.weigh("p", 4, START_MS)
    limits.count_order("a", START_MS)
    counts = {
        (row["rateLimitType"], row["interval"]): row["count"] for row in limits.status("p", "a", START_MS)
    }
    assert counts == {("REQUEST_WEIGHT", "MINUTE"): 4, ("ORDERS", "SECOND"): 1, ("ORDERS", "DAY"): 1}
    assert len(limits.status("p", None, START_MS)) == 1
