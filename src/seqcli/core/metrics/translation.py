"""Figures of translations, by sacrebleu: cased, detokenized text against one reference."""

from collections.abc import Sequence


def exact(ours: Sequence[str], references: Sequence[str]) -> float:
    """Part of the translations that are the reference to the letter."""
    return sum(a.strip() == b.strip() for a, b in zip(ours, references, strict=True)) / max(1, len(references))


def bleu(ours: Sequence[str], references: Sequence[str]) -> float:
    """Corpus BLEU (Papineni 2002), 0 to 100, with sacrebleu's default tokenizer 13a."""
    from sacrebleu.metrics.bleu import BLEU

    return float(BLEU().corpus_score(list(ours), [list(references)]).score)


def chrf(ours: Sequence[str], references: Sequence[str]) -> float:
    """Corpus chrF2 (Popovic 2015), 0 to 100."""
    from sacrebleu.metrics.chrf import CHRF

    return float(CHRF().corpus_score(list(ours), [list(references)]).score)


def ter(ours: Sequence[str], references: Sequence[str]) -> float:
    """Corpus TER (Snover 2006), in edits a hundred words: lower is better."""
    from sacrebleu.metrics.ter import TER

    return float(TER().corpus_score(list(ours), [list(references)]).score)


def signature() -> str:
    """What sacrebleu asks to be published beside its figures."""
    from sacrebleu.metrics.bleu import BLEU

    scorer = BLEU()
    scorer.corpus_score(["a"], [["a"]])  # the number of references is known only then
    return str(scorer.get_signature())


SCORES = {"bleu": bleu, "chrf": chrf, "exact": exact}
