"""Orders: the gate that every new one passes, the path to the venue, and the proof of what became of it."""
