"""What a cell of a table can be: a missing value, a number, a time. Without numpy, for a quick look at a file."""

import re
import unicodedata
from functools import lru_cache
from typing import Literal

_WORDS = "- ? NA na N/A n/a #N/A <NA> NaN nan NAN -NaN -nan NaT null NULL Null None none"
MISSING = frozenset(["", *_WORDS.split()])
HIGHEST = 308  # the largest exponent of a number of 64 bits
ISO = "Write times like 2024-01-31 or 2024-01-31 13:00:00."
Style = Literal["dot", "comma"]  # what parts the fraction of a number
_SIGN, _POWER, _SPACE = r"[+\-\u2212]?", r"(?:[eE][+-]?\d+)?", " \u00a0\u2009\u202f'\u2019"
NUMBERS: dict[str, re.Pattern[str]] = {
    style: re.compile(
        rf"{_SIGN}(?:(?:\d+|[1-9]\d{{0,2}}(?P<t>[{thousands}{_SPACE}])\d{{3}}(?:(?P=t)\d{{3}})*)"
        rf"(?:{point}\d*)?|{point}\d+){_POWER}",
        re.ASCII,
    )
    for style, thousands, point in (("dot", ",", r"\."), ("comma", ".", ","))
}
_REMOVED = re.compile(f"[{_SPACE}]")

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_CLOCK = (
    r"(?:(?P<sep>[ T])(?P<H>00?):(?P<M>00)(?::(?P<S>00)(?:[.,](?P<f>0{1,9}))?)?(?: ?(?P<p>[AP]M))?"
    r"(?P<z>Z| ?[+-]00(?::?00)?)?)?"
)
FORMS = [  # of cells in which every digit is written as 0; a and b are a day and a month in an order not yet known
    re.compile(pattern, re.ASCII)
    for pattern in (
        rf"(?P<Y>0000)(?P<_>[-/.])(?P<m>00?)(?P=_)(?P<d>00?){_CLOCK}",
        rf"(?P<d>00?)\.(?P<m>00?)\.(?P<Y>0000){_CLOCK}",
        rf"(?P<a>00?)(?P<_>[/-])(?P<b>00?)(?P=_)(?P<Y>0000){_CLOCK}",
        rf"(?P<Y>0000)(?P<m>00)(?P<d>00)(?=[ T]){_CLOCK}",
        r"(?P<Y>0000)[-/](?P<m>00)",
        r"(?P<m>00)[-/.](?P<Y>0000)",
        r"(?P<Y>0000)[- ]?Q(?P<q>0)",
        r"Q(?P<q>0)[- ]?(?P<Y>0000)",
        rf"(?P<n>{'|'.join(MONTHS)})[- ](?P<Y>0000)",
        rf"(?P<Y>0000)[- ](?P<n>{'|'.join(MONTHS)})",
    )
]
INTEGER = re.compile(r"[+-]?0{1,15}(?:\.0)?", re.ASCII)  # with .0 as programs write numbers beside missing ones
_TO_ZERO = str.maketrans("123456789", "000000000")
Form = tuple[str, dict[str, tuple[int, int]]]


@lru_cache(maxsize=1000)
def form_of(shape: str) -> Form | None:
    """Return how a cell with this shape is written, like "%Y-%m-%d", and where its parts are; None if it is no time.

    A shape is a cell in which every digit is 0.
    """
    for form in FORMS:
        if match := form.fullmatch(shape):
            parts = {name: match.span(name) for name, text in match.groupdict().items() if text}
            spans = sorted((span, name) for name, span in parts.items() if name not in ("_", "sep"))
            tokens = {"n": "b", "b": "B", "H": "I" if "p" in parts else "H"}
            written, at = "", 0
            for (start, end), name in spans:
                written += shape[at:start] + "%" + tokens.get(name, name)
                at = end
            return written, parts
    return None


def is_date(cell: str) -> bool:
    """Return whether a cell is written like a time, and not like a whole number."""
    return form_of(cell.translate(_TO_ZERO)) is not None


def is_clock(cell: str) -> bool:
    """Return whether a cell is a time of day without a date."""
    return re.fullmatch(r"\d\d?:\d\d(:\d\d)?( ?[AP]M)?", cell) is not None


def is_integer(cell: str) -> bool:
    """Return whether a cell is a whole number, as the steps of a series are."""
    return INTEGER.fullmatch(cell.translate(_TO_ZERO)) is not None and float(cell).is_integer()


def styles_of(cell: str) -> set[str]:
    """Return how the fraction of a number may be written so that this cell is one; none if it is no number."""
    return {style for style, pattern in NUMBERS.items() if pattern.fullmatch(cell)}


def is_number(cell: str) -> bool:
    """Return whether a cell is a number in any style."""
    return bool(styles_of(cell))


def why_not(cell: str) -> str:
    """Return what a cell has that is no number, in words."""
    plain = cell.strip()
    if re.fullmatch(r"[+-]?inf(?:inity)?", plain, re.IGNORECASE):
        return "an infinite value"
    if is_number(plain):
        exponent = re.search(r"[eE]\+?(\d+)$", plain)
        return "an infinite value" if exponent and int(exponent[1][:9]) > HIGHEST else "a number beyond 1e100"
    rest = re.sub(r"[\d.,'\s+\-]", "", cell)
    if rest == "%":
        return "a percent sign; write the number alone"
    if rest and all(unicodedata.category(sign) == "Sc" for sign in rest):
        return "a currency sign; write the number alone"
    return "no number"


def number(cell: str, style: Style) -> float:
    """Return the number in a cell, NaN for a missing one. Raises ValueError if it is none."""
    cell = cell.strip()
    if cell in MISSING:
        return float("nan")
    if not NUMBERS[style].fullmatch(cell):
        raise ValueError
    cell = _REMOVED.sub("", cell).replace("\u2212", "-")
    return float(cell.replace(",", "") if style == "dot" else cell.replace(".", "").replace(",", "."))
