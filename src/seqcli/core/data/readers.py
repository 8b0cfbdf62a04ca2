"""Finding and reading text files: block by block or line by line, checked and decoded, in constant memory."""

import codecs
import itertools
import os
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Literal

from seqcli.core.config import SHORT
from seqcli.core.data.filetypes import BEGINNING, advice_for, not_a_text
from seqcli.core.files import files_below
from seqcli.errors import ConfigError, DataError

BLOCK = 1 << 20  # bytes that are read at a time
Invalid = Literal["error", "replace"]


def find_texts(files: Iterable[str | Path]) -> list[Path]:
    """Return the paths of text files: the files named, and all .txt files in the directories named.

    The files in a directory are sorted. Raises ConfigError for anything that is no name; DataError when something is
    missing or cannot be read, or when all files are empty.
    """
    found: list[Path] = []
    for path in map(path_of, files):
        if stat.S_ISDIR(_mode(path)):
            texts = files_below(path, ".txt")
            if not texts:
                raise DataError(f"The directory {path} holds no .txt file.")
            found += texts
        else:
            check_regular(path)
            found.append(path)
    if not found:
        raise DataError("No text file was given.")
    if all(path.stat().st_size == 0 for path in found):
        raise DataError(f"{found[0]} is empty; give it some text.")
    return found


def path_of(name: str | Path) -> Path:
    """Return the path of one file. Raises ConfigError for an empty name, and for anything that is no name."""
    if not isinstance(name, (str, os.PathLike)):
        raise ConfigError(f"A file is named by a text or a path, not by {SHORT.repr(name)}; give one at a time.")
    if not os.fspath(name):
        raise ConfigError("The name of a file is empty.")  # as a Path it would be the current directory
    return Path(name)


def check_regular(path: Path) -> None:
    """Raise DataError unless this is a regular file. Opening a pipe may block forever, and a device may have no end."""
    mode = _mode(path)
    if stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode):
        raise DataError(f"{path} is a pipe, and data are read more than once: save them to a file, and give that.")
    if not stat.S_ISREG(mode):
        raise DataError(f"{path} is a {'directory' if stat.S_ISDIR(mode) else 'device'}; give a file.")


def _mode(path: Path) -> int:
    """Return the mode of a file, which says what kind of file it is. Raises DataError when there is none."""
    try:
        return path.stat().st_mode
    except FileNotFoundError:
        raise DataError(f"There is no file {path}.") from None
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.") from None
    except ValueError:  # the name has a NUL in it
        raise DataError(f"{str(path)!r} is no name that a file can have.") from None


def find_files(files: Sequence[str | Path]) -> list[Path]:
    """Return the paths of the files named. Raises DataError when one is missing or a directory, or all are empty.

    Files of pairs or of labelled texts are named one by one, so unlike in `find_texts` a directory is an error.
    """
    for name in files:
        if path_of(name).is_dir():
            raise DataError(f"{name} is a directory; give the files in it.")
    return find_texts(files)


def read_blocks(
    paths: Iterable[Path], *, invalid: Invalid = "error", raw: bool = False, lines: bool = False
) -> Iterator[str]:
    """Yield the text of the files, one after the other, in blocks of about 1 MiB.

    A block ends at the end of a line, unless the line is longer than a block. A byte order mark is dropped, and CRLF
    and CR become LF. With `raw`, which is for the byte tokenizer, every byte is kept as it is; bytes that are not UTF-8
    become lone surrogates (PEP 383). If a file does not end with a line end, one is added before the next file; with
    `raw` only if `lines` says that lines matter. Raises DataError for invalid UTF-8, with line and byte offset, unless
    `invalid` is "replace".
    """
    last = "\n"
    for path in paths:
        if not last.endswith("\n") and (lines or not raw):
            yield "\n"  # so that every file starts on a line of its own
        try:
            for last in _read_file(path, invalid, raw):
                yield last
        except OSError as error:
            raise DataError(f"{path} cannot be read: {error.strerror}.") from None


def read_lines(path: Path, *, invalid: Invalid = "error") -> Iterator[str]:
    """Yield the lines of a file without their line ends. They are read and checked as in `read_blocks`."""
    held = ""
    try:
        for block in _read_file(path, invalid, raw=False):
            *lines, held = (held + block).split("\n")
            yield from lines
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.") from None
    if held:
        yield held


def _read_file(path: Path, invalid: Invalid, raw: bool) -> Iterator[str]:
    """Yield the text of one file in blocks; see `read_blocks`."""
    held, offset, line = b"", 0, 1
    with path.open("rb") as file:
        while True:
            data = file.read(BLOCK)
            block = held + data
            if not block:
                break
            if offset == 0 and not raw:
                if complaint := not_a_text(block[:BEGINNING], str(path)):
                    raise DataError(complaint)
                if block.startswith(codecs.BOM_UTF8):
                    block, offset = block[3:], 3
            cut = _cut(block) if data else len(block)
            block, held = block[:cut], block[cut:]
            text = block.decode("utf-8", "surrogateescape") if raw else _decode(block, path, offset, line, invalid)
            offset += cut
            line += block.count(b"\n")
            if not raw and "\r" in text:
                text = text.replace("\r\n", "\n").replace("\r", "\n")
            if text:
                yield text


def _cut(block: bytes) -> int:
    """Return where to cut a block: after its last line end, else before its last ASCII byte, else between characters.

    A cut before an ASCII byte splits no character, and it never separates a combining mark from its letter.
    """
    newline = block.rfind(b"\n")
    if newline >= 0:
        return newline + 1
    for back in range(1, min(len(block), 4096)):
        if block[-back] < 0x80 and block[-back] not in b"\r":
            return len(block) - back
    for back in range(1, min(len(block), 4) + 1):
        if block[-back] & 0xC0 != 0x80:
            return len(block) - back
    return len(block)


def _decode(block: bytes, path: Path, offset: int, line: int, invalid: Invalid) -> str:
    """Decode a block that begins at byte `offset`, on line number `line`. Raises DataError; see `read_blocks`."""
    try:
        text = block.decode("utf-8")
    except UnicodeDecodeError as error:
        if invalid == "error":
            at = line + block.count(b"\n", 0, error.start)
            raise DataError(
                f"{path}, line {at}: byte {offset + error.start} (0x{block[error.start]:02x}) is not UTF-8. "
                + advice_for(block, str(path))
            ) from None
        text = block.decode("utf-8", "replace")
    if invalid == "error" and "\0" in text:
        start = block.index(b"\0")
        at = line + block.count(b"\n", 0, start)
        raise DataError(f"{path}, line {at}: byte {offset + start} is NUL. {advice_for(block, str(path))}")
    return text


def tell_skipped(say: Callable[[str], None], skipped: int, names: object) -> None:
    """Tell the user how many bad lines of these files were skipped, if any were."""
    if skipped:
        say(f"{skipped} bad line{'s' * (skipped > 1)} of {names} passed over.")


def blocks(lines: Iterable[str], separator: str) -> Iterator[str]:
    """Join lines into blocks of 10,000, with `separator` in between, to train a tokenizer on."""
    rest = iter(lines)
    while part := list(itertools.islice(rest, 10_000)):
        yield separator.join(part)


MEND = "Mend it, or pass such lines over with --skip-bad-lines."


def bad_line(path: Path, number: int, what: str, line: str, advice: str = "") -> DataError:
    """Return the error for a bad line, which says where it is, what is wrong, how it begins, and what to do.

    `number` is the number of the line, counted from 1.
    """
    shown = line if len(line) <= 60 else line[:57] + "..."
    return DataError(f"{path}, line {number}: {what}: {shown!r}." + (f" {advice}" if advice else ""))
