"""Ansible filters: which trading host watches which, where the venue has no dead man's timer.

The fleet is a ring in the inventory's order: each host is watched by those that follow it. Both sides of it
are computed from the same three facts, so that they cannot disagree.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

# As app/trader/venue/venues.py has it; a test compares them.
NO_TIMER = frozenset({"binance", "bybit", "coinbase"})


def peers_after(fleet: list[str], host: str, count: int) -> list[str]:
    """Who watches a host: so many that follow it in the ring."""
    return _along(fleet, host, count, 1)


def peers_before(fleet: list[str], host: str, count: int) -> list[str]:
    """Whom a host watches: so many that come before it in the ring, the nearest first."""
    return _along(fleet, host, count, -1)


def has_no_timer(venue: str) -> bool:
    """Whether orders at this venue (ccxt's id) outlive their host unless another host cancels them."""
    return venue in NO_TIMER


def _along(fleet: list[str], host: str, count: int, step: int) -> list[str]:
    if host not in fleet:
        return []
    at = fleet.index(host)
    return [fleet[(at + step * n) % len(fleet)] for n in range(1, min(int(count), len(fleet) - 1) + 1)]


class FilterModule:
    """The filters by name."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"peers_after": peers_after, "peers_before": peers_before, "has_no_timer": has_no_timer}
