"""Lines of text from a pipe as they arrive, or typed at a prompt."""

import contextlib
import os
import sys
from collections.abc import Callable, Iterator, Sequence

from seqcli.cli import console

Show = Callable[[Sequence[str]], None]


def each_line(show: Show, fail: Callable[[str], None]) -> None:
    """Standard input line by line: whatever has arrived is shown together, before more is awaited.

    A line that is not UTF-8 goes to `fail`, with what is wrong with it; the others go on.
    """
    for lines in arriving_lines(sys.stdin.fileno()):
        good: list[str] = []
        for line in lines:
            try:
                good.append(line.decode("utf-8").rstrip("\r"))
            except UnicodeDecodeError as error:
                show(good)
                good = []
                fail(f"is not UTF-8 (its byte {error.start + 1})")
        show(good)


def arriving_lines(fd: int) -> Iterator[Sequence[bytes]]:
    """The lines of a stream as they come in, some at a time, without their ends."""
    held = b""
    while data := os.read(fd, 1 << 16):
        *lines, held = (held + data).split(b"\n")
        if lines:
            yield lines
    if held:
        yield [held]


def converse(show: Show) -> None:
    """A prompt on the terminal, with history; Ctrl-D ends it."""
    with contextlib.suppress(ImportError):
        import readline  # noqa: F401 - gives input() its history and editing
    console.notice("Type a line and Enter; Ctrl-D ends.")
    while True:
        try:
            line = input("> ")
        except EOFError:
            print()
            return
        show([console.typed(line)])
