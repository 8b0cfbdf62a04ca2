"""The task lm: which part of a text or of a list is held out."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import seqcli
from seqcli import Config
from seqcli.core.data import TokenFile, open_tokens
from seqcli.core.events import Notice, Saved
from seqcli.core.tasks.lm.batches import LineBatches
from seqcli.core.tasks.lm.job import read_data
from seqcli.core.tasks.lm.network import build_lm
from seqcli.core.tasks.lm.trained import evaluate
from seqcli.core.tasks.union import build
from seqcli.core.tokenizers import EOS
from seqcli.core.training.checkpoint import read

NAMES = [f"{letter}{'e' * (k % 5)}{k % 7}" for letter in "abcdefgh" for k in range(25)]  # sorted, as lists are


def lines_of(data: TokenFile) -> list[str]:
    """The text of the lines that belong to it."""
    assert data.ends is not None and data.lines is not None
    starts = data.ends - np.diff(data.ends, prepend=0)
    return [data.tokenizer.decode(np.array(data.ids[starts[k] : data.ends[k] - 1])) for k in data.lines]


def split(**options: Any) -> tuple[TokenFile, TokenFile]:
    Path("names.txt").write_text("\n".join(NAMES) + "\n")
    config: Config = build({"files": ("names.txt",), "unit": "line", **options})
    training, valid = read_data(config, lambda text: None)
    assert valid is not None
    return training, valid


def test_a_list_is_held_out_from_by_chance_in_lines() -> None:
    training, valid = split()
    held = lines_of(valid)
    assert len(held) == 20 and sorted(lines_of(training) + held) == sorted(NAMES)
    assert len({name[0] for name in held}) > 4, "not the end of the alphabet"
    assert valid.tokens == sum(len(name) + 1 for name in held) and training.tokens + valid.tokens == len(training.ids)
    assert lines_of(split()[1]) == held != lines_of(split(seed=2)[1])


def test_a_list_is_validated_on_at_most_so_many_tokens() -> None:
    training, valid = split(valid_tokens=30)
    assert 20 <= valid.tokens <= 30 and training.tokens + valid.tokens == len(training.ids)
    Path("valid.txt").write_text("".join(f"{'ab'[k // 50]}\n" for k in range(100)))
    training, valid = split(valid="valid.txt", valid_tokens=40)
    assert training.tokens == len(training.ids)
    assert set(lines_of(valid)) == {"a", "b"}, "not its beginning"
    assert valid.tokens <= 40
    training, valid = split(unit="stream", valid_tokens=40)
    assert len(valid.ids) == 40 and valid.lines is None


def test_held_out_lines_are_never_trained_on_and_are_measured_alone() -> None:
    training, valid = split()
    assert training.ends is not None
    batches = LineBatches(training.ids, training.ends, 7, 99, 3, training.lines)
    seen = []
    for step in range(batches.steps_per_epoch):
        for row in batches[step].y:
            seen.append(training.tokenizer.decode(row[: int((row == EOS).nonzero()[0])].numpy()))
    assert sorted(seen) == sorted(lines_of(training))

    config = build({"files": ("names.txt",), "hidden": 7, "embedding_dim": 5, "dropout": 0.0})
    model = build_lm(config, training.tokenizer.vocab_size, 1)
    with torch.no_grad():
        for p in model.parameters():
            p.normal_(generator=torch.Generator().manual_seed(1))
    Path("held.txt").write_text("\n".join(lines_of(valid)) + "\n")
    alone = open_tokens([Path("held.txt")], unit="line", tokenizer=valid.tokenizer)
    found, wanted = evaluate(model, valid), evaluate(model, alone)
    assert found["loss"] == pytest.approx(wanted["loss"], rel=1e-5) and found["tokens"] == wanted["tokens"]
    assert found["bits_per_character"] == pytest.approx(wanted["bits_per_character"], rel=0.05)


def test_a_list_of_lines_of_one_length_is_resumed(tmp_path: Path) -> None:
    """Such a batch needs no mask; nothing is carried from it to the next one all the same, for a line begins anew."""
    path = tmp_path / "names.txt"
    path.write_text("".join(f"{k:04d}\n" for k in range(100)))
    how: dict[str, Any] = {"unit": "line", "hidden": 7, "batch_size": 16, "save_every": 3, "valid_split": 0.3}
    list(seqcli.train(path, run="whole", steps=9, **how))
    events = seqcli.train(path, run="broken", steps=9, **how)
    for event in events:
        if isinstance(event, Saved) and event.step == 3:
            break
    events.close()
    said = [event for event in seqcli.resume("broken") if isinstance(event, Notice)]
    assert not any("damaged" in event.text for event in said), said
    a, b = (read(Path("runs") / run / "best.safetensors").tensors for run in ("whole", "broken"))
    assert all(torch.equal(a[name], b[name]) for name in a)
