"""What a file of ours may be, before anything in it is understood."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from seqcli.core.training import stored
from seqcli.core.training.checkpoint import write
from seqcli.core.training.stored import read, read_metadata, texts_of
from seqcli.errors import CheckpointError

PATH = Path("x.safetensors")
METADATA: dict[str, Any] = {"labels": ["a", "é"], "rows": np.arange(3), "text": np.frombuffer(b"abc", np.uint8).copy()}


def foreign(header: dict[str, Any] | bytes, body: bytes = b"") -> Path:
    """A file with that header."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    PATH.write_bytes(len(text).to_bytes(8, "little") + text + body)
    return PATH


def entry(dtype: str, shape: list[int], size: int) -> dict[str, Any]:
    return {"__metadata__": {"seqcli_format": "2"}, "w": {"dtype": dtype, "shape": shape, "data_offsets": [0, size]}}


def test_numpy_and_torch_read_the_same() -> None:
    weights = torch.randn(5, 7)
    write(PATH, {"w": weights}, METADATA)
    a, b = read(PATH), read(PATH, "np")
    assert torch.equal(a.tensors["w"], weights)
    np.testing.assert_array_equal(b.tensors["w"], weights.numpy())
    for found in (a.metadata, b.metadata, read_metadata(PATH)):
        assert found.keys() == METADATA.keys()
        assert found["labels"] == METADATA["labels"]
        for key in ("rows", "text"):
            assert found[key].dtype == METADATA[key].dtype
            np.testing.assert_array_equal(found[key], METADATA[key])


def test_long_arrays_are_not_in_the_header() -> None:
    write(PATH, {}, {"text": np.zeros(10**6, np.uint8)})
    assert int.from_bytes(PATH.read_bytes()[:8], "little") < 1000


def test_metadata_that_do_not_fit_are_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stored, "LONGEST", 1000)
    with pytest.raises(CheckpointError, match=r"The labels take .* too many"):
        texts_of({"labels": ["x" * 10] * 100, "config": {}})
    with pytest.raises(CheckpointError, match="The labels take"):
        write(PATH, {}, {"labels": ["x" * 10] * 100})
    assert not PATH.exists()


def test_formats() -> None:
    for version, message in (
        ("99", "from a newer seqcli.*Upgrade"),
        ("1", "from an earlier seqcli.*Train it again"),
        ("-1", "damaged"),
        ("9" * 5000, "damaged"),
        ("two", "damaged"),
    ):
        save_file({"w": np.zeros(2)}, PATH, metadata={"seqcli_format": version})
        with pytest.raises(CheckpointError, match=message):
            read(PATH)


@pytest.mark.parametrize("framework", ["pt", "np"])
@pytest.mark.parametrize(
    ("header", "body"),
    [
        (entry("F64", [1], 8), bytes(8)),
        (entry("F8_E4M3", [4], 4), bytes(4)),
        (entry("C64", [1], 8), bytes(8)),
        (entry("F32", [0, 2**62], 0), b""),
        (entry("F32", [0, 2**63], 0), b""),
        (entry("F32", [1] * 70, 4), bytes(4)),
        (entry("F32", [2**40, 2**40], 4), bytes(4)),
        (entry("F32", [2], 4), bytes(4)),
        ({"__metadata__": {"seqcli_format": "2", "a": "[" * 100_000}}, b""),
        ({"__metadata__": {"seqcli_format": "2", "a": "1" * 10_000}}, b""),
        ({"__metadata__": {"seqcli_format": "2", "a": "'"}}, b""),
        ({"__metadata__": {"seqcli_format": "2", "a": 3}}, b""),
        ({"__metadata__": []}, b""),
        (b"[" * 10_000, b""),
        (b'{"\xff":1}', b""),
        (b"", b""),
    ],
)
def test_headers_of_others(framework: Any, header: Any, body: bytes) -> None:
    with pytest.raises(CheckpointError, match=r"x\.safetensors is"):
        read(foreign(header, body), framework)


def test_a_header_beyond_all_measure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stored, "LONGEST", 1 << 20)
    foreign(b'{"__metadata__":{"seqcli_format":"2"}' + b" " * (1 << 22) + b"}")
    with pytest.raises(CheckpointError, match="header takes 4 MiB"):
        read(PATH)


def test_what_is_no_file() -> None:
    Path("directory").mkdir()
    os.mkfifo("pipe")
    for name, message in (("directory", "cannot be read"), ("pipe", "cannot be read"), ("none", "no file none")):
        with pytest.raises(CheckpointError, match=message):
            read(Path(name))
