"""Faults: who is hit, how often, and that they end."""

from __future__ import annotations

from typing import Any

import pytest

from venue_sim.fault import AFTER, BEFORE, REQUEST_KINDS, Fault
from venue_sim.fault_reader import FaultError
from venue_sim.faults import Faults

SECOND_NS = 10**9


def faults(seed: int = 7) -> Faults:
    return Faults(seed, frozenset({"order.place", "depth"}), frozenset({"a", "b"}))


def wanted(**fields: Any) -> dict[str, Any]:
    return {"name": "f", "kind": "error", "duration_seconds": 2, **fields}


def hits(
    held: Faults, account: str | None, endpoint: str, now_ns: int, transport: str = "rest", peer: str = "p"
) -> list[Fault]:
    return held.hits(account, endpoint, transport, peer, now_ns)


def test_scope() -> None:
    held = faults()
    held.add(wanted(account="a", endpoint="order.place"), 0)
    assert hits(held, "a", "order.place", 1)
    assert not hits(held, "b", "order.place", 1)
    assert not hits(held, None, "order.place", 1)
    assert not hits(held, "a", "depth", 1)


def test_share_is_drawn_and_repeats_with_the_seed() -> None:
    def run(seed: int) -> list[bool]:
        held = faults(seed)
        held.add(wanted(share=0.25), 0)
        return [bool(hits(held, "a", "depth", 1)) for _ in range(4000)]

    assert run(7) == run(7) != run(8)
    assert 900 < sum(run(7)) < 1100
    held = faults()
    held.add(wanted(share=0), 0)
    assert not any(hits(held, "a", "depth", 1) for _ in range(100))


def test_a_fault_ends_by_itself() -> None:
    held = faults()
    fault = held.add(wanted(), 5)
    assert hits(held, "a", "depth", 2 * SECOND_NS + 4)
    assert not hits(held, "a", "depth", 2 * SECOND_NS + 5)
    assert not held.holds(fault, 2 * SECOND_NS + 5)
    assert held.expire(2 * SECOND_NS + 5) == [fault]
    assert held.expire(2 * SECOND_NS + 5) == []


def test_a_count_ends_a_fault() -> None:
    held = faults()
    fault = held.add(wanted(count=2, endpoint="depth"), 0)
    assert not hits(held, "a", "order.place", 1)
    assert [bool(hits(held, "a", "depth", 1)) for _ in range(4)] == [True, True, False, False]
    assert fault.describe(1)["hits"] == 2
    assert (held.active(1), held.expire(1), held.expire(1)) == ([], [fault], [])
    assert held.remove(fault.fault_id) is None


def test_what_a_spent_hang_holds_is_held_for_its_time_or_until_it_is_removed() -> None:
    for by_id in (True, False):
        held = faults()
        fault = held.add(wanted(kind="hang", count=1), 0)
        assert hits(held, "a", "depth", 1) == [fault]
        assert hits(held, "a", "depth", 1) == held.active(1) == []
        assert held.expire(1) == [fault], "its end is told once"
        assert held.holds(fault, 1)
        assert not held.holds(fault, 2 * SECOND_NS)
        if by_id:
            held.remove(fault.fault_id)
        else:
            held.clear()
        assert not held.holds(fault, 1)
    held = faults()
    fault = held.add(wanted(kind="hang", count=1), 0)
    hits(held, "a", "depth", 1)
    held.expire(1)
    assert held.expire(2 * SECOND_NS) == []
    assert held.remove(fault.fault_id) is None


def test_transport_and_peer() -> None:
    held = faults()
    held.add(wanted(transport="ws", peer="10.0.0.1"), 0)
    found = {
        (transport, peer): bool(hits(held, "a", "depth", 1, transport, peer))
        for transport in ("rest", "ws")
        for peer in ("10.0.0.1", "10.0.0.2")
    }
    assert [scope for scope, hit in found.items() if hit] == [("ws", "10.0.0.1")]


def test_faults_of_other_things_leave_requests_alone() -> None:
    held = faults()
    for kind, fields in (("drop", {}), ("silence", {}), ("clock_skew", {"offset_ms": 1})):
        held.add(wanted(kind=kind, **fields), 0)
    assert hits(held, "a", "depth", 1) == []
    assert [fault.kind for fault in held.of_connections(1)] == ["silence"]


def test_events_by_account_stream_and_name() -> None:
    held = faults()
    held.add(wanted(kind="drop", account="a", event="TRADE"), 0)
    names = ("executionReport", "TRADE")
    assert held.event_hits("user", "a", "p", names, 1)
    assert not held.event_hits("user", "b", "p", names, 1)
    assert not held.event_hits("user", "a", "p", ("executionReport", "NEW"), 1)
    assert not held.event_hits("market", "a", "p", names, 1)


def test_skews_add_up_and_end() -> None:
    held = faults()
    held.add(wanted(kind="clock_skew", offset_ms=500), 0)
    held.add(wanted(kind="clock_skew", offset_ms=-200, duration_seconds=1), 0)
    assert [held.skew_ms(at) for at in (1, SECOND_NS, 2 * SECOND_NS)] == [300, 500, 0]


def test_remove_and_clear() -> None:
    held = faults()
    first, second = held.add(wanted(), 0), held.add(wanted(kind="hang"), 0)
    assert held.remove(first.fault_id) is first
    assert held.remove(first.fault_id) is None
    assert held.clear() == [second]
    assert not hits(held, "a", "depth", 1)


def test_stages() -> None:
    held = faults()
    fields: dict[str, dict[str, Any]] = {"latency": {"latency_ms": 1}}
    stages = {kind: held.add(wanted(kind=kind, **fields.get(kind, {})), 0).stage for kind in REQUEST_KINDS}
    assert [kind for kind, stage in stages.items() if stage == BEFORE] == ["latency", "error"]
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
        ({"share": 1.5}, "share: must be a number, 0 to 1"),
        ({"share": "all"}, "share: must be a number, 0 to 1"),
        ({"count": 0}, "count: must be a whole number, 1 to"),
        ({"count": 1.5}, "count: must be a whole number, 1 to"),
        ({"account": "c"}, "account: 'c' is none of a, b"),
        ({"endpoint": "order"}, "endpoint: 'order' is none of depth, order.place"),
        ({"transport": "pigeon"}, "transport: 'pigeon' is none of rest, ws"),
        ({"peer": 5}, "peer: must be a text"),
        ({"kind": "latency"}, "latency_ms: a latency fault needs it"),
        ({"kind": "late"}, "latency_ms: a late fault needs it"),
        ({"kind": "clock_skew"}, "offset_ms: a clock_skew fault needs it"),
        (
            {"kind": "clock_skew", "offset_ms": 1, "share": 1},
            "share: a fault of kind clock_skew has no such field",
        ),
        ({"kind": "latency", "latency_ms": -5}, "latency_ms: must be a whole number"),
        ({"code": 5}, "code: must be a whole number, -99999 to -1"),
        ({"http_status": 200}, "http_status: must be a whole number, 400 to 599"),
        ({"kind": "html", "http_status": 100}, "http_status: must be a whole number, 200 to 599"),
        ({"kind": "html", "transport": "ws"}, "transport: an html fault is only of rest"),
        ({"kind": "no_id", "stage": "before"}, "stage: no_id changes the answer of what was done"),
        ({"stage": "during"}, "stage: 'during' is none of after, before"),
        ({"lantency_ms": 5}, "lantency_ms: a fault of kind error has no such field"),
        ({"kind": "drop", "endpoint": "depth"}, "endpoint: a fault of kind drop has no such field"),
        ({"kind": "drop", "event": "trade"}, "event: 'trade' is none of ACCOUNT_UPDATE"),
        ({"kind": "drop", "stream": "market"}, "stream: drop is a fault of user streams only"),
        ({"kind": "silence", "stream": "market", "account": "a"}, "account: market streams have none"),
        ({"kind": "disconnect", "close_code": 7}, "close_code: 7 is none of 1000"),
    ],
)
def test_bad_fields_are_named(fields: dict[str, Any], complaint: str) -> None:
    held = faults()
    with pytest.raises(FaultError) as refused:
        held.add(wanted(**fields), 0)
    assert complaint in str(refused.value)
    assert not held.active(0)
