"""The end of a day on the control node: what is closed, what is not, and the pages."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from ops.eod.cli import cli
from ops.eod.page import bars, curve, money

DAY = "2026-11-27"


def report(host: str, **changes: Any) -> dict[str, Any]:
    """A day of an account that agrees."""
    amounts = dict.fromkeys(
        ("position_start", "position_end", "realised_fifo", "unrealised_fifo", "realised_average"), "0"
    )
    market = {"symbol": "BTC/USDT", "fills": 2, "mark_start": None, "mark_end": "60000", **amounts}
    market |= dict.fromkeys(("unrealised_average", "total", "identity_error"), "0")
    return {
        "version": 1,
        "day": DAY,
        "host": host,
        "account": host,
        "epoch": 1,
        "made_at": "2026-11-28T00:10:00+00:00",
        "reconciled": True,
        "orders": {"filled": 2},
        "open_orders": 0,
        "fills": 2,
        "turnover_usd": "120",
        "fees": {"USDT": "0.12"},
        "funding": {},
        "accepted": [],
        "balances": [
            {
                "asset": "USDT",
                "start": "100",
                "trades": "-1.5",
                "funding": "0",
                "end": "98.5",
                "end_usd": "98.5",
            }
        ],
        "markets": [market],
        "pnl_usd": {"trading": "1.25", "fees": "-0.12", "funding": "0", "net": "1.13", "exact": True},
        "drift_usd": "0",
        "discrepancy_count": 0,
        "discrepancies": [],
        "marks": {"BTC/USDT": "60000"},
        "curve": [
            {"at_ms": 1_795_744_800_000, "pnl_usd": "0.5"},
            {"at_ms": 1_795_748_400_000, "pnl_usd": "1.25"},
        ],
        **changes,
    }


def rolled_up(folder: Path, hosts: str, *reports: dict[str, Any]) -> Result:
    place = folder / "desk" / DAY
    place.mkdir(parents=True, exist_ok=True)
    for one in reports:
        (place / f"{one['host']}.json").write_text(json.dumps(one))
    words = ["report", "--inventory", "desk", "--day", DAY, "--hosts", hosts, "--folder", str(folder)]
    return CliRunner().invoke(cli, [*words, "--json"])


def test_a_day_that_is_closed(tmp_path: Path) -> None:
    done = rolled_up(tmp_path, "a,b", report("a"), report("b"))
    assert done.exit_code == 0, done.output
    found = json.loads(done.output)
    assert (found["closed"], found["net_usd"], found["fills"]) == (True, "2.26", 4)
    page = (tmp_path / "desk" / DAY / "index.html").read_text()
    assert ">closed<" in page
    assert "2.26 USD" in page
    host = (tmp_path / "desk" / DAY / "a.html").read_text()
    assert "agrees with the venue" in host
    assert "polyline" in host


def test_an_account_that_does_not_agree(tmp_path: Path) -> None:
    lost = {"kind": "missing_fill", "key": "7", "text": "BTC/USDT trade 7: not in the journal", "usd": "60"}
    wrong = report("b", reconciled=False, drift_usd="60", discrepancy_count=1, discrepancies=[lost])
    done = rolled_up(tmp_path, "a,b", report("a"), wrong)
    assert done.exit_code == 1
    assert json.loads(done.output)["drift_usd"] == "60"
    assert "BTC/USDT trade 7: not in the journal" in (tmp_path / "desk" / DAY / "b.html").read_text()
    assert "NOT closed" in (tmp_path / "desk" / DAY / "index.html").read_text()


def test_a_host_without_a_report(tmp_path: Path) -> None:
    done = rolled_up(tmp_path, "a,b", report("a"))
    assert done.exit_code == 1
    found = json.loads(done.output)
    assert (found["missing"], found["net_usd"]) == (["b"], None), "a sum without a part is not known"
    assert "No report: b" in (tmp_path / "desk" / DAY / "index.html").read_text()


def test_what_is_not_known_is_not_nothing(tmp_path: Path) -> None:
    pnl = {"trading": None, "fees": "0", "funding": "0", "net": None, "exact": True}
    done = rolled_up(tmp_path, "a", report("a", pnl_usd=pnl))
    assert json.loads(done.output)["net_usd"] is None
    assert "not known USD" in (tmp_path / "desk" / DAY / "a.html").read_text()


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"host": "other"}, "not of a"),
        ({"day": "2026-11-26"}, "not of a"),
        ({"fills": -1}, "fills: -1"),
        ({"surprise": 1}, "surprise"),
        ({"drift_usd": "NaN"}, "drift_usd"),
    ],
)
def test_a_report_that_is_none(tmp_path: Path, changes: dict[str, Any], word: str) -> None:
    place = tmp_path / "desk" / DAY
    place.mkdir(parents=True)
    (place / "a.json").write_text(json.dumps(report("a") | changes))
    done = rolled_up(tmp_path, "a")
    assert done.exit_code == 2
    assert word in done.output


def test_pictures() -> None:
    assert curve([]) is None
    assert curve([{"at_ms": 1, "pnl_usd": None}]) is None
    picture = curve([{"at_ms": 3_600_000, "pnl_usd": "-2"}, {"at_ms": 5_400_000, "pnl_usd": "2"}])
    assert picture is not None
    first, last = (tuple(map(float, point.split(","))) for point in picture["path"].split(" "))
    assert first[0] < last[0]
    assert first[1] > last[1], "up is more"
    assert [text for _, text in picture["hours"]] == ["01:00", "02:00"]
    rows = bars(
        [{"kind": "balance", "usd": "10"}, {"kind": "balance", "usd": "5"}, {"kind": "position", "usd": None}]
    )
    assert [(row["kind"], row["count"], row["usd"]) for row in rows] == [
        ("balance", 2, "15.00"),
        ("position", 1, "not known"),
    ]
    assert money("-0.001") == "0.00"
