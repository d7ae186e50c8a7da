"""Release artifacts: built on the control node, the same bytes for the same inputs, kept in var/releases."""
