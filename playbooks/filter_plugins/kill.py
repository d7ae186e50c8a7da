"""Ansible filters of playbooks/kill.yml: what a host and the venue said, judged as scripts/kill judges it."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))

from ops.kill.outcome import Word, conclude, read_answer, rows


def kill_outcomes(hosts: list[str], hostvars: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Each host's outcome, by what its tasks registered: `kill_said` on the host, `kill_venue` from here."""
    return [_outcome(host, hostvars[host]) for host in hosts]


def _outcome(host: str, registered: Mapping[str, Any]) -> dict[str, Any]:
    by_host = _host_word(registered.get("kill_said") or {})
    venue = registered.get("kill_venue") or {}
    by_venue = _venue_word(venue) if "rc" in venue else None
    return conclude(host, by_host, by_venue, (by_venue or by_host).seconds).fields()


def _host_word(said: dict[str, Any]) -> Word:
    if "rc" not in said:
        return Word(problem=_line(said.get("msg")) or "the task on the host did not end")
    return read_answer(list(said.get("stdout_lines", ())), int(said["rc"]), str(said.get("stderr", "")))


def _venue_word(venue: dict[str, Any]) -> Word:
    try:
        outcome = json.loads(venue["stdout"])["hosts"][0]
    except (KeyError, IndexError, ValueError):
        return Word(problem=_line(venue.get("stderr")) or "scripts/kill --venue-only gave no result")
    return Word(
        zero=outcome["took"] == "venue",
        left=outcome["left"],
        cancelled=outcome["cancelled"],
        seconds=outcome["seconds"],
        problem="" if outcome["took"] else outcome["problem"],
    )


def _line(text: Any) -> str:
    lines = [line for line in str(text or "").splitlines() if line.strip()]
    return lines[-1].strip().removeprefix("Task failed: ") if lines else ""


def kill_table(outcomes: list[dict[str, Any]]) -> list[str]:
    """Lines of a table with a heading."""
    table = rows(outcomes)
    widths = [max(len(row[column]) for row in table) for column in range(len(table[0]))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in table
    ]


class FilterModule:
    """The filters by name."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"kill_outcomes": kill_outcomes, "kill_table": kill_table}
