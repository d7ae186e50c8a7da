"""Jinja filter of the limits of a rollout's first hours."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError

# The amounts among the limits (app/trader/risk/limits.py); counts and ages say nothing about size.
AMOUNTS = ("max_order_notional_usd", "max_position_usd", "max_gross_exposure_usd", "max_daily_loss_usd")


def scale_risk(risk: Mapping[str, Any], scale: float) -> dict[str, Any]:
    """Risk limits with every amount multiplied.

    :param risk: trader_risk of the inventory.
    :param scale: above 0, at most 1.
    :raises AnsibleFilterError: an amount is not named, so there is nothing to multiply: the service's own
        default would stay as large as it is.
    """
    if not 0 < scale <= 1:
        raise AnsibleFilterError(f"risk_scale: {scale:g} is not above 0 and at most 1")
    missing = [name for name in AMOUNTS if name not in risk]
    if scale < 1 and missing:
        raise AnsibleFilterError(
            f"trader_risk.{missing[0]} is not named; smaller limits need every amount there"
        )
    return {
        name: round(float(value) * scale, 2) if name in AMOUNTS and scale < 1 else value
        for name, value in risk.items()
    }


class FilterModule:
    """What Ansible looks for."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Name and function."""
        return {"scale_risk": scale_risk}
