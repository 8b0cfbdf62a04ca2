"""Completion in bash of values with colons, as in `--config recipe:ch`, and of the form `--option=value`.

Bash splits the words of a command line at the characters in COMP_WORDBREAKS, which include `:` and `=`. So a program
that is asked to complete `--config recipe:ch` gets the three words `recipe`, `:` and `ch`, and its answer replaces only
`ch`. Typer does not know that. Therefore the parts are joined before typer reads them, and the beginning that bash
keeps is removed from its answers.
"""

import io
import os
from collections.abc import Callable
from contextlib import redirect_stdout

from seqcli.cli import console

VARIABLE = "_SEQCLI_COMPLETE"  # set by the script that a shell runs when TAB is pressed
BREAKS = frozenset(":=")


def answer(complete: Callable[[], object]) -> None:
    """Run `complete`, which writes the completions to stdout, one on each line, after joining the words of bash.

    Unless bash is asking for a completion, `complete` is run without any change.
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
    """Join the words that bash has split at a colon or an equals sign.

    `current` is the number of the word to complete. Returns the joined words, the new number of that word, and the
    number of characters in it before the part that bash will replace. An empty word means that a space was typed, so it
    begins a new word.
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
    """Return the text that bash must put in place of the word after its first `cut` characters to get `value`."""
    name, sign, _ = typed.partition("=")
    start = len(name) + 1 if sign and name.startswith("--") else 0  # where the value begins in the word
    return value[cut - start :] if cut >= start else typed[cut:start] + value
