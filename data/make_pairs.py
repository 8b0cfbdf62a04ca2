"""Make the pairs that are computed rather than written: dates.tsv and sums.tsv.

    python data/make_pairs.py             rewrite both files beside this script
    python data/make_pairs.py --out DIR   write them somewhere else

Each line is source TAB target. Every source occurs once, so whatever is held out was not seen in training.
Of Python's generator only `random()` is used: it is the one method whose numbers stay the same in every version.
"""

import argparse
from collections.abc import Callable, Iterator, Sequence
from datetime import date, timedelta
from pathlib import Path
from random import Random
from typing import TypeVar

DATES = 20_000
SUMS = 50_000

# A hundred years, so that two digits name one of them; these hundred, because POSIX reads 69 as 1969 and 68 as 2068.
FIRST_DAY, LAST_DAY = date(1969, 1, 1), date(2068, 12, 31)

# Names are listed here because strftime's follow the locale.
# fmt: off
MONTHS = [
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
]
# fmt: on
WEEKDAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]

FORMATS = (
    "{month} {d}, {year}",
    "{month} {d} {year}",
    "{month} {nth}, {year}",
    "{mon} {d}, {year}",
    "{mon} {d}, '{yy}",
    "{d} {month} {year}",
    "{d} {mon} {year}",
    "{d} {mon} '{yy}",
    "{d}-{mon}-{year}",
    "{nth} of {month}, {year}",
    "the {nth} of {month} {year}",
    "{weekday}, {d} {month} {year}",
    "{weekday}, {month} {d}, {year}",
    "{weekday} the {nth} of {month} {year}",
    "{wday} {d} {mon} {year}",
    "{year} {month} {d}",
    "{year}.{mm}.{dd}",
    "{year}/{mm}/{dd}",
    "{mm}/{dd}/{year}",  # a date with slashes that does not begin with the year begins with the month
    "{m}/{d}/{year}",
)
CASES: tuple[Callable[[str], str], ...] = (str, str, str.lower, str.upper)  # as written half of the time

T = TypeVar("T")


def pick(rng: Random, choices: Sequence[T]) -> T:
    return choices[int(rng.random() * len(choices))]


def nth(day: int) -> str:
    """1st, 2nd, 3rd, 4th, ..., 11th, 12th, 13th, ..., 21st, ..."""
    ending = "th" if day in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(day % 10, "th")
    return f"{day}{ending}"


def write_out(day: date, template: str) -> str:
    month, weekday = MONTHS[day.month - 1], WEEKDAYS[day.weekday()]
    return template.format(
        year=day.year,
        yy=f"{day.year % 100:02d}",
        month=month,
        mon=month[:3],
        m=day.month,
        mm=f"{day.month:02d}",
        d=day.day,
        dd=f"{day.day:02d}",
        nth=nth(day.day),
        weekday=weekday,
        wday=weekday[:3],
    )


def dates(rng: Random, count: int) -> Iterator[tuple[str, str]]:
    """A day, a format and a case, each drawn evenly; the target is the day in ISO 8601."""
    days = (LAST_DAY - FIRST_DAY).days + 1
    seen: set[str] = set()
    while len(seen) < count:
        day = FIRST_DAY + timedelta(days=int(rng.random() * days))
        template, case = pick(rng, FORMATS), pick(rng, CASES)
        source = case(write_out(day, template))
        if source not in seen:
            seen.add(source)
            yield source, day.isoformat()


def sums(rng: Random, count: int) -> Iterator[tuple[str, str]]:
    """Two numbers, each of one to three digits, the length drawn before the digits so that short ones are not rare.

    A sum whose mirror image is there already is left out: 8+57 must not give away 57+8.
    """

    def number() -> int:
        length = 1 + int(rng.random() * 3)
        return int(rng.random() * 10**length)

    seen: set[tuple[int, int]] = set()
    while len(seen) < count:
        a, b = number(), number()
        key = (min(a, b), max(a, b))
        if key not in seen:
            seen.add(key)
            yield f"{a}+{b}", str(a + b)


def shuffled(rng: Random, pairs: Iterator[tuple[str, str]]) -> list[tuple[str, str]]:
    """Short sums run out early, so in the order drawn the last lines, often the validation split, have too few."""
    return sorted(pairs, key=lambda _: rng.random())


def write_pairs(path: Path, pairs: list[tuple[str, str]]) -> None:
    path.write_bytes("".join(f"{source}\t{target}\n" for source, target in pairs).encode())


def main() -> None:
    parser = argparse.ArgumentParser(description="Write dates.tsv and sums.tsv.")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent, help="directory to write to")
    parser.add_argument("--seed", type=int, default=1, help="the committed files are those of seed 1")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    for name, make, count in (("dates.tsv", dates, DATES), ("sums.tsv", sums, SUMS)):
        rng = Random(arguments.seed)
        write_pairs(arguments.out / name, shuffled(rng, make(rng, count)))
        print(f"{arguments.out / name}: {count:,} pairs")


if __name__ == "__main__":
    main()
