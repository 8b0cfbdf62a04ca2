"""Training word vectors."""

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
from seqcli.core.tasks.embed.plan import make_plan
from seqcli.core.tasks.embed.skipgrams import Block, WindowBatches, Words
from seqcli.core.tasks.embed.trained import WordVectors
from seqcli.core.tokenizers import SPECIALS
from seqcli.core.tokenizers.word import WordTokenizer
from seqcli.core.training.device import pick_device, set_threads
from seqcli.core.training.plan import tokenizer_options
from seqcli.errors import CheckpointError, DataError

FEW = 50  # words, for a text
# negatives that a chunk shares, for every eight that a pair should have; a word of skip-gram is in several pairs
SHARED = {"skipgram": 32, "cbow": 16}


class EmbedJob:
    """What the training loop needs to learn word vectors (see training.job.UpdateJob)."""

    def __init__(self, options: EmbedOptions, say: Say = silent, metadata: Mapping[str, Any] | None = None) -> None:
        set_threads(options.threads or 1)  # the products are small; another thread is busy with the next step's blocks
        self.device = pick_device(options.device)
        tokenizer = tokenizers.from_array(metadata["tokenizer"]) if metadata is not None else None
        data, valid = read_data(options, say, tokenizer)
        self.tokenizer = words_of(data)
        self.vocab_size = self.tokenizer.vocab_size
        words = Words(data.ids, self.vocab_size, options.subsample)
        self.plan = plan = make_plan(options, words, len(data.ids), self.device)
        shared = SHARED[plan.objective] * -(-plan.negatives // 8)  # 0 for the full softmax

        def batches(text: TokenFile) -> WindowBatches:
            return WindowBatches(
                text.ids, words, window=plan.window, batch_size=plan.batch_size, shared=shared, seed=plan.seed
            )

        self.batches = batches(data)
        self._ahead = Ahead(self.batches)
        self._valid = batches(valid) if valid is not None else None
        # a sampled score is a choice of two; the full softmax chooses among all words
        self.guessing = (1 + plan.negatives) * math.log(2) if plan.negatives else math.log(self.vocab_size)
        self.steps_per_epoch = self.batches.steps_per_epoch
        self.train_tokens = len(data.ids)
        self.valid_tokens = len(valid.ids) if valid is not None else 0
        say(f"{int(words.counts.sum()):,} words of the text are in the vocabulary of {len(self.tokenizer.words):,}.")

    @cached_property
    def model(self) -> WordTables:
        """The tables, with their first numbers."""
        return build_tables(self.plan, self.vocab_size, self.plan.seed).to(self.device)

    def update(self, step: int, rate: float) -> tuple[float, float, int]:
        """The blocks of step `step`, one after the other; loss and norm are those of the one in the middle."""
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
        """The loss on the validation text, with the same negatives every time."""
        if self._valid is None:
            return None
        total = targets = 0.0
        for step in range(self._valid.steps_per_epoch):
            for block in self._valid[step]:
                loss, count = self.model.loss(*block.to(self.device))
                total += loss.item()
                targets += count.item()
        return {"loss": total / max(1.0, targets), "targets": targets}

    def preview(self, step: int) -> str | None:
        """The nearest neighbours of a few words."""
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
    """Batches by number, of which the next one is made by another thread while this one is learnt."""

    def __init__(self, batches: WindowBatches) -> None:
        self._batches, self._pool = batches, ThreadPoolExecutor(1)
        self._next: tuple[int, Future[list[Block]]] | None = None

    def __getitem__(self, step: int) -> list[Block]:
        known = self._next if self._next and self._next[0] == step else None
        blocks = known[1].result() if known else self._batches[step]
        self._next = step + 1, self._pool.submit(self._batches.__getitem__, step + 1)
        return blocks


def words_of(data: TokenFile) -> WordTokenizer:
    """The tokenizer of a text that was opened by words."""
    if not isinstance(data.tokenizer, WordTokenizer):
        raise CheckpointError("The checkpoint is damaged: its tokenizer is not one of words.")
    return data.tokenizer


def read_data(
    options: EmbedOptions, say: Say, tokenizer: tokenizers.Tokenizer | None
) -> tuple[TokenFile, TokenFile | None]:
    """Training and validation text. Raises DataError for what no vectors can be learnt from."""
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
