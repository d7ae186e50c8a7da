"""Log shipping: every journal record goes to the vault as a hash-chained line, acknowledged when it is on
its disk.
"""

from trader.shipping.backlog import Backlog
from trader.shipping.shipper import Shipper

__all__ = ["Backlog", "Shipper"]
