"""Reads the venue's record and what it lists as open, over the emulator's admin port or from a file.

The record's lines are numbered; a gap is an error, since what is missing could be the order that was placed
after the trip.
"""

import json
import re
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator, Sequence
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

from ops.errors import OperatorError

PAGE_LINES = 20_000
TIMEOUT_SECONDS = 10.0
_SEQ = re.compile(rb'\{\s*"seq":\s*(\d+)[,}]')
_OPEN = ("NEW", "PARTIALLY_FILLED")


class Admin:
    """The admin port.

    Args:
        url: such as http://venue-01:8480.
    """

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        if not re.fullmatch(r"http://[^/\s]+", self.url):
            raise OperatorError(
                f"--admin: {url!r} must be the admin port's URL, such as http://venue-01:8480"
            )

    def record(self, account: str) -> tuple[list[dict[str, Any]], int]:
        """The account's entries, and until when they tell, by the venue's clock (unix ns)."""
        entries, until_ns = self.record_since([account], 0)
        return entries[account], until_ns

    def record_since(
        self, accounts: Sequence[str], after: int
    ) -> tuple[dict[str, list[dict[str, Any]]], int]:
        """The entries of several accounts behind entry number `after`, and until when they tell (unix ns)."""
        entries: dict[str, list[dict[str, Any]]] = {account: [] for account in accounts}
        last_ns = 0
        while True:
            body, moment_ns = self._get(f"/record?after={after}&limit={PAGE_LINES}")
            lines = body.splitlines()
            for account, found in entries.items():
                found += of_account(lines, account, after, self.url)
            after += len(lines)
            last_ns = json.loads(lines[-1])["wall_ns"] if lines else last_ns
            if len(lines) < PAGE_LINES:
                # The answer's date is in whole seconds, so the last entry may be later.
                return entries, max(moment_ns, last_ns)

    def last_entry(self) -> int:
        """Number of the record's last entry."""
        return int(self._json("/health")["seq"])

    def open_orders(self, account: str) -> list[tuple[str, str]]:
        """Client id and symbol of every order that the venue lists as open: spot, futures, conditional."""
        spot = self._json(f"/accounts/{account}/orders")
        usdm = self._json(f"/accounts/{account}/orders?market=usdm", missing=[])
        algo = self._json(f"/accounts/{account}/algo-orders", missing=[])
        found = [(one["clientOrderId"], one["symbol"]) for one in [*spot, *usdm] if one["status"] in _OPEN]
        return found + [(one["clientAlgoId"], one["symbol"]) for one in algo if one["algoStatus"] == "NEW"]

    def jump(self, symbol: str, bps: int) -> None:
        """Let the spot market of a symbol jump.

        Args:
            bps: of its first price, in 1/100 %; negative is down.
        """
        self._get(f"/markets/spot/{symbol}/jump", json.dumps({"bps": bps}).encode())

    def _json(self, path: str, missing: Any = None) -> Any:
        try:
            return json.loads(self._get(path)[0])
        except urllib.error.HTTPError as error:
            if error.code == 404 and missing is not None:
                return missing
            raise OperatorError(f"{self.url}{path}: HTTP {error.code}: {error.read(200)!r}") from None
        except ValueError:
            raise OperatorError(f"{self.url}{path}: the answer is not JSON") from None

    def _get(self, path: str, body: bytes | None = None) -> tuple[bytes, int]:
        try:
            with urllib.request.urlopen(self.url + path, body, TIMEOUT_SECONDS) as answer:  # noqa: S310 - http only, see __init__
                moment = parsedate_to_datetime(answer.headers["Date"])
                return answer.read(), int(moment.timestamp()) * 10**9
        except urllib.error.HTTPError:
            raise
        except (OSError, TypeError, ValueError) as error:
            raise OperatorError(f"{self.url}{path}: no answer from the venue's admin port: {error}") from None


def read_file(path: Path, account: str) -> tuple[list[dict[str, Any]], int]:
    """The account's entries of a whole record, and the time of its last line (unix ns).

    Raises:
        OperatorError: it cannot be read, or a line is missing.
    """
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise OperatorError(f"--record: {path}: {error.strerror}") from None
    entries = list(of_account(lines, account, 0, str(path)))
    last_ns = json.loads(lines[-1])["wall_ns"] if lines else 0
    return entries, int(last_ns)


def of_account(lines: Iterable[bytes], account: str, after: int, where: str) -> Iterator[dict[str, Any]]:
    """Parse the lines of one account, and count all of them.

    Args:
        lines: of the record.
        account: name at the venue.
        after: `seq` of the line before the first.
        where: for the message.
    Raises:
        OperatorError: a line is missing or is no entry.
    """
    mark = json.dumps(account).encode()
    for number, line in enumerate(lines, start=after + 1):
        found = _SEQ.match(line)
        if found is None or int(found[1]) != number:
            raise OperatorError(f"{where}: entry {number} of the venue's record is missing")
        if mark in line:
            try:
                entry = json.loads(line)
            except ValueError:
                raise OperatorError(f"{where}: entry {number} of the venue's record is damaged") from None
            if entry.get("account") == account:
                yield entry
