"""Tagging and classification on the command line, and a sentence for everything that is wrong."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len

import seqcli as package
from seqcli.cli import console
from seqcli.cli.commands.classify import LabelPrinter
from seqcli.cli.commands.tag import TagPrinter
from seqcli.core.tasks.classify.trained import Classified, Classifier
from seqcli.core.tasks.tag.trained import Tagged, Tagger

Run = Callable[..., Any]
Feed = Callable[[bytes], None]
SMALL = ("--hidden", 8, "--embedding-dim", 6, "--batch-size", 8, "--quiet")
LEARN = ("--steps", 120, "--lr", 0.02, "--dropout", 0)
TAGS = {"the": "DET", "a": "DET", "cat": "NOUN", "dog": "NOUN", "sees": "VERB", "finds": "VERB", ".": "PUNCT"}
SENTENCES = [
    f"{d} {n} {v} {e} {m} .".split()
    for d in ("the", "a")
    for n in ("cat", "dog")
    for v in ("sees", "finds")
    for e in ("the", "a")
    for m in ("cat", "dog")
]


@pytest.fixture
def conllu(tmp_path: Path) -> Path:
    blocks = []
    for words in SENTENCES:
        rows = [f"{k}\t{w}\t_\t{TAGS[w]}" + "\t_" * 6 for k, w in enumerate(words, 1)]
        blocks.append("\n".join([f"# text = {' '.join(words)}", *rows, "", ""]))
    path = tmp_path / "tagged.conllu"
    path.write_text("".join(blocks))
    return path


@pytest.fixture
def columns(tmp_path: Path) -> Path:
    path = tmp_path / "tagged.tsv"
    path.write_text("\n\n".join("\n".join(f"{w}\t{TAGS[w]}" for w in words) for words in SENTENCES))
    return path


@pytest.fixture
def labelled(tmp_path: Path) -> Path:
    path = tmp_path / "labelled.tsv"
    path.write_text("".join(f"{' '.join(words)}\t{'cats' if 'cat' in words else 'dogs'}\n" for words in SENTENCES * 2))
    return path


@pytest.fixture
def tagger(seqcli: Run, conllu: Path) -> Path:
    result = seqcli("train", conllu, *SMALL, "--steps", 40, "--lr", 0.03, "--run", "t")
    assert result.code == 0, result.err
    return Path("runs/t")


@pytest.fixture
def classifier(seqcli: Run, labelled: Path) -> Path:
    result = seqcli("train", "--task", "classify", labelled, *SMALL, *LEARN, "--pool", "attention", "--run", "c")
    assert result.code == 0, result.err
    return Path("runs/c")


def refused(result: Any, code: int, *words: str) -> None:
    assert result.code == code, result.err
    assert "Traceback" not in result.err and result.err.startswith("Error: ")
    assert all(word in result.err for word in words), result.err


# --- tagging --------------------------------------------------------------------------------------------------------


def test_a_conllu_file_is_tagging_and_is_learnt(seqcli: Run, conllu: Path) -> None:
    result = seqcli("train", conllu, *SMALL[:-1], "--steps", 40, "--lr", 0.03)
    assert result.code == 0 and 'seqcli tag "some words" --run tagged-lstm' in result.err
    assert "bidirectional lstm" in result.err and "accuracy" in result.err
    model = package.load("tagged-lstm")
    assert isinstance(model, Tagger)
    (found,) = model.tag(["The dog finds a bird."])
    assert found.words == ["The", "dog", "finds", "a", "bird", "."]
    assert found.tags[:4] == ["DET", "NOUN", "VERB", "DET"] and found.tags[5] == "PUNCT"
    assert found.unknown == [False, False, False, False, True, False]
    assert model.tag([""])[0].tags == []


def test_tags_into_a_pipe(seqcli: Run, tagger: Path, feed: Feed) -> None:
    feed("the cat sees a dog.\n\n개\n".encode())
    result = seqcli("tag")
    assert result.code == 0
    first, last = result.out.split("\n\n", 1)[0], result.out.strip().split("\n")[-1]
    assert first.split("\n")[:2] == ["# sent_id = 1", "# text = the cat sees a dog."]
    rows = [line.split("\t") for line in first.split("\n")[2:]]
    assert [row[1] for row in rows] == ["the", "cat", "sees", "a", "dog", "."]
    assert [row[3] for row in rows] == ["DET", "NOUN", "VERB", "DET", "NOUN", "PUNCT"]
    assert [row[9] for row in rows] == ["_"] * 4 + ["SpaceAfter=No", "_"]
    assert last.startswith("1\t개\t_\t")
    plain = seqcli("tag", "the cat", "--format", "tsv")
    assert plain.out == "the\tDET\ncat\tNOUN\n\n"
    found = json.loads(seqcli("tag", "the  cat.", "--json", "--pretokenized").out)
    assert found["words"] == ["the", "cat."]


def test_a_bad_line_of_a_stream_is_named_and_the_others_go_on(seqcli: Run, tagger: Path, feed: Feed) -> None:
    feed(b"the cat\n\xff\xfe\na dog\n")
    result = seqcli("tag", "--format", "tsv")
    assert result.code == 1 and "Line 2 of the input is not UTF-8" in result.err
    assert result.out == "the\tDET\ncat\tNOUN\n\n\na\tDET\ndog\tNOUN\n\n"


def test_eval_of_a_tagger(seqcli: Run, tagger: Path, conllu: Path) -> None:
    found = json.loads(seqcli("eval", conllu, "--json").out)
    assert found["accuracy"] == 1 and found["words"] == 192 and found["confusions"] == []
    assert {row["label"]: row["count"] for row in found["labels"]} == {"DET": 64, "NOUN": 64, "PUNCT": 32, "VERB": 32}
    text = seqcli("eval", conllu).out
    assert "accuracy                100.00%" in text and "DET\t1.0000\t1.0000\t1.0000\t64" in text


def test_two_columns_and_a_random_field(seqcli: Run, columns: Path) -> None:
    result = seqcli("train", "--task", "tag", columns, *SMALL, "--crf", "--characters", "affixes", *LEARN)
    assert result.code == 0, result.err
    assert seqcli("tag", "a cat sees", "--format", "tsv").out == "a\tDET\ncat\tNOUN\nsees\tVERB\n\n"


def test_spans_are_measured_where_tags_mark_them(seqcli: Run, tmp_path: Path) -> None:
    path = tmp_path / "names.tsv"
    path.write_text("Ann\tB-PER\nLee\tI-PER\nsings\tO\n\n" * 12)
    assert seqcli("train", "--task", "tag", path, *SMALL, "--steps", 30, "--lr", 0.03).code == 0
    found = json.loads(seqcli("eval", path, "--run", "names-lstm", "--json").out)
    assert found["span_f1"] == 1 and found["span_precision"] == 1


def test_a_tag_that_training_never_saw(seqcli: Run, tagger: Path, conllu: Path, tmp_path: Path) -> None:
    strange = tmp_path / "strange.conllu"
    strange.write_text(conllu.read_text().replace("cat\t_\tNOUN", "cat\t_\tXYZ"))
    result = seqcli("train", conllu, "--valid", strange, *SMALL[:-1], "--steps", 3)
    assert result.code == 0 and "never saw the tag XYZ (32 words)" in result.err
    result = seqcli("eval", strange)
    assert result.code == 0 and "never saw the tag XYZ" in result.err and "XYZ\tNOUN\t32" in result.out


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("1\ta\tb\n", ["line 1", "3 columns where"]),
        ("", ["is empty"]),
        ("\n\n", ["no tagged sentence"]),
        ("a\tX\nb\tX\n" * 9, ["Every word has the tag 'X'"]),
    ],
)
def test_bad_tagged_files(seqcli: Run, tmp_path: Path, text: str, words: list[str]) -> None:
    path = tmp_path / "bad.conllu"
    path.write_text(text)
    refused(seqcli("train", path, *SMALL, "--steps", 3), 1, *words)
    assert not list(Path().glob("runs/*"))


def test_wrong_use_of_tagging(seqcli: Run, tagger: Path, conllu: Path) -> None:
    refused(seqcli("train", conllu, "--tokens", "char"), 2, "--tokens is 'char', but must be word")
    refused(
        seqcli("train", conllu, "--encoding", "one-hot"), 2, "--encoding is for --task lm and classify, but this is tag"
    )
    refused(seqcli("train", conllu, "--pool", "last"), 2, "--pool is for --task classify, but this is tag")
    refused(seqcli("train", conllu, "--select", "bleu"), 2, "--select is 'bleu'", "accuracy")
    refused(seqcli("train", conllu, "--min-count", 99), 1, "--min-count 99", "empty")
    refused(seqcli("tag", "a", "--format", "xml"), 2, "'xml'")
    refused(seqcli("sample", "--run", "t"), 1, "holds a tagger, not a language model: use seqcli tag")
    refused(seqcli("classify", "a"), 1, "no trained classifier")


# --- classification -------------------------------------------------------------------------------------------------


def test_labels(seqcli: Run, classifier: Path, feed: Feed) -> None:
    model = package.load("c")
    assert isinstance(model, Classifier)
    (found,) = model.classify(["the cat sees a cat ."])
    assert found.label == "cats" and sum(found.probabilities.values()) == pytest.approx(1)
    assert seqcli("classify", "the dog sees a dog .", "a cat").out == "dogs\ncats\n"
    feed(b"a cat finds a dog .\n\n\xff\nthe dog finds a dog .\n")
    result = seqcli("classify")
    assert result.out == "cats\n\n\ndogs\n" and result.code == 1 and "Line 3" in result.err
    row = seqcli("classify", "the dog sees a dog .", "--probabilities").out.strip().split("\t")
    assert row[0] == "dogs" and float(row[1]) + float(row[3]) == pytest.approx(1, abs=1e-3)


def test_what_weighed_most(seqcli: Run, classifier: Path) -> None:
    lines = seqcli("classify", "the cat sees .", "--explain").out.strip().split("\n")
    assert lines[0] == "cats" and [line.split("\t")[0] for line in lines[1:]] == ["the", "cat", "sees", ".", "<eos>"]
    assert sum(float(line.split("\t")[1]) for line in lines[1:]) == pytest.approx(1, abs=1e-3)


def test_explaining_needs_attention(seqcli: Run, labelled: Path) -> None:
    assert seqcli("train", "--task", "classify", labelled, *SMALL, "--steps", 3).code == 0
    refused(seqcli("classify", "a", "--explain", "--quiet"), 2, "--pool attention")


def test_a_text_with_no_known_word(seqcli: Run, classifier: Path) -> None:
    result = seqcli("classify", "qwerty")
    assert result.code == 0 and "knows nothing of 'qwerty'" in result.err


def test_eval_of_a_classifier(seqcli: Run, classifier: Path, labelled: Path) -> None:
    found = json.loads(seqcli("eval", labelled, "--json").out)
    assert found["texts"] == 64 and 0.9 < found["accuracy"] <= 1 and 0 <= found["calibration_error"] < 0.5
    labelled.write_text("the cat .\tbirds\nthe dog sees a dog .\tdogs\n")
    result = seqcli("eval", labelled, "--json")
    assert "never saw the label birds (1 texts)" in result.err
    assert json.loads(result.out)["accuracy"] == 0.5


def test_columns_by_name(seqcli: Run, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("id,what,kind\n" + "".join(f'{k},"{"ab"[k % 2] * 3}, yes",{"xy"[k % 2]}\n' for k in range(40)))
    named = (path, "--text-column", "what", *SMALL, "--steps", 30)
    assert seqcli("train", *named, "--label-column", "kind", "--cell", "gru", "--pool", "last").code == 0
    assert json.loads(seqcli("eval", path, "--json").out)["accuracy"] == 1
    refused(seqcli("train", *named, "--label-column", "sort"), 2, "no column 'sort'", "id, what, kind")


def test_targets_that_look_like_labels_are_pointed_out(seqcli: Run, tmp_path: Path) -> None:
    path = tmp_path / "a.tsv"
    path.write_text("".join(f"word {k}\t{'xy'[k % 2]}\n" for k in range(120)))
    result = seqcli("train", path, "--hidden", 8, "--steps", 2)
    assert result.code == 0 and "2 different ones" in result.err and "--task classify" in result.err


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a b\tx\nc d\tx\n" * 20, ["Every text has the label 'x'"]),
        ("a b\n", ["line 1", "1 column where"]),
        ("a\tb\tc\n", ["line 1", "3 columns"]),
        ("", ["is empty"]),
    ],
)
def test_bad_labelled_files(seqcli: Run, tmp_path: Path, text: str, words: list[str]) -> None:
    path = tmp_path / "bad.tsv"
    path.write_text(text)
    refused(seqcli("train", "--task", "classify", path, *SMALL, "--steps", 3), 1, *words)


def test_characters_one_hot_and_balanced_weights(seqcli: Run, tmp_path: Path) -> None:
    path = tmp_path / "names.tsv"
    path.write_text("".join(f"{'ab' * (k % 5 + 1)}\tab\n" for k in range(30)) + "zz\tz\nzzz\tz\nzzzz\tz\n")
    options = ("--encoding", "one-hot", "--class-weights", "balanced", "--cell", "rnn", "--no-bidirectional")
    learn = ("--hidden", 16, "--batch-size", 8, "--dropout", 0, "--steps", 60, "--quiet")
    assert seqcli("train", "--task", "classify", path, *options, *learn).code == 0
    model = package.load("names-rnn")
    assert model.plan.tokens == "char"
    assert seqcli("classify", "zzz", "abab").out == "z\nab\n"


def test_a_table_of_mistakes_has_no_header_without_them(seqcli: Run, tagger: Path, conllu: Path) -> None:
    assert "right\tgiven" not in seqcli("eval", conllu).out
    conllu.write_text(conllu.read_text().replace("cat\t_\tNOUN", "cat\t_\tVERB"))
    assert seqcli("eval", conllu).out.endswith("\nright\tgiven\tcount\nVERB\tNOUN\t32\n")


def test_options_that_would_change_nothing_are_refused(
    seqcli: Run, tagger: Path, classifier: Path, conllu: Path, labelled: Path
) -> None:
    refused(seqcli("eval", conllu, "-q", "--beam", 3), 2, "--beam is for translation models, and t is a tagger")
    refused(
        seqcli("eval", conllu, "-q", "--skip-bad-lines"),
        2,
        "--skip-bad-lines is for translation models and classifiers, and t is",
    )
    refused(seqcli("eval", labelled, "--run", "c", "--beam", 3), 2, "--beam", "c is a classifier")
    labelled.write_text(labelled.read_text() + "one column\n")
    refused(seqcli("eval", labelled, "--run", "c"), 1, "line 65")
    assert seqcli("eval", labelled, "--run", "c", "--skip-bad-lines").code == 0


def test_a_pipe_is_no_file_to_measure(seqcli: Run, classifier: Path, tmp_path: Path) -> None:
    os.mkfifo("pipe.tsv")
    refused(seqcli("eval", "pipe.tsv", "-q"), 1, "pipe.tsv is a pipe")
    refused(seqcli("train", "pipe.tsv"), 1, "pipe.tsv is a pipe")


def test_tags_stand_under_their_words_and_nothing_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console.stdout, "_width", 30)
    words, tags = ["개", "sees", "w" * 50, "end\x1b"], ["NOUN", "V", "X", "Y" * 60]
    out = TagPrinter("tsv", "upos", json=False, person=True)
    with console.stdout.capture() as caught:
        out.show("text", Tagged(words, tags, [False] * 4))
    lines = [line.rstrip() for line in caught.get().splitlines()]
    assert lines[:2] == ["개    sees", "NOUN  V"] and "w" * 50 in lines and "Y" * 60 in lines
    assert r"end\u001b" in lines


def test_labels_stand_under_one_another(seqcli: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    names = {"개고양이": 0.75, "cat": 0.2, "a label that is longer than the terminal is wide, by far": 0.05}
    monkeypatch.setattr(console.stdout, "_width", 40)
    out = LabelPrinter(probabilities=True, json=False, quiet=True, person=True)
    with console.stdout.capture() as caught:
        out.show("text", Classified("개고양이", names, [], None, known=True, truncated=False))
    lines = caught.get().rstrip("\n").split("\n")
    assert all(cell_len(line) <= 40 for line in lines) and len(lines) == 3
    assert len({cell_len(line[: line.index("%")]) for line in lines}) == 1


def test_probabilities_of_several_texts_are_told_apart(
    seqcli: Run, classifier: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(console, "stdout_is_terminal", lambda: True)
    several = seqcli("classify", "good film", "bad film", "--probabilities").out.split("\n\n")
    assert [part.splitlines()[0] for part in several] == ["good film", "bad film"]
    assert "film" not in seqcli("classify", "good film", "--probabilities").out


def test_eval_without_a_run_goes_by_the_shape_of_the_file(
    seqcli: Run, classifier: Path, tagger: Path, labelled: Path, columns: Path, tmp_path: Path
) -> None:
    """The tagger is the newer one."""
    result = seqcli("eval", labelled)
    assert result.code == 0 and "Run c:" in result.err and "cats" in result.out
    result = seqcli("eval", columns)
    assert result.code == 0 and "Run t:" in result.err and "DET" in result.out
    other = tmp_path / "other.tsv"
    other.write_text("a b\tone\nc d\ttwo\n")
    refused(seqcli("eval", other, "--run", "c"), 1, "knows no label")
    refused(seqcli("eval", other, "--run", "t"), 1, "knows no tag")


def test_scored_pairs_of_words_are_for_word_vectors(seqcli: Run, corpus: Path, labelled: Path, tmp_path: Path) -> None:
    """Also under comments, and when a classifier is the newer run."""
    options = ("--dim", 6, "--min-count", 1, "--steps", 3, "--quiet", "--run", "e")
    assert seqcli("train", "--task", "embed", corpus, *options).code == 0
    assert seqcli("train", "--task", "classify", labelled, *SMALL, "--steps", 3).code == 0
    pairs = tmp_path / "pairs.tsv"
    pairs.write_text("# scores\n# Word 1\tWord 2\tmean\ncat\tdog\t7.5\ncat\tgate\t1\nmat\tlog\t3.0\n")
    result = seqcli("eval", pairs)
    assert result.code == 0 and "Run e:" in result.err


def test_a_line_that_looks_like_a_header_is_pointed_out(seqcli: Run, labelled: Path) -> None:
    labelled.write_text("text\tlabel\n" + labelled.read_text())
    result = seqcli("train", "--task", "classify", labelled, *SMALL[:-1], "--steps", 2)
    assert result.code == 0 and "If that line is a header" in result.err


def test_texts_given_as_words_are_pointed_out(seqcli: Run, labelled: Path) -> None:
    result = seqcli("train", "--task", "tag", labelled, *SMALL[:-1], "--steps", 2)
    assert result.code == 0 and "--task classify" in result.err


def test_help_lists_the_choices(seqcli: Run) -> None:
    assert "One of rnn, gru, lstm." in seqcli("train", "--help").out


# --- pretrained vectors ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("task", ["tag", "classify"])
def test_labels_on_given_vectors(seqcli: Run, conllu: Path, labelled: Path, tmp_path: Path, task: str) -> None:
    vectors = tmp_path / "vectors.txt"
    vectors.write_text("cat 1 0 0.5 0 0\ndog -1 0 0 0 2\n")
    file = conllu if task == "tag" else labelled
    options = ("--task", task, file, "--hidden", 8, "--batch-size", 8, "--steps", 12, "--vectors", vectors)
    result = seqcli("train", *options, "--freeze-vectors", "--run", "f")
    assert result.code == 0 and "2 of the" in result.err, result.err
    vectors.unlink()  # what was found there is in the checkpoint
    assert seqcli("train", "--resume", "f", "--steps", 20, "--quiet").code == 0
    model = package.load("f")
    assert isinstance(model, Tagger | Classifier)
    tokenizer = model.words if isinstance(model, Tagger) else model.tokenizer
    row = model.model.encoding.weight[int(tokenizer.encode("cat")[0])]
    assert row.tolist() == [1, 0, 0.5, 0, 0]
    refused(seqcli("train", *options), 1, "There is no file")
