"""What bash needs beside what typer does for it, so that values with colons and `--option=value` are completed.

Bash takes the words of a command line apart at the characters in COMP_WORDBREAKS, to which `:` and `=` belong: a
program that completes `--config recipe:ch` is given the three words `recipe`, `:` and `ch`, and what it answers takes
the place of `ch` alone. So the parts are joined before typer reads them, and what stands before the last part is taken
off the answers.
"""

import io
import os
from collections.abc import Callable
from contextlib import redirect_stdout

from seqcli.cli import console

VARIABLE = "_SEQCLI_COMPLETE"  # set by the script that a shell runs when TAB is pressed
BREAKS = frozenset(":=")


def answer(complete: Callable[[], object]) -> None:
    """Run `complete`, which writes what bash is offered, one a line, to stdout, with its words joined.

    Anything but a completion in bash is left to `complete` as it is.
    """
    words, current = os.environ.get("COMP_WORDS", "").split("\n"), os.environ.get("COMP_CWORD", "")
    if os.environ.get(VARIABLE) != "complete_bash" or not current.isdecimal():
        complete()
        return
    words, number, cut = joined(words, int(current))
    os.environ["COMP_WORDS"], os.environ["COMP_CWORD"] = "\n".join(words), str(number)
    typed = words[number] if number < len(words) else ""
    offered = io.StringIO()
    try:
        with redirect_stdout(offered):
            complete()
    finally:
        for value in offered.getvalue().splitlines():
            console.write(completing(typed, value, cut))


def joined(words: list[str], current: int) -> tuple[list[str], int, int]:
    """Join the words that bash has parted at a colon or an equals sign.

    `current` is the number of the word to complete. Returns the words, the new number of that word, and how many of its
    characters stand before the part that bash replaces. An empty word follows a space, so it begins a word of its own.
    """
    found: list[str] = []
    number, cut = len(words), 0
    glue = False
    for k, word in enumerate(words):
        sign = bool(word) and BREAKS.issuperset(word)
        if found and word and (glue or sign):
            before = len(found[-1])
            found[-1] += word
        else:
            before = 0
            found.append(word)
        if k == current:
            number, cut = len(found) - 1, len(found[-1]) if sign else before
        glue = sign
    return found, min(number, len(found)), cut


def completing(typed: str, value: str, cut: int) -> str:
    """Return what takes the place of the part of a word after its first `cut` characters, to make its value `value`."""
    name, sign, _ = typed.partition("=")
    start = len(name) + 1 if sign and name.startswith("--") else 0  # where the value begins in the word
    return value[cut - start :] if cut >= start else typed[cut:start] + value
