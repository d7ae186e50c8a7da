"""Futures in the record, and after a restart."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from tests.venue_sim.clients import RawClient, raw_client
from tests.venue_sim.support import USDM, RunningVenue, eventually
from venue_sim.server import VenueServer

LIMIT = "symbol=BTCUSDT&type=LIMIT&timeInForce=GTC&quantity=0.010"


@pytest.fixture
def futures(make_venue: Callable[..., RunningVenue]) -> RunningVenue:
    usdm = {**USDM, "fees": {"maker": "0.0002", "taker": "0.0005"}}
    return make_venue(usdm=usdm, background={"events_per_second": 0})


async def order(client: RawClient, text: str) -> Any:
    status, answer, _ = await client.signed("POST", "/fapi/v1/order", text)
    assert status == 200, answer
    return answer


async def test_a_request_and_what_it_caused(futures: RunningVenue) -> None:
    async with raw_client(futures) as mine, raw_client(futures, "trader-02") as theirs:
        await order(mine, f"{LIMIT}&side=BUY&price=60000&newClientOrderId=t-1")
        await order(theirs, f"{LIMIT}&side=SELL&price=60000")
        await mine.signed("POST", "/api/v3/order", "symbol=ETHUSDT&side=BUY&type=MARKET&quantity=1")
    entries = futures.record()
    assert [entry["seq"] for entry in entries] == list(range(1, len(entries) + 1))
    first, second, third = (e for e in entries if e["kind"] == "request")
    assert (first["market"], first["endpoint"], first["account"]) == ("usdm", "usdm.order.place", "trader-01")
    assert (third["market"], third["endpoint"]) == ("spot", "order.place")
    caused = [(e["kind"], e.get("account")) for e in entries if e.get("request_id") == second["request_id"]]
    assert caused[:1] == [("order", "trader-02")]
    positions = [e for e in entries if e["kind"] == "positions"]
    assert [(p["account"], p["amount"], p["entry_price"], p["realised"]) for p in positions] == [
        ("trader-02", "-0.01000000", "60000.00000000", "0.00000000"),
        ("trader-01", "0.01000000", "60000.00000000", "0.00000000"),
    ]
    assert {p["request_id"] for p in positions} == {second["request_id"]}
    wallets = {
        e["account"]: e["balances"]["USDT"]
        for e in entries
        if e["kind"] == "balances" and e["market"] == "usdm"
    }
    assert wallets == {
        "trader-01": ["9999.88000000", "0.00000000"],
        "trader-02": ["9999.70000000", "0.00000000"],
    }
    fills = [e for e in entries if e["kind"] == "fill" and e["market"] == "usdm"]
    assert [f["realised"] for f in fills] == ["0.00000000"] * 2


async def test_the_record_alone_tells_positions_and_wallets(make_venue: Callable[..., RunningVenue]) -> None:
    """Seeded trading against the background flow; a checker recomputes everything from the fills."""
    usdm = {**USDM, "fees": {"maker": "0.0002", "taker": "0.0005"}}
    venue = make_venue(usdm=usdm, background={"events_per_second": 200})
    async with raw_client(venue) as client:
        for number in range(60):
            side = ("BUY", "SELL", "SELL", "BUY", "BUY")[number % 5]
            quantity = f"0.0{10 + number % 7}"
            await client.signed(
                "POST", "/fapi/v1/order", f"symbol=BTCUSDT&side={side}&type=MARKET&quantity={quantity}"
            )
        _, (risk,), _ = await client.signed("GET", "/fapi/v2/positionRisk", "symbol=BTCUSDT")
        _, (balance,), _ = await client.signed("GET", "/fapi/v2/balance")
    fills = [e for e in venue.record(kind="fill") if e["market"] == "usdm"]
    assert len(fills) >= 60
    amount = wallet = Decimal(0)
    for fill in fills:
        amount += Decimal(fill["quantity"]) * (1 if fill["side"] == "BUY" else -1)
        wallet += Decimal(fill["realised"]) - Decimal(fill["commission"])
    assert Decimal(risk["positionAmt"]) == amount == Decimal(venue.record(kind="positions")[-1]["amount"])
    assert Decimal(balance["balance"]) == 10_000 + wallet


async def state(*clients: RawClient) -> list[Any]:
    """Everything that accounts see of themselves."""
    found: list[Any] = []
    for client in clients:
        for path in ("v1/openOrders", "v1/allOrders", "v1/userTrades", "v1/allAlgoOrders"):
            found.append((await client.signed("GET", f"/fapi/{path}", "symbol=BTCUSDT"))[1])
        for path in ("v3/account", "v3/balance", "v2/positionRisk", "v1/income", "v1/openAlgoOrders"):
            found.append((await client.signed("GET", f"/fapi/{path}"))[1])
        for path in ("account", "openOrders"):  # spot, whose ids are the same and must not be mixed up
            found.append((await client.signed("GET", f"/api/v3/{path}"))[1])
    found.append((await clients[0].send("GET", "/fapi/v1/depth", "symbol=BTCUSDT"))[1]["bids"])
    return found


async def test_futures_go_on_after_a_restart(futures: RunningVenue) -> None:
    async with raw_client(futures) as mine, raw_client(futures, "trader-02") as theirs:
        await mine.signed("POST", "/api/v3/order", f"{LIMIT}&side=BUY&price=50000")
        await mine.signed("POST", "/fapi/v1/leverage", "symbol=BTCUSDT&leverage=7")
        await order(mine, f"{LIMIT}&side=BUY&price=60000&newClientOrderId=t-1")
        await order(theirs, f"{LIMIT}&side=SELL&price=60000".replace("0.010", "0.025"))
        await order(mine, f"{LIMIT}&side=BUY&price=59000&newClientOrderId=t-2")
        await order(theirs, f"{LIMIT}&side=BUY&price=59000")
        await order(mine, f"{LIMIT}&side=SELL&price=61000&reduceOnly=true&newClientOrderId=t-3")
        algo = "algoType=CONDITIONAL&symbol=BTCUSDT&side=SELL&type=STOP_MARKET&quantity=0.01"
        for trigger in (50_000, 58_500):
            await mine.signed("POST", "/fapi/v1/algoOrder", f"{algo}&triggerPrice={trigger}")
        await mine.signed("DELETE", "/fapi/v1/algoOrder", "algoId=1")
        _, stream, _ = await mine.send("POST", "/fapi/v1/listenKey")
        timer = "symbol=BTCUSDT&countdownTime"
        await theirs.signed("POST", "/fapi/v1/countdownCancelAll", f"{timer}=600000")
        await mine.signed("POST", "/fapi/v1/countdownCancelAll", f"{timer}=600000")
        await mine.signed("POST", "/fapi/v1/countdownCancelAll", f"{timer}=0")
        before, seq = await state(mine, theirs), futures.record()[-1]["seq"]
        await asyncio.to_thread(futures.stop)
        assert stream["listenKey"] not in futures.record_path.read_text()
        await asyncio.to_thread(futures.start)
        assert await state(mine, theirs) == before
        assert min(entry["seq"] for entry in futures.record(after=seq)) == seq + 1
        _, renewed, _ = await mine.send("PUT", "/fapi/v1/listenKey")
        assert renewed == stream
        due = futures.call(lambda server: server.usdm and dict(server.usdm.countdowns.due))
        assert list(due) == [("trader-02", "BTCUSDT")]
        # what was known before is still known, and ids go on
        _, refused, _ = await mine.signed(
            "POST", "/fapi/v1/order", f"{LIMIT}&side=BUY&price=59000&newClientOrderId=t-1"
        )
        assert refused["code"] == -4116
        last = max(o["orderId"] for o in before[1] + before[12])
        assert (await order(mine, f"{LIMIT}&side=BUY&price=55000"))["orderId"] == last + 1
        _, waiting, _ = await mine.signed("POST", "/fapi/v1/algoOrder", f"{algo}&triggerPrice=50000")
        assert waiting["algoId"] == 3
        # margin of what was open is freed, and the reduce-only order still fits its position only
        for client in (mine, theirs):
            await client.signed("DELETE", "/fapi/v1/allOpenOrders", "symbol=BTCUSDT")
        _, (balance,), _ = await theirs.signed("GET", "/fapi/v2/balance")
        _, account, _ = await theirs.signed("GET", "/fapi/v3/account")
        assert account["totalOpenOrderInitialMargin"] == "0.00000000"
        assert balance["balance"] == "9999.70000000"


async def test_a_countdown_that_ran_out_meanwhile_fires_at_the_start(futures: RunningVenue) -> None:
    async with raw_client(futures) as client:
        await order(client, f"{LIMIT}&side=BUY&price=55000")
        await client.signed("POST", "/fapi/v1/countdownCancelAll", "symbol=BTCUSDT&countdownTime=60000")
        await asyncio.to_thread(futures.stop)
        text = futures.record_path.read_text()
        (armed,) = (line for line in text.splitlines() if '"kind":"countdown"' in line)
        due = armed.partition('"due_ms":')[2].partition("}")[0]
        futures.record_path.write_text(text.replace(f'"due_ms":{due}', '"due_ms":1'))
        await asyncio.to_thread(futures.start)
        await eventually(lambda: len(futures.record(kind="countdown")) == 2, "the countdown")
        _, left, _ = await client.signed("GET", "/fapi/v1/openOrders")
        assert left == []


def expire_due(server: VenueServer, now_ms: int) -> None:
    assert server.usdm is not None
    server.usdm.listen_keys.expire_due(server.usdm.exchange.accounts, now_ms)


async def test_a_listen_key_ends_with_its_hour(futures: RunningVenue) -> None:
    async with raw_client(futures) as client:
        _, first, _ = await client.send("POST", "/fapi/v1/listenKey")
        _, same, _ = await client.send("POST", "/fapi/v1/listenKey")
        assert first == same
        expires = futures.record(kind="listen_key")[-1]["expires_ms"]

        def pass_time(by_ms: int) -> None:
            futures.call(lambda server: expire_due(server, expires + by_ms))

        pass_time(-1)
        assert (await client.send("PUT", "/fapi/v1/listenKey"))[0] == 200
        expires = futures.record(kind="listen_key")[-1]["expires_ms"]
        pass_time(0)
        status, refused, _ = await client.send("PUT", "/fapi/v1/listenKey")
        assert (status, refused["code"]) == (400, -1125)
        assert (await client.send("DELETE", "/fapi/v1/listenKey"))[1]["code"] == -1125
        _, fresh, _ = await client.send("POST", "/fapi/v1/listenKey")
        assert fresh != first
        assert (await client.send("DELETE", "/fapi/v1/listenKey"))[0] == 200
        status, refused, _ = await client.send("POST", "/fapi/v1/listenKey", key="an-unknown-api-key")
        assert (status, refused["code"]) == (401, -2015)
