"""Expressions that more than one dashboard shows."""

CHOSEN = 'host=~"$host"'
WINDOW = "$__rate_interval"

STATE = f"max by (host) (trader_trading_state{{{CHOSEN}}})"
# The service's own word, and without it what node_exporter still reads from the latch's file.
LATCH = (
    f'max by (host) (trader_latch_tripped{{job="trader", {CHOSEN}}}'
    f' or trader_latch_tripped{{job="node", {CHOSEN}}})'
)
ANSWERS = (
    f'max by (host) (up{{job="trader", {CHOSEN}}})'
    f' or max by (host) (expected_target{{job="trader", {CHOSEN}}}) * 0'
)
RELEASE = f"max by (host, release) (trader_build_info{{{CHOSEN}}})"
LOSS = f"host:daily_loss:share{{{CHOSEN}}}"
DRIFT = f"host:drift:usd{{{CHOSEN}}}"
RECONCILED_AGO = f"time() - host:reconciled:timestamp_seconds{{{CHOSEN}}}"
UNKNOWN_AGE = f"host:unknown_order:age_seconds{{{CHOSEN}}}"
SLIPPAGE = f"max by (host) (trader_slippage_worst_bps{{{CHOSEN}}})"
CLOCK = f"max by (host) (abs(trader_clock_offset_seconds{{{CHOSEN}}}))"
ALERTS = 'ALERTS{alertstate="firing", alertname!="Watchdog"}'


def gauge(metric: str, by: str = "host", how: str = "max") -> str:
    """A gauge of the chosen hosts, one series for each value of `by`."""
    return f"{how} by ({by}) ({metric}{{{CHOSEN}}})"


def firing(severity: str) -> str:
    """Number of alerts that fire; 0 where none does."""
    return f'count(ALERTS{{alertstate="firing", severity="{severity}"}}) or vector(0)'


def rate(metric: str, by: str = "host", window: str = WINDOW, only: str = "") -> str:
    """Events a second."""
    matchers = ", ".join(part for part in (only, CHOSEN) if part)
    return f"sum by ({by}) (rate({metric}{{{matchers}}}[{window}]))"


def quantile(share: float, metric: str, by: str = "host", window: str = WINDOW) -> str:
    """A quantile of a histogram, in its unit."""
    return f"histogram_quantile({share:g}, {rate(f'{metric}_bucket', f'{by}, le', window)})"


def ratio(bad: str, total: str, by: str = "host", window: str = WINDOW) -> str:
    """Bad share of events.

    Args:
        bad: matcher of the bad ones.
        total: the counter.
    """
    return f"{rate(total, by, window, bad)} / ({rate(total, by, window)} > 0)"
