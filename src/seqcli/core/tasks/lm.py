"""The task `lm`: a recurrent language model of a text, or of a list of lines."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from seqcli.core import tokenizers
from seqcli.core.cells import cell_class
from seqcli.core.config import Config
from seqcli.core.data import (
    Batches,
    LineBatches,
    StreamBatches,
    TokenFile,
    find_texts,
    open_tokens,
)
from seqcli.core.models.lm import build_lm
from seqcli.core.tasks.auto import resolve, tokenizer_options
from seqcli.core.tasks.language_model import LanguageModel, evaluate
from seqcli.core.tasks.pretrained import start_from_vectors, with_width
from seqcli.core.tokenizers import Tokenizer
from seqcli.core.training.device import pick_device, set_threads
from seqcli.errors import ConfigError, DataError

Say = Callable[[str], None]
HELD_OUT = 0x68656C64  # with the seed, the random stream of the lines to validate on


# --- training -------------------------------------------------------------------------------------------------------


class LMJob:
    """What the training loop needs to train a language model (see training.job.Job)."""

    def __init__(self, config: Config, say: Say = lambda text: None, metadata: Mapping[str, Any] | None = None) -> None:
        if config.bidirectional:
            raise ConfigError(
                "A language model predicts the next token from the past alone, so it cannot be --bidirectional."
            )
        if config.tie and config.encoding == "one-hot":
            raise ConfigError("--tie shares an embedding with the output layer, and --encoding one-hot has none.")
        if config.loss == "mse" and config.label_smoothing:
            raise ConfigError("--label-smoothing is for --loss cross-entropy.")
        set_threads(config.threads)
        config = with_width(config) if metadata is None else config
        tokenizer = tokenizers.from_array(metadata["tokenizer"]) if metadata is not None else None
        self.device = pick_device(config.device)
        training, valid = read_data(config, say, tokenizer)
        self.tokenizer = training.tokenizer
        self.config = config = resolve(
            config, training.tokens, self.tokenizer.vocab_size, self.device, say=say, bounded=tokenizer is None
        )
        self._valid = valid
        self.batches = self._batches(training)
        self.config = config = config.with_(batch_size=self.batches.batch_size, window=self.batches.window)
        self.model = build_lm(config, self.tokenizer.vocab_size, config.seed).to(self.device)
        self._frozen = start_from_vectors(self.model.encoding, self.tokenizer, config, say, metadata)
        self.steps_per_epoch = self.batches.steps_per_epoch
        self.train_tokens = training.tokens
        self.valid_tokens = self._valid.tokens if self._valid is not None else 0
        self.vocab_size = self.tokenizer.vocab_size
        self.guessing = math.log(self.vocab_size) if config.loss == "cross-entropy" else None
        if isinstance(self.batches, LineBatches) and self.batches.cut:
            say(f"{self.batches.cut} lines are longer than --window {config.window} tokens and are cut.")

    def _batches(self, data: TokenFile) -> Batches:
        c = self.config
        assert c.batch_size and c.window
        if data.ends is not None:
            return LineBatches(data.ids, data.ends, c.batch_size, c.window, c.seed, data.lines)
        return StreamBatches(data.ids, c.batch_size, c.window, c.seed)

    def loss(self, number: int, carry: list[Tensor], done: float) -> tuple[Tensor, int, list[Tensor]]:
        batch = self.batches[number].to(self.device)
        state = None if batch.fresh or not carry else unflatten(self.config.cell, carry)
        loss, state = self.model.loss(batch.x, batch.y, state, batch.mask, self.config.label_smoothing or 0.0)
        return loss, batch.tokens, [] if batch.mask is not None else flatten(state)

    def evaluate(self) -> dict[str, float] | None:
        return evaluate(self.model, self._valid) if self._valid is not None else None

    def preview(self, step: int) -> str | None:
        model = LanguageModel.of(self.model, self.tokenizer, self.config)
        length = 120 if self.config.tokens in ("char", "byte") else 30
        return model.sample(length=length, seed=(self.config.seed + step) % 2**63, temperature=0.8)

    def metadata(self) -> dict[str, Any]:
        return {
            "task": "lm",
            "config": self.config.as_dict(),
            "tokenizer": tokenizers.to_array(self.tokenizer),
            **self._frozen,
        }


def read_data(config: Config, say: Say, tokenizer: Tokenizer | None = None) -> tuple[TokenFile, TokenFile | None]:
    """Training and validation data. Raises DataError for what cannot be trained on."""
    paths = find_texts(config.files)
    how: dict[str, Any] = {"unit": config.unit, "invalid": config.invalid_utf8, "progress": say}
    kind = config.tokens or "char"
    data = open_tokens(paths, tokenizer=tokenizer, kind=kind, options=tokenizer_options(config, kind), **how)
    if len(data.ids) < 2:
        raise DataError(f"{paths[0]} has less than two tokens of text; there is nothing to learn from it.")
    distinct = np.unique(data.ids[: 1 << 20])
    if len(distinct) < 2:
        only = data.tokenizer.token(int(distinct[0]))
        raise DataError(f"{paths[0]} holds one distinct token only, {only!r}: there is nothing to learn from it.")
    if config.valid is not None:
        valid = open_tokens(find_texts([config.valid]), tokenizer=data.tokenizer, **how)
        if len(valid.ids) < 2:
            raise DataError(f"{config.valid} is too short to validate on.")
        if valid.unknown:
            say(f"{config.valid}: {valid.unknown} of {len(valid.ids)} tokens are unknown and count as <unk>.")
        if valid.ends is None:
            return data, valid.head(config.valid_tokens)
        return data, valid.choose(some_lines(valid.ends, 1.0, config))
    if data.ends is not None:
        held = some_lines(data.ends, config.held_out, config)
        parts = data.choose(np.setdiff1d(np.arange(len(data.ends)), held)), data.choose(held)
        large_enough = len(held) > 0
    else:
        parts = data.part(0, 1 - config.held_out), data.part(1 - config.held_out, 1).head(config.valid_tokens)
        large_enough = len(parts[1].ids) > 1
    if not large_enough:
        if config.held_out:
            say("The text is too short to keep a part for validation: all of it is trained on.")
        return data, None
    return parts


def some_lines(ends: NDArray[np.int64], part: float, config: Config) -> NDArray[np.int64]:
    """The numbers of the lines to validate on, by chance, since a list may be sorted: a part of them, of at most
    --valid-tokens tokens together."""
    lengths = np.diff(ends, prepend=0)
    chosen = np.random.default_rng((config.seed, HELD_OUT)).permutation(len(ends))[: round(part * len(ends))]
    if config.valid_tokens and len(chosen):
        chosen = chosen[: max(1, int(np.searchsorted(np.cumsum(lengths[chosen]), config.valid_tokens, side="right")))]
    return np.sort(chosen)


def flatten(state: list[Any]) -> list[Tensor]:
    """A stack's state as plain tensors, cut from the graph."""
    return [tensor.detach() for cell in state for tensor in cell]


def unflatten(cell: str, tensors: list[Tensor]) -> list[Any]:
    """What `flatten` took apart."""
    kind = cell_class(cell).state_type
    n = len(kind._fields)
    return [kind(*tensors[k : k + n]) for k in range(0, len(tensors), n)]
