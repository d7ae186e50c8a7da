"""What a request can raise.

The wire's own errors; ccxt's; aiohttp and ssl errors that ccxt lets through, and a closed session; answers
that do not parse.
"""

import asyncio

from trader.venue.slim_ccxt import errors
from trader.venue.wire_errors import WireError

REQUEST_ERRORS = (
    WireError,
    errors.BaseError,
    OSError,
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    AttributeError,
    RuntimeError,
    asyncio.TimeoutError,
)
