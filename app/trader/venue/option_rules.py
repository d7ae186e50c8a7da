"""Which options of ccxt nobody may set."""

from collections.abc import Mapping
from typing import Any

RETRIES = "maxRetriesOnFailure"


def check_options(options: Mapping[str, Any]) -> str | None:
    """Refuse retries inside ccxt, however deep they are hidden: one of them can place an order twice.

    Returns:
        What is wrong, in one line that names the key; None when all is well.
    """
    for key, value in options.items():
        if key == RETRIES and (isinstance(value, bool) or value != 0):
            return f"{RETRIES}: must be 0, not {value!r}: a retry inside ccxt can place an order twice"
        if isinstance(value, Mapping) and (wrong := check_options(value)):
            return f"{key}.{wrong}"
    return None
