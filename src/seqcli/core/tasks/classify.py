"""The task `classify`: a label for every text."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from seqcli.core import tokenizers
from seqcli.core.config import Config
from seqcli.core.data.labelled import Labelled, LabelReader, stratified
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


class ClassifyJob:
    """What the training loop needs to train a classifier (see training.job.Job)."""

    def __init__(self, config: Config, say: Say = lambda text: None, metadata: Mapping[str, Any] | None = None) -> None:
        set_threads(config.threads)
        self.device = pick_device(config.device)
        training, valid = read_data(config, say)
        counts = Counter(t.label for t in (*training, *valid))
        first = training[0].label
        if config.label_column is None and counts[first] == 1 and len(training) > 20:
            say(
                f"The label {first!r} of the first line comes once only. If that line is a header, name its columns: "
                "--text-column, --label-column."
            )
        counts = Counter(t.label for t in training)
        if metadata is not None:
            self.tokenizer, self.labels = tokenizers.from_array(metadata["tokenizer"]), list(metadata["labels"])
        else:
            config = choose_tokens(with_width(config), training)
            self.tokenizer = train_tokenizer(config, training)
            self.labels = sorted(counts, key=lambda label: (-counts[label], label))
        if len(self.labels) < 2:
            raise DataError(f"Every text has the label {self.labels[0]!r}: there is nothing to learn.")
        self._number = {label: k for k, label in enumerate(self.labels)}
        assert config.max_length
        self._lines, cut = self._encoded(training, config.max_length)
        self._valid_lines, _ = self._encoded(valid, config.max_length)
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
        weights = torch.tensor([len(training) / (len(counts) * counts[label]) for label in self.labels])
        self._weights = weights.to(self.device) if c.class_weights == "balanced" else None
        self.temperature = 1.0
        self.batches = RowBatches(
            self._lines.lengths, batch_size=c.batch_size, batch_tokens=c.batch_tokens, seed=c.seed
        )
        self.steps_per_epoch = self.batches.steps_per_epoch
        self.vocab_size = self.tokenizer.vocab_size
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
            "config": self.config.model_dump(),
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
    if config.valid is not None:
        return found, read([config.valid])
    _, numbers = np.unique(np.array([t.label for t in found], dtype=object), return_inverse=True)
    held = stratified(numbers, config.valid_split, config.seed)
    if config.valid_split and not held.any():
        say("There are too few texts to keep some for validation: all are trained on.")
    return [t for t, out in zip(found, held, strict=True) if not out], [
        t for t, out in zip(found, held, strict=True) if out
    ]


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
