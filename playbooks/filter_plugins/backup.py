"""Filters of the playbooks of backups."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any


def backup_line(item: dict[str, Any]) -> str:
    """One host of the keeper's checks.json as a line for a person."""
    checks = item["value"].get("checks", {})
    failed = [
        f"{name} FAILED: {check['text']}" for name, check in sorted(checks.items()) if not check["passed"]
    ]
    return f"{item['key']}: {'; '.join(failed) or checks.get('age', {}).get('text', 'not looked at yet')}"


def restore_seconds(text: str) -> str:
    """A time as people write it (UTC when it names no zone), in unix seconds.

    :raises ValueError: it is none.
    """
    moment = datetime.fromisoformat(text)
    return str((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())


class FilterModule:
    """What Ansible looks for."""

    def filters(self) -> dict[str, Any]:
        return {"backup_line": backup_line, "restore_seconds": restore_seconds}
