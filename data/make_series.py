"""Make visitors.csv, demand.csv and sensor.csv: three small tables of series of numbers, the same bytes every time.

python data/make_series.py             write them beside this script
python data/make_series.py --out DIR   write them somewhere else
"""

import argparse
import math
from datetime import date, datetime, timedelta
from pathlib import Path
from random import Random

HERE = Path(__file__).parent
SHAPE = (0.62, 0.66, 0.84, 1.02, 1.16, 1.22, 1.38, 1.44, 1.10, 0.96, 0.72, 0.88)  # of a year, January first


def normal(random: Random) -> float:
    """A number from the standard normal distribution (Box and Muller 1958)."""
    return math.sqrt(-2 * math.log(1 - random.random())) * math.cos(2 * math.pi * random.random())


def poisson(random: Random, mean: float) -> int:
    """A count from a Poisson distribution (Knuth 1969)."""
    limit, count, product = math.exp(-mean), 0, random.random()
    while product > limit:
        count += 1
        product *= random.random()
    return count


def visitors() -> list[str]:
    """The visitors of a museum, twelve years by month: more every year, most of them in summer."""
    random, rows, level = Random(1), ["month,visitors"], 0.0
    for k in range(144):
        level = 0.9 * level + 0.02 * normal(random)
        mean = 5200 * 1.055 ** (k / 12) * SHAPE[k % 12]
        rows.append(f"{2014 + k // 12}-{k % 12 + 1:02d},{round(mean * math.exp(level + 0.02 * normal(random)))}")
    return rows


def demand() -> list[str]:
    """How many of 24 parts a workshop sells, by week, three years: small counts, many of them zero.

    What is on offer in a week sells two to four times as often. The offers of the next eight weeks are known already.
    """
    random, rows = Random(2), ["part,week,sold,offer"]
    for part in range(1, 25):
        rate, gain = 0.15 * 1.2**part, 2 + 2 * random.random()
        peak, strength = 52 * random.random(), 0.5 * random.random()
        for k in range(156 + 8):
            offer = random.random() < 0.1
            season = math.exp(strength * math.cos(2 * math.pi * (k - peak) / 52))
            sold = poisson(random, rate * season * (gain if offer else 1) * math.exp(0.3 * normal(random)))
            week = date(2022, 1, 3) + timedelta(weeks=k)
            rows.append(f"part {part},{week},{sold if k < 156 else ''},{'yes' if offer else 'no'}")
    return rows


def sensor() -> list[str]:
    """The temperatures of four greenhouses, ten weeks by hour: warm days, weather that lasts for days, and hours for
    which a sensor was silent, which have no line."""
    random, rows = Random(3), ["house,time,temperature"]
    for house in ("north", "east", "south", "west"):
        base, weather, silent = 10 + 5 * random.random(), 0.0, 0
        for k in range(70 * 24):
            weather = 0.985 * weather + 0.35 * normal(random)
            sun = max(0.0, math.sin(2 * math.pi * (k % 24 - 6) / 24))
            warm = base + 0.08 * k / 24 + 1.1 * weather + 9 * sun * math.exp(0.08 * weather) + 0.3 * normal(random)
            silent = max(silent - 1, 0) or (0 if random.random() > 0.004 else 1 + int(18 * random.random()))
            if not silent:
                time = datetime(2025, 3, 1) + timedelta(hours=k)
                rows.append(f"{house},{time:%Y-%m-%d %H:%M},{warm:.1f}")
    return rows


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path, default=HERE)
    place = parser.parse_args().out
    for name, rows in (("visitors", visitors()), ("demand", demand()), ("sensor", sensor())):
        (place / f"{name}.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
