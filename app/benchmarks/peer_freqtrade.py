"""freqtrade's own order call, driven line by line, by the interpreter of an environment that has freqtrade.

Standard input: one JSON object with hostname, ca_file, key and secret; then a command per line: "place PRICE
QUANTITY", answered with client order id, time of the decision and time of the acknowledgement (monotonic,
ns), or "clean", answered with "cleaned". Imports nothing of ours: the environment has none of it.
"""

from __future__ import annotations

import importlib
import json
import logging
import sys
import time
from typing import Any

PAIR = "BTC/USDT"


def make_exchange(hostname: str, ca_file: str, key: str, secret: str) -> Any:
    """freqtrade's exchange on the emulator, live and without ccxt's limiter, which alone would cost 10 ms."""
    rest = f"https://api.{hostname}"
    ccxt_config = {
        "hostname": hostname,
        "enableRateLimit": False,
        "urls": {"api": {"public": f"{rest}/api/v3", "private": f"{rest}/api/v3", "sapi": f"{rest}/sapi/v1"}},
        "options": {
            "defaultType": "spot",
            "fetchMarkets": {"types": ["spot"]},
            "fetchCurrencies": False,
            "fetchMargins": False,
        },
    }
    exchange = {
        "name": "binance",
        "key": key,
        "secret": secret,
        "enable_ws": False,
        "ccxt_config": ccxt_config,
    }
    run_mode = importlib.import_module("freqtrade.enums").RunMode.LIVE
    config = {
        "dry_run": False,
        "runmode": run_mode,
        "stake_currency": "USDT",
        "exchange": exchange | {"enable_ws": False, "ccxt_config": ccxt_config},
    }
    made = importlib.import_module("freqtrade.exchange").Binance(config, validate=False)
    # It would load the markets through its second, asynchronous instance; the one that places orders does.
    made._api.validateServerSsl = ca_file  # ccxt hands it to requests, which takes a file here
    made._api.load_markets()
    made._markets = made._api.markets
    return made


def main() -> None:
    """Obey until the input ends."""
    logging.basicConfig(stream=sys.stderr, level=logging.ERROR)
    exchange = make_exchange(**json.loads(sys.stdin.readline()))
    print("ready", flush=True)
    for line in sys.stdin:
        match line.split():
            case ["place", price, quantity]:
                signal_ns = time.monotonic_ns()
                order = exchange.create_order(
                    pair=PAIR,
                    ordertype="limit",
                    side="buy",
                    amount=float(quantity),
                    rate=float(price),
                    leverage=1.0,
                )
                print(order["clientOrderId"], signal_ns, time.monotonic_ns(), flush=True)
            case ["clean"]:
                exchange._api.cancel_all_orders(PAIR)
                print("cleaned", flush=True)


if __name__ == "__main__":
    main()
