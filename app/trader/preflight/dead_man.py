"""Who cancels when this host is gone: the venue's own timer, another host, or nobody."""

from collections.abc import Sequence

from trader.preflight.checks import Finding, ok, warn
from trader.venue.venues import Scope, VenueRule

LARGEST_SHARE = 0.25  # of the venue's limit that may go into keeping the timer


def dead_man(rule: VenueRule, symbols: int, refresh_seconds: float, watched_by: Sequence[str]) -> Finding:
    """At least one of the two must be there, and the timer must leave room in the rate budget.

    Args:
        symbols: how many are traded; some venues have a timer for each.
        watched_by: hosts that watch this one.
    """
    peers = f"watched by {', '.join(watched_by)}" if watched_by else "no host watches this one"
    timer = rule.dead_man
    if timer.scope is Scope.NONE:
        detail = f"{rule.id} has no timer: {timer.note}; {peers}"
        if not watched_by:
            return warn(detail, "let a host watch it (trader watch-peers), named in dead_man.watched_by")
        return ok(detail)
    share = _share(rule, symbols if timer.scope is Scope.SYMBOL else 1, refresh_seconds)
    detail = f"{rule.id} has a timer ({timer.note}); {peers}"
    if share > LARGEST_SHARE:
        return warn(
            f"keeping the timer takes {share:.0%} of the rate limit of {rule.id}",
            "raise dead_man.refresh_seconds and timeout_seconds, or trade fewer symbols here",
        )
    return ok(detail)


def _share(rule: VenueRule, timers: int, refresh_seconds: float) -> float:
    """Of the venue's limits, in the window where it takes most."""
    # Here, because commands that need no venue load the settings of preflight too, and ccxt takes its time.
    from trader.venue.endpoints import Counted, Endpoint, tariff
    from trader.venue.slim_ccxt import exchange_class

    prices = tariff(rule.id, float(exchange_class(rule.id)().rateLimit))
    weight = prices.cost(Endpoint.DEAD_MAN).weight * timers / refresh_seconds  # in a second
    windows = [limit for limit in prices.limits if limit.counted is Counted.WEIGHT]
    return max(weight * limit.seconds / limit.amount for limit in windows)
