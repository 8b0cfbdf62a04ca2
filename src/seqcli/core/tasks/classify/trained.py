"""A trained classifier: labelling texts with it and measuring it."""

import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar, NoReturn, overload

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from seqcli.core.config import no_others
from seqcli.core.data.ragged import Lines, rows_in_order
from seqcli.core.data.readers import find_files, tell_skipped
from seqcli.core.events import Say, silent
from seqcli.core.metrics import labels as metrics
from seqcli.core.tasks.classify.file import ClassifierFile
from seqcli.core.tasks.classify.network import RecurrentClassifier, build_classifier
from seqcli.core.tasks.classify.plan import ClassifyPlan
from seqcli.core.tasks.classify.table import Labelled, LabelReader
from seqcli.core.tokenizers import EOS, SPECIALS, UNK, Tokenizer
from seqcli.core.trained import NetworkTrained, texts_of
from seqcli.core.training.device import autocast, inference_precision
from seqcli.errors import ConfigError, DataError

TOKENS_AT_ONCE = 8192  # the largest number of tokens in a batch, padding included


@dataclass(frozen=True)
class Classified:
    """The labels of a text."""

    label: str  # the likeliest label
    probabilities: dict[str, float]  # of every label, the likeliest first
    pieces: list[str]  # the tokens that were read, if they were asked for
    weights: list[float] | None  # with attention pooling, how much each of them weighed, if that was asked for
    known: bool  # False if all tokens are unknown to the model
    truncated: bool  # whether the text was longer than the model reads


class Classifier(NetworkTrained):
    """A trained classifier, to label texts with and to measure."""

    file: ClassVar = ClassifierFile
    plan: ClassifyPlan
    measured_with: ClassVar = ("skip_bad_lines",)
    model: RecurrentClassifier

    def __init__(
        self,
        model: RecurrentClassifier,
        tokenizer: Tokenizer,
        labels: list[str],
        plan: ClassifyPlan,
        temperature: float = 1.0,
        figures: dict[str, float] | None = None,
    ) -> None:
        self.model, self.tokenizer, self.labels = model, tokenizer, labels
        self.plan, self.temperature, self.figures = plan, temperature, figures or {}

    @classmethod
    def network(cls, about: ClassifierFile) -> RecurrentClassifier:
        return build_classifier(about.config, about.tokenizer.vocab_size, len(about.labels), None)

    @classmethod
    def of(cls, model: RecurrentClassifier, about: ClassifierFile) -> "Classifier":
        return cls(model, about.tokenizer, about.labels, about.config, about.temperature, about.figures)

    def facts(self) -> dict[str, str]:
        return {"tokens": f"{self.tokenizer.vocab_size:,} {self.plan.tokens}", "labels": f"{len(self.labels):,}"}

    def names(self) -> dict[str, list[str]]:
        return {"labels": self.labels}

    def examples(self) -> list[str]:
        return ['model.classify("a stirring film").label', 'model.evaluate("held_out.tsv")["accuracy"]']

    @overload
    def classify(self, texts: str, *, explain: bool = ...) -> Classified: ...  # type: ignore[overload-overlap]  # a str is one text, no list of texts
    @overload
    def classify(self, texts: Iterable[str], *, explain: bool = ...) -> list[Classified]: ...
    def classify(
        self, texts: str | Iterable[str], *, explain: bool = False, **others: NoReturn
    ) -> Classified | list[Classified]:
        """Label a text, or several texts, for which a list is returned in the same order.

        With `explain` the result also says how much each token weighed. Raises ConfigError when the model has no such
        weights, DataError for anything that is no text.
        """
        no_others(others, ("texts", "explain"))
        if isinstance(texts, str):
            return self.classify([texts], explain=explain)[0]
        texts = texts_of(texts)
        if explain and self.plan.pool != "attention":
            raise ConfigError(
                f"--explain shows what attention pooling looked at, and this model has --pool {self.plan.pool}. "
                "Train one with --pool attention."
            )
        ids = self.tokenizer.encode_lines(texts)
        longest = self.plan.max_length
        scores, weights = predict(self.model, Lines.of([line[:longest] for line in ids]), precision=self.plan.precision)
        made = []
        for row, text in enumerate(texts):
            p = (scores[row] / self.temperature).softmax(0).tolist()
            order = sorted(range(len(p)), key=lambda k: -p[k])
            pieces = [*self.tokenizer.pieces(text)[:longest], SPECIALS[EOS]] if explain else []
            made.append(
                Classified(
                    self.labels[order[0]],
                    {self.labels[k]: p[k] for k in order},
                    pieces,
                    weights[row].tolist() if explain and weights is not None else None,
                    bool((ids[row] != UNK).any()),
                    len(ids[row]) > longest,
                )
            )
        return made

    def read(self, path: str | Path, *, skip_bad_lines: bool = False, say: Say = silent) -> list[Labelled]:
        """Read the labelled texts of a file. Raises DataError when it has none, or for a bad line."""
        c = self.plan
        reader = LabelReader(c.text_column, c.label_column, skip_bad_lines, c.invalid_utf8)
        found = list(reader.read(find_files([path])))
        tell_skipped(say, reader.skipped, path)
        if not found:
            raise DataError(f"There is no labelled text in {path}.")
        return found

    def evaluate(
        self, path: str | Path, *, say: Say = silent, skip_bad_lines: bool = False, **others: NoReturn
    ) -> dict[str, Any]:
        """Measure the classifier on a file of labelled texts. Returns the metrics by name.

        They are accuracy, macro F1, loss, calibration error, the metrics of every label, and the most frequent
        mistakes. Raises DataError when the file cannot be measured on.
        """
        self.takes_no(others)
        texts = self.read(path, skip_bad_lines=skip_bad_lines, say=say)
        if not any(t.label in set(self.labels) for t in texts):
            raise DataError(f"The model knows no label of {path}; its own are {', '.join(self.labels[:8])}.")
        if unseen := unseen_labels(texts, self.labels):
            say(unseen)
        start = time.perf_counter()
        longest = self.plan.max_length
        lines = Lines.of([line[:longest] for line in self.tokenizer.encode_lines([t.text for t in texts])])
        scores, _ = predict(self.model, lines, precision=self.plan.precision)
        seconds = time.perf_counter() - start
        return {
            **figures(scores / self.temperature, [t.label for t in texts], self.labels),
            "texts": len(texts),
            "texts_per_s": len(texts) / seconds,
        }


@torch.no_grad()
def predict(model: RecurrentClassifier, lines: Lines, *, precision: str = "auto") -> tuple[Tensor, list[Tensor] | None]:
    """Compute the scores of all texts (n, K) and, with attention pooling, the weights of their tokens."""
    device = model.device
    scores: list[Tensor] = [torch.empty(0)] * len(lines)
    weights: list[Tensor] = [torch.empty(0)] * len(lines)
    attended = False
    with autocast(inference_precision(precision, device), device):
        for rows in rows_in_order(lines.lengths, TOKENS_AT_ONCE):
            ids, mask = lines.padded(rows)  # (B, T), (B, T)
            found, looked = model(ids.to(device), mask.to(device))  # (B, K), (B, T) or None
            for row, each in zip(rows, found.cpu(), strict=True):
                scores[row] = each
            if looked is not None:
                attended = True
                for row, each in zip(rows, looked.cpu(), strict=True):
                    weights[row] = each[: lines.lengths[row]]
    K = model.projection.out_features
    return torch.stack(scores) if scores else torch.empty(0, K), weights if attended else None


def figures(scores: Tensor, right: Sequence[str], labels: Sequence[str]) -> dict[str, Any]:
    """Compute all metrics of scores (n, K) against the correct labels `right`. `labels` are those of the K columns."""
    number = {label: k for k, label in enumerate(labels)}
    wanted = torch.tensor([number.get(label, -1) for label in right])  # (n,), -1 for a label that the model lacks
    sure, best = scores.softmax(1).max(1)  # (n,) each
    ours = [labels[k] for k in best.tolist()]
    loss = F.cross_entropy(scores[wanted >= 0], wanted[wanted >= 0]).item() if bool((wanted >= 0).any()) else 0.0
    return {
        "accuracy": metrics.accuracy(ours, right),
        "f1": metrics.macro_f1(ours, right),
        "loss": loss,
        "calibration_error": metrics.calibration_error(
            sure.double().numpy(), np.array([a == b for a, b in zip(ours, right, strict=True)])
        ),
        "labels": [asdict(each) for each in metrics.by_label(ours, right)],
        "confusions": metrics.mistakes(ours, right),
    }


def best_temperature(scores: Tensor, wanted: Tensor) -> float:
    """Find the temperature that calibrates scores best: temperature scaling (Guo 2017, arXiv:1706.04599).

    Divided by it, the scores (n, K) have the lowest cross-entropy with the correct labels `wanted` (n,). That changes
    the probabilities of labels, but never which one is likeliest. It is searched for on a logarithmic grid, 0.25 to 4.
    """
    grid = torch.logspace(-2, 2, 81, base=2.0)  # (81,)
    losses = torch.stack([F.cross_entropy(scores / t, wanted) for t in grid])  # (81,)
    return float(grid[losses.argmin()])


def unseen_labels(texts: Sequence[Labelled], labels: Sequence[str]) -> str | None:
    """Return a sentence for the user about labels that training never saw, or None if there are none."""
    strange = [t.label for t in texts if t.label not in set(labels)]
    if not strange:
        return None
    names = ", ".join(sorted(set(strange))[:8])
    return f"Training never saw the label {names} ({len(strange)} texts): those always count as wrong."
