"""Files of word vectors: gensim reads ours, we read gensim's, and what is damaged is said with its place."""

from pathlib import Path

import numpy as np
import pytest
from gensim.models import KeyedVectors

from seqcli.core.data.vectors import Form, read_head, read_vectors, write_vectors
from seqcli.errors import DataError

WORDS = ["the", "naïve", "고양이", "1999", "king's"]
MATRIX = np.random.default_rng(3).normal(size=(5, 7)).astype(np.float32)
FORMS: tuple[Form, ...] = ("glove", "word2vec", "word2vec-binary")


@pytest.mark.parametrize("form", FORMS)
def test_what_is_written_is_read_back_to_the_bit(form: Form) -> None:
    write_vectors("v", WORDS, MATRIX, form)
    head = read_head("v")
    assert (head.form, head.width) == (form, 7)
    found = read_vectors("v")
    assert found.words == WORDS
    assert np.array_equal(found.matrix, MATRIX)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # gensim leaves its file open
@pytest.mark.parametrize("form", FORMS)
def test_gensim_reads_ours(form: Form) -> None:
    write_vectors("v", WORDS, MATRIX, form)
    found = KeyedVectors.load_word2vec_format("v", binary=form == "word2vec-binary", no_header=form == "glove")
    assert found.index_to_key == WORDS
    assert np.array_equal(found.vectors, MATRIX)


@pytest.mark.parametrize("binary", [False, True])
@pytest.mark.parametrize("header", [False, True])
def test_we_read_gensims(binary: bool, header: bool) -> None:
    if binary and not header:
        header = True  # there is no such file
    theirs = KeyedVectors(7)
    theirs.add_vectors(WORDS, MATRIX)
    theirs.save_word2vec_format("v", binary=binary, write_header=header)
    found = read_vectors("v", {"1999", "the", "absent"})
    assert found.words == ["the", "1999"]
    assert np.array_equal(found.matrix, MATRIX[[0, 3]])


def test_binary_with_line_ends_and_blocks_that_end_anywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seqcli.core.data.vectors.BLOCK", 11)
    body = b"".join(w.encode() + b" " + row.tobytes() + b"\n" for w, row in zip(WORDS, MATRIX, strict=True))
    Path("v").write_bytes(b"5 7\n" + body)
    found = read_vectors("v")
    assert found.words == WORDS
    assert np.array_equal(found.matrix, MATRIX)


def test_binary_files_are_not_taken_for_text() -> None:
    """With a line end early among the bytes of the numbers, and with numbers all of whose bytes are letters."""
    random = np.random.default_rng(0)
    for k in range(400):
        n, width = int(random.integers(1, 6)), int(random.integers(2, 9))
        rows = random.choice(np.frombuffer(b"xyz abc\n", np.uint8), (n, 4 * width))
        if k % 2:
            rows = random.normal(size=(n, width)).astype("<f4").view(np.uint8)
            rows[:, random.integers(4 * width)] = ord("\n")
        end = b"\n" * (k % 3 == 0)
        body = b"".join(word.encode() + b" " + row.tobytes() + end for word, row in zip(WORDS, rows, strict=False))
        Path("v").write_bytes(f"{n} {width}\n".encode() + body)
        assert read_head("v").form == "word2vec-binary", body


def test_words_with_spaces_trailing_spaces_tabs_and_doubles() -> None:
    Path("v.vec").write_text("4 2\nthe 1 2 \n. . . 3 4\nthe 5 6\ncat\t7\t8e-1\n")
    found = read_vectors("v.vec")
    assert found.words == ["the", ". . .", "cat"]
    assert np.array_equal(found.matrix, np.array([[1, 2], [3, 4], [7, 0.8]], np.float32))
    assert found.duplicates == 1


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b"\n\n", "empty line"),
        (b"word\n", "line 1: there is no vector behind the word"),
        (b"0 5\n", "nothing to read"),
        (b"9" * 5000 + b" 3\nthe 1 2 3\n", "are no number and width of word vectors"),
        (b"1 99999\nthe 1 2 3\n", "a width of 99999 is not that of word vectors"),
        (b"the" + b" 1" * 99_999 + b"\n", "a width of 99999 is not that of word vectors"),
        (b"the 1 2 3\ncat 1 2\n", "line 2: 2 numbers where a vector has 3"),
        (b"the 1 2 3\ncat 1 2 3 4\n", "line 2: 4 numbers where a vector has 3"),
        (b"2 3\nthe 1 2 3\ncat 1 2", "line 3: 2 numbers where a vector has 3; the file is damaged or cut short"),
        (b"3 2\nthe 1 2\ncat 1 2\n", "has 2 vectors, but its first line says 3: it was cut short"),
        (b"1 2\nthe 1 2\ncat 1 2\n", "has 2 vectors, but its first line says 1: it is damaged"),
        (b"the 1 2\ncat one 2\n", "line 2: 'one' is no number"),
        (b"the 1 nan\n", "line 1: the vector of 'the' has numbers that are not finite"),
        (b"the 1 2\ncaf\xe9 1 2\n", "line 2: the word b'caf\\xe9' is not UTF-8"),
        (b"2 2\nthe \x00\x00\x80?\x00\x00\x80?cat \x00\x00", "ends within vector 2 of 2: it was cut short"),
        (b"2 2\nthe \x00\x00\x80?\x00\x00\x80?" + 5000 * b"x", "vector 2 of 2: there is no word here"),
    ],
)
def test_damage_is_named(content: bytes, said: str) -> None:
    Path("v.txt").write_bytes(content)
    with pytest.raises(DataError) as error:
        read_vectors("v.txt")
    assert "v.txt" in str(error.value)
    assert said in str(error.value)


def test_files_that_are_not_there() -> None:
    with pytest.raises(DataError, match="no file none"):
        read_vectors("none.txt")
    with pytest.raises(DataError, match="cannot be written"):
        write_vectors("no/place", WORDS, MATRIX, "glove")
    assert not list(Path().glob(".*.tmp"))
