"""What the task chooses for a file of pairs, and what its model does with texts."""

import itertools
import unicodedata
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
import torch

import seqcli as package
from seqcli.core import runs
from seqcli.core.tasks.translate.job import TranslateJob, fitting_tokens, longest_side
from seqcli.core.tasks.translate.pairs import PairSet
from seqcli.core.tasks.translate.trained import Candidate, Translation, Translator
from seqcli.core.tasks.union import build
from seqcli.core.tokenizers.char import CharTokenizer
from seqcli.errors import CheckpointError, ConfigError

Pair = tuple[str, str]


def write(pairs: list[Pair]) -> str:
    Path("pairs.tsv").write_text("".join(f"{s}\t{t}\n" for s, t in pairs), encoding="utf-8")
    return "pairs.tsv"


def job(pairs: list[Pair], **options: Any) -> tuple[TranslateJob, list[str]]:
    said: list[str] = []
    small = {"task": "translate", "hidden": 8, "steps": 4, "threads": 1, **options}
    return TranslateJob(build({"files": (write(pairs),), **small}), said.append), said


# --- tokens ---------------------------------------------------------------------------------------------------------

DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
ACTIONS = {"walk": "I_WALK", "run": "I_RUN", "jump": "I_JUMP", "look": "I_LOOK"}


def commands() -> list[Pair]:
    """jump left twice and walk -> I_TURN_LEFT I_JUMP I_TURN_LEFT I_JUMP I_WALK"""
    turns = {"": [], "left": ["I_TURN_LEFT"], "right": ["I_TURN_RIGHT"], "around left": ["I_TURN_LEFT"] * 4}
    times = {"": 1, "twice": 2, "thrice": 3}
    parts = [
        (" ".join(f"{verb} {turn} {often}".split()), [*turns[turn], ACTIONS[verb]] * times[often])
        for verb, turn, often in itertools.product(ACTIONS, turns, times)
    ]
    return [(f"{s} and {t}", " ".join(a + b)) for (s, a), (t, b) in itertools.product(parts, parts)]


def sentences() -> list[Pair]:
    """Words drawn by Zipf's law, of thousands of which most are rare."""
    random = np.random.default_rng(2)
    frequent = 1 / np.arange(1, 4001)
    names = str.maketrans("0123456789", "aeiouklmnr")

    def text(start: str) -> str:
        return " ".join(f"{start}{k}" for k in random.choice(4000, 9, p=frequent / frequent.sum())).translate(names)

    return [(text("g"), text("e")) for _ in range(1500)]


def numbers(change: Callable[[int], Pair]) -> list[Pair]:
    return [change(n) for n in Random(3).sample(range(100_000), 6000)]


def spelled(n: int) -> str:
    return " ".join(DIGITS[int(digit)] for digit in str(n))


def han(random: Random) -> str:
    return "".join(chr(0x4E00 + int(2500 * random.random() ** 3)) for _ in range(14))


@pytest.mark.parametrize(
    ("pairs", "tokens"),
    [
        (commands(), "word"),
        (sentences(), "bpe"),
        ([(han(Random(k)), english) for k, (_, english) in enumerate(sentences())], "bpe"),
        (numbers(lambda n: (spelled(n), str(n))), "char"),
        (numbers(lambda n: (f"${n // 100}.{n % 100:02d}", f"{spelled(n // 100)} dollars")), "char"),
        (numbers(lambda n: (f"{n % 300} + {n // 300}", str(n % 300 + n // 300))), "char"),
        (numbers(lambda n: (f"{n}", f"{n}"[::-1])), "char"),
        ([(s.replace(" ", "-"), t) for s, t in commands()], "char"),
        ([(s, t.replace(" ", "  ")) for s, t in commands()], "bpe"),
        (commands()[:40], "char"),
    ],
    ids=["commands", "sentences", "Chinese", "spelled", "money", "sums", "reversed", "glued", "two spaces", "few"],
)
def test_tokens_that_fit(pairs: list[Pair], tokens: str) -> None:
    assert fitting_tokens(pairs) == tokens


def test_commands_are_read_by_words_and_none_is_too_long() -> None:
    pairs = commands()
    made, said = job(pairs)
    assert made.plan.tokens == "word" and not made.plan.joint_tokens and not any("dropped" in s for s in said)
    assert made.vocab_size == 4 + 6 and made.plan.max_length == max(len(t.split()) for _, t in pairs)


# --- lengths --------------------------------------------------------------------------------------------------------


def lengths(*targets: int) -> PairSet:
    tokenizer = CharTokenizer("a")
    return PairSet.of([("a", "a" * n) for n in targets], tokenizer, tokenizer)


def test_only_a_few_that_are_far_longer_are_left_out() -> None:
    config = build({"task": "translate"})
    assert longest_side(lengths(*[5] * 900, 899), config) == 899, "of fewer than a thousand all stay"
    many = [1 + k % 150 for k in range(3000)]
    assert longest_side(lengths(*many, 151, 180, 299), config) == 299
    assert longest_side(lengths(*many, 151, 5000, 7000), config) == 300
    assert longest_side(lengths(*many, 151, 5000, 6000, 7000), config) == 302
    assert longest_side(lengths(*many, 4000, 5000, 6000, 7000), config) == 7000, "more than one in a thousand"


def test_the_longest_side_is_bounded_by_memory() -> None:
    pairs = lengths(3, 20_000)
    plain, wide = (longest_side(pairs, build({"task": "translate", "attention": a})) for a in ("general", "concat"))
    assert 4000 < plain < 20_000 and plain / 20 < wide < plain / 10  # concat: a vector of 256 for each pair of places
    assert longest_side(pairs, build({"task": "translate", "batch_size": 64})) == pytest.approx(plain / 8, rel=0.01)


def test_what_is_dropped_is_said() -> None:
    pairs = [(f"a{k}", f"{k}") for k in range(1500)] + [("b", "x" * 300)]
    made, said = job(pairs)
    assert made.plan.max_length == 10
    assert any("1 of 1501 pairs are longer than --max-length 10: dropped. The longest has 300" in s for s in said)
    made, _ = job(pairs, max_length=300)
    assert made.plan.max_length == 300


# --- a trained model ------------------------------------------------------------------------------------------------


@pytest.fixture
def translator() -> Translator:
    pairs = [("".join(s), "".join(reversed(s))) for n in (1, 2, 3, 4) for s in itertools.product("ab", repeat=n)]
    list(runs.train(build({"files": (write(pairs),), "hidden": 8, "steps": 3, "threads": 1}), run="small"))
    model = package.load("small")
    assert isinstance(model, Translator)
    return model


def test_at_most_a_little_longer_than_any_target_of_such_a_source(translator: Translator) -> None:
    t = translator
    model = Translator(t.model, t.source_tokenizer, t.tokenizer, t.plan, [(2, 3), (4, 4), (12, 30)])
    with torch.no_grad():
        model.model.projection.bias[3] = -50.0  # never ends
    for source, known in (("a", 3), ("ab", 4), ("abab", 4), ("abababab", 4), ("a" * 10, 30), ("a" * 50, 30)):
        for beam in (1, 3):
            assert len(model.translate([source], beam=beam)[0].text) == known + 5
    assert len(model.translate(["a"], beam=3, max_length=31)[0].text) == 31


@pytest.mark.parametrize("weight", [float("nan"), float("inf"), 1e9])
def test_scores_that_are_no_numbers_are_told(translator: Translator, weight: float) -> None:
    with torch.no_grad():
        translator.model.projection.bias[0] = weight  # of <pad>, which is never written
    for options in ({"beam": 1}, {"beam": 3}):
        with pytest.raises(CheckpointError, match="no finite numbers"):
            translator.translate(["ab"], **options)


def test_drawing_leaves_the_global_generator_alone(translator: Translator) -> None:
    torch.manual_seed(5)
    before = torch.get_rng_state()
    drawn = {translator.translate(["abab"], temperature=3.0)[0].text for _ in range(8)}
    assert torch.equal(torch.get_rng_state(), before) and len(drawn) > 1


def test_sources_are_not_on_both_sides() -> None:
    pairs = [(f"{k % 40}", f"{k}") for k in range(400)]
    made, _ = job(pairs, valid_split=0.2)
    held = {source for source, _ in made._valid_pairs}
    assert 5 <= len(held) <= 8
    trained = {made.source_tokenizer.decode(row) for row in map(made.batches.pairs.source.__getitem__, range(320))}
    assert len(made.batches.pairs) == 400 - len(made._valid_pairs) and not held & trained


def test_selected_by_exact_match_whatever_the_normalization(monkeypatch: pytest.MonkeyPatch) -> None:
    """References in NFD, answers in NFC as all tokenizers write them: a model that answers rightly is seen to."""
    answers = {"a": "é", "b": "ü", "c": "ñ", "d": "å", "e": "q"}
    pairs = [(source, unicodedata.normalize("NFD", answer)) for source, answer in answers.items()]
    made, _ = job(pairs * 50, select="exact", valid_split=0.0)
    made._valid, made._valid_pairs = PairSet.of(pairs, made.source_tokenizer, made.tokenizer), pairs

    def translate(self: Translator, texts: list[str], **_: Any) -> list[Translation]:
        return [Translation(text, (Candidate(answers[text] if text != "e" else "?", 0.0),)) for text in texts]

    monkeypatch.setattr(Translator, "translate", translate)
    made.model.eval()
    found = made.evaluate()
    assert found is not None and found["exact"] == pytest.approx(0.8)


# --- capitals, previews ---------------------------------------------------------------------------------------------


def test_sources_are_read_in_lower_case_and_targets_keep_theirs() -> None:
    pairs = [("Hello there", "Good Morning"), ("Bye now", "See You")] * 9
    made, _ = job(pairs, tokens="word", lowercase_source=True)
    assert "hello" in made.source_tokenizer.to_json()["words"]
    assert "Good" in made.tokenizer.to_json()["words"]
    made.model.eval()
    first, second = made._translator().translate(["hello THERE", "Hello there"])
    assert first.candidates == second.candidates and not first.unknown


@pytest.mark.parametrize(
    ("options", "sentence"),
    [({"tokens": "char"}, "would change nothing: the tokens are char"), ({"joint_tokens": True}, "for each side")],
)
def test_lower_case_is_for_words_of_a_side_of_their_own(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ConfigError, match=f"^--lowercase-source .*{sentence}"):
        job([("Hello there", "Good Morning")] * 9, **{"tokens": "word", **options}, lowercase_source=True)


def test_previews_show_different_pairs() -> None:
    made, _ = job([(f"a{k} b", f"b a{k}") for k in range(60)], valid_split=0.5)
    made.model.eval()
    shown = [made.preview(step) for step in (10, 20, 30, 40, 50)]
    assert len({text.partition("\n")[0] for text in shown if text}) > 2
    assert shown[1] == made.preview(20), "a resumed run shows the same ones"
