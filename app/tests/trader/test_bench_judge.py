"""A kill is only a figure when it left nothing and let nothing out: the benchmarks' judge, on records."""

from typing import Any

import pytest

from benchmarks.to_cancel import MS, ORDERS, BadKillError, Cancelled, judge, spread

BEGAN_NS = 1_800_000_000 * 10**9
PREFIX = "by-hand-3-"


def at(ms: float) -> int:
    return BEGAN_NS + int(ms * MS)


def request(number: int, endpoint: str, ms: float, took_ms: float = 2, status: int = 200) -> dict[str, Any]:
    return {
        "kind": "request",
        "request_id": number,
        "endpoint": endpoint,
        "wall_ns": at(ms + took_ms),
        "arrival_wall_ns": at(ms),
        "arrival_monotonic_ns": int(ms * MS),
        "done_monotonic_ns": int((ms + took_ms) * MS),
        "params": {"timestamp": str(at(ms - 1) // MS)},
        "http_status": status,
    }


def order(client_id: str, event: str, number: int, ms: float) -> dict[str, Any]:
    return {
        "kind": "order", "event": event, "request_id": number, "client_order_id": client_id, "wall_ns": at(ms)
    }  # fmt: skip


def record(cancelled: int = ORDERS) -> list[dict[str, Any]]:
    """One request cancels all but the last order, another that one; the answer to it is slow."""
    names = [f"{PREFIX}{n}" for n in range(cancelled)]
    return [
        *(order(name, "CANCELED", 1, 20) for name in names[:-1]),
        request(1, "openOrders.cancelAll", 19),
        order(names[-1], "CANCELED", 2, 40),
        request(2, "order.cancel", 39, took_ms=60),
    ]


def test_it_ends_with_the_answer_to_the_last_cancel() -> None:
    assert judge(record(), PREFIX, BEGAN_NS, at(5)) == Cancelled(at(19), at(99), 0)


def test_a_cancel_that_was_refused_is_the_first_on_the_wire_all_the_same() -> None:
    entries = [request(9, "openOrders.cancelAll", 3, status=429), *record()]
    assert judge(entries, PREFIX, BEGAN_NS, at(5)) == Cancelled(at(3), at(99), 1)


def test_what_the_strategy_cancelled_before_is_not_the_kills() -> None:
    early = [order("own-1", "CANCELED", 8, -10), request(8, "order.cancel", -11)]
    assert judge([*early, *record()], PREFIX, BEGAN_NS, at(5)).first_ns == at(19)


def test_an_order_that_was_not_cancelled_is_no_figure() -> None:
    with pytest.raises(BadKillError, match=f"{ORDERS - 1} of the {ORDERS} orders"):
        judge(record(ORDERS - 1), PREFIX, BEGAN_NS, at(5))


def test_one_that_was_cancelled_before_the_command_does_not_count() -> None:
    entries = record()
    entries[0] |= {"wall_ns": at(-1)}
    with pytest.raises(BadKillError, match=f"{ORDERS - 1} of the {ORDERS} orders"):
        judge(entries, PREFIX, BEGAN_NS, at(5))


@pytest.mark.parametrize(("ms", "late"), [(5, False), (7, True)])
def test_an_order_that_was_signed_after_the_trip_is_no_figure(ms: float, late: bool) -> None:
    """On the wire at the trip is not late: its signature is from before."""
    placed = [order("own-2", "NEW", 7, ms + 1), request(7, "order.place", ms)]
    if late:
        with pytest.raises(BadKillError, match="own-2 was placed after the trip"):
            judge([*placed, *record()], PREFIX, BEGAN_NS, at(5))
    else:
        judge([*placed, *record()], PREFIX, BEGAN_NS, at(5))


def test_p99_of_a_hundred_is_the_second_slowest() -> None:
    assert spread([float(n) for n in range(100, 0, -1)]) == {"p50": 50, "p99": 99, "max": 100, "count": 100}
    assert spread([3.0, 1.0])["p99"] == 3, "of a few it is the slowest"
