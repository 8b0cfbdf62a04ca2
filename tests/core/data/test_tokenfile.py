"""Token files: made once, shared by a run and its resumption, mended when damaged, and measured exactly in parts."""

import itertools
import json
import os
import random
import unicodedata
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from seqcli.core import tokenizers
from seqcli.core.data import TokenFile, cache, open_tokens, stored, tokenfile
from seqcli.core.data.cache import cache_dir, file_digest, read_note, write_note
from seqcli.core.tokenizers import EOS
from seqcli.errors import ConfigError, DataError

KINDS = ("char", "byte", "word", "bpe")
OPTIONS = {"char": {}, "byte": {}, "word": {}, "bpe": {"vocab_size": 300}}


@pytest.fixture(autouse=True)
def _remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Digests of files are remembered, however young the files are."""
    monkeypatch.setattr(cache, "YOUNG", -(10**18))


def write(text: str | bytes, name: str = "text.txt") -> Path:
    Path(name).write_bytes(text if isinstance(text, bytes) else text.encode())
    return Path(name)


def opened(path: Path, kind: str = "char", unit: str = "stream", **how: object) -> tuple[TokenFile, list[str]]:
    said: list[str] = []
    data = open_tokens([path], unit=unit, kind=kind, options=OPTIONS[kind], progress=said.append, **how)  # type: ignore[arg-type]  # a tokenizer
    return data, said


# --- made once ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("unit", ["stream", "line"])
def test_it_is_made_once_for_a_run_and_for_those_who_have_its_tokenizer(
    corpus: Path, monkeypatch: pytest.MonkeyPatch, kind: str, unit: str
) -> None:
    first, said = opened(corpus, kind, unit)
    assert said == [f"Reading the vocabulary of {corpus}", f"Tokenizing {corpus}"]
    monkeypatch.setattr(tokenfile, "read_blocks", lambda *a, **k: pytest.fail("read again"))
    known = tokenizers.from_json(tokenizers.to_json(first.tokenizer))  # as a checkpoint has it
    for how in ({}, {"tokenizer": known}):
        again, said = opened(corpus, kind, unit, **how)
        assert said == []
        assert np.array_equal(again.ids, first.ids)
        assert again.tokenizer.decode(again.ids[:5]) == first.tokenizer.decode(first.ids[:5])


def test_cutting_blocks_where_lines_end_changes_no_token(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "Ein \u0301 akzent\n\u0301am Anfang, don't \n\n\u03a3\u03a3\n<unk> x\r\ny " * 40 + "end"
    for kind in KINDS:
        for unit in ("stream", "line"):
            found = []
            for size in (1 << 16, 1):
                monkeypatch.setattr(tokenfile, "LEAST", size)
                monkeypatch.setenv("SEQCLI_CACHE", f"cache-{size}")
                found.append(opened(write(text), kind, unit)[0])
            assert np.array_equal(found[0].ids, found[1].ids)
            assert len(found[0].index) < 4
            assert len(found[1].index) > 40
            assert (found[0].characters, found[0].bytes) == (found[1].characters, found[1].bytes)


# --- digests --------------------------------------------------------------------------------------------------------


def test_a_digest_is_remembered_until_anything_touches_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    path = write("one text")
    digest, times = file_digest(path), path.stat()
    with monkeypatch.context() as patched:
        patched.setattr(cache.hashlib, "sha256", lambda *a: real(*a) if a else pytest.fail("looked through again"))
        assert file_digest(path) == digest
    with path.open("r+b") as file:  # the same size, the same time, another text
        file.write(b"two")
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert path.stat().st_mtime_ns == times.st_mtime_ns
    assert file_digest(path) != digest
    other = write("two text", "other")
    os.utime(other, ns=(times.st_atime_ns, times.st_mtime_ns))
    other.replace(path)
    assert file_digest(path) == file_digest(write("two text", "third")) != digest


real = cache.hashlib.sha256


def test_a_file_changed_a_moment_ago_is_not_taken_on_trust(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "YOUNG", 2 * 10**9)
    path = write("one text")
    file_digest(path)
    assert not list(cache_dir().glob("files/*"))


def test_where_the_cache_is(monkeypatch: pytest.MonkeyPatch, corpus: Path) -> None:
    monkeypatch.setenv("SEQCLI_CACHE", "~nobody-of-that-name/x")
    with pytest.raises(ConfigError, match="SEQCLI_CACHE is '~nobody-of-that-name/x'"):
        open_tokens([corpus], unit="stream")
    monkeypatch.delenv("SEQCLI_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "elsewhere")
    assert cache_dir() == Path("elsewhere/seqcli")
    monkeypatch.delenv("XDG_CACHE_HOME")

    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", homeless)
    with pytest.raises(ConfigError, match=r"There is no home directory .* SEQCLI_CACHE"):
        cache_dir()


# --- damage ---------------------------------------------------------------------------------------------------------


def flip(path: Path, random_: random.Random) -> None:
    """Change a bit, cut, lengthen, empty or remove a file."""
    data = bytearray(path.read_bytes())
    how = random_.randrange(12)
    if how == 0 or not data:
        path.unlink()
        return
    if how == 1:
        data = data[: random_.randrange(len(data))]
    elif how == 2:
        data += bytes(random_.randrange(1, 9))
    elif how == 3:
        at = random_.randrange(len(data))
        data[at : at + 64] = bytes(len(data[at : at + 64]))
    else:
        data[random_.randrange(len(data))] ^= 1 << random_.randrange(8)
    path.write_bytes(data)


def check_flips(count: int, seed: int, ways: list[tuple[str, str]]) -> None:
    """Whatever happens to the cache, the ids are right, and where it was damaged, that is said once."""
    random_ = random.Random(seed)
    path = write("한 line\nand a second one\n\nthe third\n" * 50)
    wanted = {(kind, unit): np.array(opened(path, kind, unit)[0].ids) for kind, unit in ways}
    told = 0
    for _ in range(count):
        name = random_.choice([p for p in sorted(cache_dir().rglob("*")) if p.is_file()])
        before = name.read_bytes()
        flip(name, random_)
        changed = not name.exists() or name.read_bytes() != before
        for (kind, unit), ids in wanted.items():
            data, said = opened(path, kind, unit)
            assert np.array_equal(data.ids, ids)
            told += any("damaged" in text for text in said)
            assert not said or changed
            assert not said or opened(path, kind, unit)[1] == []
    assert told > count / 3


@pytest.fixture
def _no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.fsync", lambda opened: None)


@pytest.mark.usefixtures("_no_waiting_for_the_disk")
def test_a_damaged_cache_is_mended() -> None:
    check_flips(200, seed=1, ways=[("char", "stream"), ("word", "line")])


@pytest.mark.slow
@pytest.mark.usefixtures("_no_waiting_for_the_disk")
def test_a_damaged_cache_is_mended_always() -> None:
    check_flips(400, seed=2, ways=[(kind, unit) for kind in KINDS for unit in ("stream", "line")])


@pytest.mark.parametrize("name", ["tokens.bin", "lines.bin", "index.bin", "meta.json"])
@pytest.mark.parametrize("half", [True, False])
def test_each_file_of_a_token_file_is_checked(corpus: Path, name: str, half: bool) -> None:
    first = np.array(opened(corpus, unit="line")[0].ids)  # not mapped: the file is spoilt in its place
    (path,) = cache_dir().glob(f"tokens/*/{name}")
    data = bytearray(path.read_bytes())
    data[len(data) // 3] ^= 4
    path.write_bytes(data[: len(data) // 2] if half else data)
    again, said = opened(corpus, unit="line")
    assert said == [f"The cached tokens of {corpus} are damaged; they are made anew.", f"Tokenizing {corpus}"]
    assert np.array_equal(again.ids, first)
    assert opened(corpus, unit="line")[1] == []


def test_a_large_file_is_checked_where_it_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stored, "BLOCK", 64)
    monkeypatch.setattr(stored, "AT_ONCE", 100)
    path = write("abcdefgh" * 100)
    first = np.array(opened(path)[0].ids)
    (tokens,) = cache_dir().glob("tokens/*/tokens.bin")
    data = bytearray(tokens.read_bytes())
    data[500] ^= 1  # token 250, in the block of tokens 224 to 255
    tokens.write_bytes(data)
    good = opened(path)[0]
    assert np.array_equal(good.ids[:224], first[:224])
    assert np.array_equal(good.part(0.5, 1).ids[-300:], first[-300:])
    assert good.ids[np.array([3, 223, 256, -1])].tolist() == first[[3, 223, 256, -1]].tolist()
    uses: list[Callable[[TokenFile], object]] = [
        lambda data: data.ids[:],
        lambda data: data.ids[223:225],
        lambda data: data.ids[255],
        lambda data: data.ids[np.array([0, 240])],
        lambda data: np.asarray(data.ids),
        lambda data: data.part(0.1, 0.9).ids[:200],
        lambda data: data.part(0.3, 1).ids[-560],
    ]
    for use in uses:
        data = opened(path)[0]
        with pytest.raises(DataError, match=r"tokens.bin is damaged, and has been removed .* made anew"):
            use(data)
        assert not tokens.exists()
        assert np.array_equal(opened(path)[0].ids, first)
        tokens.write_bytes(data_ := bytearray(tokens.read_bytes()))
        data_[500] ^= 1
        tokens.write_bytes(data_)


def test_notes_are_read_as_they_were_written_or_not_at_all() -> None:
    note = Path("place/note.json")
    value = {"한": [1, 2.5, None], "x": "\udcff"}
    write_note(note, value)
    assert read_note(note) == value
    assert json.loads(note.read_bytes())["value"] == value
    for spoilt in (
        b"",
        b"[",
        b"[1]",
        b"{}",
        b'{"value": 1}',
        b"[" * 100_000,
        note.read_bytes().replace(b"2.5", b"3.5"),
    ):
        note.write_bytes(spoilt)
        with pytest.raises(ValueError):
            read_note(note)
    with pytest.raises(FileNotFoundError):
        read_note(Path("none.json"))


# --- characters and bytes of parts ----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("unit", ["stream", "line"])
@pytest.mark.parametrize("indexed", [64, 1 << 16])
def test_a_part_has_its_own_characters_and_bytes(
    monkeypatch: pytest.MonkeyPatch, kind: str, unit: str, indexed: int
) -> None:
    """A text that ends in Korean, whose letters have three bytes; parts are compared with their own text."""
    monkeypatch.setattr(tokenfile, "LEAST", indexed)
    text = "plain words\n" * 300 + "한국어 문장\n" * 100
    data, _ = opened(write(text), kind, unit)
    assert (data.characters, data.bytes) == (len(text), len(text.encode()))
    cuts = [0, 0.2, 0.7, 0.9, 0.95, 1] if unit == "line" or kind != "bpe" else [0, 0.2, 0.9, 1]
    for start, stop in itertools.pairwise(cuts):
        part = data.part(start, stop)
        here = text_of(part)
        if kind == "word":  # its spaces are lost in the ids, so between two entries of the index it is nearly so
            assert part.bytes == pytest.approx(len(here.encode()), rel=0.05)
            assert part.characters == pytest.approx(len(here), rel=0.05)
        else:
            assert part.characters == pytest.approx(len(here), abs=2 * (kind in ("bpe", "byte")))  # half a letter
            assert part.bytes == pytest.approx(len(here.encode("utf-8", "surrogateescape")), abs=6 * (kind == "bpe"))
    sizes = [data.part(a, b) for a, b in itertools.pairwise(cuts)]
    assert sum(part.bytes for part in sizes) == data.bytes
    assert sum(part.characters for part in sizes) == data.characters
    end = data.part(0.9, 1)
    assert end.bytes / end.characters > 2.2
    assert end.head(50).bytes < end.bytes / 2


def text_of(part: TokenFile) -> str:
    """The text of a part, its line ends put back."""
    ids = np.array(part.ids)
    if part.tokenizer.name == "byte":
        return bytes(10 if id == EOS else id - 4 for id in ids.tolist()).decode("utf-8", "surrogateescape")
    lines = np.split(ids, np.flatnonzero(ids == EOS) + 1)
    return "".join(part.tokenizer.decode(line) + "\n" * int((line == EOS).sum()) for line in lines)


def test_what_counts_is_the_text_as_it_was_before_normalizing() -> None:
    nfd = unicodedata.normalize("NFD", "한국어\n")
    text = "abcdefg\n" * 500 + nfd * 500
    data, _ = opened(write(text))
    assert len(data.ids) == 500 * 8 + 500 * 4
    assert (data.characters, data.bytes) == (len(text), len(text.encode()))
    end = data.part(2 / 3, 1)
    assert end.characters == pytest.approx(500 * len(nfd), rel=0.1)  # a piece of the index is shared out
    assert end.bytes == pytest.approx(500 * len(nfd.encode()), rel=0.1)


def test_the_first_token_of_a_stream_is_not_predicted() -> None:
    data, _ = opened(write("한bc"))
    assert (data.predicted.characters, data.predicted.bytes) == (2, 2)
    lines, _ = opened(write("한bc"), unit="line")
    assert lines.predicted.bytes == lines.bytes == 6


def test_unknown_tokens_of_a_part_and_texts_of_nothing() -> None:
    made = tokenizers.train("char", ["ab\n"])
    data, _ = opened(write("ab\nxyab\n"), tokenizer=made)
    assert (data.unknown, data.part(0, 0.5).unknown, data.part(0.5, 1).unknown) == (2, 1, 1)
    for text in ("", "\n\n"):
        empty, _ = opened(write(text), "byte", "line")
        assert (len(empty.ids), empty.characters, empty.bytes, empty.unknown) == (0, 0, 0, 0)
        assert len(empty.part(0, 0.5).ids) == 0
