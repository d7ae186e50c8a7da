"""Freeze windows: when no host may be changed, whatever else holds. Never in the way of a rollback. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from ops.errors import OperatorError

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


@dataclass(frozen=True)
class Window:
    """One window that comes again.

    `starts` and `ends` are local times, HH:MM; one that ends before it starts ends on the next day, and one
    that ends when it starts lasts a day. Without `days` and `dates` it is on every day.
    """

    name: str
    time_zone: str
    starts: str
    ends: str
    days: tuple[str, ...]
    dates: tuple[str, ...]

    def covers(self, start: datetime, end: datetime) -> bool:
        """Whether any moment of a span of time lies in it."""
        zone = ZoneInfo(self.time_zone)
        # It may have begun the day before.
        day = start.astimezone(zone).date() - timedelta(days=1)
        while day <= end.astimezone(zone).date():
            if self._on(day):
                first = datetime.combine(day, time.fromisoformat(self.starts), zone)
                last_day = day if self.ends > self.starts else day + timedelta(days=1)
                last = datetime.combine(last_day, time.fromisoformat(self.ends), zone)
                if first.astimezone(UTC) <= end and start < last.astimezone(UTC):
                    return True
            day += timedelta(days=1)
        return False

    def _on(self, day: date) -> bool:
        if not self.days and not self.dates:
            return True
        return DAYS[day.weekday()] in self.days or day.isoformat() in self.dates


def frozen(windows: Sequence[Window], now_seconds: float, lead_minutes: float) -> str | None:
    """Name of a window that holds now, or begins before the next hosts have changed; None when none does.

    Args:
        windows: of the plan.
        now_seconds: unix time.
        lead_minutes: how long a batch may take to change.
    """
    start = datetime.fromtimestamp(now_seconds, UTC)
    end = start + timedelta(minutes=lead_minutes)
    return next((window.name for window in windows if window.covers(start, end)), None)


def read_windows(data: dict[str, Any]) -> tuple[Window, ...]:
    """The windows of `canary.freeze`, which the schema has checked.

    Raises:
        OperatorError: names the key of a time zone, time or date that does not exist.
    """
    windows = []
    for index, one in enumerate(data.get("windows", [])):
        key = f"canary.freeze.windows[{index}]"
        window = Window(
            name=one["name"],
            time_zone=one.get("time_zone", data.get("time_zone", "UTC")),
            starts=one.get("from", "00:00"),
            ends=one.get("until", "00:00"),
            days=tuple(one.get("days", [])),
            dates=tuple(one.get("dates", [])),
        )
        try:
            ZoneInfo(window.time_zone)
        except (ZoneInfoNotFoundError, ValueError):
            raise OperatorError(f"{key}: there is no time zone {window.time_zone!r}") from None
        for text in (window.starts, window.ends):
            try:
                time.fromisoformat(text)
            except ValueError:
                raise OperatorError(f"{key}: {text!r} is not a time such as 08:30") from None
        for text in window.dates:
            try:
                date.fromisoformat(text)
            except ValueError:
                raise OperatorError(f"{key}: {text!r} is not a date such as 2026-12-25") from None
        windows.append(window)
    return tuple(windows)
