"""The task `classify`: a label for every text."""

import math
import shlex
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from seqcli.core import tokenizers
from seqcli.core.config import Config
from seqcli.core.data.labelled import Labelled, LabelReader, at_most, is_number, stratified
from seqcli.core.data.pairs import blocks
from seqcli.core.data.ragged import Lines, RowBatches
from seqcli.core.data.readers import find_files, tell_skipped
from seqcli.core.models.classifier import build_classifier
from seqcli.core.tasks.auto import resolve_labels, tokenizer_options
from seqcli.core.tasks.classifier import best_temperature, figures, predict, unseen_labels
from seqcli.core.tasks.pretrained import start_from_vectors, with_width
from seqcli.core.tasks.tag import forget
from seqcli.core.tokenizers import Tokenizer
from seqcli.core.training.device import pick_device, set_threads
from seqcli.errors import DataError

Say = Callable[[str], None]
FEW = 20  # so many labels may be anything


class ClassifyJob:
    """What the training loop needs to train a classifier (see training.job.Job)."""

    def __init__(self, config: Config, say: Say = lambda text: None, metadata: Mapping[str, Any] | None = None) -> None:
        set_threads(config.threads)
        self.device = pick_device(config.device)
        training, valid = read_data(config, say)
        if metadata is not None:
            self.tokenizer, self.labels = tokenizers.from_array(metadata["tokenizer"]), list(metadata["labels"])
        else:
            config = choose_tokens(with_width(config), training)
            self.tokenizer = train_tokenizer(config, training)
            counts = Counter(t.label for t in training)
            self.labels = sorted(counts, key=lambda label: (-counts[label], label))
        if len(self.labels) < 2:
            raise DataError(f"Every text has the label {self.labels[0]!r}: there is nothing to learn.")
        self._number = {label: k for k, label in enumerate(self.labels)}
        assert config.max_length
        self._valid_lines, _ = self._encoded(valid, config.max_length)
        kept = at_most(numbered(valid), self._valid_lines.lengths, config.valid_tokens, config.seed)
        self._valid_lines = self._valid_lines.select(np.flatnonzero(kept))
        if config.valid is None:  # what is not validated on is learnt from
            training += [text for text, out in zip(valid, kept, strict=True) if not out]
        valid = [text for text, out in zip(valid, kept, strict=True) if out]
        self._lines, cut = self._encoded(training, config.max_length)
        if cut:
            say(f"{cut} texts are longer than --max-length {config.max_length} tokens: their beginnings are read.")
        self.train_tokens, self.valid_tokens = len(self._lines.ids), len(self._valid_lines.ids)
        self.config = c = resolve_labels(
            config, len(training), self.train_tokens, self.device, valid=bool(valid), bounded=metadata is None
        )
        if complaint := unseen_labels(valid, self.labels):
            say(complaint)
        self._wanted = torch.tensor([self._number[t.label] for t in training])
        self._valid = [t.label for t in valid]
        counts = Counter(t.label for t in training)
        weights = torch.tensor([len(training) / (len(counts) * counts[label]) for label in self.labels])
        self._weights = weights.to(self.device) if c.class_weights == "balanced" else None
        self.temperature = 1.0
        self.batches = RowBatches(
            self._lines.lengths, batch_size=c.batch_size, batch_tokens=c.batch_tokens, seed=c.seed
        )
        self.steps_per_epoch = self.batches.steps_per_epoch
        self.vocab_size = self.tokenizer.vocab_size
        self.guessing = math.log(len(self.labels))
        self.model = build_classifier(c, self.vocab_size, len(self.labels), c.seed).to(self.device)
        self._frozen = start_from_vectors(self.model.encoding, self.tokenizer, c, say, metadata)

    def _encoded(self, texts: Sequence[Labelled], longest: int) -> tuple[Lines, int]:
        lines = self.tokenizer.encode_lines([t.text for t in texts])
        return Lines.of([line[:longest] for line in lines]), sum(len(line) > longest for line in lines)

    def loss(self, number: int, carry: list[Tensor], done: float) -> tuple[Tensor, int, list[Tensor]]:
        c, rows = self.config, self.batches[number]
        ids, mask = (part.to(self.device) for part in self._lines.padded(rows))
        scores, _ = self.model(forget(ids, c.word_dropout or 0.0, (c.seed, number)), mask)
        wanted = self._wanted[torch.from_numpy(rows)].to(self.device)
        loss = F.cross_entropy(scores, wanted, weight=self._weights, label_smoothing=c.label_smoothing or 0.0)
        return loss, int(mask.sum()), []

    def evaluate(self) -> dict[str, float] | None:
        if not self._valid:
            return None
        scores, _ = predict(self.model, self._valid_lines, precision=self.config.precision)
        wanted = torch.tensor([self._number.get(label, -1) for label in self._valid])
        known = wanted >= 0
        self.temperature = best_temperature(scores[known], wanted[known]) if bool(known.any()) else 1.0
        found = figures(scores / self.temperature, self._valid, self.labels)
        return {name: value for name, value in found.items() if isinstance(value, float)}

    def preview(self, step: int) -> str | None:
        return None

    def metadata(self) -> dict[str, Any]:
        return {
            "task": "classify",
            "config": self.config.as_dict(),
            "tokenizer": tokenizers.to_array(self.tokenizer),
            "labels": self.labels,
            "temperature": self.temperature,
            **self._frozen,
        }


def read_data(config: Config, say: Say) -> tuple[list[Labelled], list[Labelled]]:
    """Texts to train and to validate on: a part of every label. Raises DataError for what cannot be trained on."""

    def read(files: Sequence[str]) -> list[Labelled]:
        reader = LabelReader(config.text_column, config.label_column, config.skip_bad_lines, config.invalid_utf8)
        found = list(reader.read(find_files(files)))
        names = " ".join(files)
        tell_skipped(say, reader.skipped, names)
        if not found:
            raise DataError(f"There is no labelled text in {names}.")
        return found

    found = read(config.files)
    check_labels(config, found, say)
    if config.valid is not None:
        return found, read([config.valid])
    held = stratified(numbered(found), config.held_out, config.seed)
    if config.held_out and not held.any():
        say("There are too few texts to keep some for validation: all are trained on.")
    return [t for t, out in zip(found, held, strict=True) if not out], [
        t for t, out in zip(found, held, strict=True) if out
    ]


def numbered(texts: Sequence[Labelled]) -> NDArray[np.int64]:
    """The labels of texts as numbers (n,)."""
    _, numbers = np.unique(np.array([t.label for t in texts], dtype=object), return_inverse=True)
    return numbers.astype(np.int64).reshape(len(texts))


def check_labels(config: Config, texts: Sequence[Labelled], say: Say) -> None:
    """Tells of a first line that may be a header. Raises DataError for labels that hardly are any, like the values of a
    series: many numbers, or almost as many labels as texts."""
    counts = Counter(t.label for t in texts)
    numbers = list(filter(is_number, counts))
    complaint = ""
    if len(counts) > FEW and len(numbers) > 0.9 * len(counts):
        complaint = (
            f"The labels are {len(counts)} different numbers, like {', '.join(numbers[:3])}. A classifier takes "
            "each of them for a name, and learns nothing of how near they are to each other."
        )
    elif len(counts) > FEW and 2 * len(counts) > len(texts):
        complaint = (
            f"The {len(texts)} texts have {len(counts)} different labels, like {', '.join(list(counts)[:3])}: there is "
            "next to nothing to learn a label from that comes once."
        )
    if complaint and not config.many_labels:
        raise DataError(f"{complaint} Is another column meant (--label-column)? To go on all the same: --many-labels.")
    first = texts[0]
    if config.label_column is None and counts[first.label] == 1 and len(texts) > 20:
        say(
            f"The label {first.label!r} of the first line comes once only. If that line is a header, name its columns: "
            f"{shlex.join(['--text-column', first.text, '--label-column', first.label])}"
        )


def choose_tokens(config: Config, texts: Sequence[Labelled]) -> Config:
    """The tokenizer, where it is left to us: words for sentences, characters for single words and names."""
    tokens = config.tokens
    if tokens is None:
        words = sum(len(t.text.split()) for t in texts)
        tokens = "word" if words > 3 * len(texts) else "char"
    longest = config.max_length or (1000 if tokens in ("char", "byte") else 400)
    lowercase = config.lowercase is not False if tokens == "word" else config.lowercase
    return config.with_(tokens=tokens, max_length=longest, lowercase=lowercase)


def train_tokenizer(config: Config, texts: Sequence[Labelled]) -> Tokenizer:
    """The tokenizer of the training texts. Raises DataError when no word is left."""
    found = tokenizers.train(
        str(config.tokens),
        blocks((t.text for t in texts), "\n"),
        **tokenizer_options(config, str(config.tokens)),
    )
    if found.vocab_size <= len(tokenizers.SPECIALS):
        raise DataError(f"Nothing occurs --min-count {config.min_count} times: the vocabulary is empty.")
    return found
