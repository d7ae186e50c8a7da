"""Records as a drill would hand them in."""

from typing import Any

from ops.evidence.catalogue import catalogue

NOW = 1_767_225_700.0  # 100 s after 2026-01-01T00:00:00Z
FLEET = "lab-test"
SHA256 = "a" * 64

# A value that holds the bound of each mandatory figure.
GOOD = {"max": 0.0, "below": 0.5, "min": 1000.0}


def draft(name: str = "kill_switch.on", **changes: Any) -> dict[str, Any]:
    """A drill that passed, with what the catalogue knows left out."""
    figures = catalogue().entry(name).figures.values()
    return {
        "name": name,
        "started_at": "2026-01-01T00:00:00Z",
        "ended_at": "2026-01-01T00:00:09.25Z",
        "inventory": FLEET,
        "hosts": ["trader-01"],
        "release": {"id": "trader-1.2.3-aaaaaaaaaaaa", "sha256": SHA256},
        "steps": [
            {
                "name": "trip",
                "started_at": "2026-01-01T00:00:01Z",
                "ended_at": "2026-01-01T00:00:02Z",
                "result": "pass",
            }
        ],
        "values": [
            {"name": one.name, "value": 1 if one.unit == "flag" and one.bound else GOOD[one.comparison]}
            for one in figures
        ],
        "verdict": "pass",
    } | changes


def with_value(
    figure: str, value: float | None, drill: str = "kill_switch.on", **changes: Any
) -> dict[str, Any]:
    """A good drill with another value of one figure."""
    made = draft(drill, **changes)
    made["values"] = [one | ({"value": value} if one["name"] == figure else {}) for one in made["values"]]
    return made
