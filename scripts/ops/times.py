"""Times as people and files read them; all of them UTC."""

from datetime import UTC, datetime


def utc_text(seconds: float) -> str:
    """Unix seconds as ISO 8601 in UTC."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def utc_text_ns(moment_ns: int) -> str:
    """Unix nanoseconds as ISO 8601 in UTC, cut to microseconds."""
    seconds, rest_ns = divmod(moment_ns, 10**9)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest_ns // 1000:06d}Z"


def parse_time(value: object) -> float | None:
    """Unix seconds of a time that a playbook wrote: ISO 8601 (UTC when it names no zone) or seconds."""
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, int | float):
        return float(value)
    try:
        time_ = datetime.fromisoformat(str(value))
    except ValueError:
        try:
            return float(str(value))
        except ValueError:
            return None
    return (time_ if time_.tzinfo else time_.replace(tzinfo=UTC)).timestamp()


def moment_text(seconds: float) -> str:
    """`2026-01-31 23:59:59 UTC`."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def clock_text(seconds: float) -> str:
    """`23:59:59`."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%H:%M:%S")


def duration_text(seconds: float) -> str:
    """`4 min 2 s`."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
