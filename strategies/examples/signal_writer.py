"""Says for the next bar: long above the average of the last closes, short below. Usage: signal_writer.py BARS.csv NAME BAR_MS"""

import csv
import pathlib
import sys

bars, name, bar_ms = sys.argv[1], sys.argv[2], int(sys.argv[3])
path = pathlib.Path("data/signals") / f"{name}.csv"
path.parent.mkdir(parents=True, exist_ok=True)
lines = path.read_text().splitlines() if path.exists() else []
last = int(lines[-1].split(",")[0]) if lines else 0
closes = []
with open(bars, newline="") as source, open(path, "a") as out:
    for bar in csv.DictReader(source):
        if bar["close"]:
            closes = (closes + [float(bar["close"])])[-24:]
        edge = closes[-1] * len(closes) / sum(closes) - 1 if closes else 0
        side = "long" if edge > 0.001 else "short" if edge < -0.001 else "flat"
        ts_ms = int(bar["ts_ms"]) + bar_ms
        if ts_ms > last:
            out.write(f"{ts_ms},{side},{edge:+.4f} from the average\n")
