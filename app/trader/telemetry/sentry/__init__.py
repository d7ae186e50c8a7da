"""Error reports: what the log says in a line, with its traceback, for people who did not look at the log.

`scrub` takes secrets out of a whole event, `policy` says what is reported and how often, `event` makes an
event of a line of the log, and `reporter` sends it beside the event loop. Off without a DSN: nothing here is
imported then.
"""
