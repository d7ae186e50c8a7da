"""Identical streams agree wholly; one injected difference is found and named."""

import json
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from tests.trader.support import make_order
from trader.journal import Journal, JournalError, records
from trader.model.transitions import OrderState
from trader.model.values import OrderKind, Side
from trader.shadow.cli import shadow
from trader.shadow.diff import Action, Comparison, Decision, Only, compare, load_decisions

MS = 1_000_000
D = Decimal
FOREVER = 2**63 - 1


def decision(at_ms: int = 0, price: str | None = "60000", **fields: object) -> Decision:
    kind = OrderKind.MARKET if price is None else OrderKind.LIMIT
    at = None if price is None else D(price)
    made = Decision(at_ms * MS, Action.PLACE, "BTC/USDT", Side.BUY, kind, D("0.01"), at)
    return replace(made, **fields)  # type: ignore[arg-type]


def of(shadow: list[Decision], live: list[Decision], window_ms: int = 100, bps: str = "1") -> Comparison:
    return compare(shadow, live, window_ms * MS, D(bps))


decisions = st.builds(
    decision,
    st.integers(0, 5_000),
    st.sampled_from([None, "60000", "60001", "60100"]),
    action=st.sampled_from(Action),
    symbol=st.sampled_from(["BTC/USDT", "ETH/USDT"]),
    side=st.sampled_from(Side),
    quantity=st.sampled_from([D("0.01"), D("0.02")]),
)


@given(st.lists(decisions, max_size=40), st.integers(0, 500), st.integers(0, 100))
def test_the_same_decisions_agree_wholly(made: list[Decision], window_ms: int, bps: int) -> None:
    by_time = sorted(made, key=lambda one: one.at_ns)
    comparison = of(by_time, by_time, window_ms, str(bps))
    found = [one for one in comparison.differences if one.only is not Only.BOTH]
    assert found == []
    if len({one.quantity for one in made}) < 2:
        assert comparison.agreement == (1 if made else None)


spaced = st.lists(decisions, min_size=1, max_size=20).map(
    lambda made: [replace(one, at_ns=number * 1_000 * MS) for number, one in enumerate(made)]
)


@given(spaced, st.data())
def test_one_injected_difference_is_found_and_named(made: list[Decision], data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(made) - 1))
    changes: list[Callable[[Decision], Decision | None]] = [
        lambda one: None,
        lambda one: replace(one, at_ns=one.at_ns + 101 * MS),
        lambda one: replace(one, symbol="DOGE/USDT"),
        lambda one: replace(one, side=Side.SELL if one.side is Side.BUY else Side.BUY),
        lambda one: replace(one, quantity=one.quantity + 1),
        lambda one: replace(one, price=D(60_007) if one.price is None else one.price * D("1.0002")),
    ]
    changed = data.draw(st.sampled_from(changes))(made[index])
    other = [*made[:index], *([] if changed is None else [changed]), *made[index + 1 :]]
    for comparison, mine in ((of(made, other), Only.SHADOW), (of(other, made), Only.LIVE)):
        assert comparison.matched == len(made) - 1
        named = {(one.only, one.decision) for one in comparison.differences}
        both = {one.only for one in comparison.differences} == {Only.BOTH}
        assert both or (mine, made[index]) in named
        assert len(named) == (1 if both or changed is None else 2)


@given(st.lists(decisions, max_size=25), st.lists(decisions, max_size=25))
def test_every_decision_is_counted_once(one: list[Decision], other: list[Decision]) -> None:
    comparison = of(one, other)
    kinds = [difference.only for difference in comparison.differences]
    assert comparison.matched + kinds.count(Only.SHADOW) + kinds.count(Only.BOTH) == len(one)
    assert comparison.matched + kinds.count(Only.LIVE) + kinds.count(Only.BOTH) == len(other)
    times = [difference.decision.at_ns for difference in comparison.differences]
    assert times == sorted(times)


@pytest.mark.parametrize(
    ("live", "matches"),
    [
        (decision(100), True),
        (decision(101), False),
        (decision(price="60006"), True),
        (decision(price="60006.01"), False),
        (decision(price=None), False),
        (decision(action=Action.CANCEL), False),
    ],
)
def test_window_and_tolerance(live: Decision, matches: bool) -> None:
    assert of([decision()], [live]).matched == matches


def test_one_decision_answers_one() -> None:
    comparison = of([decision(0), decision(1)], [decision(0)])
    assert (comparison.matched, comparison.union, comparison.agreement) == (1, 2, D("0.5"))


def test_another_quantity_is_a_difference_of_its_own() -> None:
    [difference] = of([decision()], [decision(1, quantity=D("0.02"))]).differences
    assert difference.only is Only.BOTH
    assert str(difference) == "place BTC/USDT buy 0.01 at 60000 in the shadow, 0.02 live"


# -- journals


async def written(path: Path, *prices: str, first_ns: int = 10**18) -> Path:
    """A journal of a host that placed one order per price, and cancelled each after half a second."""
    journal = Journal.open(path, path.stem, path.stem, 1, "dev")
    journal.start(lambda seconds, count: None, lambda error: None)
    for number, price in enumerate(prices):
        at_ns = first_ns + number * 1_000 * MS
        order = make_order(f"{path.stem}-1-{number}", price=D(price), created_ns=at_ns)
        for offset_ms, state in ((0, None), (100, OrderState.OPEN), (500, OrderState.CANCEL_PENDING)):
            record = records.intent(order)
            if state is not None:
                order.state = state
                record = records.state(order)
            await journal.append(replace(record, at_ns=at_ns + offset_ms * MS))
    await journal.close()
    return path


async def test_decisions_are_read_from_a_journal(tmp_path: Path) -> None:
    path = await written(tmp_path / "a.sqlite", "60000", "60001")
    before = path.read_bytes()
    found = load_decisions(path, 0, FOREVER)
    assert [(one.at_ns - 10**18, one.action, one.price) for one in found] == [
        (0, Action.PLACE, D(60_000)),
        (500 * MS, Action.CANCEL, D(60_000)),
        (1_000 * MS, Action.PLACE, D(60_001)),
        (1_500 * MS, Action.CANCEL, D(60_001)),
    ]
    assert found[0].client_id == "a-1-0"
    # A cancel within the time, of an order from before it, and the end, which does not count.
    within = load_decisions(path, 10**18 + 500 * MS, 10**18 + 1_500 * MS)
    assert within == found[1:3]
    assert path.read_bytes() == before


async def test_a_journal_in_use_can_be_read(tmp_path: Path) -> None:
    journal = Journal.open(tmp_path / "a.sqlite", "a", "a", 1, "dev")
    journal.start(lambda seconds, count: None, lambda error: None)
    await journal.append(records.intent(make_order("a-1-1")))
    assert len(load_decisions(tmp_path / "a.sqlite", 0, FOREVER)) == 1
    await journal.close()


def run(*words: object) -> Result:
    return CliRunner().invoke(shadow, ["diff", *map(str, words)])


async def test_the_command_prints_share_counts_and_differences(tmp_path: Path) -> None:
    one = await written(tmp_path / "a.sqlite", "60000", "60001", "60002")
    other = await written(tmp_path / "b.sqlite", "60000", "60500", "60002")
    result = run(one, other, "--first", 2)
    assert result.exit_code == 0
    assert result.output.splitlines() == [
        "agreement 50.00 %: 4 of 8 (shadow 6, live 6)",
        "2001-09-09T01:46:41.000Z  place BTC/USDT buy 0.01 at 60001: only in the shadow",
        "2001-09-09T01:46:41.000Z  place BTC/USDT buy 0.01 at 60500: only live",
        "and 2 more",
    ]
    answer = json.loads(run(one, other, "--json").output)
    assert (answer["agreement"], answer["matched"], answer["union"]) == ("0.500000", 4, 8)
    assert [one["price"] for one in answer["differences"]] == ["60001", "60500", "60001", "60500"]
    assert run(one, other, "--tolerance-bps", "100").output.startswith("agreement 100.00 %: 6 of 6")
    early = run(one, other, "--until", "2001-09-09T01:46:41")
    assert early.output == "agreement 100.00 %: 2 of 2 (shadow 2, live 2)\n"
    none = run(one, other, "--since", "2020-01-01")
    assert none.output == "no decision in either journal: 0 of 0 (shadow 0, live 0)\n"


@pytest.mark.parametrize(
    ("name", "message"),
    [("absent.sqlite", "no such file; give the path"), ("text.sqlite", "it is no journal")],
)
async def test_what_is_no_journal_is_one_line(tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / "text.sqlite").write_text("not a database, but long enough to be looked at " * 20)
    result = run(await written(tmp_path / "a.sqlite"), tmp_path / name)
    assert result.exit_code == 2
    assert message in result.output
    assert len(result.output.splitlines()) == 1
    with pytest.raises(JournalError):
        load_decisions(tmp_path / name, 0, FOREVER)


@pytest.mark.parametrize(
    "words", [["--since", "yesterday"], ["--tolerance-bps", "-1"], ["--tolerance-bps", "x"]]
)
async def test_wrong_options_are_named(tmp_path: Path, words: list[str]) -> None:
    path = await written(tmp_path / "a.sqlite")
    result = run(path, path, *words)
    assert result.exit_code == 2
    assert words[0] in result.output
