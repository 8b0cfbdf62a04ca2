"""A trained tagger: tagging sentences with it and measuring it."""

import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar, NoReturn, overload

import numpy as np
import torch
from numpy.typing import NDArray

from seqcli.core.config import no_others
from seqcli.core.data.ragged import Ragged, rows_in_order
from seqcli.core.data.readers import find_files
from seqcli.core.events import Say, silent
from seqcli.core.metrics import labels as metrics
from seqcli.core.tasks.tag.file import TaggerFile
from seqcli.core.tasks.tag.network import RecurrentTagger, build_tagger
from seqcli.core.tasks.tag.plan import TagPlan
from seqcli.core.tasks.tag.sentences import Sentence, SentenceSet, read_sentences
from seqcli.core.tokenizers import UNK, Tokenizer
from seqcli.core.tokenizers.word import WordTokenizer
from seqcli.core.trained import NetworkTrained, texts_of
from seqcli.core.training.device import autocast, inference_precision
from seqcli.errors import DataError

TOKENS_AT_ONCE = 8192  # the largest number of tokens in a batch, padding included
LONGEST = 100  # a word with more characters is never split into parts
UNSEEN = -1  # the number of a tag that training never saw


@dataclass(frozen=True)
class Tagged:
    """The words of a sentence and their tags. `unknown` says which words training never saw."""

    words: list[str]
    tags: list[str]
    unknown: list[bool]


class Tagger(NetworkTrained):
    """A trained tagger, to tag texts with and to measure."""

    file: ClassVar = TaggerFile
    plan: TagPlan
    model: RecurrentTagger

    def __init__(
        self,
        model: RecurrentTagger,
        words: WordTokenizer,
        characters: Tokenizer,
        tags: list[str],
        plan: TagPlan,
        figures: dict[str, float] | None = None,
    ) -> None:
        self.model, self.words, self.characters, self.tags = model, words, characters, tags
        self.plan, self.figures = plan, figures or {}

    @classmethod
    def network(cls, about: TaggerFile) -> RecurrentTagger:
        return build_tagger(
            about.config, about.tokenizer.vocab_size, about.character_tokenizer.vocab_size, len(about.tags), None
        )

    @classmethod
    def of(cls, model: RecurrentTagger, about: TaggerFile) -> "Tagger":
        return cls(model, about.tokenizer, about.character_tokenizer, about.tags, about.config, about.figures)

    def facts(self) -> dict[str, str]:
        return {"words": f"{len(self.words.words):,}", "tags": f"{len(self.tags):,}"}

    def names(self) -> dict[str, list[str]]:
        return {"tags": self.tags}

    def examples(self) -> list[str]:
        return ['model.tag("Time flies like an arrow").tags', 'model.evaluate("held_out.conllu")["accuracy"]']

    # --- tagging ----------------------------------------------------------------------------------------------

    @overload
    def tag(self, texts: str) -> Tagged: ...  # type: ignore[overload-overlap]  # a str is one text, no list of texts
    @overload
    def tag(self, texts: Iterable[str]) -> list[Tagged]: ...
    def tag(self, texts: str | Iterable[str], **others: NoReturn) -> Tagged | list[Tagged]:
        """Tag a plain text, which is one sentence, or several texts, for which a list is returned in the same order.

        The text is split into words first; for words that are split already use `tag_words`. Raises DataError for
        anything that is no text.
        """
        no_others(others, ("texts",))
        if isinstance(texts, str):
            return self.tag([texts])[0]
        return self.tag_words([self.split(text) for text in texts_of(texts)])

    def tag_words(self, sentences: Sequence[Sequence[str]]) -> list[Tagged]:
        """Tag sentences that are split into words already."""
        data = SentenceSet.of(sentences, self.words, self.characters)
        found, _ = predict(self.model, data, precision=self.plan.precision)
        unknown = data.words == UNK
        return [
            Tagged(list(words), [self.tags[k] for k in found[row]], unknown[data.rows[row]].tolist())
            for row, words in enumerate(sentences)
        ]

    def split(self, text: str) -> list[str]:
        """Split a text into words.

        A word that training never saw is split further if training knew its parts, as "don't" into "do" and "n't".
        """
        return [part for word in self.words.split_keeping_case(text) for part in self._parts(word)]

    def _parts(self, word: str) -> list[str]:
        """Split an unknown word at an apostrophe or at its hyphens, if all parts are known."""
        if self._known(word) or len(word) > LONGEST:
            return [word]
        for cut in range(len(word) - 1, 0, -1):
            left, right = word[:cut], word[cut:]
            if ("'" in right or "’" in right) and self._known(right) and self._known(left):
                return [left, right]
        parts = [part for piece in word.split("-") for part in (piece, "-")][:-1]
        return parts if len(parts) > 1 and all(map(self._known, parts)) else [word]

    def _known(self, word: str) -> bool:
        """Return whether a word is in the vocabulary."""
        return bool(self.words.lookup([word])[0] != UNK)

    # --- measuring --------------------------------------------------------------------------------------------

    def read(self, path: str | Path) -> list[Sentence]:
        """Read the tagged sentences of a file. Raises DataError when it has none, or for a bad line."""
        found = list(read_sentences(find_files([path]), self.plan.column, self.plan.invalid_utf8))
        if not found:
            raise DataError(f"There is no tagged sentence in {path}.")
        return found

    def evaluate(self, path: str | Path, *, say: Say = silent, **others: NoReturn) -> dict[str, Any]:
        """Measure the tagger on a file of tagged sentences. Returns the metrics by name.

        They are accuracy, also of unknown words alone, macro F1, the metrics of every tag, the most frequent mistakes,
        and, for BIO tags, precision, recall and F1 of the spans. Raises DataError when the file cannot be measured on.
        """
        self.takes_no(others)
        sentences = self.read(path)
        start = time.perf_counter()
        data = SentenceSet.of([s.words for s in sentences], self.words, self.characters)
        if not any(tag in set(self.tags) for s in sentences for tag in s.tags):
            raise DataError(f"The model knows no tag of {path}; its own are {', '.join(self.tags[:8])}.")
        if unseen := unseen_tags(sentences, self.tags):
            say(unseen)
        ours, loss = predict(self.model, data, tag_ids(sentences, self.tags), precision=self.plan.precision)
        seconds = time.perf_counter() - start
        given = [[self.tags[k] for k in row] for row in ours]
        return {
            **figures(given, sentences, data),
            "loss": loss,
            "sentences": len(sentences),
            "sentences_per_s": len(sentences) / seconds,
        }


@torch.no_grad()
def predict(
    model: RecurrentTagger, data: SentenceSet, tags: Ragged | None = None, *, precision: str = "auto"
) -> tuple[list[NDArray[np.int64]], float]:
    """Find the likeliest tags of every sentence, as numbers (T,), and the loss of the correct `tags` if they are given.

    The loss is in nats per word; without `tags` it is 0.
    """
    device = model.device
    found: list[NDArray[np.int64]] = [np.zeros(0, np.int64)] * len(data)
    total, words = 0.0, 0
    with autocast(inference_precision(precision, device), device):
        spelled = spell(model, data.characters)  # (forms, W)
        for part in rows_in_order(data.rows.lengths, TOKENS_AT_ONCE):
            rows = part[data.rows.lengths[part] > 0]
            if not len(rows):
                continue  # nothing but empty sentences
            forms, mask = data.rows.padded(rows)  # (B, T), (B, T)
            ids = torch.from_numpy(data.words[forms.numpy()]).long().to(device)  # (B, T)
            scores = model(ids, mask.to(device), spelled, forms.to(device))  # (B, T, K)
            best = model.best(scores, mask.to(device)).cpu().numpy()  # (B, T)
            for k, row in enumerate(rows):
                found[row] = best[k, : data.rows.lengths[row]]
            if tags is not None:
                wanted, _ = tags.padded(rows)  # (B, T)
                seen = (wanted != UNSEEN).all(1)  # (B,); sentences with an unseen tag have no finite loss
                if seen.any():
                    right, real = wanted[seen].to(device), mask[seen].to(device)
                    total += model.losses(scores[seen.to(device)], right, real).item()
                    words += int(real.sum())
    return found, total / max(1, words)


def spell(model: RecurrentTagger, characters: Ragged) -> torch.Tensor | None:
    """Compute the vectors of all forms from their characters, (forms, W). Returns None if the model reads none."""
    device = model.device
    out: torch.Tensor | None = None
    for rows in rows_in_order(characters.lengths, 4 * TOKENS_AT_ONCE):
        ids, mask = characters.padded(rows)
        part = model.spell(ids.to(device), mask.to(device))
        if part is None:
            return None
        if out is None:
            out = part.new_empty(len(characters), part.shape[1])
        out[torch.from_numpy(rows).to(device)] = part
    return out


def tag_ids(sentences: Sequence[Sentence], tags: Sequence[str]) -> Ragged:
    """Return the tags of sentences as numbers: the index in `tags`, or UNSEEN for a tag that is not among them."""
    number = {tag: k for k, tag in enumerate(tags)}
    return Ragged.of([np.array([number.get(tag, UNSEEN) for tag in s.tags], np.int32) for s in sentences])


def unseen_tags(sentences: Sequence[Sentence], tags: Sequence[str]) -> str | None:
    """Return a sentence for the user about tags that training never saw, or None if there are none."""
    known = set(tags)
    strange = [tag for s in sentences for tag in s.tags if tag not in known]
    if not strange:
        return None
    names = ", ".join(sorted(set(strange))[:8])
    return f"Training never saw the tag {names} ({len(strange)} words): those always count as wrong."


def figures(ours: Sequence[Sequence[str]], sentences: Sequence[Sentence], data: SentenceSet) -> dict[str, Any]:
    """Compute all metrics of predicted tags, `ours`, against those of the sentences. `data` are the same sentences."""
    given = [tag for row in ours for tag in row]
    right = [tag for s in sentences for tag in s.tags]
    unknown = (data.words == UNK)[data.rows.ids]
    strange = [(a, b) for a, b, new in zip(given, right, unknown.tolist(), strict=True) if new]
    found: dict[str, Any] = {"accuracy": metrics.accuracy(given, right)}
    if strange:
        found["unknown_accuracy"] = metrics.accuracy([a for a, _ in strange], [b for _, b in strange])
    found |= {"f1": metrics.macro_f1(given, right), "words": len(right), "unknown_words": len(strange)}
    if metrics.marks_spans(right):
        precision, recall, f1 = metrics.span_scores(ours, [s.tags for s in sentences])
        found |= {"span_precision": precision, "span_recall": recall, "span_f1": f1}
    return found | {
        "labels": [asdict(each) for each in metrics.by_label(given, right)],
        "confusions": metrics.mistakes(given, right),
    }
