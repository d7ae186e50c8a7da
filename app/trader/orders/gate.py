"""The one gate that new orders pass. Trading is halted while there is any reason for it; it starts halted."""

import asyncio
from collections.abc import Callable

from trader.model.values import TradingState


class Gate:
    """Reasons not to trade, by key.

    Args:
        changed: called with the state and the reasons after every change of state.
        reason: the first reason, under the key "start".
    """

    def __init__(self, changed: Callable[[TradingState, dict[str, str]], None], reason: str) -> None:
        self._changed = changed
        self._reasons = {"start": reason}
        self._timers: dict[str, asyncio.TimerHandle] = {}

    @property
    def state(self) -> TradingState:
        return TradingState.HALTED if self._reasons else TradingState.ACTIVE

    @property
    def active(self) -> bool:
        return not self._reasons

    @property
    def reasons(self) -> dict[str, str]:
        """Why trading is halted, by key; empty while it is active."""
        return dict(self._reasons)

    def halt(self, key: str, reason: str) -> None:
        """Add a reason, or change its text."""
        before = self.state
        known = key in self._reasons
        self._reasons[key] = reason
        if before is not self.state or not known:
            self._changed(self.state, self.reasons)

    def clear(self, key: str) -> None:
        """Take one reason away; trading goes on when it was the last."""
        if self._reasons.pop(key, None) is not None:
            self._changed(self.state, self.reasons)

    def halt_for(self, key: str, reason: str, seconds: float) -> None:
        """Halt, and take the reason away by itself after a time; a later call starts the time anew."""
        self.halt(key, reason)
        if key in self._timers:
            self._timers[key].cancel()
        self._timers[key] = asyncio.get_running_loop().call_later(seconds, self.clear, key)
