"""Making tokens visible, and fitting text into columns of a terminal."""

import unicodedata
from collections.abc import Iterator

from rich.cells import cell_len

from seqcli.cli.console import escaped

SIGNS = {"\n": "⏎", "\t": "⇥", "\r": "␍"}
JOINER = "\u200d"
ELLIPSIS = "…"


def visible(token: str) -> str:
    """Return a token in a visible form, on one line.

    A space becomes ␣, a line end ⏎, an empty token ∅ and <eos> ∎. Other invisible characters become \\uXXXX.
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
    """Return a text on one line: spaces and line ends become single spaces, other invisible characters \\uXXXX."""
    return " ".join("".join(map(_sign, word)) for word in text.split())


def _sign(char: str) -> str:
    """Return one character in a visible form; see `visible`."""
    if char in SIGNS:
        return SIGNS[char]
    category = unicodedata.category(char)
    if category == "Zs":
        return "␣"
    if category in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp") and char != JOINER:
        return escaped(char)
    return char


def clusters(text: str) -> Iterator[str]:
    """Yield the characters of a text as a reader counts them.

    A letter with its marks is one, and so is an emoji that is made of several code points.
    """
    cluster = ""
    for char in text:
        if cluster and not _joins(cluster, char):
            yield cluster
            cluster = ""
        cluster += char
    if cluster:
        yield cluster


def _joins(cluster: str, char: str) -> bool:
    """Return whether a code point belongs to the same character as the code points before it."""
    if cluster.endswith(JOINER) or char == JOINER or cell_len(char) == 0 or unicodedata.category(char)[0] == "M":
        return True
    if "\U0001f3fb" <= char <= "\U0001f3ff":  # skin tones
        return True
    return _is_flag_half(char) and len(cluster) == 1 and _is_flag_half(cluster)


def _is_flag_half(char: str) -> bool:
    return "\U0001f1e6" <= char <= "\U0001f1ff"


def cut(text: str, width: int) -> str:
    """Return the text cut to at most `width` terminal columns. If anything is cut off, it ends with an ellipsis."""
    if cell_len(text) <= width:
        return text
    kept = ""
    for cluster in clusters(text):
        if cell_len(kept + cluster) > width - 1:
            break
        kept += cluster
    return kept + ELLIPSIS if width > 0 else ""


def padded(text: str, width: int, align: str = "left") -> str:
    """Return the text cut or padded to exactly `width` terminal columns. `align` is left, right or center."""
    text = cut(text, width)
    room = width - cell_len(text)
    before = {"left": 0, "center": room // 2, "right": room}[align]
    return " " * before + text + " " * (room - before)
