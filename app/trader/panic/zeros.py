"""When is it over: zero open orders, twice, with a pause that an order in flight cannot outlast.

A request that was signed before the latch fell can still become an order for as long as the venue takes it:
its receive window, counted by the venue's clock, and up to `SKEW_SECONDS` longer if the sender's clock is
ahead (Binance takes timestamps up to 1 s in the future). The first zero is asked for after the latch fell, so
a second one that is asked for a window and a skew later has seen whatever could still come. A list that
shows an order begins it anew; one that the venue did not answer in whole proves nothing.
"""

SKEW_SECONDS = 1.0


class Zeros:
    """Counts zeros. Pure: it is told the time.

    Args:
        window_seconds: how long the venue takes a request after it was signed.
    """

    def __init__(self, window_seconds: float) -> None:
        self.pause_seconds = window_seconds + SKEW_SECONDS
        self.proven = False
        self._first: float | None = None

    def saw(self, open_orders: int, complete: bool, asked: float) -> None:
        """Take one look at the account.

        Args:
            open_orders: how many were listed.
            complete: every list was answered.
            asked: monotonic seconds, before the first of the lists was asked for.
        """
        if open_orders:
            self._first = None
        elif complete and self._first is None:
            self._first = asked
        elif complete and self._first is not None and asked - self._first >= self.pause_seconds:
            self.proven = True

    def wait_seconds(self, now: float) -> float | None:
        """How long until a zero would be the second one; None = there is no first one."""
        return None if self._first is None else max(0.0, self._first + self.pause_seconds - now)
