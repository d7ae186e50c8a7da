"""`trader panic`: cancel everything of the account, with nothing of the service but latch and settings.

It works while the service is dead, hung, or about to be: a process of its own, a ccxt instance of its own, a
limiter of its own and an API key of its own. Nothing is imported here, because every import stands between a
person's Enter and the first cancel.
"""
