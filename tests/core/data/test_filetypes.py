"""What is no text is told by what it is, and what is no file is never opened."""

import bz2
import gzip
import io
import lzma
import os
import socket
import sqlite3
import tarfile
import zipfile
from pathlib import Path

import pytest
import torch
from safetensors.torch import save

from seqcli.core import files
from seqcli.core.data import find_texts, read_blocks, readers
from seqcli.core.data.filetypes import not_a_text
from seqcli.core.data.vectors import read_vectors
from seqcli.errors import ConfigError, DataError

TEXT = "Ein Satz über Öl, dann noch einer.\n" * 40


def zipped() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as file:
        file.writestr("a.txt", TEXT)
    return out.getvalue()


def tarred() -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as file:
        file.addfile(tarfile.TarInfo("a.txt"))
    return out.getvalue()


def database(place: Path) -> bytes:
    with sqlite3.connect(place / "a.db") as connection:
        connection.execute("CREATE TABLE t (a)")
    connection.close()
    return (place / "a.db").read_bytes()


@pytest.mark.parametrize("invalid", ["error", "replace"])
def test_files_of_other_kinds_are_named(tmp_path: Path, invalid: readers.Invalid) -> None:
    kinds = {
        "gzip": gzip.compress(TEXT.encode()),
        "bzip2": bz2.compress(TEXT.encode()),
        "xz": lzma.compress(TEXT.encode()),
        "zstd": b"\x28\xb5\x2f\xfd\x04\x58\x81\x00\x00",
        "ZIP": zipped(),
        "tar": tarred(),
        "PDF": b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n",
        "picture": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
        "Parquet": b"PAR1\x15\x04\x15\x1e",
        "SQLite": database(tmp_path),
        "safetensors": save({"w": torch.zeros(2)}),
        "UTF-16": TEXT.encode("utf-16"),
        "UTF-32": TEXT.encode("utf-32"),
    }
    for kind, data in kinds.items():
        path = tmp_path / "file"
        path.write_bytes(data)
        with pytest.raises(DataError, match=f"file is .*{kind}.*not a text") as error:
            list(read_blocks([path], invalid=invalid))
        assert "--invalid-utf8" not in str(error.value)
        if kind in ("gzip", "zstd"):
            assert error.value.args[0].endswith(str(path)), "the command can be copied"
        raw = "".join(read_blocks([path], raw=True))
        assert raw.encode("utf-8", "surrogateescape") == data, "--tokens byte reads any file"


def test_texts_that_begin_like_others_are_texts() -> None:
    for text in ("BZh is no word", "PAR1 was the first", "PK wins", "MZ\u0090 Schmidt", "Rar!", 'abcdefgh{"a": 1}', ""):
        assert not_a_text(text.encode(), "file") is None


@pytest.mark.parametrize(
    ("data", "advice"),
    [
        (TEXT.encode("latin-1"), "--invalid-utf8 replace"),
        ("один два три четыре\n".encode("cp1251") * 40, "another encoding. iconv"),
        (TEXT.encode("utf-16-le"), "looks like UTF-16"),
        (bytes(range(256)) * 40, "binary file"),
        (b"\x01\x02\x03\0\0\0\0\0\0\x04" * 40, "binary file"),
        (TEXT.encode() + b"one\0zero", "Remove them, or train with --invalid-utf8 replace or --tokens byte"),
    ],
    ids=["nearly", "Cyrillic", "UTF-16", "binary", "zeros", "one zero"],
)
def test_only_what_is_nearly_utf8_may_be_replaced(tmp_path: Path, data: bytes, advice: str) -> None:
    path = tmp_path / "file"
    path.write_bytes(data)
    with pytest.raises(DataError, match="file, line") as error:
        list(read_blocks([path]))
    assert advice in str(error.value), error.value
    assert ("--invalid-utf8" in str(error.value)) == ("--invalid-utf8" in advice)


def test_what_is_no_file_is_never_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    os.mkfifo("fifo")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket")
        for name, what in {
            "fifo": "fifo is a pipe, and data are read more than once: save them to a file",
            "socket": "socket is a pipe",
            "/dev/zero": "/dev/zero is a device",
            "a\0b": r"'a\x00b' is no name",
            "gone": "There is no file gone",
        }.items():
            for read in (lambda name: find_texts([name]), read_vectors):
                with pytest.raises(DataError) as error:
                    read(name)
                assert what in str(error.value)
    with pytest.raises(DataError, match=r"\. is a directory"):
        read_vectors(".")
    for find in (find_texts, readers.find_files):
        with pytest.raises(ConfigError, match="name of a file is empty"):
            find([""])


def test_the_walk_for_texts_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "MOST_ENTRIES", 60)
    for k in range(40):
        (tmp_path / f"{k:02}.txt").write_text("x")
    (tmp_path / "loop").symlink_to(tmp_path)
    os.mkfifo(tmp_path / "pipe.txt")
    assert len(find_texts([tmp_path])) == 40
    for k in range(31):
        (tmp_path / "sub" / str(k)).mkdir(parents=True)
    with pytest.raises(DataError, match="holds more than 60 files and directories"):
        find_texts([tmp_path])
