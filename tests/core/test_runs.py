"""Training through the one door: events, resuming to the same bits, loading, sampling, measuring."""

import json
import math
import os
import random
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

import seqcli
from seqcli import Config
from seqcli.core import catalogue, runs
from seqcli.core.data import cache
from seqcli.core.events import Evaluated, Finished, Logged, Notice, Planned, Started, Stepped
from seqcli.core.tasks.union import build
from seqcli.core.tokenizers import BOS, EOS
from seqcli.core.training import checkpoint, device
from seqcli.core.training.checkpoint import checkpoints, read
from seqcli.errors import CheckpointError, ConfigError, DataError, TrainingError, VocabularyError

SMALL: dict[str, Any] = {
    "hidden": 8,
    "embedding_dim": 6,
    "batch_size": 4,
    "window": 9,
    "log_every": 3,
    "eval_every": 7,
    "threads": 2,
}


def points(run: Path) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [{k: v for k, v in line.items() if k not in ("tokens_per_s", "seconds")} for line in lines]


@pytest.mark.parametrize(
    "options",
    [
        {"dropout": 0.3, "layers": 2},
        {"cell": "gru", "dropout": 0.2, "optimizer": "adamw", "precision": "bf16", "average_decay": 0},
        {
            "cell": "rnn",
            "unit": "line",
            "encoding": "one-hot",
            "embedding_dim": None,
            "loss": "mse",
            "optimizer": "sgd",
            "lr": 0.01,
        },
        {"tokens": "word", "tie": True, "embedding_dim": 8, "optimizer": "adagrad", "schedule": "plateau"},
        {"tokens": "bpe", "vocab_size": 280, "optimizer": "rmsprop", "schedule": "cosine"},
    ],
    ids=lambda o: "-".join(map(str, o.values())),
)
def test_resuming_equals_never_having_stopped(corpus: Path, options: dict[str, Any]) -> None:
    check_resuming(build({**SMALL, **options, "files": (str(corpus),), "steps": 40}))
    a, b = seqcli.load("whole"), seqcli.load("halves")
    assert a.sample("the", length=30, seed=3) == b.sample("the", length=30, seed=3)


def test_a_precision_that_is_emulated_is_told_before_the_training(
    corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device, "has_fast_bf16", lambda: False)
    events = list(seqcli.train(corpus, precision="bf16", steps=1, **SMALL))
    assert any(isinstance(event, Notice) and "no units for bf16" in event.text for event in events)


TAGGED = "the\tDET\ncat\tNOUN\nsat\tVERB\n\na\tDET\ndog\tNOUN\n\nsit\tVERB\n\n" * 12


@pytest.mark.parametrize(
    "options",
    [
        {"task": "tag", "dropout": 0.3, "word_dropout": 0.3},
        {"task": "tag", "crf": True, "characters": "affixes", "cell": "gru", "optimizer": "adamw"},
        {"task": "classify", "dropout": 0.3, "word_dropout": 0.3, "pool": "attention", "select": "f1"},
        {
            "task": "classify",
            "tokens": "char",
            "encoding": "one-hot",
            "embedding_dim": None,
            "class_weights": "balanced",
            "cell": "rnn",
        },
    ],
    ids=lambda o: "-".join(map(str, o.values())),
)
def test_resuming_a_tagger_or_a_classifier(tmp_path: Path, options: dict[str, Any]) -> None:
    path = tmp_path / "labelled.tsv"
    texts = "".join(f"{a} {b} sat\t{a}\n" for a in ("the", "a") for b in ("cat", "dog", "bird") for _ in range(8))
    path.write_text(TAGGED if options["task"] == "tag" else texts)
    small = {k: v for k, v in SMALL.items() if k != "window"}
    check_resuming(build({**small, **options, "files": (str(path),), "steps": 40}))


def check_resuming(config: Config) -> None:
    """40 steps; and 20, stopped at an odd place, and resumed to 40: the same weights, state and metrics."""
    list(runs.train(config, run="whole"))
    events = runs.train(config, run="halves")
    for event in events:
        if isinstance(event, Stepped) and event.step == 20:
            break
    events.close()  # type: ignore[attr-defined]  # a generator
    resumed = list(runs.resume("halves"))
    assert [e.step for e in resumed if isinstance(e, Started)] == [20]
    for name in (
        "best.safetensors",
        "checkpoints/step-00000040/model.safetensors",
        "checkpoints/step-00000040/state.safetensors",
    ):
        whole, halves = read(Path("runs/whole") / name), read(Path("runs/halves") / name)
        assert whole.tensors.keys() == halves.tensors.keys()
        for key, tensor in whole.tensors.items():
            assert torch.equal(tensor, halves.tensors[key]), (name, key)
    assert points(Path("runs/whole")) == points(Path("runs/halves"))
    assert len(points(Path("runs/whole"))) >= 40 // 3 + 40 // 7


def test_metrics_written_after_the_checkpoint_are_forgotten(corpus: Path) -> None:
    """A killed process has written log points beyond its last checkpoint; they must not stand twice."""
    config = build({**SMALL, "files": (str(corpus),), "steps": 20, "save_every": 8})
    list(runs.train(config, run="whole"))
    events = runs.train(config, run="killed")
    for event in events:
        if isinstance(event, Stepped) and event.step == 14:
            break
    events.close()  # type: ignore[attr-defined]  # a generator
    shutil.rmtree("runs/killed/checkpoints/step-00000014")  # as if it had been killed, not closed
    metrics = Path("runs/killed/metrics.jsonl")
    metrics.write_text(metrics.read_text().replace("\n", '\n{"step": 5, "lo\n', 1))  # by a crash long ago
    assert [point["step"] for point in catalogue.read_run(Path("runs/killed")).points] == [3, 6, 7, 9, 12, 14]
    list(runs.resume("killed"))
    assert points(Path("runs/whole")) == points(Path("runs/killed"))


def test_events(corpus: Path) -> None:
    events = list(seqcli.train(build({**SMALL, "files": (str(corpus),), "steps": 14}), run="r"))
    kinds = [type(e) for e in events]
    assert kinds.count(Stepped) == 14
    assert [e.step for e in events if isinstance(e, Logged)] == [3, 6, 9, 12, 14]
    assert [e.step for e in events if isinstance(e, Evaluated)] == [7, 14]
    last = events[-1]
    assert isinstance(last, Finished)
    assert last.val_loss == min(e.val_loss for e in events if isinstance(e, Evaluated))
    assert read(Path("runs/r/best.safetensors")).metadata["step"] == last.best_step


def test_minutes_become_steps(corpus: Path) -> None:
    """At least once: a machine that is busy now and then may make another plan."""
    events = list(seqcli.train(build({**SMALL, "files": (str(corpus),), "minutes": 0.02}), run="r"))
    planned = [e for e in events if isinstance(e, Planned)]
    last = events[-1]
    assert isinstance(last, Finished)
    assert planned[0].before is None
    assert last.step == planned[-1].total_steps
    assert last.seconds < 6


def test_patience_stops(corpus: Path) -> None:
    config = build({**SMALL, "files": (str(corpus),), "steps": 400, "eval_every": 2, "patience": 2, "lr": 1e-9})
    last = list(runs.train(config))[-1]
    assert isinstance(last, Finished)
    assert last.reason == "patience"
    assert last.step < 400


def test_a_loss_that_is_no_number_stops_and_keeps_the_last_good(corpus: Path) -> None:
    config = build(
        {
            **SMALL,
            "files": (str(corpus),),
            "steps": 500,
            "optimizer": "sgd",
            "lr": 1e12,
            "clip": 0,
            "save_every": 1,
            "loss": "mse",
        }
    )
    with pytest.raises(TrainingError, match=r"At step \d+ the .* Lower --lr .* last good checkpoint is runs/nan"):
        list(runs.train(config, run="nan"))
    for place in checkpoints(Path("runs/nan")):
        assert all(t.isfinite().all() for t in read(place / "model.safetensors").tensors.values())


def test_one_file_is_enough(trained: Path, tmp_path: Path) -> None:
    alone = tmp_path / "elsewhere" / "model.safetensors"
    alone.parent.mkdir()
    alone.write_bytes((trained / "best.safetensors").read_bytes())
    a, b = seqcli.load(alone), seqcli.load("small")
    assert a.sample("the", length=40, seed=1) == b.sample("the", length=40, seed=1)
    assert a.evaluate(tmp_path / "corpus.txt")["loss"] == b.evaluate(tmp_path / "corpus.txt")["loss"]


def test_evaluation_does_not_depend_on_how_the_text_is_cut(trained: Path, tmp_path: Path) -> None:
    """Figures of a text read by many readers, against one pass of the model over all of it."""
    text = (tmp_path / "corpus.txt").read_text()
    model = seqcli.load("small")
    ids = torch.from_numpy(model.tokenizer.encode(text).astype("int64"))[None]
    with torch.no_grad():
        scores, _ = model.model(ids[:, :-1])
    exact = torch.nn.functional.cross_entropy(scores[0], ids[0, 1:]).item()
    found = model.evaluate(tmp_path / "corpus.txt")
    assert found["loss"] == pytest.approx(exact, rel=1e-4)
    assert found["tokens"] == len(text) - 1
    assert found["bits_per_character"] == pytest.approx(exact / 0.6931 * (len(text) - 1) / len(text), rel=1e-2)


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
@pytest.mark.parametrize("encoding", ["embedding", "one-hot"])
def test_lines_longer_than_the_window_are_measured_whole(tmp_path: Path, cell: str, encoding: str) -> None:
    """Against one pass of the model over each line alone, the longest of which takes three stretches."""
    lines = ["ab" * 600, "b", "aab" * 7, "ba" * 300]
    path = tmp_path / "lines.txt"
    path.write_text("\n".join(lines))
    options = {"files": (str(path),), "unit": "line", "steps": 3, "cell": cell, "encoding": encoding, "valid_split": 0}
    list(runs.train(build({**SMALL, "embedding_dim": None, **options}), run="r"))
    model = seqcli.load("r")
    total = 0.0
    for line in lines:
        ids = torch.tensor([[BOS, *model.tokenizer.encode(line).tolist(), EOS]])
        with torch.no_grad():
            scores, _ = model.model(ids[:, :-1])
        total += torch.nn.functional.cross_entropy(scores[0], ids[0, 1:], reduction="sum").item()
    found = model.evaluate(path)
    assert found["tokens"] == sum(map(len, lines)) + 4
    assert found["loss"] == pytest.approx(total / found["tokens"], rel=1e-5)


def test_sampling_options(trained: Path) -> None:
    model = seqcli.load("small")
    one = model.sample("the ", length=50, seed=5)
    assert one == model.sample("the ", length=50, seed=5)
    assert one != model.sample("the ", length=50, seed=6)
    assert one.startswith("the ")
    assert len(one) == 54
    for sample in model.samples("c", num_samples=3, length=80, seed=1, stop="a"):
        assert "a" not in sample.text
        assert sample.ended == "stop"
    assert len({s.text for s in model.samples(num_samples=3, length=30, seed=1)}) == 3
    greedy = model.sample("the", length=20, temperature=0)
    assert greedy == model.sample("the", length=20, top_k=1, temperature=1, seed=9)
    assert model.sample("", length=5, seed=1)
    with pytest.raises(VocabularyError, match="knows nothing"):
        model.sample("Ω")
    assert model.encode_prime("cΩat") == (model.tokenizer.encode("cΩat").tolist(), ["Ω"])


def test_finding_runs(trained: Path, corpus: Path) -> None:
    list(runs.train(build({**SMALL, "files": (str(corpus),), "steps": 2}), run="newer"))
    os.utime("runs/newer/best.safetensors", (2e9, 2e9))
    assert [r.name for r in catalogue.list_runs()] == ["newer", "small"]
    assert catalogue.find(None).name == "newer"
    assert catalogue.find(Path("runs/small")) == Path("runs/small")
    with pytest.raises(CheckpointError, match="Did you mean small"):
        catalogue.find("smal")
    with pytest.raises(CheckpointError, match="Train one first"):
        catalogue.find(None, "nowhere")
    with pytest.raises(CheckpointError, match="not a translation model: use seqcli sample"):
        runs.load("small", task="translate")


def test_names_of_runs(trained: Path, corpus: Path) -> None:
    config = build({**SMALL, "files": (str(corpus),), "steps": 1})
    assert list(runs.train(config))[-1].run_dir == Path("runs/corpus-lstm")  # type: ignore[union-attr]  # Finished
    assert list(runs.train(config))[-1].run_dir == Path("runs/corpus-lstm-2")  # type: ignore[union-attr]  # Finished
    with pytest.raises(ConfigError, match="already"):
        list(runs.train(config, run="small"))
    with pytest.raises(ConfigError, match="plain name"):
        list(runs.train(config, run="a/b"))


def test_resume_lengthens_but_changes_nothing_else(trained: Path) -> None:
    with pytest.raises(ConfigError, match="--cell, --lr cannot change"):
        list(runs.resume("small", {"lr": 1.0, "cell": "gru"}))
    last = list(runs.resume("small", {"steps": 9}))[-1]
    assert isinstance(last, Finished)
    assert last.step == 9


def test_a_checkpoint_is_read_once(trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[Path] = []
    monkeypatch.setattr(checkpoint, "read", lambda path: (opened.append(path), read(path))[1])
    list(runs.resume("small", {"steps": 7}))
    assert [path.name for path in opened] == ["model.safetensors", "state.safetensors"]


def test_a_run_does_not_go_on_with_another_text(trained: Path, corpus: Path) -> None:
    for other in (corpus.read_text() * 2, corpus.read_text().swapcase()):
        corpus.write_text(other)
        with pytest.raises(CheckpointError, match="The text has changed"):
            list(runs.resume("small", {"steps": 9}))


def test_the_smallest_budget_wins(corpus: Path) -> None:
    last = list(runs.train(build({**SMALL, "files": (str(corpus),), "minutes": 5, "steps": 12})))[-1]
    assert isinstance(last, Finished)
    assert last.step == 12


def test_a_finished_run_goes_on_with_a_new_budget(trained: Path) -> None:
    last = list(runs.resume("small", {"minutes": 0.01}))[-1]
    assert isinstance(last, Finished)
    assert last.step > 6
    assert list(runs.resume("small"))[-1].step == last.step  # type: ignore[union-attr]  # Finished


def test_damaged_newer_checkpoints_do_not_push_out_good_ones(corpus: Path) -> None:
    config = build({**SMALL, "files": (str(corpus),), "steps": 9, "save_every": 3, "keep": 3})
    list(runs.train(config, run="r"))
    (Path("runs/r/checkpoints/step-00000009") / "state.safetensors").write_bytes(b"")
    list(runs.resume("r", {"keep": 1}))
    (place,) = checkpoints(Path("runs/r"))
    assert read(place / "state.safetensors").metadata["position"]["step"] == 9


def test_wrong_combinations(corpus: Path) -> None:
    for options, message in [
        ({"bidirectional": True}, "bidirectional"),
        ({"tie": True, "encoding": "one-hot"}, "--tie"),
        ({"tie": True, "hidden": 8, "embedding_dim": 9}, "--tie needs"),
        ({"label_smoothing": 0.1, "loss": "mse"}, "--label-smoothing"),
        ({"patience": 3, "valid_split": 0}, "--patience goes by .* --valid, or .* --valid-split"),
        ({"schedule": "plateau", "valid_split": 0}, "--schedule plateau goes by .* --valid, or .* --valid-split"),
    ]:
        with pytest.raises(ConfigError, match=message):
            list(runs.train(build({"files": (str(corpus),), "steps": 1, **options}), run="x"))
    assert not Path("runs/x").exists()


def test_patience_needs_validation_also_when_it_is_given_later(corpus: Path) -> None:
    config = build({**SMALL, "files": (str(corpus),), "steps": 2, "valid_split": 0})
    list(runs.train(config, run="r"))
    with pytest.raises(ConfigError, match="--patience goes by"):
        list(runs.resume("r", {"steps": 4, "patience": 1}))
    assert list(runs.resume("r", {"steps": 4}))[-1].step == 4  # type: ignore[union-attr]  # Finished


def test_choosing_a_translator_needs_validation() -> None:
    Path("pairs.tsv").write_text("".join(f"{k} one\t{k} eins\n" for k in range(9)))
    for options, name in (({"select": "bleu"}, "--select"), ({"patience": 1}, "--patience")):
        with pytest.raises(ConfigError, match=f"{name} goes by .* --valid"):
            list(runs.train(build({"files": ("pairs.tsv",), "steps": 1, "valid_split": 0, **options}), run="x"))
    assert not Path("runs").exists()


def test_plateau_halves_the_rate_when_an_evaluation_is_no_better(corpus: Path) -> None:
    how = {"steps": 12, "eval_every": 2, "log_every": 1, "warmup": 0, "schedule": "plateau", "lr": 1e-30}
    events = list(runs.train(build({**SMALL, "files": (str(corpus),), "average_decay": 0, **how})))
    worse = 0
    for event in events:
        if isinstance(event, Logged):
            assert event.lr == pytest.approx(1e-30 * 0.5**worse, rel=1e-6, abs=0)
        elif isinstance(event, Evaluated):
            worse += not event.best
    assert worse == 5


def test_validation_file(corpus: Path, tmp_path: Path) -> None:
    (tmp_path / "valid.txt").write_text("the cat met the dog. Ω\n" * 5)
    events = list(runs.train(build({**SMALL, "files": (str(corpus),), "steps": 2, "valid": "valid.txt"})))
    started = next(e for e in events if isinstance(e, Started))
    assert (started.train_tokens, started.valid_tokens) == (
        len(corpus.read_text()),
        len("the cat met the dog. Ω\n") * 5,
    )
    assert any("5 of 115 tokens are unknown" in getattr(e, "text", "") for e in events)
    with pytest.raises(DataError, match="no file"):
        list(runs.train(build({**SMALL, "files": (str(corpus),), "steps": 2, "valid": "none.txt"})))


# --- what a run depends on ------------------------------------------------------------------------------------------


def test_a_run_does_not_go_on_with_another_validation_file(corpus: Path, tmp_path: Path) -> None:
    valid = tmp_path / "valid.txt"
    valid.write_text("the cat met the dog.\n" * 5)
    list(runs.train(build({**SMALL, "files": (str(corpus),), "steps": 2, "valid": str(valid)}), run="r"))
    list(runs.resume("r", {"steps": 3}))
    valid.write_text("the dog met the cat.\n" * 5)
    with pytest.raises(CheckpointError, match=r"text has changed since the run began: .*valid.txt"):
        list(runs.resume("r", {"steps": 4}))


def test_a_run_does_not_go_on_with_pairs_that_changed(tmp_path: Path) -> None:
    for name in ("source", "target"):
        (tmp_path / name).write_text("".join(f"{name} {k}\n" for k in range(12)))
    files = {"source": str(tmp_path / "source"), "target": str(tmp_path / "target")}
    list(runs.train(build({"hidden": 4, "embedding_dim": 3, "steps": 2, "threads": 1, **files}), run="r"))
    list(runs.resume("r", {"steps": 3}))
    (tmp_path / "target").write_text("".join(f"target {k}\n" for k in range(1, 13)))
    with pytest.raises(CheckpointError, match="text has changed"):
        list(runs.resume("r", {"steps": 4}))


def test_a_text_changed_behind_its_size_and_time_is_noticed(corpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "YOUNG", -(10**18))  # the digest is remembered, however young the text
    list(runs.train(build({**SMALL, "files": (str(corpus),), "steps": 2}), run="r"))
    times, text = corpus.stat(), corpus.read_text()
    corpus.write_text(text.replace("cat", "cow"))
    os.utime(corpus, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert (corpus.stat().st_size, corpus.stat().st_mtime_ns) == (times.st_size, times.st_mtime_ns)
    with pytest.raises(CheckpointError, match="text has changed"):
        list(runs.resume("r", {"steps": 3}))


@pytest.mark.parametrize("tokens", ["char", "bpe"])
def test_the_first_resumption_tokenizes_nothing(corpus: Path, tokens: str) -> None:
    said: list[str] = []
    how = {"tokens": tokens, "vocab_size": 280 if tokens == "bpe" else None}
    list(runs.train(build({**SMALL, **how, "files": (str(corpus),), "steps": 2}), run="r", say=said.append))
    assert any("Tokenizing" in text for text in said)
    said.clear()
    list(runs.resume("r", {"steps": 3}, say=said.append))
    assert not any("Tokenizing" in text or "vocabulary" in text for text in said)


def test_bits_of_a_held_out_part_are_those_of_its_own_text(tmp_path: Path) -> None:
    """The text ends in Korean, three bytes a letter, and that end is what is validated on."""
    text = "plain words only\n" * 200 + "한국어 문장이다\n" * 60
    path = tmp_path / "korean.txt"
    path.write_text(text)
    events = list(runs.train(build({**SMALL, "files": (str(path),), "steps": 2, "eval_every": 2})))
    (found,) = [e for e in events if isinstance(e, Evaluated)]
    end = text[round(len(text) * 0.9) :][1:]  # its first letter is not predicted
    bits = found.val_loss * len(end) / math.log(2)
    assert found.figures["bits_per_character"] == pytest.approx(bits / len(end), rel=1e-6)
    assert found.figures["bits_per_byte"] == pytest.approx(bits / len(end.encode()), rel=1e-6)


# --- damaged runs ---------------------------------------------------------------------------------------------------


def damage(place: Path, random_: random.Random) -> None:
    """Spoil a configuration or the metrics of a run, by chance or with intent."""
    target = place / random_.choice(["config.yaml", "config.yaml", "metrics.jsonl"])
    data = bytearray(target.read_bytes())
    how = random_.randrange(6)
    if how == 0:
        data = data[: random_.randrange(len(data))]
    elif how == 1:
        data[random_.randrange(len(data))] ^= 1 << random_.randrange(8)
    elif how == 2:
        target.unlink()
        [target.mkdir, lambda: os.mkfifo(target), lambda: target.symlink_to(target.name), lambda: None][
            random_.randrange(4)
        ]()
        return
    else:
        intents: list[bytes] = [b"[" * 100_000, b"seed: 2001-99-99\n", b"a: &a [x]\nb: [*a, *a]\n", b"\0", b"\xff\xfe"]
        intents += [b'{"step": 1, "val_loss": %s}\n' % v for v in (b"null", b'"x"', b"[1]", b"NaN", b"9" * 5000, b"{}")]
        intents += [b"files: %s\n" % v for v in (b'["a\\0b"]', b"{a: 1}", b"!!int x", b"3", b"[[" * 2000)]
        at = random_.randrange(len(data))
        data = bytearray(random_.choice([data[:at], b""]) + random_.choice(intents) + random_.choice([data[at:], b""]))
    target.write_bytes(data)


def check_damaged(place: Path, count: int, seed: int) -> None:
    random_ = random.Random(seed)
    complaints = 0
    for k in range(count):
        bad = place.parent / f"bad-{k}"
        shutil.copytree(place, bad)
        damage(bad, random_)
        damaged: list[str] = []
        found = catalogue.list_runs(place.parent, damaged)
        assert place.name in [run.name for run in found]
        assert len(found) + len(damaged) <= 2
        for run in found:
            assert run.step >= 0
            assert run.val_loss is None or math.isfinite(run.val_loss)
        assert all(bad.name in text for text in damaged)
        assert catalogue.newest(place.parent) in (place, bad)
        complaints += len(damaged)
        shutil.rmtree(bad)
    assert complaints > count / 5


def test_a_damaged_run_never_hides_the_others(trained: Path) -> None:
    check_damaged(trained, 100, seed=1)


@pytest.mark.slow
def test_no_damaged_run_ever_hides_the_others(trained: Path) -> None:
    check_damaged(trained, 1000, seed=2)


def test_a_run_that_goes_away_while_it_is_listed(trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    glob = Path.glob
    monkeypatch.setattr(Path, "glob", lambda self, pattern: [Path("runs/gone/config.yaml"), *glob(self, pattern)])
    assert [run.name for run in catalogue.list_runs()] == ["small"]
    assert catalogue.newest() == trained


def test_the_best_point_is_one_with_a_number(trained: Path) -> None:
    with (trained / "metrics.jsonl").open("w") as file:
        for loss in ("null", "2.5", "NaN", '"low"', "-Infinity", "1.5", "1e999", "2.0"):
            file.write(f'{{"step": 1, "val_loss": {loss}}}\n')
    assert catalogue.read_run(trained).val_loss == 1.5
