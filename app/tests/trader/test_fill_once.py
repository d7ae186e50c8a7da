"""A fill that the stream and a comparison tell at the same moment is booked once."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.trader.order_path import OrderPath
from tests.trader.support import make_order
from tests.trader.test_gateway import access
from tests.venue_sim.support import RunningVenue
from trader.journal import records
from trader.model.orders import Order
from trader.model.transitions import OrderState
from trader.model.values import Side
from trader.venue.gateway import Gateway

QUANTITY = Decimal("0.001")


async def test_its_order_gets_its_name_while_the_journal_is_asked(
    quiet_venue: RunningVenue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Gateway(access(quiet_venue, "trader-02"), ["BTC/USDT"])
    await other.connect()
    await other.place(make_order("trader-02-1-1", price=Decimal(60_000), side=Side.SELL, quantity=Decimal(1)))
    await other.close()
    async with OrderPath(quiet_venue, tmp_path) as path:
        manager, book = path.manager, path.parts.book
        assert (await path.parts.reconciler.run()).clean
        order = make_order("trader-01-1-1", OrderState.SENT, quantity=QUANTITY)
        book.add(order)
        await path.journal.append(records.intent(order))
        placed = await path.gateway.place(order)  # its answer is on its way for longer than the stream's
        assert placed.report is not None
        [fill] = placed.report.fills
        named = replace(placed.report, fills=())
        plain = path.journal.find

        async def find(**by: Any) -> Order | None:
            manager.report(named)
            found = await plain(**by)
            manager.fill(fill)
            return found

        monkeypatch.setattr(path.journal, "find", find)
        assert (await path.parts.reconciler.run()).clean
        assert book.positions == {"BTC/USDT": QUANTITY}
        assert order.filled == QUANTITY
