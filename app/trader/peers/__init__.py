"""Watches other hosts and cancels for one that is gone: layer 4 where the venue has no timer of its own."""
