"""What must hold in every record of the venue, as pure functions over its entries; each returns violations.

Numbers as in the design: I1 no client order id is accepted twice, I3 no order goes from a final status back
to a live one, I5 what was filled, what orders say was executed and what balances moved are the same.
Ids count in each market (spot, usdm) by themselves: an order is known by its market and its id.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

Entry = dict[str, Any]

LIVE = ("NEW", "PARTIALLY_FILLED")
OrderKey = tuple[str, int]
FINAL = ("FILLED", "CANCELED", "EXPIRED", "REJECTED")


def accepted_orders(entries: Iterable[Entry], account: str | None = None) -> dict[str, list[Entry]]:
    """The acceptance (event NEW) of every order, oldest first, by account."""
    found: defaultdict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        if entry["kind"] == "order" and entry["event"] == "NEW" and account in (None, entry["account"]):
            found[entry["account"]].append(entry)
    return dict(found)


def key_of(entry: Entry) -> OrderKey:
    """Which order an entry of an order or a fill is about."""
    return entry["market"], entry["order_id"]


def last_states(entries: Iterable[Entry]) -> dict[OrderKey, Entry]:
    """The last entry of every order, by market and order id."""
    return {key_of(entry): entry for entry in entries if entry["kind"] == "order"}


def open_orders(entries: Iterable[Entry], account: str | None = None) -> list[Entry]:
    """Orders that are live after the last entry, oldest first."""
    return [
        entry
        for _, entry in sorted(last_states(entries).items())
        if entry["status"] in LIVE and account in (None, entry["account"])
    ]


def fills(entries: Iterable[Entry], account: str | None = None) -> dict[str, list[Entry]]:
    """Every fill, oldest first, by account."""
    found: defaultdict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        if entry["kind"] == "fill" and account in (None, entry["account"]):
            found[entry["account"]].append(entry)
    return dict(found)


def ids_accepted_twice(
    entries: Sequence[Entry], requested: Mapping[str, Iterable[str]] | None = None
) -> list[str]:
    """I1: every client order id was accepted at most once in a market.

    Args:
        entries: of the record.
        requested: the client order ids that each account's clients asked for; an accepted order of one of
            these accounts under another id is a violation too. None: only look for doubles.
    """
    violations = []
    for account, accepted in accepted_orders(entries).items():
        times = Counter((entry["market"], entry["client_order_id"]) for entry in accepted)
        violations += [
            f"I1: {account}: {market} client order id {name} was accepted {count} times"
            for (market, name), count in times.items()
            if count > 1
        ]
        if requested is not None and account in requested:
            unknown = {name for _, name in times} - set(requested[account])
            violations += [
                f"I1: {account}: {name} was accepted, nobody asked for it" for name in sorted(unknown)
            ]
    return violations


def revived_orders(entries: Iterable[Entry]) -> list[str]:
    """I3: once an order's status is final, nothing happens to the order any more."""
    ended: dict[OrderKey, str] = {}
    violations = []
    for entry in entries:
        if entry["kind"] != "order":
            continue
        key, status = key_of(entry), entry["status"]
        if key in ended:
            change = f"was {ended[key]}, then {status} (seq {entry['seq']})"
            violations.append(f"I3: {entry['account']}: {_text(key)} {change}")
        elif status in FINAL:
            ended[key] = status
    return violations


def sums_that_differ(entries: Sequence[Entry]) -> list[str]:
    """I5: per order the fills sum up to what was executed; no trade counts twice for an account and order."""
    violations = []
    quantity: defaultdict[OrderKey, Decimal] = defaultdict(Decimal)
    quote: defaultdict[OrderKey, Decimal] = defaultdict(Decimal)
    seen: set[tuple[str, OrderKey, int]] = set()
    owner: dict[OrderKey, str] = {}
    for held in fills(entries).values():
        for fill in held:
            key = key_of(fill)
            owner[key] = fill["account"]
            quantity[key] += Decimal(fill["quantity"])
            quote[key] += Decimal(fill["quote"])
            side = (fill["account"], key, fill["trade_id"])
            if side in seen:
                violations.append(
                    f"I5: {fill['account']}: trade {fill['trade_id']} of {_text(key)} came twice"
                )
            seen.add(side)
    states = last_states(entries)
    for key, state in states.items():
        for name, summed in (("executed", quantity[key]), ("executed_quote", quote[key])):
            if summed != Decimal(state[name]):
                which = f"{state['account']}: {state['symbol']} {_text(key)}"
                violations.append(f"I5: {which}: {name} {state[name]}, fills {summed}")
    violations += [
        f"I5: {owner[key]}: fills of {_text(key)}, which was never accepted"
        for key in sorted(owner.keys() - states.keys())
    ]
    return violations


def balances_that_differ(
    entries: Iterable[Entry],
    first: Mapping[str, Mapping[str, Decimal]],
    symbols: Mapping[str, tuple[str, str]],
) -> list[str]:
    """I5: every spot balance is the first one moved by fills, and what is locked is what open orders need.

    Args:
        entries: of the whole record, from its first entry on.
        first: the balances of the accounts file, by account and asset.
        symbols: base and quote asset of each symbol.
    """
    entries = [entry for entry in entries if entry.get("market") == "spot"]
    expected = {account: defaultdict(Decimal, assets) for account, assets in first.items()}
    held: dict[tuple[str, str], tuple[Decimal, Decimal]] = {}
    for entry in entries:
        if entry["kind"] == "fill" and entry["account"] in expected:
            moved = expected[entry["account"]]
            base, quote = symbols[entry["symbol"]]
            sign = 1 if entry["side"] == "BUY" else -1
            moved[base] += sign * Decimal(entry["quantity"])
            moved[quote] -= sign * Decimal(entry["quote"])
            moved[entry["commission_asset"]] -= Decimal(entry["commission"])
        elif entry["kind"] == "balances":
            for asset, (free, locked) in entry["balances"].items():
                held[entry["account"], asset] = (Decimal(free), Decimal(locked))
    locked_by_orders: defaultdict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for order in open_orders(entries):
        base, quote = symbols[order["symbol"]]
        remaining = Decimal(order["quantity"]) - Decimal(order["executed"])
        if order["side"] == "BUY":
            locked_by_orders[order["account"], quote] += remaining * Decimal(order["price"])
        else:
            locked_by_orders[order["account"], base] += remaining
    violations = []
    for account, assets in expected.items():
        for asset, amount in assets.items():
            free, locked = held.get((account, asset), (first[account].get(asset, Decimal(0)), Decimal(0)))
            if free + locked != amount:
                violations.append(f"I5: {account}: {asset} is {free + locked}, its fills say {amount}")
            if locked != locked_by_orders[account, asset]:
                needed = locked_by_orders[account, asset]
                violations.append(f"I5: {account}: {asset} locked is {locked}, its open orders need {needed}")
    return violations


def wallets_that_differ(entries: Iterable[Entry], first: Mapping[str, Decimal]) -> list[str]:
    """I5: every futures wallet and position is what the account's fills make of the first ones.

    Args:
        entries: of the whole record, from its first entry on.
        first: the wallets that the accounts start with, in USDT.
    """
    expected = dict(first)
    held = dict(first)
    filled: defaultdict[tuple[str, str], Decimal] = defaultdict(Decimal)
    positions: defaultdict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for entry in entries:
        if entry.get("market") != "usdm" or entry.get("account") not in first:
            continue
        account = entry["account"]
        if entry["kind"] == "fill":
            sign = 1 if entry["side"] == "BUY" else -1
            filled[account, entry["symbol"]] += sign * Decimal(entry["quantity"])
            expected[account] += Decimal(entry["realised"]) - Decimal(entry["commission"])
        elif entry["kind"] == "balances":
            held[account] = Decimal(entry["balances"]["USDT"][0])  # nothing is locked
        elif entry["kind"] == "positions":
            positions[account, entry["symbol"]] = Decimal(entry["amount"])
    violations = [
        f"I5: {account}: the wallet is {held[account]}, its fills say {amount}"
        for account, amount in expected.items()
        if held[account] != amount
    ]
    violations += [
        f"I5: {account}: the position in {symbol} is {positions[account, symbol]}, its fills say "
        f"{filled[account, symbol]}"
        for account, symbol in sorted(filled.keys() | positions.keys())
        if positions[account, symbol] != filled[account, symbol]
    ]
    return violations


def all_violations(
    entries: Sequence[Entry],
    first: Mapping[str, Mapping[str, Decimal]],
    symbols: Mapping[str, tuple[str, str]],
    requested: Mapping[str, Iterable[str]] | None = None,
    wallets: Mapping[str, Decimal] | None = None,
) -> list[str]:
    """Everything that these functions find; `wallets`: the futures' first ones, where there are futures."""
    return [
        *ids_accepted_twice(entries, requested),
        *revived_orders(entries),
        *sums_that_differ(entries),
        *balances_that_differ(entries, first, symbols),
        *wallets_that_differ(entries, wallets or {}),
    ]


def _text(key: OrderKey) -> str:
    market, number = key
    return f"{market} order {number}"
