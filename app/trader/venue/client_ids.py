"""How each covered venue takes our client order id, and how an order is found by it.

ccxt's unified `clientOrderId` is dropped, renamed or ignored by some venues, so nothing is sent without a
row here.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ClientIdRule:
    """One venue's row.

    Args:
        create: parameter of create_order that carries the id.
        lookup: parameter of fetch_order and cancel_order that names the order by it.
    """

    create: str
    lookup: str


RULES: dict[str, ClientIdRule] = {
    # Unique among open orders only, so uniqueness for ever is on us.
    "binance": ClientIdRule(create="newClientOrderId", lookup="origClientOrderId"),
}
