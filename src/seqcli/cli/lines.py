"""Lines of text from a pipe as they arrive, or typed at a prompt."""

import contextlib
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import ClassVar

from seqcli.cli import console

Show = Callable[[Sequence[str]], None]


class Printer:
    """Prints the answers to lines, in their order; the base of those of the commands.

    `line` is the number of the last line of the input that was answered. A line that could not be read is answered by
    an empty one, or by `nothing` where the answers are JSON.
    """

    nothing: ClassVar[dict[str, object]]

    def __init__(self, *, json: bool = False, quiet: bool = False) -> None:
        self.json, self.quiet = json, quiet
        self.line = 0
        self.failed = False

    def fail(self, why: str) -> None:
        """Say why the next line could not be read, and answer it all the same."""
        self.line += 1
        self.failed = True
        console.fail(f"Line {self.line} of the input {why}; an empty line stands for it.")
        console.print_json(self.nothing) if self.json else console.write()


def answer(texts: Sequence[str] | None, show: Show, out: Printer) -> None:
    """Show the answers to texts from the command line, else to what is typed at a prompt, else to standard input.

    Exits with 1 when a line of the input could not be read.
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
    """Standard input line by line: whatever has arrived is shown together, before more is awaited.

    A line that is not UTF-8 goes to `fail`, with what is wrong with it; the others go on.
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
    """The lines of a stream as they come in, some at a time, without their ends."""
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
    """A prompt on the terminal, with history; Ctrl-D ends it."""
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
