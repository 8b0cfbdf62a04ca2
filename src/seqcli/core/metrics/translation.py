"""Figures of translations, by sacrebleu: cased, detokenized text against one reference.

Both sides are brought to Unicode's NFC before they are compared: a translation has the normalization of its model's
tokenizer, a reference that of whoever wrote the file, and an accent is the same letter in one code point or in two.
"""

import unicodedata
from collections.abc import Sequence

SHORT = 20  # characters of a target that is one word


def nfc(texts: Sequence[str]) -> list[str]:
    """The texts in NFC."""
    return [unicodedata.normalize("NFC", text) for text in texts]


def exact(ours: Sequence[str], references: Sequence[str]) -> float:
    """Part of the translations that are the reference to the letter, but for spaces around them."""
    pairs = zip(nfc(ours), nfc(references), strict=True)
    return sum(a.strip() == b.strip() for a, b in pairs) / max(1, len(references))


def bleu(ours: Sequence[str], references: Sequence[str]) -> float:
    """Corpus BLEU (Papineni 2002), 0 to 100, with sacrebleu's default tokenizer 13a."""
    from sacrebleu.metrics.bleu import BLEU

    return float(BLEU().corpus_score(nfc(ours), [nfc(references)]).score)


def chrf(ours: Sequence[str], references: Sequence[str]) -> float:
    """Corpus chrF2 (Popovic 2015), 0 to 100."""
    from sacrebleu.metrics.chrf import CHRF

    return float(CHRF().corpus_score(nfc(ours), [nfc(references)]).score)


def ter(ours: Sequence[str], references: Sequence[str]) -> float:
    """Corpus TER (Snover 2006), in edits a hundred words: lower is better."""
    from sacrebleu.metrics.ter import TER

    return float(TER().corpus_score(nfc(ours), [nfc(references)]).score)


def signature() -> str:
    """What sacrebleu asks to be published beside its figures."""
    from sacrebleu.metrics.bleu import BLEU

    scorer = BLEU()
    scorer.corpus_score(["a"], [["a"]])  # the number of references is known only then
    return str(scorer.get_signature())


def headline(references: Sequence[str]) -> str:
    """The figure to look at first: exact where nearly all targets are one short word, of which BLEU's n-grams see
    nothing (dates, sums, spellings); else bleu."""
    single = sum(len(text.split()) == 1 and len(text) <= SHORT for text in references)
    return "exact" if single >= 0.9 * len(references) else "bleu"


SCORES = {"bleu": bleu, "chrf": chrf, "exact": exact}
