"""The parts of a drill against the real emulator: its record must be what the judge takes it for."""

import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from ops.drills.admin import Admin, of_account
from ops.drills.cli import cli
from ops.drills.venue_client import Venue, resting
from ops.errors import OperatorError
from ops.evidence.cli import cli as evidence_cli
from tests.ansible_modules import load

ROOT = Path(__file__).resolve().parents[3]
measure = load("venue_clock").measure
ACCOUNT = "trader-01"
KEY = {"api_key": "key-of-trader-01", "api_secret": "secret-of-trader-01"}
OTHER = {"api_key": "key-of-trader-02", "api_secret": "secret-of-trader-02"}
NAME = "venue.test"
SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT")


@dataclass(frozen=True)
class Emulator:
    url: str
    admin: str
    folder: Path

    def venue(self) -> Venue:
        return Venue(self.url, "127.0.0.1", self.folder / "cert.pem")


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    folder = tmp_path_factory.mktemp("emulator")
    subprocess.run(
        [
            *(
                "openssl",
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:prime256v1",
                "-nodes",
            ),
            *("-days", "2", "-subj", f"/CN={NAME}", "-addext", f"subjectAltName=DNS:{NAME},IP:127.0.0.1"),
            *("-keyout", folder / "key.pem", "-out", folder / "cert.pem"),
        ],
        check=True,
        capture_output=True,
    )
    symbol = {"quote": "USDT", "price": "60000.00", "tick_size": "0.01", "step_size": "0.00001"}
    settings: dict[str, Any] = {
        "api": {"port": 0, "certificate": str(folder / "cert.pem"), "key": str(folder / "key.pem")},
        "admin": {"port": 0},
        "accounts_file": str(folder / "accounts.json"),
        "record": str(folder / "record.jsonl"),
        "background": {"events_per_second": 0},
        "symbols": [
            symbol | {"symbol": name, "base": name.removesuffix("USDT"), "min_notional": "5"}
            for name in SYMBOLS
        ],
    }
    (folder / "venue.yml").write_text(json.dumps(settings))
    accounts = [
        {"name": ACCOUNT, **KEY, "balances": {"USDT": "100000"}},
        {"name": "trader-02", **OTHER, "balances": {"BTC": "1"}},
    ]
    (folder / "accounts.json").write_text(json.dumps(accounts))
    with subprocess.Popen(
        [
            sys.executable,
            "-c",
            "from venue_sim.cli import main; main()",
            "run",
            "--config",
            folder / "venue.yml",
        ],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT / "app")},
    ) as process:
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
        admin = f"http://127.0.0.1:{ready['admin_port']}"
        yield Emulator(f"https://{NAME}:{ready['api_port']}", admin, folder)
        process.terminate()


def run(*words: str | Path | int) -> Result:
    result = CliRunner().invoke(cli, [str(word) for word in words])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def place(emulator: Emulator, *words: str | int, account: str = ACCOUNT) -> Result:
    return run(
        *(
            "place",
            "--url",
            emulator.url,
            "--address",
            "127.0.0.1",
            "--authority",
            emulator.folder / "cert.pem",
        ),
        *("--accounts", emulator.folder / "accounts.json", "--account", account),
        *words,
    )


def wait(emulator: Emulator, state: str, *words: str | int, deadline: float = 0) -> Result:
    known = ("wait", "--admin", emulator.admin, "--account", ACCOUNT, "--state", state)
    return run(*known, "--deadline-seconds", str(deadline), *words)


def cancel(emulator: Emulator, symbols: tuple[str, ...] = SYMBOLS) -> None:
    venue = emulator.venue()
    for symbol in symbols:
        venue.signed("DELETE", "/api/v3/openOrders", KEY, symbol=symbol)


def judge(emulator: Emulator, started_ns: int, trip_ns: int, *words: str | Path) -> dict[str, Any]:
    latch = json.dumps({"state": "tripped", "at_ns": trip_ns})
    done = run(
        *("judge", "--drill", "kill_switch.foreign_orders", "--account", ACCOUNT, "--inventory", "lab-test"),
        *("--release", "trader-1.2.3-aaaaaaaaaaaa", "--sha256", "a" * 64, "--started-ns", started_ns),
        *("--latch-json", latch, "--clock-difference-seconds", "0.001", *words),
    )
    assert done.exit_code == 0, done.output
    found: dict[str, Any] = json.loads(done.output)
    return found


def test_a_drill_from_the_orders_to_the_evidence(emulator: Emulator, evidence_folder: Path) -> None:
    started_ns = time.time_ns()
    placed = place(emulator, "--orders", 7, "--symbols", 3)
    assert placed.exit_code == 0, placed.output
    assert (
        wait(emulator, "open", "--orders", 7, "--symbols", 3).output
        == "trader-01: 7 open orders on 3 symbols\n"
    )
    too_many = wait(emulator, "open", "--orders", 8)
    assert too_many.output == ("Error: trader-01: not open within 0 s, but 7 open orders on 3 symbols\n")
    assert wait(emulator, "flat").exit_code == 2
    trip_ns = time.time_ns()
    cancel(emulator)
    assert (
        wait(emulator, "flat", "--watch-seconds", "4.1").output == "trader-01: 0 open orders on 0 symbols\n"
    )
    keep = evidence_folder.parent / "drills/record.jsonl"
    record = judge(emulator, started_ns, trip_ns, "--admin", emulator.admin, "--keep", keep)
    assert record["reasons"] == []
    figures = {one["name"]: one["value"] for one in record["values"]}
    assert figures["orders_at_trip"] == figures["foreign_orders_at_trip"] == 7
    assert figures["symbols_at_trip"] == 3
    assert 0 < figures["activation_seconds"] < figures["cancel_all_seconds"]
    assert record["attachments"] == [{"path": "../drills/record.jsonl"}]
    by_file = judge(emulator, started_ns, trip_ns, "--record", emulator.folder / "record.jsonl")
    measured = ("activation_seconds", "cancel_all_seconds", "orders_at_trip")
    assert {one["name"]: one["value"] for one in by_file["values"] if one["name"] in measured} == {
        name: figures[name] for name in measured
    }
    added = CliRunner().invoke(evidence_cli, ["add"], input=json.dumps(record))
    assert added.exit_code == 0, added.output
    assert CliRunner().invoke(evidence_cli, ["verify"]).exit_code == 0


def test_requests_are_counted_by_the_key_that_they_came_with(emulator: Emulator) -> None:
    since_ns = time.time_ns()
    emulator.venue().signed("GET", "/api/v3/account", KEY)
    emulator.venue().signed("GET", "/api/v3/account", OTHER)
    words = ("requests", "--admin", emulator.admin, "--account", ACCOUNT, "--since-ns", since_ns)
    assert run(*words, "--key", "peer", "--most", 0).output == "trader-01: 0 requests with the key 'peer'\n"
    assert run(*words, "--key", "", "--most", 1).exit_code == 0
    failed = run(*words, "--key", "", "--most", 0)
    assert failed.exit_code == 2
    assert failed.output.startswith("Error: trader-01: 1 request with the key '': ")


def test_a_trade_by_hand_changes_the_position(emulator: Emulator) -> None:
    venue = emulator.venue()
    seller = {"price": "61000", "quantity": "0.01", "type": "LIMIT", "timeInForce": "GTC"}
    venue.signed("POST", "/api/v3/order", OTHER, symbol="BTCUSDT", side="SELL", **seller)
    words = ("--authority", emulator.folder / "cert.pem", "--accounts", emulator.folder / "accounts.json")
    done = run(
        *("trade", "--url", emulator.url, "--address", "127.0.0.1", *words, "--account", ACCOUNT),
        *("--symbol", "BTCUSDT", "--side", "BUY", "--usd", "150"),
    )
    assert done.output == "trader-01: BUY BTCUSDT for 150 USD\n"
    held = {one["asset"]: one["free"] for one in venue.signed("GET", "/api/v3/account", KEY)["balances"]}
    assert Decimal(held["BTC"]) == Decimal("0.00245")
    venue.signed("DELETE", "/api/v3/openOrders", OTHER, symbol="BTCUSDT")


@contextmanager
def fault(emulator: Emulator, **fields: Any) -> Iterator[None]:
    """A fault at the venue for a while."""
    wanted = json.dumps({"duration_seconds": 600} | fields).encode()
    with urllib.request.urlopen(urllib.request.Request(f"{emulator.admin}/faults", wanted)) as answer:
        number = json.load(answer)["id"]
    try:
        yield
    finally:
        ended = urllib.request.Request(f"{emulator.admin}/faults/{number}", method="DELETE")
        urllib.request.urlopen(ended).close()


def test_the_clock_of_the_venue_is_read_as_it_is(emulator: Emulator) -> None:
    url, authority = (
        emulator.url.replace(NAME, "127.0.0.1") + "/api/v3/time",
        str(emulator.folder / "cert.pem"),
    )
    with fault(emulator, kind="clock_skew", offset_ms=-60_000):
        assert 59 < measure(url, authority, 3) < 120
    assert measure(url, authority, 3) < 59


@pytest.mark.parametrize("every", [True, False])
def test_a_cancel_that_the_venue_says_it_did_turns_it_red(emulator: Emulator, every: bool) -> None:
    started_ns = time.time_ns()
    assert place(emulator, "--prefix", "ignored").exit_code == 0
    trip_ns = time.time_ns()
    client_id = Admin(emulator.admin).open_orders(ACCOUNT)[0][0]
    with fault(emulator, kind="ignore_cancel", account=ACCOUNT):
        if every:
            cancel(emulator, SYMBOLS[:1])
        else:
            one = {"symbol": SYMBOLS[0], "origClientOrderId": client_id}
            answer = emulator.venue().signed("DELETE", "/api/v3/order", KEY, **one)
            assert answer["status"] == "CANCELED"
    record = judge(emulator, started_ns, trip_ns, "--admin", emulator.admin)
    cancel(emulator, SYMBOLS[:1])
    assert record["verdict"] == "fail"
    assert record["reasons"][0].startswith(f"orders_left: 1 orders, must be <= 0 ({client_id} on BTCUSDT)")
    assert ("cancels answered as done that cancelled nothing: 1" in record["reasons"][0]) != every


def test_one_symbol_that_is_forgotten_turns_it_red(emulator: Emulator) -> None:
    started_ns = time.time_ns()
    assert place(emulator, "--orders", 3, "--symbols", 3, "--prefix", "forgotten").exit_code == 0
    trip_ns = time.time_ns()
    cancel(emulator, SYMBOLS[:2])
    record = judge(emulator, started_ns, trip_ns, "--admin", emulator.admin)
    cancel(emulator, SYMBOLS[2:])
    assert record["verdict"] == "fail"
    assert record["reasons"][0].startswith("orders_left: 1 orders, must be <= 0 (forgotten-")
    assert record["reasons"][0].endswith("-2 on SOLUSDT)")


def test_an_order_by_hand_after_the_trip_turns_it_red(emulator: Emulator) -> None:
    started_ns = time.time_ns()
    assert place(emulator).exit_code == 0
    trip_ns = time.time_ns()
    cancel(emulator, SYMBOLS[:1])
    assert place(emulator, "--prefix", "late").exit_code == 0
    cancel(emulator, SYMBOLS[:1])
    record = judge(emulator, started_ns, trip_ns, "--admin", emulator.admin)
    assert record["verdict"] == "fail"
    assert record["reasons"][0].startswith("orders_after_trip: 1 orders, must be <= 0 (late-")


@pytest.mark.parametrize(
    ("words", "account", "text"),
    [
        (["--symbols", 4], ACCOUNT, "--symbols: the venue lists 3 symbols, 4 are needed"),
        (["--key", "second"], ACCOUNT, "has no key 'second' of account 'trader-01'"),
        ([], "trader-09", "has no account 'trader-09'"),
        (["--url", "http://venue.test"], ACCOUNT, "--url: 'http://venue.test' must be"),
        (["--url", "https://other.test:1"], ACCOUNT, "the venue at 127.0.0.1:1 does not answer"),
        (["--accounts", "gone"], ACCOUNT, "--accounts: gone: No such file"),
    ],
)
def test_what_cannot_be_placed_is_one_line(
    emulator: Emulator, words: list[str | int], account: str, text: str
) -> None:
    done = place(emulator, *words, account=account)
    assert done.exit_code == 2
    assert text in done.output
    assert done.output.count("\n") == 1
    assert wait(emulator, "flat").exit_code == 0


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["--admin", "ftp://x"], "--admin: 'ftp://x' must be the admin port's URL"),
        (["--admin", "http://127.0.0.1:1"], "no answer from the venue's admin port"),
        (["--record", "gone"], "--record: gone: No such file"),
        ([], "give either --record FILE or --admin URL"),
        (["--record", "x", "--drill", "kill_switch.x"], "name: 'kill_switch.x' is not in"),
    ],
)
def test_what_cannot_be_judged_is_one_line(words: list[str], text: str) -> None:
    known = ("--drill", "kill_switch.on", "--account", ACCOUNT, "--inventory", "lab", "--release", "r")
    done = run("judge", *known, "--sha256", "a" * 64, "--started-ns", 1, *words)
    assert done.exit_code == 2
    assert text in done.output
    assert done.output.count("\n") == 1


def test_an_unknown_account_is_an_error_and_not_flat(emulator: Emulator) -> None:
    with pytest.raises(OperatorError, match="trader-09"):
        Admin(emulator.admin).open_orders("trader-09")


@pytest.mark.parametrize(
    "lines",
    [
        [b'{"seq":1,"kind":"start"}', b'{"seq":3,"kind":"stop"}'],
        [b'{"seq":2,"kind":"start"}'],
        [b"{}"],
        [b'{"seq":1,"account":"trader-01"'],
        [b""],
    ],
)
def test_a_record_with_a_gap_or_damage_is_not_judged(lines: list[bytes]) -> None:
    with pytest.raises(OperatorError, match=r"entry [12] of the venue's record is (missing|damaged)"):
        list(of_account(lines, ACCOUNT, 0, "record"))


amounts = st.decimals("0.00001", "100000", places=5).filter(bool)


@given(amounts, st.sampled_from(["0.01", "0.1", "1"]), st.sampled_from(["0.00001", "0.01", "1"]), amounts)
def test_a_resting_order_passes_the_filters(price: Decimal, tick: str, step: str, least: Decimal) -> None:
    filters = [
        {"filterType": "PRICE_FILTER", "tickSize": tick},
        {"filterType": "LOT_SIZE", "stepSize": step},
        {"filterType": "NOTIONAL", "minNotional": str(least)},
    ]
    limit, quantity = resting({"filters": filters}, price)
    assert limit > 0
    assert limit % Decimal(tick) == 0
    assert quantity > 0
    assert quantity % Decimal(step) == 0
    assert limit * quantity >= least
    assert limit < price or limit == Decimal(tick)
