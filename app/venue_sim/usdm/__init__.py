"""USDM perpetual futures: the venue's second market, served by the same front, faults and record.

One-way mode, cross margin in USDT, no liquidation: an account whose margin is used up can only reduce.
Conditional orders live on the venue's separate algo API. How it is made:

    market                     wiring
    endpoints                  every operation
    orders conditional account market_data    what the operations do
    exchange  position  margin  checks        the market's heart: orders, positions, what may be placed
    algo                       conditional orders and their triggers
    funding                    payments between the holders of both sides
    countdown                  the dead man's timer (countdownCancelAll)
    listen_keys  streams       user data streams by listenKey, market streams
    dialect  events  errors    the venue's words
    record  recovery           its own entries in the record, and their reading back

Source of shapes, codes and weights: https://developers.binance.com/docs/derivatives/usds-margined-futures
"""
