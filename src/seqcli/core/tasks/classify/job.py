"""The job of training a classifier: reading its data, the loss of a batch, the evaluation."""

import math
import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from seqcli.core import tokenizers
from seqcli.core.data.pretrained import start_from_vectors, with_width
from seqcli.core.data.ragged import Lines, RowBatches
from seqcli.core.data.readers import blocks, find_files, tell_skipped
from seqcli.core.events import Say, silent
from seqcli.core.layers.dropout import word_dropout
from seqcli.core.tasks.classify.network import RecurrentClassifier, build_classifier
from seqcli.core.tasks.classify.options import ClassifyOptions
from seqcli.core.tasks.classify.plan import check, make_plan
from seqcli.core.tasks.classify.table import Labelled, LabelReader, at_most, is_number, stratified
from seqcli.core.tasks.classify.trained import best_temperature, figures, predict, unseen_labels
from seqcli.core.tokenizers import UNK, Tokenizer
from seqcli.core.training.device import pick_device, set_threads
from seqcli.core.training.plan import tokenizer_options
from seqcli.errors import DataError

FEW = 20  # with at most this many different labels, `check_labels` does not doubt that they are labels


class ClassifyJob:
    """What the training loop needs to train a classifier (see training.job.Job)."""

    def __init__(self, options: ClassifyOptions, say: Say = silent, metadata: Mapping[str, Any] | None = None) -> None:
        check(options)
        set_threads(options.threads)
        self.device = pick_device(options.device)
        training, valid = read_data(options, say)
        if metadata is not None:
            self.tokenizer, self.labels = tokenizers.from_array(metadata["tokenizer"]), list(metadata["labels"])
        else:
            options = choose_tokens(with_width(options), training)
            self.tokenizer = train_tokenizer(options, training)
            counts = Counter(t.label for t in training)
            self.labels = sorted(counts, key=lambda label: (-counts[label], label))
        if len(self.labels) < 2:
            raise DataError(f"Every text has the label {self.labels[0]!r}: there is nothing to learn.")
        self._number = {label: k for k, label in enumerate(self.labels)}
        longest = longest_read(options)
        self._valid_lines, _ = self._encoded(valid, longest)
        kept = at_most(numbered(valid), self._valid_lines.lengths, options.valid_tokens, options.seed)
        self._valid_lines = self._valid_lines.select(np.flatnonzero(kept))
        if options.valid is None:  # texts that were held out, but are too many for --valid-tokens, are trained on
            training += [text for text, out in zip(valid, kept, strict=True) if not out]
        valid = [text for text, out in zip(valid, kept, strict=True) if out]
        self._lines, cut = self._encoded(training, longest)
        if cut:
            say(f"{cut} texts are longer than --max-length {longest} tokens: their beginnings are read.")
        self.train_tokens, self.valid_tokens = len(self._lines.ids), len(self._valid_lines.ids)
        self.plan = plan = make_plan(options, len(training), self.device, valid=bool(valid), bounded=metadata is None)
        if complaint := unseen_labels(valid, self.labels):
            say(complaint)
        self._wanted = torch.tensor([self._number[t.label] for t in training])
        self._valid = [t.label for t in valid]
        counts = Counter(t.label for t in training)
        weights = torch.tensor([len(training) / (len(counts) * counts[label]) for label in self.labels])
        self._weights = weights.to(self.device) if plan.class_weights == "balanced" else None
        self.temperature = 1.0
        self.batches = RowBatches(
            self._lines.lengths, batch_size=plan.batch_size, batch_tokens=plan.batch_tokens, seed=plan.seed
        )
        self.steps_per_epoch = self.batches.steps_per_epoch
        self.vocab_size = self.tokenizer.vocab_size
        self.guessing = math.log(len(self.labels))
        self._say, self._metadata = say, metadata

    @cached_property
    def model(self) -> RecurrentClassifier:
        """The network, with its initial weights."""
        network = build_classifier(self.plan, self.vocab_size, len(self.labels), self.plan.seed).to(self.device)
        self._kept = start_from_vectors(network.encoding, self.tokenizer, self.plan, self._say, self._metadata)
        return network

    def _encoded(self, texts: Sequence[Labelled], longest: int) -> tuple[Lines, int]:
        """Return texts as ids, each cut after `longest` tokens, and the number of texts that were cut."""
        lines = self.tokenizer.encode_lines([t.text for t in texts])
        return Lines.of([line[:longest] for line in lines]), sum(len(line) > longest for line in lines)

    def loss(self, number: int, carry: list[Tensor], done: float) -> tuple[Tensor, int, list[Tensor]]:
        plan, rows = self.plan, self.batches[number]
        ids, mask = (part.to(self.device) for part in self._lines.padded(rows))
        scores, _ = self.model(word_dropout(ids, plan.word_dropout, UNK, (plan.seed, number)), mask)  # (B, K)
        wanted = self._wanted[torch.from_numpy(rows)].to(self.device)  # (B,)
        loss = F.cross_entropy(scores, wanted, weight=self._weights, label_smoothing=plan.label_smoothing)
        return loss, int(mask.sum()), []

    def evaluate(self) -> dict[str, float] | None:
        if not self._valid:
            return None
        scores, _ = predict(self.model, self._valid_lines, precision=self.plan.precision)
        wanted = torch.tensor([self._number.get(label, -1) for label in self._valid])
        known = wanted >= 0
        self.temperature = best_temperature(scores[known], wanted[known]) if bool(known.any()) else 1.0
        found = figures(scores / self.temperature, self._valid, self.labels)
        return {name: value for name, value in found.items() if isinstance(value, float)}

    def preview(self, step: int) -> str | None:
        return None

    def metadata(self) -> dict[str, Any]:
        return {
            "task": self.plan.task,
            "config": self.plan.as_dict(),
            "tokenizer": tokenizers.to_array(self.tokenizer),
            "labels": self.labels,
            "temperature": self.temperature,
            **self._kept,
        }


def read_data(options: ClassifyOptions, say: Say) -> tuple[list[Labelled], list[Labelled]]:
    """Read the texts to train on and those to validate on.

    Without --valid, the same fraction of the texts of every label is held out. Raises DataError for files that cannot
    be trained on.
    """

    def read(files: Sequence[str]) -> list[Labelled]:
        reader = LabelReader(options.text_column, options.label_column, options.skip_bad_lines, options.invalid_utf8)
        found = list(reader.read(find_files(files)))
        names = " ".join(files)
        tell_skipped(say, reader.skipped, names)
        if not found:
            raise DataError(f"There is no labelled text in {names}.")
        return found

    found = read(options.files)
    check_labels(options, found, say)
    if options.valid is not None:
        return found, read([options.valid])
    held = stratified(numbered(found), options.valid_split, options.seed)
    if options.valid_split and not held.any():
        say("There are too few texts to keep some for validation: all are trained on.")
    return [t for t, out in zip(found, held, strict=True) if not out], [
        t for t, out in zip(found, held, strict=True) if out
    ]


def numbered(texts: Sequence[Labelled]) -> NDArray[np.int64]:
    """Return the labels of texts as numbers (n,)."""
    _, numbers = np.unique(np.array([t.label for t in texts], dtype=object), return_inverse=True)
    return numbers.astype(np.int64).reshape(len(texts))


def check_labels(options: ClassifyOptions, texts: Sequence[Labelled], say: Say) -> None:
    """Check that labels look like labels, and tell the user if the first line may be a header.

    Raises DataError, unless --many-labels is given, if they are many different numbers, like the values of a series, or
    if there are almost as many labels as texts.
    """
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
    if complaint and not options.many_labels:
        raise DataError(f"{complaint} Is another column meant (--label-column)? To go on all the same: --many-labels.")
    first = texts[0]
    if options.label_column is None and counts[first.label] == 1 and len(texts) > 20:
        say(
            f"The label {first.label!r} of the first line comes once only. If that line is a header, name its columns: "
            f"{shlex.join(['--text-column', first.text, '--label-column', first.label])}"
        )


def choose_tokens(options: ClassifyOptions, texts: Sequence[Labelled]) -> ClassifyOptions:
    """Return the options with the tokenizer chosen: words for sentences, characters for single words and names."""
    tokens = options.tokens
    if tokens is None:
        words = sum(len(t.text.split()) for t in texts)
        tokens = "word" if words > 3 * len(texts) else "char"
    chosen = options.with_(
        tokens=tokens, lowercase=tokens == "word" if options.lowercase is None else options.lowercase
    )
    return chosen.with_(max_length=longest_read(chosen))


def longest_read(options: ClassifyOptions) -> int:
    """Return how many tokens of a text are read at most."""
    return options.max_length or (1000 if options.tokens in ("char", "byte") else 400)


def train_tokenizer(options: ClassifyOptions, texts: Sequence[Labelled]) -> Tokenizer:
    """Train the tokenizer on the training texts. Raises DataError when its vocabulary is empty."""
    kind = str(options.tokens)
    found = tokenizers.train(kind, blocks((t.text for t in texts), "\n"), **tokenizer_options(options, kind))
    if found.vocab_size <= len(tokenizers.SPECIALS):
        raise DataError(f"Nothing occurs --min-count {options.min_count} times: the vocabulary is empty.")
    return found
