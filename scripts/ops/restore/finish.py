"""What a restore is evidence of: whether host and venue agree, what was lost, and how long each step took.

RPO (recovery point) and RTO (recovery time) as in ISO 22301; both are measured, never taken from a setting.
"""

import os
from decimal import Decimal
from pathlib import Path
from typing import Any

from ops.evidence.catalogue import catalogue
from ops.restore.run import STEPS, Restore
from ops.times import utc_text_ns

NAME = "restore.host"
_KEPT_HALTED = {"latch"}


def values(restore: Restore) -> dict[str, float | None]:
    """The figures, by their names in the catalogue; None = could not be measured, which is never a pass."""
    steps = {step["name"]: step["ended"] - step["began"] for step in restore.steps}
    status, lost, fence = (restore.told(name) for name in ("verify", "lost", "fence"))
    cancel = restore.told("cancel")
    reasons = set(status.get("reasons", {}))
    whole = len(steps) == len(STEPS)
    usd = lost.get("amounts")
    return {
        "differences": _differences(status, reasons),
        "fence_refused": float(bool(fence.get("refused"))) if fence else None,
        "open_orders": _number(cancel.get("left")),
        "latch_tripped": float("latch" in reasons) if status else None,
        "rpo_orders": _number(lost.get("orders")),
        "rpo_seconds": None if "milliseconds" not in lost else lost["milliseconds"] / 1_000,
        "rpo_usd": None
        if usd is None
        else float(sum((Decimal(amount) for amount in usd.values()), Decimal(0))),
        "rto_critical_seconds": sum(steps.values()) - steps["provision"] if whole else None,
        "rto_full_seconds": sum(steps.values()) if whole else None,
        **{f"rto_{name}_seconds": steps.get(name) for name in STEPS},
    }


def _differences(status: dict[str, Any], reasons: set[str]) -> float | None:
    """What keeps the host from trading beside the latch: after a restore there may be nothing else."""
    if not status or not status.get("last_reconciled_at_ns"):
        return None
    return float(len(reasons - _KEPT_HALTED))


def _number(value: Any) -> float | None:
    return None if value is None else float(value)


def draft(restore: Restore, folder: Path) -> dict[str, Any]:
    """The record for ops.evidence.

    Args:
        folder: of the evidence file.
    """
    measured = values(restore)
    entry = catalogue().entry(NAME)
    figures = [figure.measured(measured.get(figure.name)) for figure in entry.figures.values()]
    missed = [one for one in figures if one["held"] is not True]
    status = restore.told("verify")
    others = [
        {"name": name, "value": value, "unit": "s" if name.endswith("_seconds") else "orders"}
        for name, value in measured.items()
        if name not in entry.figures and value is not None
    ]
    reasons = [f"{one['name']}: {one['value']}, bound {one['comparison']} {one['bound']}" for one in missed]
    reasons += [
        f"{key}: {text}" for key, text in status.get("reasons", {}).items() if key not in _KEPT_HALTED
    ]
    steps = restore.steps
    began_ns = int(restore.plan["began"] * 1e9)
    return {
        "name": NAME,
        "started_at": utc_text_ns(began_ns),
        "ended_at": utc_text_ns(int(steps[-1]["ended"] * 1e9) if steps else began_ns),
        "inventory": restore.plan["fleet"],
        "hosts": [restore.wish.host],
        "release": {"id": status.get("release") or "-", "sha256": status.get("sha256") or "0" * 64},
        "steps": [
            {
                "name": step["name"],
                "started_at": utc_text_ns(int(step["began"] * 1e9)),
                "ended_at": utc_text_ns(int(step["ended"] * 1e9)),
                "result": "pass",
            }
            for step in steps
        ]
        # One that was given up before it began.
        or [
            {
                "name": "plan",
                "started_at": utc_text_ns(began_ns),
                "ended_at": utc_text_ns(began_ns),
                "result": "pass",
            }
        ],
        "values": [*figures, *others],
        "verdict": "fail" if missed else "pass",
        "reasons": reasons if missed else [],
        "attachments": [
            {"path": os.path.relpath(path, folder)}
            for path in sorted(restore.folder.glob("*.json*"))
            if path.name != "result.json"
        ],
    }
