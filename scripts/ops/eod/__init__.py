"""The end of a day on the control node: one page a host, and one of the fleet."""
