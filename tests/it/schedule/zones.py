"""Which instants a cron line is due at, by Python's zoneinfo: each time of the line is looked up on the clocks of the zone."""
import functools
import hashlib
import json
import sys
from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo, available_timezones

UTC = timezone.utc
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)


def values(field, low, high):
    found = set()
    for item in field.split(","):
        span, _, step = item.partition("/")
        if span == "*":
            first, last = low, high
        else:
            first, _, last = span.partition("-")
            first, last = int(first), int(last or first)
        found.update(range(first, last + 1, int(step or 1)))
    return found


def local(zone, at):
    return at.astimezone(zone).replace(tzinfo=None)


def instants(zone, wall, gap, fixed):
    one, other = (wall.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    if local(zone, one) == wall == local(zone, other):
        return [min(one, other)] if fixed else sorted({one, other})
    if gap == "skip":
        return []
    at = min(one, other)
    while local(zone, at) <= wall:
        at += MINUTE
    return [at]


@functools.lru_cache(maxsize=4096)
def offsets_about(name, day):
    """Every offset that the clocks have around a day: one, unless they change then."""
    zone, about = ZoneInfo(name), datetime(day.year, day.month, day.day, tzinfo=UTC)
    return frozenset((about + n * HOUR).astimezone(zone).utcoffset() for n in range(-30, 55))


def due(name, line, gap, first, last):
    zone = ZoneInfo(name)
    minute, hour, _, _, weekday = line.split()
    minutes, hours, weekdays = values(minute, 0, 59), values(hour, 0, 23), values(weekday, 0, 6)
    fixed = minute.isdigit() and hour.isdigit()
    times = sorted((h, m) for h in hours for m in minutes)
    found = set()
    day = first.date() - timedelta(days=2)
    while day <= last.date() + timedelta(days=2):
        offsets = offsets_about(name, day)
        midnight = datetime(day.year, day.month, day.day)
        if day.isoweekday() % 7 not in weekdays:
            pass
        elif len(offsets) == 1:
            start = midnight.replace(tzinfo=UTC).timestamp() - min(offsets).total_seconds()
            found.update(int(start) + h * 3600 + m * 60 for h, m in times)
        else:
            for h, m in times:
                wall = midnight + timedelta(hours=h, minutes=m)
                found.update(int(at.timestamp()) for at in instants(zone, wall, gap, fixed))
        day += timedelta(days=1)
    return sorted(at * 1000 for at in found if first.timestamp() < at <= last.timestamp())


def main():
    asked = json.load(sys.stdin)
    if asked.get("names"):
        print("\n".join(sorted(available_timezones())))
        return
    first, last = (datetime.fromtimestamp(asked[end] / 1000, UTC) for end in ("from", "to"))
    for name, line, gap in asked["cases"]:
        slots = due(name, line, gap, first, last)
        text = "\n".join(map(str, slots))
        whole = text if asked.get("whole") else hashlib.sha256(text.encode()).hexdigest()
        print(json.dumps([name, line, gap, len(slots), whole]), flush=True)


main()
