"""Answering lines of text that are given on the command line, arrive from a pipe, or are typed at a prompt."""

import contextlib
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import ClassVar

from seqcli.cli import console

Show = Callable[[Sequence[str]], None]


class Printer:
    """The base of the commands' printers, which print the answers to lines in the order of the lines.

    `line` is the number of the last line of the input that was answered. The answer to a line that could not be read is
    an empty line, or `nothing` when the answers are JSON.
    """

    nothing: ClassVar[dict[str, object]]

    def __init__(self, *, json: bool = False, quiet: bool = False) -> None:
        self.json, self.quiet = json, quiet
        self.line = 0
        self.failed = False

    def fail(self, why: str) -> None:
        """Tell the user why the next line could not be read, and print the empty answer for it."""
        self.line += 1
        self.failed = True
        console.fail(f"Line {self.line} of the input {why}; an empty line stands for it.")
        console.print_json(self.nothing) if self.json else console.write()


def answer(texts: Sequence[str] | None, show: Show, out: Printer) -> None:
    """Show the answers to the texts from the command line. Without any, answer the lines of standard input.

    If standard input is a terminal, a prompt is shown for them. Exits with code 1 when a line could not be read.
    """
    if texts:
        show([console.typed(text) for text in texts])
    elif sys.stdin.isatty():
        converse(show)
    else:
        each_line(show, out.fail)
        if out.failed:
            raise SystemExit(1)


def each_line(show: Show, fail: Callable[[str], None]) -> None:
    """Read standard input line by line, and call `show` with all lines that have arrived before waiting for more.

    For a line that is not UTF-8, `fail` is called with what is wrong, and reading continues.
    """
    first = True
    for lines in arriving_lines(sys.stdin.fileno()):
        good: list[str] = []
        for line in lines:
            try:
                good.append(line.decode("utf-8-sig" if first else "utf-8").rstrip("\r"))
            except UnicodeDecodeError as error:
                show(good)
                good = []
                fail(f"is not UTF-8 (its byte {error.start + 1})")
            first = False
        show(good)


def arriving_lines(fd: int) -> Iterator[Sequence[bytes]]:
    """Yield the lines of a stream without their ends, several at a time, as they arrive. `fd` is a file descriptor."""
    held: list[bytes] = []  # parts of a line that has not ended
    while data := os.read(fd, 1 << 16):
        first, *lines = data.split(b"\n")
        held.append(first)
        if lines:
            yield [b"".join(held), *lines[:-1]]
            held = [lines[-1]]
    if rest := b"".join(held):
        yield [rest]


def converse(show: Show) -> None:
    """Answer what is typed at a prompt, which keeps a history, until Ctrl-D ends it."""
    with contextlib.suppress(ImportError):
        import readline  # noqa: F401 - gives input() its history and editing
    person = console.stdout_is_terminal()
    console.notice("Type a line and Enter; Ctrl-D ends.")
    while True:
        try:
            if not person:
                console.stderr.print("> ", end="")  # input() would write it among the results
            line = input("> " if person else "")
        except EOFError:
            console.stderr.print()
            return
        show([console.typed(line)])
