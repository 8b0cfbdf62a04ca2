"""Figures of translations."""

import unicodedata
from collections.abc import Callable, Sequence

import pytest

from seqcli.core.metrics import translation

REFERENCES = ["Áine à la fête d'été", "한국어 문장이 여기 있다", "Þórður kemur í dag núna"]


@pytest.mark.parametrize(("score", "perfect"), [("bleu", 100), ("chrf", 100), ("exact", 1), ("ter", 0)])
@pytest.mark.parametrize(("ours", "theirs"), [("NFC", "NFD"), ("NFD", "NFC"), ("NFD", "NFD")])
def test_the_same_letters_in_other_code_points_are_the_same(score: str, perfect: float, ours: str, theirs: str) -> None:
    def form(name: str) -> list[str]:
        return [unicodedata.normalize(name, text) for text in REFERENCES]  # type: ignore[arg-type]  # one of four names

    measure: Callable[[Sequence[str], Sequence[str]], float] = getattr(translation, score)
    assert measure(form(ours), form(theirs)) == pytest.approx(perfect)
    assert measure([text[1:] for text in form(ours)], form(theirs)) != pytest.approx(perfect)


@pytest.mark.parametrize(
    ("targets", "first"),
    [
        (["2047-04-19"] * 5, "exact"),
        (["MCMLXIV", "I"], "exact"),
        (["seven"] * 9 + ["thirty one"], "exact"),
        (["a dog", "a cat"], "bleu"),
        (["one"] * 8 + ["two words", "two words"], "bleu"),
        (["彼女は昨日の夜に友達と一緒に新しい映画を見に行きました"], "bleu"),
    ],
)
def test_of_single_words_exact_match_comes_first(targets: list[str], first: str) -> None:
    assert translation.headline(targets) == first
