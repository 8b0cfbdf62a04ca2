from pathlib import Path

import numpy as np
import pytest

from seqcli.core import tokenizers
from seqcli.core.data import find_texts, open_tokens, read_blocks, readers
from seqcli.core.tasks.lm import batches
from seqcli.core.tasks.lm.batches import LineBatches, StreamBatches, held_out_batches
from seqcli.core.tokenizers import BOS, EOS
from seqcli.errors import DataError


def write(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


# --- reading --------------------------------------------------------------------------------------------------------


def test_files_and_directories_in_sorted_order(tmp_path: Path) -> None:
    for name in ("b.txt", "a.txt", "notes.md", "sub/c.txt"):
        (tmp_path / "d" / name).parent.mkdir(parents=True, exist_ok=True)
        write(tmp_path / "d" / name, b"x")
    found = find_texts([tmp_path / "d" / "notes.md", tmp_path / "d"])
    assert [p.name for p in found] == ["notes.md", "a.txt", "b.txt", "c.txt"]


def test_bom_and_line_ends(tmp_path: Path) -> None:
    first = write(tmp_path / "1", b"\xef\xbb\xbfone\r\ntwo\rthree")
    second = write(tmp_path / "2", b"four")
    assert "".join(read_blocks([first, second])) == "one\ntwo\nthree\nfour"
    assert "".join(read_blocks([first], raw=True)) == "\ufeffone\r\ntwo\rthree"


@pytest.mark.parametrize("block", [5, 7, 16, 1 << 20])
def test_blocks_never_cut_a_character(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int) -> None:
    text = "héllo\n한국어한국어한국어\r\n" + "👩‍👧" * 9 + "e\u0301" * 11 + "\nend"
    monkeypatch.setattr(readers, "BLOCK", block)
    path = write(tmp_path / "t", text.encode())
    assert "".join(read_blocks([path])) == text.replace("\r\n", "\n")


@pytest.mark.parametrize("block", [16, 1 << 20])
def test_invalid_utf8_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int) -> None:
    monkeypatch.setattr(readers, "BLOCK", block)
    path = write(tmp_path / "bad.txt", b"good line\nanother good\nbad \xff here\n")
    with pytest.raises(DataError, match=r"bad.txt, line 3: byte 27 \(0xff\).*--invalid-utf8 replace"):
        list(read_blocks([path]))
    assert "bad \ufffd here" in "".join(read_blocks([path], invalid="replace"))


def test_nul_and_utf16_are_no_text(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="line 2: byte 4 is NUL"):
        list(read_blocks([write(tmp_path / "nul", b"ab\nc\0d\n")]))
    with pytest.raises(DataError, match="UTF-16"):
        list(read_blocks([write(tmp_path / "u16", "hello".encode("utf-16"))]))
    assert "".join(read_blocks([tmp_path / "nul"], raw=True)) == "ab\nc\0d\n"


# --- token files ----------------------------------------------------------------------------------------------------


def test_token_file_holds_the_text(corpus: Path) -> None:
    data = open_tokens([corpus], unit="stream")
    assert data.ids.dtype == np.uint16
    assert data.tokenizer.decode(data.ids) == corpus.read_text()
    assert data.characters == data.bytes == len(corpus.read_text())


def test_changed_content_or_options_make_another(corpus: Path) -> None:
    first = open_tokens([corpus], unit="stream")
    assert open_tokens([corpus], unit="stream", kind="byte").tokenizer.name == "byte"
    corpus.write_text("quite another text")
    second = open_tokens([corpus], unit="stream")
    assert second.tokenizer.decode(second.ids) == "quite another text"
    assert len(first.ids) != len(second.ids)


def test_lines(tmp_path: Path) -> None:
    path = write(tmp_path / "lines", b"ab\n\n c\nabc")
    data = open_tokens([path], unit="line")
    assert data.ends is not None
    assert data.ends.tolist() == [3, 6, 10]
    assert [data.ids[e - 1] for e in data.ends] == [EOS] * 3
    assert data.tokenizer.decode(data.ids) == "ab cabc"
    assert data.characters == len("ab\n c\nabc\n")
    last = data.part(2 / 3, 1)
    assert last.tokenizer.decode(last.ids) == "abc"
    assert last.ends is not None
    assert last.ends.tolist() == [4]


@pytest.mark.parametrize("kind", ["char", "byte"])
def test_every_file_ends_its_last_line(tmp_path: Path, kind: str) -> None:
    paths = [write(tmp_path / name, text) for name, text in (("1", b"ab"), ("2", b"c\n"), ("3", b"d"), ("4", b"e"))]
    data = open_tokens(paths, unit="line", kind=kind)
    assert data.ends is not None
    assert np.diff(data.ends, prepend=0).tolist() == [3, 2, 2, 2]
    assert (data.characters, data.bytes) == (9, 9)
    if kind == "byte":  # as one text the bytes are kept as they are
        assert len(open_tokens(paths, unit="stream", kind=kind).ids) == 6


# --- batches --------------------------------------------------------------------------------------------------------


def test_stream_batches_go_on_where_they_stopped() -> None:
    ids = np.arange(100, dtype=np.uint16)
    batches = StreamBatches(ids, 3, 5, seed=1)
    assert batches.steps_per_epoch == 6
    before = batches[0]
    for epoch in (0, 1):
        for k in range(6):
            now = batches[epoch * 6 + k]
            assert now.fresh == (k == 0)
            assert now.x.shape == (3, 5)
            assert (now.y == now.x + 1).all()
            if k:
                assert (now.x[:, 0] == before.y[:, -1]).all()
            before = now
    assert (batches[4].x == StreamBatches(ids, 3, 5, seed=1)[4].x).all()


@pytest.mark.parametrize(("tokens", "rows", "window"), [(2, 1, 1), (5, 1, 4), (17, 2, 8), (9, 1, 8)])
def test_short_texts_shrink_window_and_batch(tokens: int, rows: int, window: int) -> None:
    batches = StreamBatches(np.arange(tokens), 4, 8)
    assert batches[0].x.shape == (rows, window)
    with pytest.raises(DataError):
        StreamBatches(np.arange(1), 4, 8)


def test_line_batches_hold_every_line_once() -> None:
    lines = [[7] * n + [EOS] for n in (3, 1, 6, 2, 9, 4, 1)]
    ids = np.concatenate(lines)
    batches = LineBatches(ids, np.cumsum([len(x) for x in lines]), 3, window=8, seed=5)
    assert batches.cut == 1
    found = []
    for k in range(batches.steps_per_epoch):
        batch = batches[k]
        assert (batch.x[:, 0] == BOS).all()
        mask = batch.mask if batch.mask is not None else batch.y == batch.y
        assert batch.tokens == int(mask.sum())
        found += [y[m].tolist() for y, m in zip(batch.y, mask, strict=True)]
    assert sorted(found) == sorted([*(x for x in lines if len(x) <= 8), [7] * 8])
    assert [batches[k].y.tolist() for k in range(3)] != [batches[k + 3].y.tolist() for k in range(3)]


@pytest.mark.parametrize("tokens", [2, 900, 1025, 5000, 70_001])
def test_evaluation_counts_every_target_once(tokens: int) -> None:
    counted = np.zeros(tokens, int)
    for batch, counts in held_out_batches(np.arange(tokens), None):
        assert (batch.y == batch.x + 1).all()
        if counts:
            np.add.at(counted, batch.y.flatten().numpy(), 1)
    assert counted[0] == 0
    assert (counted[1:] == 1).all()


def test_evaluation_reads_lines_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows of carried-on batches, put together again, are the lines; what stands before a target is its input."""
    monkeypatch.setattr(batches, "READERS", 3)
    monkeypatch.setattr(batches, "STRETCH", 4)
    random = np.random.default_rng(3)
    lines = [[*random.integers(5, 90, n).tolist(), EOS] for n in (3, 1, 17, 2, 9, 4, 4, 26)]
    found: list[list[int]] = []
    rows: list[list[int]] = []
    for batch, counted in held_out_batches(np.concatenate(lines), np.cumsum([len(x) for x in lines])):
        assert counted
        assert batch.x.shape[1] <= 4
        if batch.fresh:
            rows = [[] for _ in batch.y]
            found += rows
        mask = batch.mask if batch.mask is not None else batch.y == batch.y
        assert batch.tokens == int(mask.sum())
        for row, x, y, m in zip(rows, batch.x, batch.y, mask, strict=True):
            if m.any():
                assert x[m].tolist() == [row[-1] if row else BOS, *y[m][:-1].tolist()]
            row.extend(y[m].tolist())
    assert sorted(found) == sorted(lines)


def test_vocabulary_of_another_text() -> None:
    made = tokenizers.train("char", ["ab"])
    Path("other.txt").write_text("abc")
    assert open_tokens([Path("other.txt")], unit="stream", tokenizer=made).unknown == 1
