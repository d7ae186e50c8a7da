"""How a request can end without a good answer, told apart by whether it can have left this machine."""

from typing import Any


class WireError(Exception):
    """A request without a good answer."""


class NotSentError(WireError):
    """Nothing was written. Another way may be taken at once, and a new order is provably not placed."""


class BudgetError(NotSentError):
    """The rate budget had no room in time, or the venue has banned us."""


class BreakerOpenError(NotSentError):
    """The endpoint has failed too often lately."""


class LostAnswerError(WireError):
    """It was written, or may have been, and no answer says what became of it: ask, never repeat."""


class RefusedError(WireError):
    """The venue answered with an error.

    Not every such answer proves that nothing happened (-1006, -1007 and 5xx do not): judge by code and
    status.

    Args:
        code: the venue's, for example -2010.
        status: as the HTTP status of the same answer over REST.
        retry_after_ms: UTC time before which nothing may be sent; None = not said.
        rate_limits: the answer's `rateLimits` rows.
    """

    def __init__(
        self,
        code: int,
        status: int,
        message: str,
        retry_after_ms: int | None = None,
        rate_limits: list[dict[str, Any]] | None = None,
    ) -> None:
        super().__init__(f"{code} {message} (status {status})")
        self.code = code
        self.status = status
        self.message = message
        self.retry_after_ms = retry_after_ms
        self.rate_limits = rate_limits or []
