"""Metrics of translation, computed by sacrebleu on cased, detokenized text with one reference for each translation.

Translations and references are brought into Unicode's normal form NFC before they are compared. Otherwise the same
accented letter could differ: the model's tokenizer may write it in another normal form than the reference file does.
"""

import unicodedata
from collections.abc import Sequence

SHORT = 20  # the largest number of characters of a single word in `headline`


def nfc(texts: Sequence[str]) -> list[str]:
    """Return the texts in Unicode's normal form NFC."""
    return [unicodedata.normalize("NFC", text) for text in texts]


def exact(ours: Sequence[str], references: Sequence[str]) -> float:
    """Return the fraction of translations that equal their reference, ignoring spaces at both ends; 0 to 1."""
    pairs = zip(nfc(ours), nfc(references), strict=True)
    return sum(a.strip() == b.strip() for a, b in pairs) / max(1, len(references))


def bleu(ours: Sequence[str], references: Sequence[str]) -> float:
    """Return corpus BLEU (Papineni 2002), 0 to 100, with sacrebleu's default tokenizer 13a."""
    from sacrebleu.metrics.bleu import BLEU

    return float(BLEU().corpus_score(nfc(ours), [nfc(references)]).score)


def chrf(ours: Sequence[str], references: Sequence[str]) -> float:
    """Return corpus chrF2 (Popovic 2015), 0 to 100."""
    from sacrebleu.metrics.chrf import CHRF

    return float(CHRF().corpus_score(nfc(ours), [nfc(references)]).score)


def ter(ours: Sequence[str], references: Sequence[str]) -> float:
    """Return corpus TER (Snover 2006) in edits per hundred words; lower is better."""
    from sacrebleu.metrics.ter import TER

    return float(TER().corpus_score(nfc(ours), [nfc(references)]).score)


def signature() -> str:
    """Return the signature, a line with version and settings that sacrebleu asks to be published beside its scores."""
    from sacrebleu.metrics.bleu import BLEU

    scorer = BLEU()
    scorer.corpus_score(["a"], [["a"]])  # only then does it know the number of references, which the signature has
    return str(scorer.get_signature())


def headline(references: Sequence[str]) -> str:
    """Return the name of the metric to look at first: "exact" or "bleu".

    It is "exact" when nearly all targets are one short word, such as dates, sums or spellings: BLEU counts n-grams of
    words, which say nothing there.
    """
    single = sum(len(text.split()) == 1 and len(text) <= SHORT for text in references)
    return "exact" if single >= 0.9 * len(references) else "bleu"


SCORES = {"bleu": bleu, "chrf": chrf, "exact": exact}
