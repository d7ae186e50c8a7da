"""How much of a venue's limits is used: our own counts, and the venue's where it has counted more."""

from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any

from trader.venue.endpoints import Cost, Counted, Limit

BUCKETS = 50
HEADERS = {"x-mbx-used-weight-": Counted.WEIGHT, "x-mbx-order-count-": Counted.ORDERS}
UNITS = {"S": 1, "M": 60, "H": 3_600, "D": 86_400}
INTERVALS = {"SECOND": 1, "MINUTE": 60, "HOUR": 3_600, "DAY": 86_400}


class Window:
    """How much was used in the last `limit.seconds`.

    It slides: the venue's windows begin at full minutes of its clock, and wherever those are, none of them
    can then hold more than the limit. Amounts are kept in buckets, so that a day of orders takes little room.
    """

    def __init__(self, limit: Limit) -> None:
        self.limit = limit
        self._width_ns = -(-round(limit.seconds * 1e9) // BUCKETS)
        self._buckets: deque[list[int]] = deque()  # [number, amount], the oldest first
        self._used = 0

    def used(self, now_ns: int) -> int:
        oldest = now_ns // self._width_ns - BUCKETS
        while self._buckets and self._buckets[0][0] < oldest:
            self._used -= self._buckets.popleft()[1]
        return self._used

    def add(self, amount: int, now_ns: int) -> None:
        number = now_ns // self._width_ns
        if not self._buckets or self._buckets[-1][0] < number:
            self._buckets.append([number, 0])
        self._buckets[-1][1] += amount
        self._used += amount

    def raise_to(self, amount: int, now_ns: int) -> None:
        """The venue has counted more than we did: others share our address."""
        if (missing := amount - self.used(now_ns)) > 0:
            self.add(missing, now_ns)

    def free_at_ns(self, amount: int, allowed: int, now_ns: int) -> int:
        """When `amount` more fits below `allowed`; `now_ns` if it does already."""
        excess = self.used(now_ns) + amount - allowed
        for number, used in self._buckets:
            if excess <= 0:
                break
            excess -= used
            now_ns = (number + BUCKETS + 1) * self._width_ns
        return now_ns


class RateWindows:
    """All windows of one venue.

    Args:
        limits: to begin with; the venue's own `rateLimits` replace them.
        reserve_share: part of every limit that is kept for those who may use the reserve.
    """

    def __init__(self, limits: Iterable[Limit], reserve_share: float) -> None:
        self._reserve_share = reserve_share
        self._windows = {(limit.counted, limit.seconds): Window(limit) for limit in limits}

    def add(self, cost: Cost, now_ns: int) -> None:
        """Count a request."""
        for window in self._windows.values():
            if amount := cost.of(window.limit.counted):
                window.add(amount, now_ns)

    def fits(self, cost: Cost, reserve: bool) -> bool:
        """Whether it would fit into empty windows."""
        return all(cost.of(w.limit.counted) <= self._allowed(w, reserve) for w in self._windows.values())

    def free_at_ns(self, counted: Counted, cost: Cost, reserve: bool, now_ns: int) -> int:
        """When all windows of one kind have room for a request; `now_ns` if they have."""
        amount = cost.of(counted)
        if amount == 0:
            return now_ns
        return max(
            (
                window.free_at_ns(amount, self._allowed(window, reserve), now_ns)
                for window in self._windows.values()
                if window.limit.counted is counted
            ),
            default=now_ns,
        )

    def tightest(self, now_ns: int) -> tuple[int, int]:
        """Used and limit of the fullest window of request weight."""
        weights = [w for w in self._windows.values() if w.limit.counted is Counted.WEIGHT]
        fullest = max(weights, key=lambda window: window.used(now_ns) / window.limit.amount)
        return fullest.used(now_ns), fullest.limit.amount

    def learn_headers(self, headers: Mapping[str, str], now_ns: int) -> None:
        """Take the counts in an answer's headers, for example `X-MBX-USED-WEIGHT-1M: 17`."""
        for name, value in headers.items():
            prefix, _, interval = name.lower().rpartition("-")
            counted = HEADERS.get(f"{prefix}-")
            number, unit = interval[:-1], UNITS.get(interval[-1:].upper())
            if counted is None or unit is None or not number.isdigit() or not value.isdigit():
                continue
            window = self._windows.get((counted, int(number) * unit))
            if window is not None:
                window.raise_to(int(value), now_ns)

    def learn_rows(self, rows: Iterable[Mapping[str, Any]], now_ns: int) -> None:
        """Take limits and counts from `rateLimits` rows: of exchangeInfo, or of a WebSocket API answer."""
        for row in rows:
            kind, unit = row.get("rateLimitType"), INTERVALS.get(str(row.get("interval")))
            number, amount, count = row.get("intervalNum"), row.get("limit"), row.get("count")
            if kind not in list(Counted) or unit is None or not isinstance(number, int):
                continue  # RAW_REQUESTS, which the weights exhaust first
            key = Counted(kind), number * unit
            if isinstance(amount, int) and amount > 0:
                limit = Limit(*key, amount)
                self._windows.setdefault(key, Window(limit)).limit = limit
            if isinstance(count, int) and key in self._windows:
                self._windows[key].raise_to(count, now_ns)

    def _allowed(self, window: Window, reserve: bool) -> int:
        amount = window.limit.amount
        return amount if reserve else amount - int(amount * self._reserve_share)
