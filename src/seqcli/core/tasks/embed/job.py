"""The job of training word vectors: reading the text, the update of a step, the evaluation."""

import math
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cached_property
from typing import Any

import torch

from seqcli.core import tokenizers
from seqcli.core.config import fields_of
from seqcli.core.data import TokenFile, find_texts, open_tokens
from seqcli.core.events import Say, silent
from seqcli.core.tasks.embed.network import WordTables, build_tables
from seqcli.core.tasks.embed.options import EmbedOptions
from seqcli.core.tasks.embed.plan import Counts, make_plan
from seqcli.core.tasks.embed.skipgrams import Block, WindowBatches, Words, has_neighbours
from seqcli.core.tasks.embed.trained import WordVectors
from seqcli.core.tokenizers import SPECIALS
from seqcli.core.tokenizers.word import WordTokenizer
from seqcli.core.training.device import pick_device, set_threads
from seqcli.core.training.plan import tokenizer_options
from seqcli.errors import CheckpointError, DataError

FEW = 50  # a text in whose vocabulary fewer words remain is told about --min-count
# How many negatives a chunk shares for every eight that --negatives asks for. Skip-gram needs more of them than CBOW,
# because there a word is in several pairs.
SHARED = {"skipgram": 32, "cbow": 16}


class EmbedJob:
    """What the training loop needs to learn word vectors (see training.job.UpdateJob)."""

    def __init__(self, options: EmbedOptions, say: Say = silent, metadata: Mapping[str, Any] | None = None) -> None:
        # One thread by default: the products are small, and a second thread prepares the blocks of the next step.
        set_threads(options.threads or 1)
        self.device = pick_device(options.device)
        tokenizer = tokenizers.from_array(metadata["tokenizer"]) if metadata is not None else None
        data, valid = read_data(options, say, tokenizer)
        self.tokenizer = words_of(data)
        self.vocab_size = self.tokenizer.vocab_size
        words = Words(data.ids, self.vocab_size, options.subsample)
        counts = Counts(len(words.counts), float(words.kept.max()), float(words.noise.max()))
        self.plan = plan = make_plan(options, counts, len(data.ids), self.device)
        shared = SHARED[plan.objective] * -(-plan.negatives // 8)  # negatives per chunk; 0 for the full softmax

        def batches(text: TokenFile) -> WindowBatches:
            return WindowBatches(
                text.ids, words, window=plan.window, batch_size=plan.batch_size, shared=shared, seed=plan.seed
            )

        self.batches = batches(data)
        self._ahead = Ahead(self.batches)
        self._valid = batches(valid) if valid is not None else None
        if self._valid is not None and not any(block.pairs.any() for block in self._valid.blocks()):
            say("No two words are read together in the validation text, so nothing is validated on it.")
            self._valid = valid = None
        # With sampling, each of 1 + k scores is a choice between two; the full softmax chooses among all words.
        self.guessing = (1 + plan.negatives) * math.log(2) if plan.negatives else math.log(self.vocab_size)
        self.steps_per_epoch = self.batches.steps_per_epoch
        self.train_tokens = len(data.ids)
        self.valid_tokens = len(valid.ids) if valid is not None else 0
        say(f"{int(words.counts.sum()):,} words of the text are in the vocabulary of {len(self.tokenizer.words):,}.")

    @cached_property
    def model(self) -> WordTables:
        """The two tables of vectors, with their initial values."""
        return build_tables(self.plan, self.vocab_size, self.plan.seed).to(self.device)

    def update(self, step: int, rate: float) -> tuple[float, float, int]:
        """Make one step: learn from its blocks, one after the other. See training.job.UpdateJob.

        To save time, the loss and the norm of the gradient are computed for the middle block alone.
        """
        blocks = self._ahead[step]
        loss = norm = 0.0
        for k, block in enumerate(blocks):
            here = block.to(self.device)
            pieces = self.model.gradients(*here)
            if k == len(blocks) // 2:
                with torch.no_grad():
                    total, targets = self.model.loss(*here)
                loss = total.item() / max(1.0, targets.item())
                norm = sum(piece.rows.square().sum().item() for piece in pieces) ** 0.5
            self.model.descend(pieces, rate)
        return loss, norm, self.batches.tokens(step)

    def evaluate(self) -> dict[str, float] | None:
        """Compute the loss on the validation text. The negatives are the same every time. None without such a text."""
        if self._valid is None:
            return None
        total = targets = 0.0
        for block in self._valid.blocks():
            loss, count = self.model.loss(*block.to(self.device))
            total += loss.item()
            targets += count.item()
        return {"loss": total / max(1.0, targets), "targets": targets}

    def preview(self, step: int) -> str | None:
        """Return the nearest neighbours of a few words, a line for each."""
        long = [word for word in self.tokenizer.words[:2000] if len(word) > 3 and word.isalpha()]
        model = WordVectors(self.model.vectors.detach(), self.tokenizer, self.plan)
        lines = [
            f"{word}: {', '.join(found for found, _ in model.neighbors(word, 5))}"
            for word in long[50 :: max(1, len(long) // 4)] or long[:1]
        ]
        return "\n".join(lines) or None

    def metadata(self) -> dict[str, Any]:
        return {
            "task": self.plan.task,
            "config": self.plan.as_dict(),
            "tokenizer": tokenizers.to_array(self.tokenizer),
        }


class Ahead:
    """Batches by number. While one is learned from, another thread prepares the next one."""

    def __init__(self, batches: WindowBatches) -> None:
        self._batches, self._pool = batches, ThreadPoolExecutor(1)
        self._next: tuple[int, Future[list[Block]]] | None = None

    def __getitem__(self, step: int) -> list[Block]:
        known = self._next if self._next and self._next[0] == step else None
        blocks = known[1].result() if known else self._batches[step]
        self._next = step + 1, self._pool.submit(self._batches.__getitem__, step + 1)
        return blocks


def words_of(data: TokenFile) -> WordTokenizer:
    """Return the tokenizer of a text. Raises CheckpointError if it is not a word tokenizer."""
    if not isinstance(data.tokenizer, WordTokenizer):
        raise CheckpointError("The checkpoint is damaged: its tokenizer is not one of words.")
    return data.tokenizer


def read_data(
    options: EmbedOptions, say: Say, tokenizer: tokenizers.Tokenizer | None
) -> tuple[TokenFile, TokenFile | None]:
    """Read the training text and the validation text, which is None if there is none.

    The vocabulary is made from the training text, unless a `tokenizer` is given. Raises DataError for a text from which
    no vectors can be learned.
    """
    paths = find_texts(options.files)
    how: dict[str, Any] = {"unit": "line", "invalid": options.invalid_utf8, "progress": say}
    words = tokenizer_options(options, "word") | {"vocab_size": options.vocab_size or 1 << 30}
    data = open_tokens(paths, tokenizer=tokenizer, kind="word", options=words, **how)
    known, default = data.tokenizer.vocab_size - len(SPECIALS), fields_of(EmbedOptions)["min_count"].default
    if known < 2:
        raise DataError(
            f"{paths[0]} has {'one word only' if known else 'no word'} that occurs {options.min_count} times or more: "
            "there is nothing to learn vectors from. Lower --min-count, or give more text."
        )
    if not has_neighbours(data.ids):
        raise DataError(
            f"{paths[0]} has no two words in one line that occur {options.min_count} times or more, and a vector is "
            "learnt from the words around a word. Give running text, or lower --min-count."
        )
    if known < FEW and options.min_count == default and data.unknown:
        say(f"Only {known} words occur {default} times or more; with --min-count 1 the others have a vector too.")
    if options.valid is not None:
        valid = open_tokens(find_texts([options.valid]), tokenizer=data.tokenizer, **how)
        if valid.unknown + len(valid.ends if valid.ends is not None else ()) == len(valid.ids):
            raise DataError(f"{options.valid} has no word of the vocabulary, so it cannot be validated on.")
        return data, valid.head(options.valid_tokens)
    if not options.valid_split:
        return data, None
    held_out = data.part(1 - options.valid_split, 1)
    if len(held_out.ids) == 0:
        say("The text is too short to keep a part for validation: all of it is trained on.")
        return data, None
    return data.part(0, 1 - options.valid_split), held_out.head(options.valid_tokens)
