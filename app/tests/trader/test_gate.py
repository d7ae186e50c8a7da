import asyncio

from trader.model.values import TradingState
from trader.orders.gate import Gate

Change = tuple[TradingState, dict[str, str]]


def make() -> tuple[Gate, list[Change]]:
    changes: list[Change] = []
    return Gate(lambda state, reasons: changes.append((state, reasons)), "not reconciled"), changes


def test_it_starts_halted_and_needs_every_reason_gone() -> None:
    gate, changes = make()
    assert gate.state is TradingState.HALTED
    gate.halt("journal", "disk full")
    gate.clear("start")
    assert gate.halted
    gate.clear("journal")
    assert not gate.halted
    assert changes[-1] == (TradingState.ACTIVE, {})


def test_a_known_reason_is_not_told_again_and_an_absent_one_clears_nothing() -> None:
    gate, changes = make()
    gate.halt("start", "still not reconciled")
    gate.clear("never was")
    assert changes == []
    assert gate.reasons == {"start": "still not reconciled"}


async def test_a_pause_ends_by_itself_and_a_later_one_counts_anew() -> None:
    over = asyncio.Event()
    gate = Gate(lambda state, reasons: None if reasons else over.set(), "not reconciled")
    gate.halt_for("rate_limit", "429", 3_600)
    gate.clear("start")
    assert not over.is_set()
    gate.halt_for("rate_limit", "429", 0.01)
    async with asyncio.timeout(5):
        await over.wait()
    assert not gate.halted


def test_reasons_are_a_copy() -> None:
    gate, _ = make()
    gate.reasons.clear()
    assert gate.halted


def test_reduce_only_lies_between_and_ends_with_its_last_reason() -> None:
    gate, changes = make()
    gate.reduce_only("loss", "80 % of the daily loss")
    gate.clear("start")
    assert gate.state is TradingState.REDUCE_ONLY
    assert not gate.halted
    gate.halt("journal", "disk full")
    assert gate.halted
    gate.clear("journal")
    gate.clear("loss")
    assert changes[-1] == (TradingState.ACTIVE, {})
