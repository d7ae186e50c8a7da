"""The one gate that new orders pass: halted or reduce-only while there is any reason. It starts halted."""

import asyncio
from collections.abc import Callable

from trader.model.values import TradingState

LATCH = "latch"


class Gate:
    """Reasons not to trade freely, by key.

    Args:
        changed: called with the state and the reasons after every change of either.
        reason: the first reason to halt, under the key "start".
        tripped: asked at every look at the gate: why the latch is down, None while it is armed. Another
            process may have tripped it.
    """

    def __init__(
        self,
        changed: Callable[[TradingState, dict[str, str]], None],
        reason: str,
        tripped: Callable[[], str | None] = lambda: None,
    ) -> None:
        self._changed = changed
        self._questions = {LATCH: tripped}
        self._halts = {"start": reason}
        self._reductions: dict[str, str] = {}
        self._timers: dict[str, asyncio.TimerHandle] = {}

    @property
    def state(self) -> TradingState:
        if self.halted:
            return TradingState.HALTED
        return TradingState.REDUCE_ONLY if self._reductions else TradingState.ACTIVE

    @property
    def halted(self) -> bool:
        for key, question in self._questions.items():
            if key not in self._halts and (reason := question()) is not None:
                self._halts[key] = reason
                self._changed(TradingState.HALTED, self.reasons)
        return bool(self._halts)

    @property
    def halts(self) -> dict[str, str]:
        """Why nothing new is sent, by key."""
        return dict(self._halts)

    @property
    def reasons(self) -> dict[str, str]:
        """Why trading is not ACTIVE, by key; empty while it is."""
        return {**self._reductions, **self._halts}

    def ask(self, key: str, question: Callable[[], str | None]) -> None:
        """Put a question at every look at the gate, as the latch's: why to halt, None = go on.

        For what can become true while this process sleeps: no timer of ours would come before the next order.
        """
        self._questions[key] = question

    def halt(self, key: str, reason: str) -> None:
        """Add a reason to halt, or change its text."""
        self._add(self._halts, key, reason)

    def reduce_only(self, key: str, reason: str) -> None:
        """Add a reason to let only orders through that bring a position nearer to zero."""
        self._add(self._reductions, key, reason)

    def clear(self, key: str) -> None:
        """Take one reason away; trading goes on when it was the last."""
        gone = [reasons.pop(key, None) for reasons in (self._halts, self._reductions)]
        if any(reason is not None for reason in gone):
            self._changed(self.state, self.reasons)

    def halt_for(self, key: str, reason: str, seconds: float) -> None:
        """Halt, and take the reason away by itself after a time; a later call starts the time anew."""
        self.halt(key, reason)
        if key in self._timers:
            self._timers[key].cancel()
        self._timers[key] = asyncio.get_running_loop().call_later(seconds, self.clear, key)

    def _add(self, reasons: dict[str, str], key: str, reason: str) -> None:
        before = self.state
        known = key in reasons
        reasons[key] = reason
        if before is not self.state or not known:
            self._changed(self.state, self.reasons)
