"""The settings of log shipping."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator


class ShippingSettings(BaseModel):
    """Every journal record also lies on the vault."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    mode: Literal["off", "bounded", "strict"] = Field(
        default="off",
        description="strict = no order is sent before the vault has acknowledged its intent: a lost host"
        " loses nothing that the venue may have seen. bounded = no new orders while the vault is further"
        " behind than the limits below. off = nothing is shipped, as in every mode but live.",
    )
    command: list[str] = Field(
        default_factory=list,
        description="Program and arguments that reach the vault's receiver, on stdin and stdout; {epoch}"
        " stands for the epoch in force.",
    )
    max_records: int = Field(
        default=200,
        ge=1,
        le=100_000,
        description="How many records the vault may lack before trading pauses.",
    )
    max_ms: int = Field(
        default=2_000,
        ge=50,
        le=60_000,
        description="How old the oldest record may be that the vault lacks, in milliseconds.",
    )
    acknowledge_ms: int = Field(
        default=1_000,
        ge=10,
        le=10_000,
        description="How long an order waits for the acknowledgement in strict mode, in milliseconds; then it"
        " is not sent.",
    )

    @model_validator(mode="after")
    def _reachable(self) -> "ShippingSettings":
        if self.mode != "off" and not self.command:
            raise ValueError("shipping.command: needed to reach the vault when shipping.mode is not off")
        return self
