"""What Prometheus sees of hosts at this moment, for gates and for the watch during a soak."""

from collections.abc import Sequence
from dataclasses import dataclass

from ops.canary.prometheus import Prometheus, Sample, selector

# trader_trading_state: 0 halted, 1 reduce-only, 2 active.
ACTIVE = 2.0
# A scrape may be late or lost once; the third in a row is not bad luck.
_DOWN_AFTER_SCRAPES = 3
_STALE_AFTER_SCRAPES = 2


@dataclass(frozen=True)
class Seen:
    """One host at one moment; None where there is no sample. Neither up nor down: never scraped."""

    up: bool
    down: bool
    up_lately: bool
    age_seconds: float | None
    release: str | None
    sha256: str | None
    started_seconds: float | None
    state: float | None


def observe(prometheus: Prometheus, hosts: Sequence[str], interval_seconds: float) -> dict[str, Seen]:
    """Ask for every host at once.

    Args:
        prometheus: where to ask.
        hosts: inventory names.
        interval_seconds: scrape interval.
    Returns:
        One entry for each host, also for those of which nothing is known.
    Raises:
        PrometheusError: no usable answer.
    """
    now = prometheus.now()

    def ask(query: str) -> dict[str, Sample]:
        return {host: series[-1] for host, series in prometheus.query(query, now).by_host().items()}

    up = ask(selector("up", hosts))
    last = ask(f"timestamp({selector('up', hosts)})")
    lately = ask(
        f"max_over_time({selector('up', hosts)}[{max(1, round(_DOWN_AFTER_SCRAPES * interval_seconds))}s])"
    )
    build = _newest(prometheus, f"timestamp({selector('trader_build_info', hosts)})", now)
    started = ask(selector("trader_process_start_timestamp_seconds", hosts))
    state = ask(selector("trader_trading_state", hosts))

    def value(found: dict[str, Sample], host: str) -> float | None:
        return found[host].value if host in found else None

    seen = {}
    for host in hosts:
        last_seconds = value(last, host)
        labels = build[host].labels if host in build else {}
        seen[host] = Seen(
            up=value(up, host) == 1,
            down=value(up, host) == 0,
            up_lately=value(lately, host) == 1,
            age_seconds=None if last_seconds is None else now - last_seconds,
            release=labels.get("release"),
            sha256=labels.get("sha256"),
            started_seconds=value(started, host),
            state=value(state, host),
        )
    return seen


def _newest(prometheus: Prometheus, query: str, now: float) -> dict[str, Sample]:
    """Of each host's series the one with the newest sample.

    A process that was replaced while Prometheus was down has left a series without an end: for five minutes
    it stands beside the new one.
    """
    found = prometheus.query(query, now).by_host()
    return {host: max(series, key=lambda sample: sample.value or 0.0) for host, series in found.items()}


def missing(seen: Seen, interval_seconds: float) -> str | None:
    """Why a host's samples cannot be relied on, or None: not scraped, stale, or down."""
    if seen.age_seconds is None:
        return "Prometheus has no sample of it"
    if seen.age_seconds > _STALE_AFTER_SCRAPES * interval_seconds:
        return f"its last sample is {seen.age_seconds:.0f} s old"
    return None if seen.up else "Prometheus cannot scrape it (up is 0)"
