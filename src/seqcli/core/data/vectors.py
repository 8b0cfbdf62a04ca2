"""Files of word vectors: GloVe text, word2vec text and binary, fastText .vec; read as a stream, written whole.

    glove             word 0.1 -0.2 ...               a line a word
    word2vec          400000 100                      the same under a line with their number and width; so is .vec
    word2vec-binary   400000 100, then for each word  its bytes, a space, float32 numbers (and a line end, or none)

Which one a file is, its first bytes tell. Only the vectors of wanted words are kept, so a file may be of any size.
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
BLOCK = 1 << 22
LONGEST = 4096  # bytes of a word; more than that is no word
WIDEST = 1 << 16  # numbers of a vector
DIGITS = 26  # bytes of a number in a text, with its space, at most


@dataclass(frozen=True)
class Head:
    """What the beginning of a file tells: its form, how many vectors it has (if it says so), and their width."""

    form: Form
    count: int | None
    width: int


@dataclass(frozen=True)
class Vectors:
    """Words, their vectors (n, D) in float32, and how many more lines were of a word that had been read already."""

    words: list[str]
    matrix: NDArray[np.float32]
    duplicates: int


# --- reading --------------------------------------------------------------------------------------------------------


def read_head(path: str | Path) -> Head:
    """The form and width of a file of vectors. Raises DataError when it is none."""
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
    if width > WIDEST:
        raise DataError(f"{path}, line 1: a width of {width} is not that of word vectors.")


def _is_text(body: bytes, count: int, width: int) -> bool:
    """Whether what follows the first line is text: the line there ends in `width` numbers; or, where it is damaged, all
    of it could have been typed, which the bytes of float32 numbers hardly ever could, unless they are few.
    """
    fields = body.partition(b"\n")[0].split()
    if len(fields) > width and all(map(_is_number, fields[-width:])):
        return True
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(body)  # its last character may be cut
    except UnicodeDecodeError:
        return False
    typed = all(char.isprintable() or char.isspace() for char in text)
    return typed and not _is_whole_binary(body, count, width)


def _is_whole_binary(body: bytes, count: int, width: int) -> bool:
    """Whether `count` words, each with as many bytes as its numbers take, are all there is."""
    at = 0
    for _ in range(count):
        space = body.find(b" ", at)
        if space < 0:
            return False
        at = space + 1 + 4 * width
        at += body[at : at + 1] == b"\n"
    return at == len(body)


def read_vectors(path: str | Path, wanted: Collection[str] | None = None) -> Vectors:
    """The vectors of the wanted words (None: of all). Of a word that comes twice, the first one counts.

    Raises DataError, naming the place, where the file is cut short, is not UTF-8, or has a line of another width.
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
    check_regular(path)
    try:
        return path.open("rb", BLOCK)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.") from None


Record = tuple[str, bytes, bytes]  # where it stands, the word, its numbers as they are


def _lines(path: Path, head: Head) -> Iterator[Record]:
    """The records of a text."""
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
    """A line whose word has spaces in it, as in some files of GloVe; else its width is wrong."""
    parts = text.rsplit(b" ", width)
    fields = text.split()
    if len(parts) == width + 1 and len(fields) > width + 1 and not _is_number(fields[-width - 1]):
        return parts[0], text[len(parts[0]) + 1 :]
    if len(fields) == width + 1:  # several spaces between
        return fields[0], b" ".join(fields[1:])
    raise DataError(
        f"{path}, line {number}: {max(0, len(fields) - 1)} numbers where a vector has {width}; "
        "the file is damaged or cut short."
    )


def _binary(path: Path, head: Head) -> Iterator[Record]:
    """The records of a binary file."""
    assert head.count is not None
    size = 4 * head.width
    with _opened(path) as file:
        file.readline()
        held, at = b"", 0
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
    """Write words and their vectors (n, D) so that `path` is at every moment the old file or the new one, whole.

    Text has as many digits as float32 needs to be read back to the same bits. Raises DataError when it cannot be
    written.
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
