"""Request weight per address and minute, orders per account: counted, reported, refused when used up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from venue_sim import errors

MINUTE_MS = 60_000
Interval = tuple[str, str, str, int, int]
"""Suffix of the header, words of the refusal, unit, number of units, length in ms."""

ORDER_INTERVALS: tuple[Interval, ...] = (
    ("10S", "10 SECOND", "SECOND", 10, 10_000),
    ("1D", "1 DAY", "DAY", 1, 86_400_000),
)


@dataclass(slots=True)
class Window:
    """A count that starts again with every interval of the clock."""

    length_ms: int
    slot: int = -1
    count: int = 0

    def add(self, amount: int, now_ms: int) -> int:
        """Add to the count of the current interval and return it."""
        slot = now_ms // self.length_ms
        if slot != self.slot:
            self.slot, self.count = slot, 0
        self.count += amount
        return self.count


class Limits:
    """The venue's rate limits.

    Args:
        weight_per_minute: request weight that one address may use in a minute.
        orders_per_10_seconds, orders_per_day: orders that one account may place.
        intervals: those that the two order limits are for.
    """

    def __init__(
        self,
        weight_per_minute: int,
        orders_per_10_seconds: int,
        orders_per_day: int,
        intervals: tuple[Interval, ...] = ORDER_INTERVALS,
    ) -> None:
        self.weight_per_minute = weight_per_minute
        self.order_limits = (orders_per_10_seconds, orders_per_day)
        self.intervals = intervals
        self._weights: dict[str, Window] = {}
        self._orders: dict[str, tuple[Window, ...]] = {}

    def weigh(self, peer: str, weight: int, now_ms: int) -> int:
        """Count a request and return the weight that `peer` has used in this minute.

        Raises:
            VenueError: -1003 with `Retry-After` when the minute's weight is used up.
        """
        window = self._weights.setdefault(peer, Window(MINUTE_MS))
        used = window.add(weight, now_ms)
        if used > self.weight_per_minute:
            left_ms = MINUTE_MS - now_ms % MINUTE_MS
            raise errors.too_much_weight(self.weight_per_minute, left_ms // 1000 + 1)
        return used

    def used(self, peer: str, now_ms: int) -> int:
        """Weight used by `peer` in this minute."""
        window = self._weights.get(peer)
        return window.add(0, now_ms) if window else 0

    def check_orders(self, account: str, now_ms: int) -> None:
        """Refuse when the account has placed all the orders of an interval.

        Raises:
            VenueError: -1015.
        """
        for limit, window, interval in zip(
            self.order_limits, self._order_windows(account), self.intervals, strict=True
        ):
            if window.add(0, now_ms) >= limit:
                raise errors.too_many_orders(limit, interval[1])

    def count_order(self, account: str, now_ms: int) -> dict[str, str]:
        """Count a placed order and return the headers that report it."""
        windows = self._order_windows(account)
        return {
            f"X-MBX-ORDER-COUNT-{interval[0]}": str(window.add(1, now_ms))
            for window, interval in zip(windows, self.intervals, strict=True)
        }

    def describe(self) -> list[dict[str, Any]]:
        """The limits as exchangeInfo lists them."""
        return [
            {
                "rateLimitType": "REQUEST_WEIGHT",
                "interval": "MINUTE",
                "intervalNum": 1,
                "limit": self.weight_per_minute,
            },
            *(
                {"rateLimitType": "ORDERS", "interval": unit, "intervalNum": number, "limit": limit}
                for limit, (_, _, unit, number, _) in zip(self.order_limits, self.intervals, strict=True)
            ),
        ]

    def status(self, peer: str, account: str | None, now_ms: int) -> list[dict[str, Any]]:
        """The limits with what is used of them, as the WebSocket API reports them."""
        weight, *orders = self.describe()
        rows = [weight | {"count": self.used(peer, now_ms)}]
        if account is not None:
            windows = self._order_windows(account)
            rows = [o | {"count": w.add(0, now_ms)} for o, w in zip(orders, windows, strict=True)] + rows
        return rows

    def _order_windows(self, account: str) -> tuple[Window, ...]:
        windows = self._orders.get(account)
        if windows is None:
            windows = self._orders[account] = tuple(Window(length) for *_, length in self.intervals)
        return windows
