"""What the service answers over the control socket. Amounts are decimal text, times are UTC.

A part that a service does not have (no latch, no budget) is left out, and the commands show "-" for it.
"""

from typing import Any, NotRequired, TypedDict


class LatchAnswer(TypedDict):
    """`LatchStatus.fields()`."""

    state: str
    at_ns: int
    by: str
    reason: str
    trigger: str


class ClockAnswer(TypedDict):
    """The venue's clock minus ours."""

    offset_ms: float
    limit_ms: float


class PnlAnswer(TypedDict):
    """Of the day (UTC), realised and unrealised; None = not known. The latch trips at `limit_usd`."""

    day: str | None
    usd: str | None
    limit_usd: str


class BudgetAnswer(TypedDict):
    """The venue's request weight, and what waits for it."""

    used_weight: int
    limit: int
    waiting: int
    blocked_seconds: float


class KillAnswer(TypedDict):
    """What a kill has done: orders of the account; `open_orders` is None until the venue has told.

    `latch` is None while it is not on the disk.
    """

    open_orders: int | None
    cancelled: int
    already_gone: int
    failed: list[str]
    seconds: float
    verified_twice: bool
    latch: NotRequired[LatchAnswer | None]
    problem: NotRequired[str]


class ShippingAnswer(TypedDict):
    """What the vault has of the journal; `acknowledged`: a sequence, null until it has said."""

    mode: str
    connected: bool
    acknowledged: int | None
    lacks_records: int
    lacks_seconds: float


class StatusAnswer(TypedDict):
    """Call `status`: what /healthz tells, and more. `streams`: age in seconds; `orders`: count by state."""

    release: str
    sha256: str
    version: str
    mode: str
    state: str
    reasons: dict[str, str]
    host: str
    account: str
    epoch: int
    shipping: NotRequired[ShippingAnswer]
    started_at_ns: int
    trading_since_ns: int
    last_order_at_ns: int
    last_reconciled_at_ns: int
    open_orders: int
    in_flight_orders: int
    unknown_orders: int
    positions: dict[str, str]
    streams: NotRequired[dict[str, float]]
    orders: NotRequired[dict[str, int]]
    latch: NotRequired[LatchAnswer]
    kill: NotRequired[KillAnswer | None]
    clock: NotRequired[ClockAnswer]
    pnl: NotRequired[PnlAnswer]
    budget: NotRequired[BudgetAnswer]


class DifferenceAnswer(TypedDict):
    """One unexplained difference: `reconcile.Difference`."""

    kind: str
    text: str


class ReconcileAnswer(TypedDict):
    """Call `reconcile`: one comparison, made now."""

    clean: bool
    seconds: float
    drift_usd: str | None
    differences: list[DifferenceAnswer]


class OrderAnswer(TypedDict):
    """One live order."""

    client_id: str
    venue_order_id: str | None
    symbol: str
    side: str
    kind: str
    quantity: str
    price: str | None
    filled: str
    state: str
    created_ns: int
    reason: str


class OrdersAnswer(TypedDict):
    """Call `orders`: all that are not final, oldest first."""

    orders: list[OrderAnswer]


class AcceptRowAnswer(TypedDict):
    """What journal and venue hold different amounts of; `usd` is without its sign, None = not known."""

    asset: str
    ours: str
    venue: str
    usd: str | None


class AcceptAnswer(TypedDict):
    """Call `accept_baseline(by, reason, shown, above_limit)`: without `shown`, only what would be accepted.

    Refused unless trading is halted by differences, all of which are of money. `shown` goes back as it came.
    `differs`: what journal and venue do not agree on after it; None = they agree, or nothing was done yet.
    """

    host: str
    rows: list[AcceptRowAnswer]
    shown: dict[str, Any]
    usd: str | None
    limit_usd: str
    above_limit: bool
    accepted: bool
    differs: str | None


class RearmAnswer(TypedDict):
    """Call `rearm(by, reason)`: refused unless the account has no open order at the venue."""

    latch: LatchAnswer


class ChangeAnswer(TypedDict):
    """One setting that is another now. `loosened`: it allows more than before."""

    key: str
    before: Any
    after: Any
    loosened: bool


class ReloadAnswer(TypedDict):
    """Call `reload`, which is what SIGHUP does: refused, with nothing changed, when the file is not valid."""

    changes: list[ChangeAnswer]
