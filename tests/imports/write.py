"""Files of bars in layouts that are drawn by dice, as pandas, polars and DuckDB write them, and what is right for each.

usage: write.py FOLDER SEED COUNT
Writes files into FOLDER and prints a JSON list: {"file", "words", "bars": {close_ms: [o, h, l, c, v]}, "is_sound", "how"}.
A sound file must be stored as it is. Of one that was mangled, every bar that is stored must be right.
"""

import datetime as dt
import gzip
import json
import os
import random
import sys
from decimal import Decimal

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

FOLDER, SEED, COUNT = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
TF = {"1m": 60_000, "5m": 300_000, "15m": 900_000, "1h": 3_600_000, "4h": 14_400_000, "1d": 86_400_000}
UTC = dt.timezone.utc


def market(dice, tf_ms):
    """Known bars that go on where the last one ended, with holes, as decimals of a number of places."""
    places = dice.choice([1, 2, 2, 4, 8])
    unit = Decimal(1).scaleb(-places)
    price = dice.choice([Decimal("0.00012345"), Decimal("1.25"), Decimal("104.5"), Decimal("42283.58")])
    price = max(price.quantize(unit), 50 * unit)
    step = max(price * Decimal("0.004"), 3 * unit)
    open_ms = dt.datetime(dice.choice([2015, 2021, 2024]), dice.randint(1, 12), 1, tzinfo=UTC).timestamp() * 1000
    open_ms = int(open_ms) + dice.randint(0, 3) * tf_ms
    bars = []
    while len(bars) < dice.choice([30, 60, 90]):
        move = (Decimal(dice.uniform(-1, 1)) * step).quantize(unit)
        close = max(price + move, 10 * unit)
        high = max(price, close) + (Decimal(dice.random()) * step).quantize(unit)
        low = max(min(price, close) - (Decimal(dice.random()) * step).quantize(unit), unit)
        volume = Decimal(dice.randint(0, 10**6)).scaleb(-dice.choice([1, 3, 5]))
        bars.append((open_ms, price, high, low, close, volume))
        price = close
        open_ms += tf_ms * (dice.randint(2, 9) if dice.random() < 0.04 else 1)
    return bars


def column_of_time(dice, opens, tf_ms):
    """A time column: its name, its values, whether it is text, and the words it needs."""
    kind = dice.choice(["s", "ms", "us", "ns", "close", "offset", "naive", "stamp", "stamp_naive", "float"])
    plain = dice.choice(["timestamp", "time", "Datetime", "date", "open_time", "Open Time", "unix"])
    stamps = [dt.datetime.fromtimestamp(ms / 1000, UTC) for ms in opens]
    if kind in ("s", "ms", "us", "ns"):
        factor = {"s": 0.001, "ms": 1, "us": 1000, "ns": 10**6}[kind]
        values = [ms // 1000 if kind == "s" else ms * factor for ms in opens]
        words = dice.choice(["", f"unit={kind}"])
        return plain, values, words
    if kind == "float":
        return plain, [ms / 1000 for ms in opens], ""
    if kind == "close":
        return "close_time", [ms + tf_ms - dice.choice([0]) for ms in opens], ""
    if kind == "offset":
        zone = dt.timezone(dt.timedelta(hours=dice.choice([-4, 0, 2, 9])))
        return plain, [s.astimezone(zone).isoformat(sep=dice.choice(" T")) for s in stamps], ""
    if kind == "naive":
        form = dice.choice(["%Y-%m-%d %H:%M:%S", "%Y/%m/%d %H:%M", "%d.%m.%Y %H:%M:%S.000", "%Y%m%d%H%M"])
        if form.startswith("%d") and all(s.day <= 12 for s in stamps) and any(s.day != s.month for s in stamps):
            form = "%Y-%m-%d %H:%M:%S"  # no day tells which number is the month
        return plain, [s.strftime(form) for s in stamps], dice.choice(["", "offset=+00:00"])
    if kind == "stamp":
        return plain, stamps, ""
    return plain, [s.replace(tzinfo=None) for s in stamps], ""


def table(dice, bars, tf, symbol):
    """The columns of a file, in an order that is drawn, and the words to bring it in."""
    base, quote = symbol.split("/")
    tf_ms = TF[tf]
    opens = [bar[0] for bar in bars]
    name, times, words = column_of_time(dice, opens, tf_ms)
    style = dice.choice([str.lower, str.title, str.upper])
    volume = dice.choice(["volume", "vol", f"Volume {base}", f"Volume_({base})", "base_volume"])
    columns = {name: times}
    for n, value in enumerate(["open", "high", "low", "close"], 1):
        columns[style(value)] = [bar[n] for bar in bars]
    columns[volume] = [bar[5] for bar in bars]
    if dice.random() < 0.4:
        columns[f"Volume {quote}" if "Volume" in volume else "quote_volume"] = [bar[5] * bar[4] for bar in bars]
    if dice.random() < 0.3:
        columns["trades"] = [dice.randint(1, 999) for _ in bars]
    if dice.random() < 0.3:
        spelling = dice.choice([symbol, base + quote, f"{base}-{quote}", f"{base}_{quote}".lower()])
        columns[dice.choice(["symbol", "ticker", "pair"])] = [spelling] * len(bars)
    if dice.random() < 0.2:
        columns["interval"] = [tf] * len(bars)
    if dice.random() < 0.2:
        columns[dice.choice(["confirm", "is_closed"])] = [dice.choice([1, 1])] * len(bars)
    if dice.random() < 0.2 and name != "close_time":
        columns["close_time"] = [ms + tf_ms - 1 for ms in opens]
    names = list(columns)
    if dice.random() < 0.5:
        dice.shuffle(names)
    return {name: columns[name] for name in names}, words


def frames(dice, columns, numbers):
    """The columns with their numbers as floats, decimals or text."""
    def plain(value):
        if not isinstance(value, Decimal):
            return value
        return {"float": float(value), "decimal": value, "text": f"{value:f}"}[numbers]
    return {name: [plain(value) for value in values] for name, values in columns.items()}


def write(dice, columns, path):
    """One of the writers and one of its formats; the name of the file it wrote, and how."""
    writer = dice.choice(["pandas csv", "pandas csv", "polars csv", "duckdb csv", "pandas parquet", "polars parquet", "duckdb parquet", "arrow parquet"])
    numbers = "float" if "csv" in writer else dice.choice(["float", "float", "decimal", "text"])
    data = frames(dice, columns, numbers)
    if "csv" in writer:
        separator = dice.choice([",", ",", ";", "\t", "|"])
        if writer.startswith("pandas"):
            text = pd.DataFrame(data).to_csv(sep=separator, index=dice.random() < 0.3, lineterminator=dice.choice(["\n", "\r\n"]), quoting=dice.choice([0, 0, 1, 2]))
        elif writer.startswith("polars"):
            text = pl.DataFrame(data, strict=False).write_csv(separator=separator, datetime_format="%Y-%m-%d %H:%M:%S%z" if any(isinstance(v[0], dt.datetime) and v[0].tzinfo for v in data.values()) else None)
        else:
            frame = pd.DataFrame(data)
            duckdb.sql("SET TimeZone='UTC'")
            duckdb.from_df(frame).write_csv(path, sep=separator)
            text = open(path, encoding="utf-8", newline="").read()
        with open(path, "w", encoding="utf-8", newline="") as file:
            file.write(text)
        return f"{writer} {separator!r}", True
    if writer.startswith("pandas"):
        pd.DataFrame(data).to_parquet(path, index=dice.random() < 0.3, compression=dice.choice(["zstd", "snappy", "gzip"]))
    elif writer.startswith("polars"):
        pl.DataFrame(data, strict=False).write_parquet(path, compression=dice.choice(["zstd", "snappy"]), row_group_size=dice.choice([7, 1000]))
    elif writer.startswith("duckdb"):
        frame = pd.DataFrame(data)
        duckdb.sql("SET TimeZone='UTC'")
        duckdb.from_df(frame).write_parquet(path, compression="zstd")
    else:
        pq.write_table(pa.table(data), path, store_decimal_as_integer=dice.random() < 0.5, row_group_size=dice.choice([7, 1000]))
    return f"{writer} {numbers}", False


def mangle_text(dice, text):
    """One thing that happens to text files."""
    lines = text.splitlines(keepends=True)
    marks = [at for at, char in enumerate(text) if char in ",;\t|\n\""]
    how = dice.choice(["insert", "delete", "cut", "repeat", "swap", "newline", "glue", "header"])
    at = dice.randrange(len(text))
    if how == "insert":
        return how, text[:at] + dice.choice(",;\"\n\t|") + text[at:]
    if how == "delete":
        at = dice.choice(marks)
        return how, text[:at] + text[at + 1:]
    if how == "cut":
        return how, text[:at]
    if how == "repeat":
        lines.insert(dice.randrange(1, len(lines)), dice.choice(lines[1:]))
    elif how == "swap" and len(lines) > 3:
        a, b = dice.sample(range(1, len(lines)), 2)
        lines[a], lines[b] = lines[b], lines[a]
    elif how == "newline":
        at = dice.randrange(len(lines) - 1)
        lines[at] = lines[at].rstrip("\r\n")
    elif how == "glue":
        lines = lines + lines[1:]
    elif how == "header":
        lines.insert(dice.randrange(1, len(lines)), lines[0])
    return how, "".join(lines)


def mangle_columns(dice, columns, tf, symbol):
    """One thing that is wrong with all of a file; what it is, the columns, and the words that replace others."""
    how = dice.choice(["timeframe", "symbol", "interval", "unconfirmed", "two symbols", "future", "unit", "two series", "words", "two clocks", "contracts"])
    rows = len(next(iter(columns.values())))
    columns = dict(columns)
    if how == "timeframe":
        return how, columns, f"timeframe={dice.choice([t for t in TF if t != tf])}"
    if how == "symbol":
        columns["symbol"] = ["ETHEUR"] * rows
    elif how == "two symbols":
        columns["symbol"] = [dice.choice([symbol, "ETH/EUR"]) for _ in range(rows - 1)] + ["ETH/EUR"]
    elif how == "two series":
        prices = ("open", "high", "low", "close")
        other = {name: [value * Decimal("0.05") for value in values] if name.lower() in prices else values for name, values in columns.items()}
        columns = {name: values + other[name] for name, values in columns.items()}
    elif how == "words":
        name, value = dice.choice([("coin", "XRP"), ("base", "XRP"), ("quote", "EUR"), ("note", "XRPEUR"), ("step", "7m"), ("is_final", "no"), ("status", "open"), ("is_open", "Y")])
        columns[name] = [value] * rows
    elif how == "two clocks":
        columns["date"] = [dt.datetime(2024, 1, 1) + dt.timedelta(minutes=7 * n) for n in range(rows)]
    elif how == "contracts":
        columns = {("Volume (contracts)" if "vol" in name.lower() else name): values for name, values in columns.items()}
    elif how == "interval":
        columns["interval"] = [dice.choice([t for t in TF if t != tf])] * rows
    elif how == "unconfirmed":
        columns["confirm"] = [dice.randint(0, 1) for _ in range(rows)]
    elif how == "unit":
        return how, columns, f"unit={dice.choice(['s', 'ms', 'us', 'ns', 'rfc3339'])}"
    elif how == "future":
        columns["close_time"] = [4_102_444_800_000] * rows
    return how, columns, ""


def one(n):
    dice = random.Random(SEED * 1_000_003 + n)
    tf = dice.choice(list(TF))
    symbol = dice.choice(["BTC/USD", "ETH/USDT", "BABYDOGE/USDT"])
    bars = market(dice, TF[tf])
    columns, words = table(dice, bars, tf, symbol)
    right = {str(bar[0] + TF[tf]): [float(value) for value in bar[1:]] for bar in bars}
    is_sound, how = n % 3 == 0, "sound"
    more = ""
    if not is_sound and dice.random() < 0.4:
        how, columns, more = mangle_columns(dice, columns, tf, symbol)
    name = f"{n}.dat"
    path = os.path.join(FOLDER, name)
    if dice.random() < 0.2:
        columns = {name: values[::-1] for name, values in columns.items()}
    writer, is_text = write(dice, columns, path)
    if not is_sound and how == "sound":
        if is_text:
            text = open(path, encoding="utf-8", newline="").read()
            how, text = mangle_text(dice, text)
            with open(path, "w", encoding="utf-8", newline="") as file:
                file.write(text)
        else:
            bytes_ = open(path, "rb").read()
            how = "bytes cut"
            with open(path, "wb") as file:
                file.write(bytes_[: dice.randrange(len(bytes_))])
    if dice.random() < 0.2:
        with open(path, "rb") as file:
            packed = gzip.compress(file.read())
        with open(path, "wb") as file:
            file.write(packed)
    kept = " ".join(w for w in words.split() if not (more and w.split("=")[0] == more.split("=")[0]))
    words = f"symbol={symbol} {kept} {more}"
    if "timeframe=" not in words:
        words += f" timeframe={tf}"
    return {"file": name, "words": words, "bars": right, "is_sound": is_sound, "how": f"{how}; {writer}; {list(columns)}"}


duckdb.sql("SET enable_progress_bar = false")
print(json.dumps([one(n) for n in range(COUNT)]))
