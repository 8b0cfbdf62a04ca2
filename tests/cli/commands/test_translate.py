"""Translation on the command line: pairs in, translations out, and a sentence for everything that is wrong."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

import seqcli as package
from seqcli.core import catalogue, runs
from seqcli.core.tasks.translate.trained import Translator

Run = Callable[..., Any]
Feed = Callable[[bytes], None]
WORDS = {"eins": "one", "zwei": "two", "drei": "three", "vier": "four", "rot": "red", "blau": "blue"}
PAIRS = [(f"{a} {b}", f"{WORDS[a]} {WORDS[b]}") for a in WORDS for b in WORDS]


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    path = tmp_path / "pairs.tsv"
    path.write_text("".join(f"{s}\t{t}\n" for s, t in PAIRS), encoding="utf-8")
    return path


SMALL = ("--hidden", 12, "--embedding-dim", 8, "--steps", 5, "--quiet")


@pytest.fixture
def translator(seqcli: Run, pairs: Path) -> Path:
    result = seqcli("train", pairs, *SMALL, "--run", "small")
    assert result.code == 0, result.err
    return Path("runs/small")


def test_a_tsv_is_a_translation_task(seqcli: Run, pairs: Path) -> None:
    result = seqcli("train", pairs, "--hidden", 12, "--steps", 12)
    assert result.code == 0 and "general attention" in result.err and "seqcli translate --run pairs-lstm" in result.err
    assert package.load("pairs-lstm").plan.task == "translate"


def test_pairs_are_translated_and_scored(seqcli: Run, translator: Path, pairs: Path) -> None:
    result = seqcli("translate", pairs, "--beam", 2)
    assert result.code == 0 and len(result.out.splitlines()) == len(PAIRS)
    assert "BLEU" in result.err and "chrF" in result.err and "TER" in result.err and "nrefs:1" in result.err


def test_lines_come_out_in_order_one_for_one(seqcli: Run, translator: Path, feed: Feed) -> None:
    lines = ["eins zwei", "", "rot", "blau blau blau", "  "]
    alone = [seqcli("translate", "--text", line).out for line in lines]
    feed("\n".join(lines).encode())
    result = seqcli("translate")
    assert result.code == 0 and result.out == "".join(alone)
    assert result.out.splitlines()[1] == ""


def test_a_line_that_is_not_utf8_costs_that_line_only(seqcli: Run, translator: Path, feed: Feed) -> None:
    one = seqcli("translate", "--text", "eins").out
    feed(b"eins\nz\xffei\neins\n")
    result = seqcli("translate")
    assert result.out == one + "\n" + one and result.code == 1
    assert "Line 2 of the input is not UTF-8" in result.err


def test_long_and_unknown_input_is_said(seqcli: Run, translator: Path, feed: Feed) -> None:
    feed(("eins " * 10_000 + "\n한국어\n").encode())
    result = seqcli("translate")
    assert result.code == 0 and len(result.out.splitlines()) == 2
    assert (
        "Line 1 is longer than the model reads" in result.err and "Line 2: the model has never seen '한'" in result.err
    )


def test_n_best_json_and_attention(seqcli: Run, translator: Path) -> None:
    result = seqcli("translate", "--text", "eins", "--n-best", 3, "--beam", 4)
    rows = [line.split("\t") for line in result.out.splitlines()]
    assert [row[0] for row in rows] == ["1"] * 3 and len({row[2] for row in rows}) == 3
    assert [float(row[1]) for row in rows] == sorted((float(row[1]) for row in rows), reverse=True)
    found = json.loads(seqcli("translate", "--text", "eins", "--json", "--attention").out)
    assert found["source_tokens"] == [*"eins", "<eos>"] and len(found["attention"]) == len(found["target_tokens"])
    assert all(sum(row) == pytest.approx(1, abs=0.02) and len(row) == 5 for row in found["attention"])
    picture = seqcli("translate", "--text", "eins", "--attention").out
    assert len(picture.splitlines()) > len(found["target_tokens"])


def test_sampling_is_repeatable(seqcli: Run, translator: Path) -> None:
    draw = ("translate", "--text", "eins zwei", "--temperature", 2, "--seed")
    assert seqcli(*draw, 1).out == seqcli(*draw, 1).out
    assert len({seqcli(*draw, seed).out for seed in range(5)}) > 1


def test_eval_compares_runs(seqcli: Run, translator: Path, pairs: Path) -> None:
    assert seqcli("train", pairs, *SMALL, "--cell", "gru", "--run", "other").code == 0
    result = seqcli("eval", pairs, "--run", "small", "--run", "other", "--json", "--beam", 1)
    rows = [json.loads(line) for line in result.out.splitlines()]
    assert [row["run"] for row in rows] == ["small", "other"]
    for row in rows:
        assert {"bleu", "chrf", "ter", "exact", "perplexity", "signature"} <= set(row)
    plain = seqcli("eval", pairs).out
    assert "BLEU" in plain and "exact match" in plain


def test_select_and_test_file(seqcli: Run, pairs: Path) -> None:
    result = seqcli("train", pairs, "--hidden", 8, "--steps", 6, "--select", "exact", "--test", pairs)
    assert result.code == 0 and "exact 0.00%" in result.err and "\nBLEU  " in result.err
    points = [json.loads(line) for line in Path("runs/pairs-lstm/metrics.jsonl").read_text().splitlines()]
    assert any("exact" in point for point in points)


def test_bad_lines_are_passed_over_everywhere(seqcli: Run, pairs: Path) -> None:
    pairs.write_text("one\ttwo\tthree\n" + pairs.read_text())
    result = seqcli("translate", pairs, "--skip-bad-lines")
    assert result.code == 1 and f"seqcli train {pairs} --skip-bad-lines" in result.err
    files = ("--valid", pairs, "--test", pairs)
    result = seqcli("train", pairs, *SMALL[:-1], *files, "--skip-bad-lines")
    assert result.code == 0, result.err
    assert result.err.count(f"1 bad line of {pairs} passed over.") == 3, "of the training, --valid and --test"
    assert seqcli("translate", pairs).code == 1
    result = seqcli("translate", pairs, "--skip-bad-lines", "--beam", 1)
    assert result.code == 0 and len(result.out.splitlines()) == len(PAIRS)
    assert f"1 bad line of {pairs} passed over." in result.err


def test_train_says_yes_beforehand(seqcli: Run, pairs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    train = runs.train
    monkeypatch.setattr(runs, "train", lambda config, **how: train(config.with_(steps=4, hidden=8), **how))
    result = seqcli("translate", pairs, "--train", "--quiet", "--beam", 1)
    assert result.code == 0, result.err
    assert len(result.out.splitlines()) == len(PAIRS)
    assert Path("runs/pairs-lstm/best.safetensors").is_file()


def test_at_most_so_many_tokens_a_source_token(seqcli: Run, translator: Path) -> None:
    for ratio, most in ((0.5, 2), (2, 8)):
        found = seqcli("translate", "--text", "eins", "--max-ratio", ratio, "--min-length", most).out
        assert len(found.rstrip("\n")) == most


def test_no_attention_to_see(seqcli: Run, pairs: Path) -> None:
    assert seqcli("train", pairs, *SMALL, "--attention", "none").code == 0
    for command in (("translate", "--attention"), ("plot", "--what", "attention", "-o", "a.svg")):
        result = seqcli(*command, "--text", "eins")
        assert result.code == 2
        assert "--attention none" in result.err
    assert not Path("a.svg").exists()


def test_two_files(seqcli: Run, tmp_path: Path) -> None:
    (tmp_path / "a.de").write_text("\n".join(s for s, _ in PAIRS))
    (tmp_path / "a.en").write_text("\n".join(t for _, t in PAIRS))
    result = seqcli("train", "--source", tmp_path / "a.de", "--target", tmp_path / "a.en", *SMALL)
    assert result.code == 0 and Path("runs/a-lstm/best.safetensors").exists()


@pytest.mark.parametrize(
    "options",
    [
        ("--input-feeding", "--dropout", "0.3", "--average", "3", "--eval-every", "3"),
        ("--teacher-forcing", "0.5", "--cell", "gru", "--attention", "concat"),
        ("--attention", "none", "--context", "every-step", "--reverse-source", "--layers", "2", "--dropout", "0.2"),
    ],
)
def test_resumed_equals_unbroken(seqcli: Run, pairs: Path, options: tuple[str, ...]) -> None:
    common = ("train", pairs, "--hidden", 12, "--steps", 24, "--batch-tokens", 100, "--quiet", *options)
    assert seqcli(*common, "--run", "whole").code == 0
    events = package.train(package.load("whole").plan, run="broken")
    for event in events:
        if type(event).__name__ == "Stepped" and event.step == 11:
            break
    events.close()  # type: ignore[attr-defined]  # a generator
    assert seqcli("train", "--resume", "broken", "--quiet").code == 0
    for kind in ("best.safetensors", "checkpoints/step-00000024/model.safetensors"):
        assert tensors(Path("runs/broken") / kind) == tensors(Path("runs/whole") / kind)


def test_the_mean_of_the_best_few_is_tried(seqcli: Run, pairs: Path) -> None:
    """It is evaluated as the others were, and kept where it is the best: then it is the mean of the weights kept."""
    common = ("train", pairs, "--hidden", 24, "--steps", 120, "--eval-every", 6, "--lr", 0.02, "--schedule", "constant")
    result = seqcli(*common, "--average-decay", 0, "--average", 4, "--dropout", 0, "--label-smoothing", 0)
    assert result.code == 0 and "The mean of the best weights" in result.err
    place = Path("runs/pairs-lstm")
    losses = [point["val_loss"] for point in catalogue.read_run(place).points if "val_loss" in point]
    assert len(losses) == 120 / 6 + 1
    few = [load_file(path) for path in place.glob("averaged/*")]
    assert len(few) == 4
    model = package.load("pairs-lstm")
    assert model.figures["loss"] == pytest.approx(min(losses), abs=1e-4)
    kept = load_file(place / "best.safetensors")
    means = {name: np.mean([weights[name] for weights in few], axis=0) for name in few[0]}
    is_mean = all(np.allclose(kept[name], mean, atol=1e-6) for name, mean in means.items())
    assert is_mean == (losses[-1] < min(losses[:-1]))


def tensors(path: Path) -> dict[str, bytes]:
    return {name: value.tobytes() for name, value in load_file(path).items()}


def test_unknown_words_are_replaced_by_what_was_looked_at(seqcli: Run, pairs: Path) -> None:
    result = seqcli("train", pairs, *SMALL, "--steps", 60, "--tokens", "word", "--vocab-size", 8, "--run", "words")
    assert result.code == 0, result.err
    model = package.load("words")
    assert isinstance(model, Translator)
    with_unknown = [t for t in model.translate([s for s, _ in PAIRS], beam=4, n_best=4) if "<unk>" in t.text]
    assert with_unknown
    for t in model.translate([t.source for t in with_unknown], beam=4, replace_unknown=True):
        assert "<unk>" not in t.text and set(t.text.split()) & set(t.source.split())


# --- what is wrong --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("one\n", ["line 1", "1 column"]),
        ("a\tb\nc\td\te\n", ["line 2", "3 columns"]),
        ("", ["empty"]),
        ("\n\n", ["no pair"]),
    ],
)
def test_bad_pairs(seqcli: Run, tmp_path: Path, text: str, words: list[str]) -> None:
    (tmp_path / "bad.tsv").write_text(text)
    result = seqcli("train", tmp_path / "bad.tsv")
    assert result.code == 1 and all(word in result.err for word in words), result.err
    assert not Path("runs").exists()


def test_all_pairs_too_long(seqcli: Run, pairs: Path) -> None:
    result = seqcli("train", pairs, "--max-length", 2)
    assert result.code == 1 and "All 36 pairs" in result.err
    result = seqcli("train", pairs, *SMALL[:-1], "--max-length", 9)
    assert result.code == 0 and "pairs are longer than --max-length 9: dropped" in result.err


def test_sides_of_different_length(seqcli: Run, tmp_path: Path) -> None:
    (tmp_path / "a.de").write_text("ein\nzwei\n")
    (tmp_path / "a.en").write_text("one\n")
    result = seqcli("train", "--source", tmp_path / "a.de", "--target", tmp_path / "a.en")
    assert result.code == 1 and "ends after 1 lines" in result.err
    assert seqcli("train", "--source", tmp_path / "a.de").code == 2


def test_the_wrong_kind_of_model(seqcli: Run, translator: Path, corpus: Path) -> None:
    assert seqcli("train", corpus, "--steps", 2, "--hidden", 8, "--quiet", "--run", "text").code == 0
    result = seqcli("translate", "--run", "text", "--text", "a")
    assert result.code == 1 and "use seqcli sample" in result.err
    result = seqcli("sample", "--run", "small", "--prime", "a")
    assert result.code == 1 and "use seqcli translate" in result.err


def test_options_that_do_not_fit(seqcli: Run, translator: Path, pairs: Path, corpus: Path) -> None:
    assert seqcli("translate", "--text", "a", "--beam", 0).code == 2
    result = seqcli("translate", "--text", "a", "--beam", 2, "--n-best", 3)
    assert result.code == 2 and "raise --beam" in result.err
    result = seqcli("train", corpus, "--attention", "dot")
    assert result.code == 2 and "--attention is for --task translate, but this is lm" in result.err
    assert seqcli("train", pairs, *SMALL, "--attention", "none", "--run", "blind").code == 0
    result = seqcli("translate", "--run", "blind", "--text", "a", "--attention")
    assert result.code == 2 and "no attention" in result.err


def test_nothing_trained_yet(seqcli: Run, pairs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    result = seqcli("translate", pairs)
    assert result.code == 1 and f"Train one first: seqcli train {pairs}" in result.err
    assert seqcli("translate", "nowhere.tsv").code != 0


def test_closed_stdout(translator: Path, pairs: Path) -> None:
    command = f'"{sys.executable}" -m seqcli translate "{pairs}" --beam 1 | head -n 1'
    result = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)
    assert len(result.stdout.splitlines()) == 1 and "Traceback" not in result.stderr


def test_replaced_words_come_without_a_map(seqcli: Run, pairs: Path) -> None:
    assert seqcli("train", pairs, *SMALL, "--tokens", "word", "--run", "words").code == 0
    result = seqcli("translate", "--text", "eins qqq", "--replace-unknown", "--n-best", 2)
    assert result.code == 0 and len(result.out.strip().split("\n")) == 2
    assert "attention" not in json.loads(seqcli("translate", "--text", "eins", "--replace-unknown", "--json").out)


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (("--length-norm", "foo"), "--length-norm"),
        (("--top-k", 5), "--temperature"),
        (("--temperature", 0, "--n-best", 3), "--temperature 0"),
        (("--temperature", "inf"), "temperature"),
        (("--temperature", "nan"), "temperature"),
        (("--coverage-penalty", "inf"), "coverage-penalty"),
        (("--coverage-penalty", 1, "--temperature", 1), "--coverage-penalty"),
        (("--skip-bad-lines",), "is for a FILE"),
        (("--train",), "is for a FILE"),
        (("--length-penalty", 400), "length-penalty"),
        (("--max-ratio", "inf"), "max-ratio"),
        (("--threads", 99999999999), "threads"),
    ],
)
def test_options_that_cannot_be(seqcli: Run, translator: Path, options: tuple[Any, ...], word: str) -> None:
    result = seqcli("translate", "--text", "eins", *options)
    assert result.code == 2 and word in result.err and "Traceback" not in result.err


def test_nothing_left_to_write_ends_a_translation(seqcli: Run, translator: Path) -> None:
    for beam in (1, 5):
        result = seqcli(
            "translate", "--text", "eins zwei", "--no-repeat-ngram", 1, "--min-length", 150, "--max-length", 160,
            "--beam", beam, "--json",
        )  # fmt: skip
        assert result.code == 0 and json.loads(result.out)["score"] < 0


def test_drawn_translations_do_not_depend_on_how_a_stream_is_cut(seqcli: Run, translator: Path, feed: Feed) -> None:
    model = package.load("small")
    assert isinstance(model, Translator)
    texts = ["eins", "zwei drei", "vier rot blau"]
    whole = [t.text for t in model.translate(texts, temperature=1.0, seed=5)]
    parts = [model.translate([text], temperature=1.0, seed=5, first=k)[0].text for k, text in enumerate(texts)]
    assert whole == parts
    feed("\ufeffeins\nzwei drei\nvier rot blau\n".encode())
    result = seqcli("translate", "--temperature", 1, "--seed", 5)
    assert result.out.split("\n")[:-1] == [" ".join(text.splitlines()) for text in whole] and "feff" not in result.err


def test_bad_lines_of_a_measured_file_can_be_passed_over(seqcli: Run, translator: Path, pairs: Path) -> None:
    pairs.write_text("eins\tone\nzwei\n")
    assert seqcli("eval", pairs).code == 1
    result = seqcli("eval", pairs, "--skip-bad-lines", "--json")
    assert result.code == 0 and json.loads(result.out)["sentences"] == 1 and "1 bad line of" in result.err


def test_what_a_training_needs_is_looked_at_before_it(seqcli: Run, pairs: Path) -> None:
    for options, code, word in (
        (("--test", "nosuch.tsv"), 1, "nosuch.tsv"),
        (("--select", "f1"), 2, "--select is 'f1'"),
        (("--average", 3, "--valid-split", 0), 2, "--average"),
        (("--batch-size", 8, "--batch-tokens", 50), 2, "not both"),
        (("--crf",), 2, "--crf is for --task tag"),
    ):
        result = seqcli("train", pairs, "--steps", 2, *options)
        assert result.code == code and word in result.err and not Path("runs").exists(), result.err


def test_closed_streams(pairs: Path, translator: Path) -> None:
    for ends in ("<&-", ">&-"):
        command = f"{sys.executable} -m seqcli translate --text eins {ends}"
        done = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)
        assert done.returncode == 0 and "Traceback" not in done.stderr
