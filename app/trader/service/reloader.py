"""Takes over what may change while the service runs: the risk limits and the desk's trading state."""

from collections.abc import Callable
from typing import Any

from trader.orders.admission import Admission
from trader.orders.gate import Gate
from trader.risk import Change, Direction
from trader.service.settings import Settings, SettingsError
from trader.telemetry.events import Events

KEY = "desk"
RELOADED = ("risk", "trading_state")


class Reloader:
    """Applies the settings file anew, whole or not at all.

    Args:
        read: reads and checks the file; raises SettingsError.
    """

    def __init__(
        self,
        settings: Settings,
        read: Callable[[], Settings],
        admission: Admission,
        gate: Gate,
        events: Events,
    ) -> None:
        self._settings = settings
        self._read = read
        self._admission = admission
        self._gate = gate
        self._events = events
        self._apply_state()

    def on_signal(self) -> None:
        """SIGHUP: a mistake in the file is told, and everything stays as it is."""
        try:
            self.reload()
        except SettingsError as error:
            self._events.error("reload_refused", error)

    def reload(self) -> list[dict[str, Any]]:
        """Read the file and take over what may change.

        Returns:
            Each change: key, before, after, loosened.

        Raises:
            SettingsError: the file is wrong, or something else in it has changed too; nothing was applied.
        """
        wanted = self._read()
        for name in Settings.model_fields:
            if name not in RELOADED and getattr(wanted, name) != getattr(self._settings, name):
                raise SettingsError(
                    f"{name}: only {' and '.join(RELOADED)} reload; restart the service for it"
                )
        before = self._settings
        self._settings = wanted
        changes = [self._told(change) for change in self._admission.reload(wanted.risk)]
        if wanted.trading_state != before.trading_state:
            changes.append(self._moved(before.trading_state, wanted.trading_state))
            self._apply_state()
        self._events.emit("reloaded", changes=len(changes))
        return changes

    def _told(self, change: Change) -> dict[str, Any]:
        loosened = change.direction is Direction.LOOSENED
        told = {"key": change.key, "before": str(change.old), "after": str(change.new), "loosened": loosened}
        self._events.emit(
            "limit_loosened" if loosened else "limit_tightened", "warning" if loosened else "info", **told
        )
        return told

    def _moved(self, before: str, after: str) -> dict[str, Any]:
        order = ("halted", "reduce_only", "active")
        loosened = order.index(after) > order.index(before)
        return {"key": "trading_state", "before": before, "after": after, "loosened": loosened}

    def _apply_state(self) -> None:
        self._gate.clear(KEY)
        if self._settings.trading_state == "halted":
            self._gate.halt(KEY, "the settings say trading_state: halted")
        elif self._settings.trading_state == "reduce_only":
            self._gate.reduce_only(KEY, "the settings say trading_state: reduce_only")
