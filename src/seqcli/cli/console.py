"""Where words go: results to stdout, everything else to stderr; and errors as one red line with an exit code.

Labels, words, names of files and runs, sampled text and settings of a model come from others. A terminal obeys escape
sequences in them, and rich obeys [markup]; so nothing is printed but through this file. `write` is for results, which
reach a pipe or a file as they are; `stderr`, `stdout`, `notice`, `warn` and `fail` print for people.
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

# What steers a terminal: C0 but line end and tab, DEL, C1. What makes text read as something else: the embeddings,
# overrides and isolates of right-to-left text (its marks are harmless). And lone surrogates, which are no characters.
STEERING = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")

SENTENCE = 2000  # characters of one


def escaped(char: str) -> str:
    """A character by its number, as Python and JSON write it: \\u001b."""
    return f"\\u{ord(char):04x}"


def shown(text: str) -> str:
    """Text of others as a terminal may have it: what would steer it stands there by its number."""
    return STEERING.sub(lambda found: escaped(found[0]), text)


class PlainConsole(Console):
    """A rich console that takes text as it is: no markup in it, no :emoji:, and nothing that steers the terminal."""

    def __init__(self, *, stderr: bool = False, soft_wrap: bool = False) -> None:
        super().__init__(stderr=stderr, soft_wrap=soft_wrap, markup=False, emoji=False, highlight=False)

    def render_str(self, text: str, **options: Any) -> Text:
        """Text for a line or the cell of a table, which is as wide as what will be seen of it."""
        return super().render_str(shown(text), **options)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """As rich renders it; styles and movements are not text, and stay."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(shown(segment.text), segment.style)


stderr = PlainConsole(stderr=True, soft_wrap=True)
stdout = PlainConsole()


def use_utf8() -> None:
    """UTF-8 on all streams, whatever the locale; lone surrogates are shown as '?'. A closed stream is an empty one."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_RDWR), mode, encoding="utf-8"))
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="replace")


def typed(text: str) -> str:
    """Text from the command line as UTF-8, also where the locale made Python read it as ASCII and escape the rest."""
    try:
        return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    except UnicodeEncodeError:  # other halves of characters, as some systems' input methods send them
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def notice(text: str) -> None:
    """A sentence for the user, on stderr."""
    stderr.print(readable(text), style="dim")


def warn(text: str) -> None:
    """A sentence that the user should see, on stderr."""
    stderr.print(readable(text), style="yellow")


def fail(text: str) -> None:
    """What went wrong, on stderr; one line for each sentence of a list."""
    for line in text.split("\n"):
        stderr.print(Text.assemble(("Error: ", "bold red"), readable(line)))


def readable(text: str) -> str:
    """A sentence, without the middle of it where it quotes what nobody reads to its end."""
    return text if len(text) <= SENTENCE else f"{text[: SENTENCE // 2]} ... {text[-SENTENCE // 2 :]}"


def write(text: str = "", end: str = "\n") -> None:
    """A result, on stdout: as it is into a pipe or a file, harmless on a terminal."""
    sys.stdout.write((shown(text) if stdout_is_terminal() else text) + end)


def print_json(value: Any) -> None:
    """One JSON object, on stdout. What would steer a terminal is escaped, which is the same JSON, in a pipe too."""
    print(shown(strict_json.dumps(value)), flush=True)


def on_terminal() -> bool:
    """Whether live displays make sense: stderr is a terminal."""
    return stderr.is_terminal and os.environ.get("TERM") != "dumb"


@contextmanager
def errors_mapped() -> Iterator[None]:
    """Turns what a user can mend into a sentence and an exit code, and a closed pipe into a quiet end."""
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
    """A figure in this form ("{:.4f}"); one of 100,000 or more, which a training gone wrong may have, as 1.1e+32."""
    return (form if not isinstance(value, float) or abs(value) < 1e5 else "{:.1e}").format(value)


def count(n: float) -> str:
    """1234567 -> 1,234,567."""
    return f"{n:,.0f}"


def duration(seconds: float) -> str:
    """Seconds for people: 8 s, 2:05, 1:02:05."""
    seconds = max(0, round(seconds))
    if seconds < 60:
        return f"{seconds} s"
    minutes, s = divmod(seconds, 60)
    hours, m = divmod(minutes, 60)
    return f"{hours}:{m:02}:{s:02}" if hours else f"{m}:{s:02}"


def stdout_is_terminal() -> bool:
    """Whether results are read by a person now."""
    return sys.stdout.isatty()
