"""What a rollout will do, frozen before the first change."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any, Literal

from pydantic import TypeAdapter, ValidationError

from ops.bounds import Comparison, holds
from ops.canary.freeze import Window
from ops.canary.layout import Phase
from ops.errors import OperatorError
from ops.release.store import Schema

# Fewer scrapes than this make no window.
MINIMUM_SCRAPES = 3


@dataclass(frozen=True)
class Criterion:
    """One success criterion. `bound` is in `unit`; see plan.schema.json for the meaning of each field."""

    name: str
    description: str
    unit: str
    kind: Comparison
    bound: float
    query: str
    minimum_samples_query: str | None
    minimum_samples: float | None

    def holds(self, value: float) -> bool:
        """Whether a finite value is within the bound."""
        return holds(value, self.kind, self.bound)


@dataclass(frozen=True)
class Contrast:
    """One comparison of the hosts that have the release with those that do not.

    kind `count`: events per unit of exposure; `margin` is the largest harmless ratio of the two rates, and
    `harmless_rate` a rate that harms nobody, whatever the ratio.
    kind `level`: a level in every step; `margin` is the largest harmless rise, as a part of the level.
    """

    name: str
    description: str
    kind: Literal["count", "level"]
    query: str
    exposure_query: str | None
    harmless_rate: float | None
    margin: float


@dataclass(frozen=True)
class Judging:
    """How contrasts are judged. `false_alarms` is the budget for a whole rollout, split over all of them.

    `placebo_windows`: a level that rose is a failure only if it did not rise as much in so many earlier
    windows.
    """

    false_alarms: float
    before_seconds: float
    step_seconds: float
    restart_control: bool
    placebo_windows: int


@dataclass(frozen=True)
class Shadow:
    """How a release is tried beside each live instance before the host changes; 0 seconds: it is not."""

    seconds: float
    max_ratio: float
    min_agreement: float


@dataclass(frozen=True)
class Gates:
    """What must hold before each phase beside the hosts themselves; None: not asked for."""

    pages: bool
    error_budget: bool
    clock_seconds: float
    backup_hours: float | None
    restore_test_hours: float | None
    freeze: tuple[Window, ...]
    freeze_lead_minutes: float


@dataclass(frozen=True)
class Plan:
    """What a rollout will do."""

    inventory: str
    release: str
    sha256: str
    schema: Schema
    prometheus_url: str
    scrape_interval_seconds: float
    hosts: tuple[str, ...]
    phases: tuple[Phase, ...]
    criteria: tuple[Criterion, ...]
    contrasts: tuple[Contrast, ...]
    judging: Judging
    gates: Gates
    shadow: Shadow
    webhooks: tuple[str, ...]
    notes: tuple[str, ...]

    def phase(self, number: int) -> Phase:
        """The phase of a number, counted from 1.

        Raises:
            OperatorError: there is none.
        """
        if not 1 <= number <= len(self.phases):
            raise OperatorError(f"phase {number} is not in the plan: it has 1 to {len(self.phases)}")
        return self.phases[number - 1]

    def controls(self, phase: Phase) -> tuple[str, ...]:
        """The hosts that still have the old release at the end of a phase."""
        return self.hosts[len(phase.updated) :]

    def restarted_control(self, phase: Phase) -> str | None:
        """The host that is restarted on the old release beside a phase's batch: the next to change."""
        controls = self.controls(phase)
        return controls[0] if self.judging.restart_control and controls else None

    def to_json(self) -> dict[str, Any]:
        """The plan as JSON, with the sha256 of its content as `plan_sha256`."""
        content: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
        return content | {"plan_sha256": hashlib.sha256(canonical.encode()).hexdigest()}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "Plan":
        """Read what `to_json` wrote.

        Raises:
            OperatorError: it was changed since, or another version of these tools wrote it.
        """
        content = {key: value for key, value in data.items() if key != "plan_sha256"}
        try:
            plan = _reader().validate_python(content)
        except ValidationError as error:
            where = ".".join(str(part) for part in error.errors()[0]["loc"])
            raise OperatorError(
                f"plan.json does not fit these tools at {where}; "
                "go on with the checkout that began the rollout"
            ) from None
        if plan.to_json()["plan_sha256"] != data.get("plan_sha256"):
            raise OperatorError("plan.json was changed after the rollout began; start another rollout")
        return plan


@cache
def _reader() -> TypeAdapter[Plan]:
    return TypeAdapter(Plan)


def render(query: str, hosts: Sequence[str], window_seconds: float) -> str:
    """Fill the placeholders of a query.

    Args:
        query: PromQL with $hosts and $window.
        hosts: names for the regular expression.
        window_seconds: length of the window; whole seconds are used.
    """
    pattern = "|".join(host.replace(".", "[.]") for host in hosts)
    return query.replace("$hosts", pattern).replace("$window", f"{int(window_seconds)}s")
