"""A way to the venue for commands that run beside the service, with its settings and key."""

import sys
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from trader.service.settings import Settings
    from trader.venue.gateway import Gateway


def quiet_gateway(settings: "Settings") -> "Gateway":
    """Nothing of the service's is touched: no order connection, no file of addresses. Without a key, what is
    public.
    """
    from trader.service.credentials import NO_KEY, load_credentials
    from trader.service.settings import SettingsError
    from trader.service.stack import access
    from trader.telemetry.events import Events
    from trader.telemetry.metrics import Metrics
    from trader.venue.gateway import Gateway

    try:
        credentials = load_credentials()
    except SettingsError:  # whoever needs it says so
        credentials = NO_KEY
    quiet = replace(access(settings, credentials), order_entry=False, state_folder=None)
    return Gateway(quiet, list(settings.symbols), Metrics(), Events(sys.stderr))
