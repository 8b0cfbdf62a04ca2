"""Reading and writing files of word vectors: GloVe text, word2vec text and binary, and fastText .vec.

    glove             one line for each word: the word and its numbers, "the 0.1 -0.2 ..."
    word2vec          the same after a first line with number of words and width, "400000 100"; so is fastText's .vec
    word2vec-binary   such a first line; then for each word its bytes, a space, float32 numbers, and maybe a line end

The format is recognized by the first bytes of a file. Files are read as a stream and only the vectors of wanted words
are kept, so a file may be larger than memory.
"""

import codecs
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal

import numpy as np
from numpy.typing import NDArray

from seqcli.core.data.readers import check_regular
from seqcli.core.files import writing
from seqcli.errors import DataError

Form = Literal["glove", "word2vec", "word2vec-binary"]
BLOCK = 1 << 22  # bytes that are read at a time
LONGEST = 4096  # the largest number of bytes of a word; anything longer cannot be one
WIDEST = 1 << 16  # the largest width of a vector
DIGITS = 26  # the largest number of bytes of a number in a text, with its space


@dataclass(frozen=True)
class Head:
    """What the beginning of a file says: its format, the number of vectors (None if it does not say), their width."""

    form: Form
    count: int | None
    width: int


@dataclass(frozen=True)
class Vectors:
    """Words and their vectors (n, D). `duplicates` is the number of vectors skipped because their word came twice."""

    words: list[str]
    matrix: NDArray[np.float32]
    duplicates: int


# --- reading --------------------------------------------------------------------------------------------------------


def read_head(path: str | Path) -> Head:
    """Recognize the format and width of a file of word vectors. Raises DataError when it is no such file."""
    path = Path(path)
    with _opened(path) as file:
        first = file.readline(BLOCK)
        if not first.strip():
            raise DataError(f"{path} holds no word vectors: it is empty or begins with an empty line.")
        fields = first.split()
        if not first.endswith(b"\n") and len(first) == BLOCK:
            raise DataError(f"{path} is no file of word vectors: its first line has no end.")
        if len(fields) == 2 and all(field.isdigit() for field in fields):
            if max(map(len, fields)) > 18:
                raise DataError(f"{path}, line 1: {first[:40]!r} are no number and width of word vectors.")
            count, width = map(int, fields)
            if count < 1 or width < 1:
                raise DataError(f"{path}, line 1: {count} vectors of width {width}: there is nothing to read.")
            _check_width(path, width)
            body = file.read(LONGEST + DIGITS * width)
            return Head("word2vec" if _is_text(body, count, width) else "word2vec-binary", count, width)
    if len(fields) < 2:
        raise DataError(
            f"{path}, line 1: there is no vector behind the word. A line is a word and its numbers, with spaces "
            "between, or the file begins with the number of words and their width."
        )
    _check_width(path, len(fields) - 1)
    return Head("glove", None, len(fields) - 1)


def _check_width(path: Path, width: int) -> None:
    """Raise DataError for a width that no file of word vectors has."""
    if width > WIDEST:
        raise DataError(f"{path}, line 1: a width of {width} is not that of word vectors.")


def _is_text(body: bytes, count: int, width: int) -> bool:
    """Return whether the bytes after a first line with number and width are text, not binary.

    They are if the next line ends with `width` numbers. That line may be damaged; so they are text too if all of them
    are printable UTF-8, which the bytes of float32 numbers hardly ever are. A file with few such bytes might be; it
    counts as binary if its length is exactly that of a binary file.
    """
    fields = body.partition(b"\n")[0].split()
    if len(fields) > width and all(map(_is_number, fields[-width:])):
        return True
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(body)  # incremental: the last character may be cut off
    except UnicodeDecodeError:
        return False
    typed = all(char.isprintable() or char.isspace() for char in text)
    return typed and not _is_whole_binary(body, count, width)


def _is_whole_binary(body: bytes, count: int, width: int) -> bool:
    """Return whether these bytes are exactly `count` words, each followed by `width` float32 numbers."""
    at = 0
    for _ in range(count):
        space = body.find(b" ", at)
        if space < 0:
            return False
        at = space + 1 + 4 * width
        at += body[at : at + 1] == b"\n"
    return at == len(body)


def read_vectors(path: str | Path, wanted: Collection[str] | None = None) -> Vectors:
    """Read the vectors of the wanted words (None: of all words). If a word comes twice, its first vector counts.

    Raises DataError, with the line or the number of the vector, when the file is cut short, a word is not UTF-8, or a
    vector has another width or numbers that are not finite.
    """
    path = Path(path)
    head = read_head(path)
    words: dict[str, None] = {}
    rows: list[NDArray[np.float32]] = []
    duplicates = 0
    records = _binary(path, head) if head.form == "word2vec-binary" else _lines(path, head)
    for place, raw, numbers in records:
        try:
            word = raw.decode("utf-8")
        except UnicodeDecodeError:
            raise DataError(f"{path}, {place}: the word {raw[:40]!r} is not UTF-8.") from None
        if word in words:
            duplicates += 1
        elif wanted is None or word in wanted:
            words[word] = None
            rows.append(_parsed(path, place, word, numbers))
    matrix = np.stack(rows) if rows else np.zeros((0, head.width), np.float32)
    return Vectors(list(words), matrix, duplicates)


def _opened(path: Path) -> IO[bytes]:
    """Open a file for reading. Raises DataError."""
    check_regular(path)
    try:
        return path.open("rb", BLOCK)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.") from None


Record = tuple[str, bytes, bytes]  # where it is in the file, the word, its numbers as they are in the file


def _lines(path: Path, head: Head) -> Iterator[Record]:
    """Yield the records of a text file."""
    width, read = head.width, 0
    with _opened(path) as file:
        for number, line in enumerate(file, 1):
            if number == 1 and head.count is not None:
                continue
            text = line.replace(b"\t", b" ").rstrip() if b"\t" in line else line.rstrip()
            if number == 1:
                text = text.removeprefix(b"\xef\xbb\xbf")
            if not text:
                continue
            if text.count(b" ") == width:
                word, _, numbers = text.partition(b" ")
            else:
                word, numbers = _with_spaces(path, number, text, width)
            read += 1
            yield f"line {number}", word, numbers
    if head.count is not None and read != head.count:
        raise DataError(
            f"{path} has {read} vectors, but its first line says {head.count}: "
            + ("it was cut short." if read < head.count else "it is damaged.")
        )


def _with_spaces(path: Path, number: int, text: bytes, width: int) -> tuple[bytes, bytes]:
    """Split a line, whose number of spaces is not the width, into the word and its numbers.

    The word may have spaces in it, as in some files of GloVe, or there may be several spaces between the numbers.
    Raises DataError when the line has another number of numbers.
    """
    parts = text.rsplit(b" ", width)
    fields = text.split()
    if len(parts) == width + 1 and len(fields) > width + 1 and not _is_number(fields[-width - 1]):
        return parts[0], text[len(parts[0]) + 1 :]
    if len(fields) == width + 1:  # several spaces between numbers
        return fields[0], b" ".join(fields[1:])
    raise DataError(
        f"{path}, line {number}: {max(0, len(fields) - 1)} numbers where a vector has {width}; "
        "the file is damaged or cut short."
    )


def _binary(path: Path, head: Head) -> Iterator[Record]:
    """Yield the records of a binary file."""
    assert head.count is not None
    size = 4 * head.width
    with _opened(path) as file:
        file.readline()
        held, at = b"", 0  # bytes that have been read, and how many of them have been used
        for number in range(1, head.count + 1):
            place = f"vector {number} of {head.count}"
            while (space := held.find(b" ", at)) < 0 or len(held) < space + 1 + size:
                if space < 0 and len(held) - at > LONGEST:
                    raise DataError(f"{path}, {place}: there is no word here; the file is damaged.")
                more = file.read(BLOCK)
                if not more:
                    raise DataError(f"{path} ends within {place}: it was cut short.")
                held, at = held[at:] + more, 0
            yield place, held[at:space].lstrip(b"\n"), held[space + 1 : space + 1 + size]
            at = space + 1 + size


def _parsed(path: Path, place: str, word: str, numbers: bytes) -> NDArray[np.float32]:
    """Return the vector (D,) that the numbers of a record stand for. Raises DataError."""
    binary = place.startswith("vector")
    try:
        row = np.frombuffer(numbers, "<f4") if binary else np.array(numbers.split(b" "), dtype=np.float32)
    except ValueError:
        strange = next(part for part in numbers.split(b" ") if not _is_number(part)).decode("utf-8", "replace")
        raise DataError(f"{path}, {place}: {strange!r} is no number.") from None
    if not np.isfinite(row).all():
        raise DataError(f"{path}, {place}: the vector of {word!r} has numbers that are not finite.")
    return row.astype(np.float32)


def _is_number(text: bytes) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


# --- writing --------------------------------------------------------------------------------------------------------


def write_vectors(path: str | Path, words: Sequence[str], matrix: NDArray[Any], form: Form) -> None:
    """Write words and their vectors (n, D) to a file, atomically: `path` is at every moment complete, old or new.

    Numbers in text have as many digits as are needed to read back the same float32 bits. Raises DataError when the file
    cannot be written.
    """
    path = Path(path)
    rows = np.asarray(matrix, dtype="<f4")
    assert len(rows) == len(words)
    line = " ".join(["%.9g"] * rows.shape[1])
    try:
        with writing(path) as file:
            if form != "glove":
                file.write(f"{len(words)} {rows.shape[1]}\n".encode())
            for word, row in zip(words, rows, strict=True):
                start = word.encode() + b" "
                file.write(start + (row.tobytes() if form == "word2vec-binary" else (line % tuple(row)).encode()))
                file.write(b"\n")
    except OSError as error:
        raise DataError(f"{path} cannot be written: {error.strerror}.") from None
