"""Bad input of any kind: one clear sentence on stderr, the right exit code, nothing lost, never a traceback."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

Run = Callable[..., Any]


def refused(result: Any, code: int, *parts: str) -> None:
    assert result.code == code, result.err
    assert result.out == ""
    assert "Traceback" not in result.err
    assert "Error: " in result.err or "Error" in result.err
    for part in parts:
        assert part in result.err.replace("\n", " "), result.err


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        (b"", ("is empty",)),
        (b"x", ("less than two tokens",)),
        (b"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", ("one distinct token only, 'a'",)),
        (b"fine\nbad \xff\xfe byte", ("text.txt, line 2: byte 9 (0xff) is not UTF-8", "--invalid-utf8 replace")),
        (b"zero\0byte", ("byte 4 is NUL", "--tokens byte")),
        ("utf-16".encode("utf-16"), ("UTF-16",)),
    ],
    ids=["empty", "one character", "one distinct", "invalid", "nul", "utf-16"],
)
def test_texts(seqcli: Run, content: bytes, parts: tuple[str, ...]) -> None:
    Path("text.txt").write_bytes(content)
    refused(seqcli("train", "text.txt", "--steps", 2), 1, "text.txt", *parts)
    assert not Path("runs").exists()


@pytest.mark.parametrize(
    ("content", "options"),
    [
        (b"ab", ()),
        (b"short text", ()),
        (b"\xef\xbb\xbfbom\r\nand crlf\r\n", ()),
        (b"bad \xff byte", ("--invalid-utf8", "replace")),
        (b"\xff\xfe\0\1any bytes", ("--tokens", "byte")),
        (b"one line", ("--unit", "line")),
        (b"two\nlines", ("--unit", "line", "--tokens", "word")),
    ],
    ids=["two characters", "short", "bom", "replace", "bytes", "one line", "two lines"],
)
def test_texts_that_are_small_or_strange_but_fine(seqcli: Run, content: bytes, options: tuple[str, ...]) -> None:
    Path("text.txt").write_bytes(content)
    result = seqcli("train", "text.txt", "--steps", 2, "--hidden", 4, *options)
    assert result.code == 0, result.err
    assert seqcli("sample", "--length", 4).code == 0


def test_missing_things(seqcli: Run) -> None:
    Path("empty").mkdir()
    refused(seqcli("train", "none.txt"), 1, "There is no file none.txt")
    refused(seqcli("train", "empty"), 1, "holds no .txt file")
    refused(seqcli("train"), 2, "seqcli train FILE")
    refused(seqcli("sample"), 1, "no trained language model in runs/ yet. Train one first: seqcli train TEXT.txt")
    refused(seqcli("sample", "--run", "ghost"), 1, "no run 'ghost'")
    refused(seqcli("eval", "none.txt"), 1, "no trained model")
    refused(seqcli("train", "--resume", "ghost"), 1, "no run 'ghost'")
    refused(seqcli("train", "pairs.tsv"), 1, "There is no file pairs.tsv")
    refused(seqcli("train", "tags.conllu"), 1, "There is no file tags.conllu")


@pytest.mark.parametrize(
    ("options", "parts"),
    [
        (("--cell", "lstmm"), ("--cell is 'lstmm'", "rnn, gru, lstm", "Did you mean lstm?")),
        (("--tokens", "words"), ("char, byte, word, bpe", "Did you mean word?")),
        (("--hidden", "0"), ("--hidden is '0'", "a whole number from 1")),
        (("--batch-size", "-3"), ("--batch-size is '-3'",)),
        (("--window", "0"), ("--window",)),
        (("--lr", "fast"), ("--lr is 'fast'", "a number above 0")),
        (("--dropout", "1"), ("--dropout is '1'", "below 1")),
        (("--bidirectional",), ("--bidirectional is for --task translate, tag and classify",)),
        (("--precision", "fp16"), ("fp16 needs a GPU",)),
        (("--seed", str(10**30)), ("--seed",)),
        (("--minutes", "inf"), ("--minutes is 'inf'",)),
        (("--hidden", "100000000000"), ("does not fit into memory",)),
        (
            ("--vocab-size", "500", "--lowercase"),
            ("--lowercase and --vocab-size would change nothing", "tokens are char"),
        ),
        (("--tokens", "bpe", "--vocab-size", "500", "--min-count", "2"), ("--min-count would change nothing",)),
        (("--tokens", "bpe", "--vocab-size", "200"), ("at least 260",)),
        (("--encoding", "one-hot", "--embedding-dim", "8"), ("--encoding one-hot has none",)),
        (("--task", "classify", "--tie"), ("--tie is for --task lm and translate",)),
        (("--hidenn", "3"), ("No such option", "--hidden")),
    ],
    ids=lambda value: value[0].strip("-") if isinstance(value, tuple) else None,
)
def test_options(seqcli: Run, corpus: Path, options: tuple[str, ...], parts: tuple[str, ...]) -> None:
    refused(seqcli("train", corpus, "--steps", 1, *options), 2, *parts)


def test_all_wrong_options_at_once(seqcli: Run, corpus: Path) -> None:
    Path("bad.yaml").write_text("hiden: 3\nlayers: none\n")
    result = seqcli("train", corpus, "--cell", "x", "--lr", "-1", "--config", "bad.yaml")
    refused(
        result,
        2,
        "bad.yaml, line 1: There is no option 'hiden'. Did you mean hidden?",
        "bad.yaml, line 2: --layers",
        "--cell",
        "--lr",
    )
    assert result.err.count("Error: ") == 4


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has one")
def test_no_gpu(seqcli: Run, corpus: Path) -> None:
    refused(seqcli("train", corpus, "--device", "cuda"), 2, "--device cuda", "it has cpu")


def test_run_name_is_taken(seqcli: Run, corpus: Path, trained: Path) -> None:
    before = (trained / "best.safetensors").read_bytes()
    refused(seqcli("train", corpus, "--run", "small"), 2, "already", "--resume small")
    assert (trained / "best.safetensors").read_bytes() == before


def test_places_that_cannot_be_written(seqcli: Run, corpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("file").write_text("in the way")
    refused(seqcli("train", corpus, "--steps", 1, "--runs-dir", "file"), 2, "cannot be made", "--runs-dir")
    monkeypatch.setenv("SEQCLI_CACHE", "file")
    refused(seqcli("train", corpus, "--steps", 1), 1, "cache", "SEQCLI_CACHE")


def test_not_enough_memory(seqcli: Run, corpus: Path) -> None:
    refused(seqcli("train", corpus, "--hidden", 10_000_000), 2, "lstm 1 x 10000000", "does not fit into memory")
    refused(seqcli("train", corpus, "--hidden", 4, "--cell", "rnn", "--embedding-dim", 10**12), 2, "memory")


def test_loss_becomes_nan(seqcli: Run, corpus: Path) -> None:
    result = seqcli(
        "train",
        corpus,
        "--steps",
        300,
        "--hidden",
        4,
        "--optimizer",
        "sgd",
        "--lr",
        1e12,
        "--clip",
        0,
        "--loss",
        "mse",
        "--quiet",
    )
    refused(result, 1, "At step", "Lower --lr (it was 1e+12)")


def test_checkpoint_files(seqcli: Run, trained: Path) -> None:
    whole = (trained / "best.safetensors").read_bytes()
    Path("cut.safetensors").write_bytes(whole[: len(whole) // 2])
    refused(seqcli("sample", "--run", "cut.safetensors"), 1, "cut.safetensors is damaged")
    torch.save({"w": torch.zeros(1)}, "model.pt")
    refused(seqcli("sample", "--run", "model.pt"), 1, "pickled torch file", "never reads one")
    Path("notes.txt").write_text("no model")
    refused(seqcli("eval", "corpus.txt", "--run", "notes.txt"), 1, "damaged or is no safetensors file")
    Path("newer.safetensors").write_bytes(whole.replace(b'"seqcli_format":"3"', b'"seqcli_format":"7"'))
    refused(seqcli("info", "newer.safetensors"), 1, "format 7", "newer seqcli")
    Path("older.safetensors").write_bytes(whole.replace(b'"seqcli_format":"3"', b'"seqcli_format":"1"'))
    refused(seqcli("sample", "--run", "older.safetensors"), 1, "format 1", "earlier seqcli", "Train it again")
    Path("other.safetensors").write_bytes(whole.replace(b'"task":"\\"lm\\""', b'"task":"\\"xx\\""'))
    refused(seqcli("sample", "--run", "other.safetensors"), 1, "'xx'")
    Path("torn.safetensors").write_bytes(whole.replace(b'"task":"\\"lm\\""', b'"task":"{lm\\""'))
    refused(seqcli("sample", "--run", "torn.safetensors"), 1, "torn.safetensors is damaged")


def test_a_damaged_newest_checkpoint_is_named_and_passed_over(seqcli: Run, corpus: Path) -> None:
    assert seqcli("train", corpus, "--steps", 6, "--save-every", 3, "--hidden", 4, "--run", "r", "--quiet").code == 0
    newest = Path("runs/r/checkpoints/step-00000006/model.safetensors")
    newest.write_bytes(newest.read_bytes()[:50])
    result = seqcli("train", "--resume", "r")
    assert result.code == 0, result.err
    assert "step-00000006/model.safetensors is damaged" in result.err
    assert "from step 3" in result.err


def test_sampling(seqcli: Run, trained: Path) -> None:
    result = seqcli("sample", "--top-k", 1000, "--length", 5)
    assert result.code == 0
    assert "--top-k 1000 is more than the vocabulary" in result.err
    result = seqcli("sample", "--prime", "cat Ω", "--length", 5)
    assert result.code == 0
    assert "never seen 'Ω'" in result.err
    refused(seqcli("sample", "--prime", "ΩΩ"), 1, "knows nothing of the prime")
    assert seqcli("sample", "--prime", "", "--length", 5).code == 0
    refused(seqcli("sample", "--device", "gpu"), 2, "--device is 'gpu'", "one of auto, cpu, cuda, mps")
    for option in (
        ("--length", 0),
        ("--temperature", -1),
        ("--temperature", "inf"),
        ("--temperature", "nan"),
        ("--top-p", 2),
        ("--top-k", 0),
    ):
        assert seqcli("sample", *option).code == 2


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read and write everything")
def test_files_without_permission(seqcli: Run, corpus: Path) -> None:
    corpus.chmod(0)
    refused(seqcli("train", corpus), 1, "cannot be read")
