"""Listen keys: each names the user data stream of an account for an hour after its last renewal.

A key follows from the account's secret and a count, so that it survives a restart and is not in the record.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from dataclasses import dataclass

from venue_sim.model import USDM, Account
from venue_sim.record import Record
from venue_sim.usdm import errors

VALID_MS = 3_600_000


@dataclass(slots=True)
class ListenKey:
    """An account's valid key; `made_by` is the name of the API key that made it."""

    key: str
    number: int
    expires_ms: int
    made_by: str


class ListenKeys:
    """The valid keys, at most one of an account.

    Args:
        record: where it is written when they are made, renewed and end.
    """

    def __init__(self, record: Record) -> None:
        self._record = record
        self.ended: Callable[[str, str, int | None], None] = lambda *_: None
        """Told of each key that ended: account, key, and when it expired in ms (None: it was closed)."""
        self._keys: dict[str, ListenKey] = {}
        self.numbers: dict[str, int] = {}
        """The last number that each account's keys have reached."""

    def find(self, account: Account) -> str | None:
        """An account's valid key."""
        held = self._keys.get(account.name)
        return held.key if held else None

    def maker(self, account: Account) -> str | None:
        """The name of the API key that made an account's valid key."""
        held = self._keys.get(account.name)
        return held.made_by if held else None

    def owner(self, key: str) -> str | None:
        """The account of a valid key."""
        return next((name for name, held in self._keys.items() if held.key == key), None)

    def start(self, account: Account, now_ms: int, made_by: str = "") -> str:
        """Make a key, or renew the one that is valid."""
        held = self._keys.get(account.name)
        if held is None:
            self.restore(account, self.numbers.get(account.name, 0) + 1, 0, made_by)
        return self.renew(account, now_ms)

    def renew(self, account: Account, now_ms: int) -> str:
        """Let a key be valid for another hour.

        Raises:
            VenueError: -1125 when there is none.
        """
        held = self._require(account)
        held.expires_ms = now_ms + VALID_MS
        self._note("valid", account, held)
        return held.key

    def close(self, account: Account) -> None:
        """End a key as its owner asks: nobody is told.

        Raises:
            VenueError: -1125 when there is none.
        """
        held = self._require(account)
        self._note("closed", account, held)
        del self._keys[account.name]
        self.ended(account.name, held.key, None)

    def expire(self, account: Account, now_ms: int) -> None:
        """End a key before its time and tell its stream.

        Raises:
            VenueError: -1125 when there is none.
        """
        held = self._require(account)
        self._note("expired", account, held)
        del self._keys[account.name]
        self.ended(account.name, held.key, now_ms)

    def expire_due(self, accounts: dict[str, Account], now_ms: int) -> None:
        """End the keys whose hour is over."""
        for name, held in list(self._keys.items()):
            if held.expires_ms <= now_ms:
                self.expire(accounts[name], now_ms)

    def restore(self, account: Account, number: int, expires_ms: int, made_by: str) -> None:
        """Let a key be valid that the record, or the count, tells."""
        secret = account.keys[""].api_secret
        digest = hmac.digest(secret, f"listenKey {number}".encode(), "sha256")
        self._keys[account.name] = ListenKey(digest.hex(), number, expires_ms, made_by)
        self.numbers[account.name] = number

    def forget(self, account: Account) -> None:
        """Take out a key that the record tells to have ended."""
        self._keys.pop(account.name, None)

    def _require(self, account: Account) -> ListenKey:
        held = self._keys.get(account.name)
        if held is None:
            raise errors.no_such_listen_key()
        return held

    def _note(self, action: str, account: Account, held: ListenKey) -> None:
        self._record.append(
            "listen_key",
            {
                "request_id": self._record.request_id,
                "market": USDM,
                "account": account.name,
                "key": held.made_by,
                "action": action,
                "number": held.number,
                "expires_ms": held.expires_ms,
            },
        )
