"""The settings section `paper`."""

from decimal import Decimal

from pydantic import BaseModel, ConfigDict, Field


class PaperSettings(BaseModel):
    """The simulated account of the modes paper and shadow; fees are paid in the quote (or settle) asset."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    balances: dict[str, Decimal] = Field(
        default_factory=lambda: {"USDT": Decimal(10_000)},
        description="Total by asset when the journal is empty.",
    )
    maker_fee_bps: Decimal = Field(
        default=Decimal(10),
        ge=0,
        le=1_000,
        description="Fee of an order that rested, in 1/100 % of its value.",
    )
    taker_fee_bps: Decimal = Field(
        default=Decimal(10),
        ge=0,
        le=1_000,
        description="Fee of an order that was filled at once, in 1/100 % of its value.",
    )
