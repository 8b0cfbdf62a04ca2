"""Printing: results go to stdout, everything else to stderr, and an error is one line in red with an exit code.

Labels, words, names of files and runs, sampled texts and the settings of a model may come from strangers. A terminal
obeys escape sequences in them, and rich obeys [markup]. Therefore everything is printed by the functions in this file.
`write` is for results, which are not changed on their way into a pipe or a file. `stderr`, `stdout`, `notice`, `warn`
and `fail` print for people.
"""

import io
import os
import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import typer
from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from seqcli.core import strict_json
from seqcli.errors import SeqcliError

# Characters that control a terminal: C0 except line end and tab, DEL, and C1. Characters that make a text look like
# another one: the embeddings, overrides and isolates of right-to-left text (its marks are harmless). And lone
# surrogates, which are no characters at all.
STEERING = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
SENTENCE = 2000  # the largest number of characters of a message that are shown


def escaped(char: str) -> str:
    """Return a character as the escape that Python and JSON write for it: \\u001b."""
    return f"\\u{ord(char):04x}"


def shown(text: str) -> str:
    """Return a text in which every character that would control a terminal is replaced by its escape."""
    return STEERING.sub(lambda found: escaped(found[0]), text)


class PlainConsole(Console):
    """A rich console that prints text literally: no [markup], no :emoji:, and control characters as escapes."""

    def __init__(self, *, stderr: bool = False, soft_wrap: bool = False) -> None:
        super().__init__(stderr=stderr, soft_wrap=soft_wrap, markup=False, emoji=False, highlight=False)

    def render_str(self, text: str, **options: Any) -> Text:
        """Return text for a line or a cell of a table, escaped now, so that its width is measured correctly."""
        return super().render_str(shown(text), **options)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Render as rich does, but escape the text. Rich's own control segments, such as colours, are kept."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(shown(segment.text), segment.style)


stderr = PlainConsole(stderr=True, soft_wrap=True)
stdout = PlainConsole()


def use_utf8() -> None:
    """Use UTF-8 on stdin, stdout and stderr whatever the locale is. Lone surrogates are written as '?'.

    A stream that was closed is replaced by the null device, so that reading and writing do not fail.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_RDWR), mode, encoding="utf-8"))
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="replace")


def typed(text: str) -> str:
    """Return a text from the command line, decoded as UTF-8 even if the locale made Python decode it as ASCII."""
    try:
        return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    except UnicodeEncodeError:  # other halves of characters, as some systems' input methods send them
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def notice(text: str) -> None:
    """Print a sentence for the user to stderr, in a dim style."""
    stderr.print(readable(text), style="dim")


def warn(text: str) -> None:
    """Print a warning to stderr, in yellow."""
    stderr.print(readable(text), style="yellow")


def fail(text: str) -> None:
    """Print an error message to stderr. Each of its lines is marked as an error."""
    for line in text.split("\n"):
        stderr.print(Text.assemble(("Error: ", "bold red"), readable(line)))


def readable(text: str) -> str:
    """Return a message, shortened in the middle if it is very long, as it is when it quotes a long text."""
    return text if len(text) <= SENTENCE else f"{text[: SENTENCE // 2]} ... {text[-SENTENCE // 2 :]}"


def write(text: str = "", end: str = "\n") -> None:
    """Write a result to stdout: unchanged into a pipe or a file, with control characters escaped on a terminal."""
    sys.stdout.write((shown(text) if stdout_is_terminal() else text) + end)


def print_json(value: Any) -> None:
    """Print one JSON object to stdout. Control characters are always escaped, which is the same value in JSON."""
    print(shown(strict_json.dumps(value)), flush=True)


def on_terminal() -> bool:
    """Return whether stderr is a terminal that can show a live display."""
    return stderr.is_terminal and os.environ.get("TERM") != "dumb"


@contextmanager
def errors_mapped() -> Iterator[None]:
    """Turn errors within the `with` block that a user can mend into a message and an exit code.

    If the reader of a pipe has closed it, the program ends without a message.
    """
    try:
        yield
        sys.stdout.flush()
    except SeqcliError as error:
        fail(str(error))
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, typer.Abort):
        stderr.print()
        sys.exit(130)
    except BrokenPipeError:
        # the reader (`| head`) has what it wanted; keep Python from complaining while it closes stdout
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except OSError as error:
        fail(f"{error.filename or 'Standard output'}: {error.strerror}.")
        sys.exit(1)
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and "memory" not in str(error).lower():
            raise
        fail(
            "There is not enough memory for this. For a training lower --batch-size, --window, --hidden or "
            "--vocab-size; otherwise ask for less at a time: --num-samples, --beam."
        )
        sys.exit(1)


def figure(form: str, value: Any) -> str:
    """Return a number in the given format, such as "{:.4f}". A fraction of 100,000 or more is written like 1.1e+32.

    Such large numbers occur when a training has gone wrong.
    """
    return (form if not isinstance(value, float) or abs(value) < 1e5 else "{:.1e}").format(value)


def count(n: float) -> str:
    """Return a number with commas: 1234567 becomes 1,234,567."""
    return f"{n:,.0f}"


def duration(seconds: float) -> str:
    """Return a time in seconds in readable form: 8 s, 2:05, or 1:02:05."""
    seconds = max(0, round(seconds))
    if seconds < 60:
        return f"{seconds} s"
    minutes, s = divmod(seconds, 60)
    hours, m = divmod(minutes, 60)
    return f"{hours}:{m:02}:{s:02}" if hours else f"{m}:{s:02}"


def stdout_is_terminal() -> bool:
    """Return whether stdout is a terminal, so that a person reads the results."""
    return sys.stdout.isatty()
