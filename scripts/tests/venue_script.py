"""A venue's record as a test wants it: one account that trades and is cancelled. Times: ms from the trip."""

from typing import Any

ACCOUNT = "trader-01"
TRIP_NS = 1_800_000_000 * 10**9
_MS = 10**6


def at(ms: float) -> int:
    """A moment in unix nanoseconds."""
    return TRIP_NS + int(ms * _MS)


class Script:
    """Writes entries in the order in which its methods are called; `entries` sorts nothing."""

    def __init__(self, account: str = ACCOUNT) -> None:
        self.account = account
        self.entries: list[dict[str, Any]] = []
        self._orders: dict[str, dict[str, Any]] = {}
        self._requests = 0

    def place(
        self,
        client_id: str,
        ms: float,
        *,
        signed_ms: float | None = None,
        held_ms: float = 0,
        symbol: str = "BTCUSDT",
    ) -> None:
        """An order arrives and is accepted `held_ms` later."""
        request = self._next_request()
        order = {
            "market": "spot",
            "account": self.account,
            "symbol": symbol,
            "order_id": len(self._orders) + 1,
            "client_order_id": client_id,
        }
        self._orders[client_id] = order
        self._add("order", ms + held_ms, order, request_id=request, event="NEW", status="NEW")
        self._request("order.place", request, ms, ms + held_ms + 1, signed_ms)

    def cancel(
        self,
        client_id: str,
        ms: float,
        *,
        took_ms: float = 2,
        signed_ms: float | None = None,
        ignored: bool = False,
    ) -> None:
        """A cancel of one order arrives, does its work (or not) and is answered as done `took_ms` later."""
        request = self._next_request()
        if not ignored:
            self.final(client_id, ms + took_ms / 2, "CANCELED", request)
        self._request("order.cancel", request, ms, ms + took_ms, signed_ms)

    def cancel_all(self, ms: float, *, took_ms: float = 2, symbol: str = "BTCUSDT", spare: str = "") -> None:
        """All orders of a symbol, but one that is spared."""
        request = self._next_request()
        for client_id, order in self._orders.items():
            if order["symbol"] == symbol and client_id != spare and not order.get("done"):
                self.final(client_id, ms + took_ms / 2, "CANCELED", request)
        self._request("openOrders.cancelAll", request, ms, ms + took_ms, None)

    def final(self, client_id: str, ms: float, status: str, request: int | None = None) -> None:
        """An order ends, by a request or (None) by the venue or another's order."""
        order = self._orders[client_id]
        event = "TRADE" if status == "FILLED" else status
        self._add("order", ms, order, request_id=request, event=event, status=status)
        order["done"] = True

    def refused(self, ms: float, endpoint: str = "openOrders.cancelAll") -> None:
        """A request is refused as one too many."""
        self._request(endpoint, self._next_request(), ms, ms + 1, None, http_status=429, code=-1003)

    def algo(self, client_id: str, ms: float, status: str) -> None:
        """A conditional order changes."""
        known = {"market": "usdm", "account": self.account, "symbol": "BTCUSDT", "algo_id": 77}
        self._add("algo", ms, known, request_id=None, client_algo_id=client_id, status=status)

    def _next_request(self) -> int:
        self._requests += 1
        return self._requests

    def _add(self, kind: str, ms: float, order: dict[str, Any], **fields: Any) -> None:
        known = {key: value for key, value in order.items() if key != "done"}
        self.entries.append({"seq": len(self.entries) + 1, "kind": kind, "wall_ns": at(ms)} | known | fields)

    def _request(
        self, endpoint: str, request: int, ms: float, done_ms: float, signed_ms: float | None, **changes: Any
    ) -> None:
        signed_ns = at(ms - 1 if signed_ms is None else signed_ms)
        entry = {
            "seq": len(self.entries) + 1,
            "kind": "request",
            "wall_ns": at(done_ms),
            "request_id": request,
            "arrival_monotonic_ns": int(ms * _MS),
            "arrival_wall_ns": at(ms),
            "done_monotonic_ns": int(done_ms * _MS),
            "endpoint": endpoint,
            "account": self.account,
            "params": {"timestamp": str(signed_ns // _MS)},
            "http_status": 200,
            "code": 0,
            "outcome": "answered",
        }
        self.entries.append(entry | changes)


def good(orders: int = 3) -> Script:
    """Some own orders, one of a person's; a trip; everything cancelled within 300 ms, nothing placed."""
    script = Script()
    for number in range(orders):
        script.place(f"{ACCOUNT}-1-{number}", -5000 + number)
    script.place("by-hand-1", -4000)
    script.cancel(f"{ACCOUNT}-1-0", 40)
    script.cancel_all(200, took_ms=100)
    return script
