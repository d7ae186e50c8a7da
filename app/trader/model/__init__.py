"""Orders, fills, positions and the transition table: pure values, no I/O."""
