"""The settings section `kill_switch`."""

from decimal import Decimal

from pydantic import BaseModel, ConfigDict, Field


class KillSwitchSettings(BaseModel):
    """What trips the kill switch beside a person and the day's loss (`risk.max_daily_loss_usd`)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    latency_ms: int = Field(
        default=5_000,
        ge=100,
        le=600_000,
        description="An answer to a new order that is so late, or quotes or account data so old while they"
        " are needed, trip it. Quotes of a market that is quiet for so long do too: raise it there.",
    )
    heartbeat_seconds: float = Field(
        default=30.0,
        ge=2,
        le=600,
        description="So long a standstill of the event loop, of the strategy's timer or of the journal trips"
        " it.",
    )
    pnl_unknown_seconds: float = Field(
        default=30.0,
        ge=1,
        le=3_600,
        description="So long a time in which the day's P&L is not known while it is needed trips it.",
    )
    drift_usd: Decimal = Field(
        default=Decimal(100),
        ge=0,
        description="Unexplained differences with the venue above this value count; what cannot be valued"
        " counts too.",
    )
    drift_times: int = Field(
        default=2, ge=1, le=100, description="So many comparisons in a row above `drift_usd` trip it."
    )
    rejects: int = Field(
        default=10,
        ge=1,
        le=10_000,
        description="So many new orders that the venue refuses within `rejects_window_seconds` trip it. Rate"
        " limits (429, 418) and what never left do not count.",
    )
    rejects_window_seconds: float = Field(
        default=60.0, gt=0, le=86_400, description="The window of `rejects`."
    )
    cancelled_elsewhere: int = Field(
        default=3,
        ge=1,
        le=10_000,
        description="So many of our limit orders that end as cancelled without our asking, within"
        " `cancelled_elsewhere_window_seconds`, trip it: somebody stops us.",
    )
    cancelled_elsewhere_window_seconds: float = Field(
        default=30.0, gt=0, le=86_400, description="The window of `cancelled_elsewhere`."
    )
    flatten: bool = Field(
        default=False,
        description="Whether positions are brought to zero once every order is gone: by market orders that"
        " only reduce, through the risk checks.",
    )
