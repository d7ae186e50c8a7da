"""An exchange in a process: speaks Binance spot and USDM futures, keeps a record, breaks on demand.

Unmodified ccxt.pro `binance` works against it by configuration alone. `hostname` by itself only chooses
ccxt's table of error classes (its addresses are fixed strings), so the addresses are given too. With
HOST = "venue.lab:8443" and a certificate for api.venue.lab:

    {
        "apiKey": ..., "secret": ...,
        "hostname": HOST,                # spot error classes apply to https://api.<hostname>/ only
        "cafile": "/path/ca.pem",
        "urls": {"api": {
            "public": f"https://api.{HOST}/api/v3",
            "private": f"https://api.{HOST}/api/v3",
            "sapi": f"https://api.{HOST}/sapi/v1",
            "ws": {
                "spot": f"wss://api.{HOST}/ws",
                "ws-api": {"spot": f"wss://api.{HOST}/ws-api/v3"},
            },
        }},
        "options": {                     # without these load_markets asks hosts that are not emulated
            "defaultType": "spot",
            "fetchMarkets": {"types": ["spot"]},
            "fetchCurrencies": False,
            "fetchMargins": False,
        },
    }

The venue's own SDK takes base_path=f"https://api.{HOST}" for REST, stream_url=f"wss://api.{HOST}/ws-api/v3"
for the WebSocket API, stream_url=f"wss://api.{HOST}" for market streams, an ssl.SSLContext as https_agent.

USDM futures are there when the settings have `usdm`. For ccxt.pro `binanceusdm`, whose error classes apply to
https://fapi.<hostname>/ only (so the certificate is for that name), and which puts /public, /market or
/private before the /ws of "linear" by itself:

    {
        "apiKey": ..., "secret": ..., "hostname": HOST, "cafile": "/path/ca.pem",
        "urls": {"api": {
            "fapiPublic": f"https://fapi.{HOST}/fapi/v1",
            "fapiPublicV2": f"https://fapi.{HOST}/fapi/v2",
            "fapiPrivate": f"https://fapi.{HOST}/fapi/v1",
            "fapiPrivateV2": f"https://fapi.{HOST}/fapi/v2",
            "fapiPrivateV3": f"https://fapi.{HOST}/fapi/v3",
            "sapi": f"https://api.{HOST}/sapi/v1",
            "ws": {
                "linear": f"wss://fapi.{HOST}/ws",
                "ws-api": {"linear": f"wss://fapi.{HOST}/ws-fapi/v1"},
            },
        }},
        "options": {"fetchCurrencies": False, "fetchMargins": False},
    }

The SDK for futures takes base_path=f"https://fapi.{HOST}", stream_url=f"wss://fapi.{HOST}/ws-fapi/v1" for the
WebSocket API and stream_url=f"wss://fapi.{HOST}" for streams.

What differs from the venue, on purpose: tickers count from the emulator's start instead of over a moving day,
client order ids are unique among all open orders of an account, self-trades happen (mode NONE), and
conditional, iceberg and list orders are refused. Futures have no funding, no liquidation, no hedge mode, no
trailing stops, no modifying of orders, and one leverage bracket. How it is made:

    cli  config                  the command and its settings
    server                       wiring and life cycle
    rest  ws_api  market_socket  what clients connect to
    admin                        what tests and drills connect to
    front                        every request passes here
    fault  fault_reader  faults  what goes wrong on purpose, and whom it hits
    broken_answers stream_faults what faults do to answers, to events and to connections
    connections                  the WebSocket connections: pings, their 24 hours, how they end
    endpoints  trading           the operations
    auth  parameters  limits     who asks, what, how often
    clock                        what time the venue believes it is
    exchange  filters  matching  model    accounts, orders, books
    flow                         the market's own life
    record  recovery             what happened, the truth for checkers, and its reading back after a restart
    dialect  events  errors      the venue's words
    usdm                         the futures market, a package of its own
    user_streams  market_streams  outbox    events to those who subscribed
"""

__version__ = "0.1.0"
