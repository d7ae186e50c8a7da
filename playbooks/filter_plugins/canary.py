"""Jinja filter of the canary: what the order of change depends on, from a host's variables."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any


def canary_host(variables: Mapping[str, Any]) -> dict[str, Any]:
    """A host as scripts/canary takes it.

    :param variables: hostvars of the host; canary_exposure_usd, and what it shares with others: the venue and
        the account.
    """
    return {
        "name": variables["inventory_hostname"],
        "exposure_usd": variables.get("canary_exposure_usd", 0),
        "venue": variables.get("trader_venue_id", ""),
        "account": variables.get("trader_account", variables["inventory_hostname"]),
    }


class FilterModule:
    """What Ansible looks for."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Name and function."""
        return {"canary_host": canary_host}
