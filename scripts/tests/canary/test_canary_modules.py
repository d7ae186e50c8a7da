"""What the canary's playbooks have of their own on hosts and in templates."""

from pathlib import Path

import pytest
from ansible.errors import AnsibleFilterError

from tests.ansible_modules import load

COPY = load("rollout_copy")
RISK = load("risk", "filter_plugins")
CANARY = load("canary", "filter_plugins")
LIMITS = {
    "max_order_notional_usd": 2000,
    "max_position_usd": 10000,
    "max_gross_exposure_usd": 20000,
    "max_daily_loss_usd": 500,
    "max_orders_per_second": 10,
}


def test_a_copy_only_grows(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    assert COPY.keep(path, "one\n", grows=True)
    assert not COPY.keep(path, "one\n", grows=True)
    assert COPY.keep(path, "one\ntwo\n", grows=True)
    for changed in ("ONE\ntwo\nthree\n", "one\n", ""):
        with pytest.raises(ValueError, match="is not what was kept"):
            COPY.keep(path, changed, grows=True)
    assert path.read_text() == "one\ntwo\n"


def test_a_plan_never_changes(tmp_path: Path) -> None:
    COPY.keep(tmp_path / "plan.json", "{}", grows=False)
    with pytest.raises(ValueError, match="is not what was kept"):
        COPY.keep(tmp_path / "plan.json", "{} ", grows=False)


def test_amounts_are_scaled_and_counts_are_not() -> None:
    scaled = RISK.scale_risk(LIMITS, 0.25)
    assert scaled == LIMITS | {
        "max_order_notional_usd": 500.0,
        "max_position_usd": 2500.0,
        "max_gross_exposure_usd": 5000.0,
        "max_daily_loss_usd": 125.0,
    }
    assert RISK.scale_risk(LIMITS, 1) == LIMITS
    assert RISK.scale_risk({}, 1) == {}


@pytest.mark.parametrize("name", RISK.AMOUNTS)
def test_an_amount_that_is_not_named_cannot_be_made_smaller(name: str) -> None:
    with pytest.raises(AnsibleFilterError, match=rf"trader_risk\.{name} is not named"):
        RISK.scale_risk({key: value for key, value in LIMITS.items() if key != name}, 0.5)


@pytest.mark.parametrize("scale", [0, -1, 1.5])
def test_a_scale_that_is_none(scale: float) -> None:
    with pytest.raises(AnsibleFilterError, match="is not above 0 and at most 1"):
        RISK.scale_risk(LIMITS, scale)


def test_the_amounts_are_those_of_the_service() -> None:
    from trader.risk import Limits

    assert set(RISK.AMOUNTS) == {name for name in Limits.model_fields if name.endswith("_usd")}


def test_a_host_as_the_plan_takes_it() -> None:
    variables = {"inventory_hostname": "a", "canary_exposure_usd": 5, "trader_venue_id": "okx"}
    assert CANARY.canary_host(variables) == {"name": "a", "exposure_usd": 5, "venue": "okx", "account": "a"}
