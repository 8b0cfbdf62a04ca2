"""Tokens as people can see them, in one line and in terminal columns."""

import unicodedata
from collections.abc import Iterator

from rich.cells import cell_len

from seqcli.cli.console import escaped

SIGNS = {"\n": "⏎", "\t": "⇥", "\r": "␍"}
JOINER = "\u200d"
ELLIPSIS = "…"


def visible(token: str) -> str:
    """The token in one line: spaces as ␣, line ends as ⏎, nothing at all as ∅, the end as ∎, other unseen
    characters as \\uXXXX.
    """
    if token == "<eos>":
        return "∎"
    text = "".join(map(_sign, unicodedata.normalize("NFC", token)))
    if not text:
        return "∅"
    if cell_len(text) == 0 or unicodedata.combining(text[0]):
        return "◌" + text  # a mark needs something to stand on
    return text


def one_line(text: str) -> str:
    """The text as a heading: any run of spaces and line ends is a space, other unseen characters are \\uXXXX."""
    return " ".join("".join(map(_sign, word)) for word in text.split())


def _sign(char: str) -> str:
    if char in SIGNS:
        return SIGNS[char]
    category = unicodedata.category(char)
    if category == "Zs":
        return "␣"
    if category in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp") and char != JOINER:
        return escaped(char)
    return char


def clusters(text: str) -> Iterator[str]:
    """The characters as a reader counts them: each with its marks, joined emoji as one."""
    cluster = ""
    for char in text:
        if cluster and not _joins(cluster, char):
            yield cluster
            cluster = ""
        cluster += char
    if cluster:
        yield cluster


def _joins(cluster: str, char: str) -> bool:
    if cluster.endswith(JOINER) or char == JOINER or cell_len(char) == 0 or unicodedata.category(char)[0] == "M":
        return True
    if "\U0001f3fb" <= char <= "\U0001f3ff":  # skin tones
        return True
    return _is_flag_half(char) and len(cluster) == 1 and _is_flag_half(cluster)


def _is_flag_half(char: str) -> bool:
    return "\U0001f1e6" <= char <= "\U0001f1ff"


def cut(text: str, width: int) -> str:
    """The text in at most `width` terminal columns; what was cut off is an ellipsis."""
    if cell_len(text) <= width:
        return text
    kept = ""
    for cluster in clusters(text):
        if cell_len(kept + cluster) > width - 1:
            break
        kept += cluster
    return kept + ELLIPSIS if width > 0 else ""


def padded(text: str, width: int, align: str = "left") -> str:
    """The text in exactly `width` terminal columns, `align` being left, right or center."""
    text = cut(text, width)
    room = width - cell_len(text)
    before = {"left": 0, "center": room // 2, "right": room}[align]
    return " " * before + text + " " * (room - before)
