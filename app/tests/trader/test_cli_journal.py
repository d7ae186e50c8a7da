"""`trader journal` as a person types it."""

import json
import os
import pty
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import apsw
import pytest

from tests.trader.support import APP, PROGRAM, make_fill, make_order
from tests.trader.test_cli import one_line, trader
from tests.trader.test_journal_audit import open_journal, write
from trader.journal import records
from trader.model.transitions import OrderState
from trader.model.values import Payment


@pytest.fixture
async def path(tmp_path: Path) -> Path:
    path = tmp_path / "j.sqlite"
    await open_journal(path).close()
    order = make_order(
        "trader-01-1-1", OrderState.OPEN, venue_order_id="77", created_ns=1_700_000_000_000_000_000
    )
    fill = make_fill(at_ms=1_700_000_000_000)
    write(
        path,
        records.intent(order),
        records.state(order),
        records.fill(order.client_id, fill, {"BTC": Decimal(1)}),
    )
    return path


def test_a_sound_journal(path: Path) -> None:
    done = trader("journal", "verify", path)
    fields = dict(line.split("\t") for line in done.stdout.splitlines())
    assert (done.returncode, done.stderr) == (0, "")
    assert (fields["events"], fields["chain"], fields["tables"]) == ("5", "holds", "agree with the events")
    answer = json.loads(trader("journal", "verify", path, "--json").stdout)
    assert (answer["sound"], answer["events"], answer["head"]) == (True, 5, fields["head"])


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        ("UPDATE events SET body = x'7b7d' WHERE seq = 4", "event 4 (state) is not what was written"),
        ("UPDATE orders SET state = 'filled'", "orders trader-01-1-1: state is 'filled' in the table"),
    ],
)
def test_harm_is_named_and_is_exit_code_1(path: Path, harm: str, message: str) -> None:
    connection = apsw.Connection(str(path))
    connection.execute(harm)
    connection.close()
    done = trader("journal", "verify", path)
    assert done.returncode == 1
    [line] = done.stderr.splitlines()
    assert line.startswith(f"Error: {path}: {message}")
    assert trader("journal", "verify", path, "--json").returncode == 1


async def test_a_rebuild_and_its_refusal(path: Path) -> None:
    done = trader("journal", "rebuild", path)
    assert done.stdout == f"{path}: tables made anew from 5 events\n"
    journal = open_journal(path)
    assert "in use by process" in one_line(trader("journal", "rebuild", path))
    await journal.close()


def test_rows_in_a_pipe_are_columns(path: Path) -> None:
    head, row = trader("journal", "show", path).stdout.splitlines()
    assert head.split("\t")[:3] == ["created_ns", "client_id", "symbol"]
    assert row.split("\t")[:3] == ["2023-11-14T22:13:20.000Z", "trader-01-1-1", "BTC/USDT"]
    [fill] = json.loads(trader("journal", "show", path, "--fills", "--json").stdout)
    assert (fill["at_ms"], fill["quantity"]) == (1_700_000_000_000, "0.004")
    assert trader("journal", "show", path, "--positions").stdout == "symbol\tquantity\nBTC/USDT\t0.004\n"
    events = trader("journal", "show", path, "--events", "--limit", 2).stdout.splitlines()
    assert [line.split("\t")[2] for line in events] == ["kind", "state", "fill"]


def test_payments_and_accepted_baselines(path: Path) -> None:
    paid = Payment("BTC/USDT:USDT", "7", "USDT", Decimal("-0.5"), 1_700_000_000_000)
    row = {"asset": "USDT", "ours": "10", "venue": "15", "usd": "5.00"}
    by_hand = [(make_fill("9"), {"BTC": Decimal(1)})]
    write(
        path,
        records.funding(paid, {"USDT": paid.amount}),
        records.accepted("ann", "drill", [row], Decimal(5), {"USDT": Decimal(5)}, by_hand, {"BTC/USDT": "9"}),
    )
    head, line = trader("journal", "show", path, "--funding").stdout.splitlines()
    assert head.split("\t") == ["at_ms", "symbol", "payment_id", "asset", "amount"]
    assert line.split("\t") == ["2023-11-14T22:13:20.000Z", "BTC/USDT:USDT", "7", "USDT", "-0.5"]
    [accepted] = json.loads(trader("journal", "show", path, "--accepted", "--json").stdout)
    assert (accepted["by"], accepted["reason"], accepted["usd"]) == ("ann", "drill", "5")
    assert json.loads(accepted["rows"]) == [row]
    assert json.loads(accepted["fills"])[0]["client_id"] == "by-hand"
    assert "by-hand" in trader("journal", "show", path, "--fills").stdout
    assert trader("journal", "show", path, "--accepted", "--since", "2023-11-14T22:13:20").returncode == 0


def test_rows_by_time(path: Path) -> None:
    assert len(trader("journal", "show", path, "--since", "1h").stdout.splitlines()) == 1
    assert len(trader("journal", "show", path, "--since", "2023-11-14T22:13:20").stdout.splitlines()) == 2
    assert (
        len(trader("journal", "show", path, "--since", "2023-11-14T23:13:20+01:00").stdout.splitlines()) == 2
    )
    assert len(trader("journal", "show", path, "--since", "2023-11-14T22:13:21").stdout.splitlines()) == 1


def test_rows_on_a_terminal_are_a_table(path: Path) -> None:
    terminal, end = pty.openpty()
    command = [sys.executable, "-c", PROGRAM, "journal", "show", str(path), "--positions"]
    subprocess.run(command, env=os.environ | {"PYTHONPATH": str(APP)}, stdout=end, check=True, timeout=30)
    os.close(end)
    text = os.read(terminal, 10_000).decode()
    os.close(terminal)
    assert "symbol    quantity" in text
    assert "BTC/USDT  0.004" in text


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--since", "yesterday"], "--since: 'yesterday' is neither an age (15m) nor a time"),
        (["--positions", "--since", "1h"], "--positions: they have neither a time nor an order"),
    ],
)
def test_a_mistake_is_one_line(path: Path, words: list[str], message: str) -> None:
    assert one_line(trader("journal", "show", path, *words)).startswith(f"Error: {message}")


@pytest.mark.parametrize("command", ["verify", "show", "rebuild"])
def test_no_journal_is_one_line(tmp_path: Path, command: str) -> None:
    assert "absent: No such file or directory" in one_line(trader("journal", command, tmp_path / "absent"))
