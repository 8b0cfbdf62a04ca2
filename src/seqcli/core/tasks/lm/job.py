"""The job of training a language model: reading its data, the loss of a batch, the evaluation."""

import math
from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from seqcli.core import tokenizers
from seqcli.core.cells import cell_class
from seqcli.core.data import TokenFile, find_texts, open_tokens
from seqcli.core.data.pretrained import start_from_vectors, with_width
from seqcli.core.events import Say, silent
from seqcli.core.tasks.lm.batches import Batches, LineBatches, StreamBatches
from seqcli.core.tasks.lm.network import RecurrentLM, build_lm, training_speed
from seqcli.core.tasks.lm.options import LMOptions
from seqcli.core.tasks.lm.plan import LMPlan, check, make_plan
from seqcli.core.tasks.lm.trained import LanguageModel, evaluate
from seqcli.core.tokenizers import Tokenizer
from seqcli.core.training.device import pick_device, set_threads
from seqcli.core.training.plan import tokenizer_options
from seqcli.errors import DataError

HELD_OUT = 0x68656C64  # together with the seed, it seeds the choice of the lines to validate on


class LMJob:
    """What the training loop needs to train a language model (see training.job.GradientJob)."""

    def __init__(self, options: LMOptions, say: Say = silent, metadata: Mapping[str, Any] | None = None) -> None:
        check(options)
        set_threads(options.threads)
        options = with_width(options) if metadata is None else options
        tokenizer = tokenizers.from_array(metadata["tokenizer"]) if metadata is not None else None
        self.device = pick_device(options.device)
        training, self._valid = read_data(options, say, tokenizer)
        self.tokenizer, self.vocab_size = training.tokenizer, training.tokenizer.vocab_size
        plan = make_plan(
            options,
            training.tokens,
            self.vocab_size,
            self.device,
            lambda plan: training_speed(plan, self.vocab_size),
            say=say,
            bounded=metadata is None,
        )
        self.batches = batches(training, plan)
        self.plan = plan.with_(batch_size=self.batches.batch_size, window=self.batches.window)
        self.steps_per_epoch = self.batches.steps_per_epoch
        self.train_tokens = training.tokens
        self.valid_tokens = self._valid.tokens if self._valid is not None else 0
        self.guessing = math.log(self.vocab_size) if plan.loss == "cross-entropy" else None
        self._say, self._metadata = say, metadata
        if isinstance(self.batches, LineBatches) and self.batches.cut:
            say(f"{self.batches.cut} lines are longer than --window {self.plan.window} tokens and are cut.")

    @cached_property
    def model(self) -> RecurrentLM:
        """The network, with its initial weights."""
        network = build_lm(self.plan, self.vocab_size, self.plan.seed).to(self.device)
        self._kept = start_from_vectors(network.encoding, self.tokenizer, self.plan, self._say, self._metadata)
        return network

    def loss(self, number: int, carry: list[Tensor], done: float) -> tuple[Tensor, int, list[Tensor]]:
        batch = self.batches[number].to(self.device)
        state = None if batch.fresh or not carry else unflatten(self.plan.cell, carry)
        loss, state = self.model.loss(batch.x, batch.y, state, batch.mask, self.plan.label_smoothing)
        # a line begins anew, so only a stream has a state to hand to its next window
        return loss, batch.tokens, flatten(state) if self.plan.unit == "stream" else []

    def evaluate(self) -> dict[str, float] | None:
        return evaluate(self.model, self._valid) if self._valid is not None else None

    def preview(self, step: int) -> str | None:
        model = LanguageModel.of(self.model, self.tokenizer, self.plan)
        length = 120 if self.plan.tokens in ("char", "byte") else 30
        return model.sample(length=length, seed=(self.plan.seed + step) % 2**63, temperature=0.8)

    def metadata(self) -> dict[str, Any]:
        return {
            "task": self.plan.task,
            "config": self.plan.as_dict(),
            "tokenizer": tokenizers.to_array(self.tokenizer),
            **self._kept,
        }


def batches(data: TokenFile, plan: LMPlan) -> Batches:
    """Return the batches of a text, of the size that the plan says, or smaller if the text is short."""
    if data.ends is not None:
        return LineBatches(data.ids, data.ends, plan.batch_size, plan.window, plan.seed, data.lines)
    return StreamBatches(data.ids, plan.batch_size, plan.window, plan.seed)


def read_data(options: LMOptions, say: Say, tokenizer: Tokenizer | None = None) -> tuple[TokenFile, TokenFile | None]:
    """Read the training data and the validation data, which are None if there are none.

    The tokenizer is trained, unless a `tokenizer` is given. Raises DataError for data that cannot be trained on.
    """
    paths = find_texts(options.files)
    how: dict[str, Any] = {"unit": options.unit, "invalid": options.invalid_utf8, "progress": say}
    kind = options.tokens or "char"
    data = open_tokens(paths, tokenizer=tokenizer, kind=kind, options=tokenizer_options(options, kind), **how)
    if len(data.ids) < 2:
        raise DataError(f"{paths[0]} has less than two tokens of text; there is nothing to learn from it.")
    distinct = np.unique(data.ids[: 1 << 20])
    if len(distinct) < 2:
        only = data.tokenizer.token(int(distinct[0]))
        raise DataError(f"{paths[0]} holds one distinct token only, {only!r}: there is nothing to learn from it.")
    if options.valid is not None:
        valid = open_tokens(find_texts([options.valid]), tokenizer=data.tokenizer, **how)
        if len(valid.ids) < 2:
            raise DataError(f"{options.valid} is too short to validate on.")
        if valid.unknown:
            say(f"{options.valid}: {valid.unknown} of {len(valid.ids)} tokens are unknown and count as <unk>.")
        if valid.ends is None:
            return data, valid.head(options.valid_tokens)
        return data, valid.choose(some_lines(valid.ends, 1.0, options))
    if data.ends is not None:
        held = some_lines(data.ends, options.valid_split, options)
        parts = data.choose(np.setdiff1d(np.arange(len(data.ends)), held)), data.choose(held)
        large_enough = len(held) > 0
    else:
        parts = data.part(0, 1 - options.valid_split), data.part(1 - options.valid_split, 1).head(options.valid_tokens)
        large_enough = len(parts[1].ids) > 1
    if not large_enough:
        if options.valid_split:
            say("The text is too short to keep a part for validation: all of it is trained on.")
        return data, None
    return parts


def some_lines(ends: NDArray[np.int64], part: float, options: LMOptions) -> NDArray[np.int64]:
    """Choose lines to validate on: the fraction `part` of them, but at most --valid-tokens tokens.

    Returns their numbers. They are chosen at random, because a file of lines may be sorted.
    """
    lengths = np.diff(ends, prepend=0)
    chosen = np.random.default_rng((options.seed, HELD_OUT)).permutation(len(ends))[: round(part * len(ends))]
    if options.valid_tokens and len(chosen):
        chosen = chosen[: max(1, int(np.searchsorted(np.cumsum(lengths[chosen]), options.valid_tokens, side="right")))]
    return np.sort(chosen)


def flatten(state: list[Any]) -> list[Tensor]:
    """Return the states of a stack's cells as a flat list of tensors (B, H), detached from the graph.

    Detaching them is what truncates back-propagation through time at the window.
    """
    return [tensor.detach() for cell in state for tensor in cell]


def unflatten(cell: str, tensors: list[Tensor]) -> list[Any]:
    """Return the states that `flatten` took apart; `cell` is the name of the cell."""
    kind = cell_class(cell).state_type
    n = len(kind._fields)
    return [kind(*tensors[k : k + n]) for k in range(0, len(tensors), n)]
