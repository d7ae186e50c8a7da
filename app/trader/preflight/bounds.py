"""The settings section `preflight`."""

from pydantic import BaseModel, ConfigDict, Field


class PreflightSettings(BaseModel):
    """Bounds of `trader preflight`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    min_free_mb: int = Field(
        default=1_000, ge=0, description="Free space on the journal's disk that is wanted, in megabytes."
    )
    min_free_days: float = Field(
        default=14, ge=0, description="For how many days the free space must last at last week's growth."
    )
