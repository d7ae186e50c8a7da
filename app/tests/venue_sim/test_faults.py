"""Faults: who is hit, how often, and that they end."""

from __future__ import annotations

from typing import Any

import pytest

from venue_sim.faults import AFTER, BEFORE, FaultError, Faults

SECOND_NS = 10**9


def faults(seed: int = 7) -> Faults:
    return Faults(seed, frozenset({"order.place", "depth"}), frozenset({"a", "b"}))


def wanted(**fields: Any) -> dict[str, Any]:
    return {"name": "f", "kind": "error", "duration_seconds": 2, **fields}


def test_scope() -> None:
    held = faults()
    held.add(wanted(account="a", endpoint="order.place"), 0)
    assert held.hits("a", "order.place", 1)
    assert not held.hits("b", "order.place", 1)
    assert not held.hits(None, "order.place", 1)
    assert not held.hits("a", "depth", 1)


def test_share_is_drawn_and_repeats_with_the_seed() -> None:
    def run(seed: int) -> list[bool]:
        held = faults(seed)
        held.add(wanted(share=0.25), 0)
        return [bool(held.hits("a", "depth", 1)) for _ in range(4000)]

    assert run(7) == run(7) != run(8)
    assert 900 < sum(run(7)) < 1100
    held = faults()
    held.add(wanted(share=0), 0)
    assert not any(held.hits("a", "depth", 1) for _ in range(100))


def test_a_fault_ends_by_itself() -> None:
    held = faults()
    fault = held.add(wanted(), 5)
    assert held.hits("a", "depth", 2 * SECOND_NS + 4)
    assert not held.hits("a", "depth", 2 * SECOND_NS + 5)
    assert not held.in_force(fault, 2 * SECOND_NS + 5)
    assert held.expire(2 * SECOND_NS + 5) == [fault]
    assert held.expire(2 * SECOND_NS + 5) == []


def test_remove_and_clear() -> None:
    held = faults()
    first, second = held.add(wanted(), 0), held.add(wanted(kind="hang"), 0)
    assert held.remove(first.fault_id) is first
    assert held.remove(first.fault_id) is None
    assert held.clear() == [second]
    assert not held.hits("a", "depth", 1)


def test_stages() -> None:
    held = faults()
    stages = {k: held.add(wanted(kind=k, latency_ms=1), 0).stage for k in ("latency", "error", "hang")}
    assert stages == {"latency": BEFORE, "error": BEFORE, "hang": AFTER}
    assert held.add(wanted(stage="after"), 0).stage == AFTER


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"kind": "rain"}, "kind: 'rain' is none of latency, error, hang"),
        ({"kind": None}, "kind: missing"),
        ({"duration_seconds": None}, "duration_seconds: missing"),
        ({"duration_seconds": -1}, "duration_seconds: must be"),
        ({"duration_seconds": 10**9}, "duration_seconds: must be"),
        ({"duration_seconds": True}, "duration_seconds: must be"),
        ({"share": 1.5}, "share: must be 0 to 1"),
        ({"share": "all"}, "share: must be int or float"),
        ({"account": "c"}, "account: 'c' is unknown; known: a, b"),
        ({"endpoint": "order"}, "endpoint: 'order' is unknown; known: depth, order.place"),
        ({"kind": "latency"}, "latency_ms: a latency fault needs it"),
        ({"kind": "latency", "latency_ms": -5}, "latency_ms: a latency fault needs it"),
        ({"http_status": 200}, "http_status: must be 400 to 599"),
        ({"stage": "during"}, "stage: 'during' is neither"),
        ({"lantency_ms": 5}, "lantency_ms: no such field"),
    ],
)
def test_bad_fields_are_named(fields: dict[str, Any], complaint: str) -> None:
    held = faults()
    with pytest.raises(FaultError) as refused:
        held.add(wanted(**fields), 0)
    assert complaint in str(refused.value)
    assert not held.active(0)
