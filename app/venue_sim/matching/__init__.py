"""The matching of orders: price first, then time."""
