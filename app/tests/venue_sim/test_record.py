"""The record: complete, in order, without secrets, over restarts."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path

import pytest

from tests.venue_sim.clients import ccxt_client, raw_client
from tests.venue_sim.support import RunningVenue
from venue_sim.record import Record, RecordError

ORDER = "symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC&quantity=0.001&price=50000"


def fresh(path: Path) -> Record:
    record = Record(path)
    assert list(record.past()) == []
    return record


def test_entries_are_numbered_over_restarts(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "record.jsonl"
    record = fresh(path)
    for number in range(3):
        record.append("start", {"number": number})
    record.close()
    again = Record(path)
    assert [entry["number"] for entry in again.past()] == [0, 1, 2]
    again.append("stop", {})
    again.close()
    assert [json.loads(line)["seq"] for line in path.read_text().splitlines()] == [1, 2, 3, 4]


@pytest.mark.parametrize("reopen", [False, True])
def test_reading_from_any_entry(tmp_path: Path, reopen: bool) -> None:
    record = fresh(tmp_path / "record.jsonl")
    for number in range(1, 2501):
        record.append("start", {"number": number})
        if number % 7 == 0:
            record.flush()
    if reopen:
        record.close()
        record = Record(tmp_path / "record.jsonl")
        assert len(list(record.past())) == 2500
    for after in (0, 1, 499, 500, 501, 1234, 2000, 2499, 2500, 9999):
        found = [json.loads(line)["seq"] for line in record.read(after, 3).splitlines()]
        assert found == list(range(after + 1, min(after + 4, 2501)))
    record.close()


def test_a_torn_last_line_is_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "record.jsonl"
    record = fresh(path)
    record.append("start", {})
    record.close()
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"seq":2,"kind":"or')
    again = Record(path)
    assert len(list(again.past())) == 1
    again.append("stop", {})
    again.close()
    assert [json.loads(line)["seq"] for line in path.read_text().splitlines()] == [1, 2]


def test_a_file_that_is_no_record_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "record.jsonl"
    path.write_text("hello\n")
    with pytest.raises(RecordError, match="has a line that is no record at byte 0"):
        list(Record(path).past())
    with pytest.raises(RecordError, match="cannot open"):
        Record(tmp_path)


async def test_a_request_and_what_it_caused(quiet_venue: RunningVenue) -> None:
    before_ns = time.monotonic_ns()
    async with raw_client(quiet_venue) as mine, raw_client(quiet_venue, "trader-02") as theirs:
        await mine.signed("POST", "/api/v3/order", f"{ORDER}&newClientOrderId=t-1")
        await theirs.signed("POST", "/api/v3/order", ORDER.replace("BUY", "SELL"))
        await mine.signed("POST", "/api/v3/order", ORDER.replace("50000", "1"))
    entries = quiet_venue.record()
    assert [entry["seq"] for entry in entries] == list(range(1, len(entries) + 1))
    first, second, third = (entry for entry in entries if entry["kind"] == "request")
    assert before_ns < first["arrival_monotonic_ns"] < first["done_monotonic_ns"] < time.monotonic_ns()
    assert abs(first["arrival_wall_ns"] - time.time_ns()) < 60 * 10**9
    assert (first["account"], first["endpoint"], first["transport"]) == ("trader-01", "order.place", "rest")
    assert (first["http_status"], first["code"], first["outcome"]) == (200, 0, "answered")
    assert (third["http_status"], third["code"]) == (400, -1013)
    assert first["params"]["newClientOrderId"] == "t-1"
    assert not {"signature", "apiKey"} & first["params"].keys()
    orders = [
        (e["request_id"], e["account"], e["event"], e["status"]) for e in entries if e["kind"] == "order"
    ]
    assert orders == [
        (first["request_id"], "trader-01", "NEW", "NEW"),
        (second["request_id"], "trader-02", "NEW", "NEW"),
        (second["request_id"], "trader-02", "TRADE", "FILLED"),
        (second["request_id"], "trader-01", "TRADE", "FILLED"),
    ]
    fills = [entry for entry in entries if entry["kind"] == "fill"]
    assert {(f["account"], f["maker"]) for f in fills} == {("trader-01", True), ("trader-02", False)}
    assert len({f["trade_id"] for f in fills}) == 1


async def test_no_secret_is_in_it(venue: RunningVenue) -> None:
    async with ccxt_client(venue) as client:
        await client.create_order("BTC/USDT", "market", "buy", 0.001)
        await asyncio.wait_for(client.create_order_ws("BTC/USDT", "market", "sell", 0.001), 10)
    venue.stop()
    text = venue.record_path.read_text()
    assert '"kind":"stop"' in text.splitlines()[-1]
    assert "order.place" in text
    for account in venue.accounts.values():
        assert account.api_secret not in text
        assert account.api_key not in text
    assert "signature" not in text.replace("subscribe.signature", "")


async def test_the_venue_goes_on_after_a_restart(quiet_venue: RunningVenue) -> None:
    async with raw_client(quiet_venue) as mine, raw_client(quiet_venue, "trader-02") as theirs:
        for name in ("t-1", "t-2", "t-3"):
            tagged = f"{ORDER}&newClientOrderId={name}&strategyId=7"
            await mine.signed("POST", "/api/v3/order", tagged)
        await theirs.signed("POST", "/api/v3/order", f"{ORDER}&newClientOrderId=o-1")
        await theirs.signed("POST", "/api/v3/order", ORDER.replace("BUY", "SELL").replace("0.001", "0.0015"))
        await mine.signed("DELETE", "/api/v3/order", "symbol=BTCUSDT&origClientOrderId=t-3")

        async def state() -> list[object]:
            found: list[object] = []
            for client in (mine, theirs):
                for path in ("account", "openOrders", "allOrders", "myTrades"):
                    query = "" if path == "account" else "symbol=BTCUSDT"
                    found.append((await client.signed("GET", f"/api/v3/{path}", query))[1])
            found.append((await mine.send("GET", "/api/v3/depth", "symbol=BTCUSDT"))[1]["bids"])
            return found

        before, seq = await state(), quiet_venue.record()[-1]["seq"]
        await asyncio.to_thread(quiet_venue.stop)
        await asyncio.to_thread(quiet_venue.start)
        assert await state() == before
        assert min(entry["seq"] for entry in quiet_venue.record(after=seq)) == seq + 1
        # time priority too: what is left of t-2 stands before o-1
        await theirs.signed("POST", "/api/v3/order", ORDER.replace("BUY", "SELL").replace("0.001", "0.0005"))
        _, second, _ = await mine.signed("GET", "/api/v3/order", "symbol=BTCUSDT&origClientOrderId=t-2")
        assert (second["status"], second["strategyId"]) == ("FILLED", 7)
        _, trades, _ = await mine.signed("GET", "/api/v3/myTrades", "symbol=BTCUSDT")
        assert len({trade["id"] for trade in trades}) == 3
        _, orders, _ = await theirs.signed("GET", "/api/v3/allOrders", "symbol=BTCUSDT")
        assert orders[-1]["orderId"] > before[6][-1]["orderId"]  # type: ignore[index]
        await mine.signed("DELETE", "/api/v3/openOrders", "symbol=BTCUSDT")
        _, account, _ = await mine.signed("GET", "/api/v3/account")
        usdt = next(b for b in account["balances"] if b["asset"] == "USDT")
        assert (usdt["free"], usdt["locked"]) == ("99900.00000000", "0.00000000")
