#!/bin/sh
cd "$(dirname "$0")/.." || exit 1
PATH="${CARGO_TARGET_DIR:-target}/release:$PATH" exec runner run jobs/eqflat.toml "$@" # DATA_TAG, RUNID, CCXT_EXCHANGE, SYMBOL, TIMEFRAME as before
