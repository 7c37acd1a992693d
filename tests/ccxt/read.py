"""Reads BTC/USD in bars of five minutes through ccxt, from a simulated venue.

Usage: read.py VENUE SINCE_MS LIMIT URL..., with VENUE one of ccxt's ids. Prints a JSON list, for each URL the rows and the error
class of a symbol that is not there, or the class of the error that stopped it. Several in one process: importing ccxt takes longer.
"""

import json
import sys

import ccxt

PATHS = {"binance": "/api/v3", "kraken": "", "coinbaseexchange": ""}

# Asks the venue itself for a symbol that it does not have; ccxt would not ask for one that is not among its markets.
UNKNOWN = {
    "binance": lambda venue: venue.public_get_klines({"symbol": "NOTTHERE", "interval": "5m"}),
    "kraken": lambda venue: venue.public_get_ohlc({"pair": "NOTTHERE", "interval": 5}),
    "coinbaseexchange": lambda venue: venue.public_get_products_id_candles({"id": "NOT-THERE", "granularity": 300}),
}


def main(venue, url, since_ms, limit):
    exchange = getattr(ccxt, venue)({"enableRateLimit": False, "timeout": 10_000})
    exchange.urls["api"]["public"] = url + PATHS[venue]
    # Of Binance's markets only the spot ones are there.
    exchange.options["fetchMarkets"] = {"types": ["spot"]}
    try:
        exchange.load_markets()
        rows = exchange.fetch_ohlcv("BTC/USD", "5m", since=int(since_ms), limit=int(limit))
    except ccxt.BaseError as error:
        return {"error": type(error).__name__, "text": str(error)}
    try:
        UNKNOWN[venue](exchange)
        unknown = None
    except ccxt.BaseError as error:
        unknown = type(error).__name__
    return {"rows": rows, "unknown": unknown, "time": exchange.fetch_time()}


if __name__ == "__main__":
    venue, since_ms, limit, *urls = sys.argv[1:]
    print(json.dumps([main(venue, url, since_ms, limit) for url in urls]))
