"""The settings section `sentry`."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Share = Annotated[float, Field(ge=0, le=1)]


class SentrySettings(BaseModel):
    """Error reports; off without the credential `sentry_dsn`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    environment: str = Field(
        default="production",
        pattern=r"^[A-Za-z0-9_-]{1,64}$",
        description="Tag of every report; `production` samples what comes in floods.",
    )
    feed_share: Share | None = Field(
        default=None,
        description="Share of errors about streams and requests that is reported, 0 to 1; absent = 0.25 in"
        " production, else 1. What is about orders or money is always reported.",
    )
    library_share: Share | None = Field(
        default=None, description="The same for what libraries log; absent = 0.25 in production, else 1."
    )
    other_share: Share | None = Field(default=None, description="The same for everything else; absent = 1.")

    @property
    def given(self) -> dict[str, float]:
        """The shares that are set, by kind."""
        found = {"feed": self.feed_share, "library": self.library_share, "other": self.other_share}
        return {kind: share for kind, share in found.items() if share is not None}
