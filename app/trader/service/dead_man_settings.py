"""The settings section `dead_man`."""

from pydantic import BaseModel, ConfigDict, Field, model_validator

from trader.venue.venues import Scope, rule_of

REFRESHES = 3  # that many must fit into the time that the timer runs: two may fail


class DeadManSettings(BaseModel):
    """The venue's own timer, which cancels our orders when this host no longer calls, and the hosts that do
    so where the venue has none."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    timeout_seconds: int = Field(
        default=30, ge=3, le=300, description="After so long without a call the venue cancels."
    )
    refresh_seconds: float = Field(
        default=10.0, ge=0.5, description="Time between two calls; three must fit into the timeout."
    )
    watched_by: list[str] = Field(
        default_factory=list,
        description="Hosts on which `trader watch-peers` watches this one and cancels for it.",
    )

    @model_validator(mode="after")
    def _with_margin(self) -> "DeadManSettings":
        if self.refresh_seconds * REFRESHES > self.timeout_seconds:
            raise ValueError(
                f"refresh_seconds: {REFRESHES} times {self.refresh_seconds:g} s do not fit into"
                f" timeout_seconds {self.timeout_seconds}; call more often or let it run longer"
            )
        return self

    def wrong_at(self, venue: str) -> str | None:
        """What the venue does not take, in one line that begins with the key; None = nothing."""
        timer = rule_of(venue).dead_man
        shortest, longest = timer.seconds
        if timer.scope is Scope.NONE or shortest <= self.timeout_seconds <= longest:
            return None
        return f"dead_man.timeout_seconds: {venue} takes {shortest} to {longest}"
