"""The way back is judged: four answers, by schema, orders in doubt, and what failed before."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from ops.canary import rollback
from ops.canary.plan_settings import make_plan
from ops.canary.prometheus import Prometheus
from ops.canary.record import Record
from ops.release.store import Schema
from tests.canary_helpers import RELEASE, SHA256, FakePrometheus, prove, rollout, serve, settings

HOSTS = ["trader-01", "trader-02", "trader-03", "trader-04"]


@pytest.fixture
def fake() -> Iterator[FakePrometheus]:
    with serve(FakePrometheus(HOSTS)) as served:
        yield served


def touched(folder: Path, fake: FakePrometheus, schema: Schema = "unchanged") -> Record:
    plan = make_plan(
        settings(fake.url), HOSTS, inventory="lab", release=RELEASE, sha256=SHA256, schema=schema
    )
    record = rollout(folder, plan)
    prove(record, 1)
    return record


def decide(record: Record, fake: FakePrometheus, wait: float = 0.0) -> rollback.Decision:
    return rollback.decide(record, Prometheus(fake.url), wait)


def doubt(fake: FakePrometheus, count: str = "2") -> None:
    fake.answers["max by (host) (trader_unknown_orders"] = [({"host": "trader-01"}, count)]


@pytest.mark.parametrize("schema", ["unchanged", "expanded"])
def test_hosts_that_account_for_everything_go_back(
    tmp_path: Path, fake: FakePrometheus, schema: Schema
) -> None:
    assert decide(touched(tmp_path, fake, schema), fake) == rollback.Decision("roll_back", ())


def test_a_contracted_schema_has_no_way_back(tmp_path: Path, fake: FakePrometheus) -> None:
    found = decide(touched(tmp_path, fake, "contracted"), fake)
    assert (found.answer, "fix forward" in found.reasons[0]) == ("hold", True)


def test_before_a_host_is_touched_nothing_has_to_go_back(tmp_path: Path, fake: FakePrometheus) -> None:
    plan = make_plan(
        settings(fake.url), HOSTS, inventory="lab", release=RELEASE, sha256=SHA256, schema="contracted"
    )
    assert decide(rollout(tmp_path, plan), fake).answer == "roll_back"


@pytest.mark.parametrize("schema", ["unchanged", "contracted"])
def test_orders_in_doubt_stop_trading_first_and_then_kill(
    tmp_path: Path, fake: FakePrometheus, schema: Schema
) -> None:
    record = touched(tmp_path, fake, schema)
    doubt(fake)
    first = decide(record, fake)
    assert first == rollback.Decision("stop", ("trader-01: 2 orders whose fate is unknown",))
    assert decide(record, fake, wait=0.1).answer == "kill"
    doubt(fake, "0")
    assert decide(record, fake, wait=0.1).answer == ("roll_back" if schema == "unchanged" else "hold")


def test_a_difference_that_nothing_explains_is_doubt_as_well(tmp_path: Path, fake: FakePrometheus) -> None:
    record = touched(tmp_path, fake)
    fake.answers["max by (host) (trader_reconcile_unexplained"] = [({"host": "trader-01"}, "1")]
    assert decide(record, fake).answer == "stop"


def test_a_monitor_that_is_away_does_not_keep_a_bad_release(tmp_path: Path, fake: FakePrometheus) -> None:
    record = touched(tmp_path, fake)
    fake.away = True
    assert decide(record, fake).answer == "roll_back"


def test_two_ways_back_that_failed_are_enough(tmp_path: Path, fake: FakePrometheus) -> None:
    record = touched(tmp_path, fake)
    for answer in ("roll_back", "hold"):
        record.append("proof", phase=None, rollback=True, hosts=["trader-01"], faults={"trader-01": ["x"]})
        assert decide(record, fake).answer == answer


@pytest.mark.parametrize("previous", [RELEASE, None])
def test_a_host_with_nowhere_to_go_is_held(
    tmp_path: Path, fake: FakePrometheus, previous: str | None
) -> None:
    record = touched(tmp_path, fake)
    record.begun_file(1, "trader-01").write_text(json.dumps({"previous_release": previous}))
    assert decide(record, fake).answer == "hold"
