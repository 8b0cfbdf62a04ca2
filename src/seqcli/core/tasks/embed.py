"""The task `embed`: vectors of the words of a text, by skip-gram or CBOW."""

import math
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import torch

from seqcli.core import tokenizers
from seqcli.core.config import Config, build
from seqcli.core.data import TokenFile, find_texts, open_tokens
from seqcli.core.data.windows import CHUNK, STRETCH, Block, WindowBatches, Words
from seqcli.core.models.embed import build_tables
from seqcli.core.tasks.auto import tokenizer_options
from seqcli.core.tasks.word_vectors import WordVectors
from seqcli.core.tokenizers import SPECIALS
from seqcli.core.tokenizers.word import WordTokenizer
from seqcli.core.training.device import pick_device, set_threads
from seqcli.errors import ConfigError, DataError

Say = Callable[[str], None]
# by objective, and whether by full softmax
RATES = {("skipgram", False): 0.035, ("cbow", False): 0.04, ("skipgram", True): 0.05, ("cbow", True): 0.5}
SELDOM = 5  # epochs, up to which the rate is the full one
MIN_COUNT, FEW = 5, 50  # the count of --min-count by default; words that are few for a text
# negatives that a chunk shares, for every eight that a pair should have; a word of skip-gram is in several pairs
SHARED = {"skipgram": 32, "cbow": 16}


class EmbedJob:
    """What the training loop needs to learn word vectors (see training.job.UpdateJob)."""

    def __init__(self, config: Config, say: Say = lambda text: None, metadata: Mapping[str, Any] | None = None) -> None:
        check(config)
        set_threads(config.threads or 1)  # the products are small; a second thread is busy with the next step's blocks
        self.device = pick_device(config.device)
        tokenizer = tokenizers.from_array(metadata["tokenizer"]) if metadata is not None else None
        config = config.with_(min_count=config.min_count or MIN_COUNT)
        config = config.with_(valid_split=config.valid_split or 0.0)  # every word is worth more than the figure
        data, valid = read_data(config, say, tokenizer)
        assert isinstance(data.tokenizer, WordTokenizer)
        self.tokenizer = data.tokenizer
        self.vocab_size = self.tokenizer.vocab_size
        words = Words(data.ids, self.vocab_size, config.subsample)
        self.config = c = resolve(config, words, len(data.ids), self.device)
        assert c.negatives is not None
        shared = SHARED[c.objective] * -(-c.negatives // 8)  # 0 for the full softmax

        def batches(text: TokenFile) -> WindowBatches:
            assert c.window and c.batch_size
            return WindowBatches(text.ids, words, window=c.window, batch_size=c.batch_size, shared=shared, seed=c.seed)

        self.batches = batches(data)
        self._ahead = Ahead(self.batches)
        self._valid = batches(valid) if valid is not None else None
        self.model = build_tables(c, self.vocab_size, c.seed).to(self.device)
        # a sampled score is a choice of two; the full softmax chooses among all words
        self.guessing = (1 + c.negatives) * math.log(2) if c.negatives else math.log(self.vocab_size)
        self.steps_per_epoch = self.batches.steps_per_epoch
        self.train_tokens = len(data.ids)
        self.valid_tokens = len(valid.ids) if valid is not None else 0
        say(f"{int(words.counts.sum()):,} words of the text are in the vocabulary of {len(self.tokenizer.words):,}.")

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
        model = WordVectors(self.model.vectors.detach(), self.tokenizer, self.config)
        lines = [
            f"{word}: {', '.join(found for found, _ in model.neighbors(word, 5))}"
            for word in long[50 :: max(1, len(long) // 4)] or long[:1]
        ]
        return "\n".join(lines) or None

    def metadata(self) -> dict[str, Any]:
        return {"task": "embed", "config": self.config.as_dict(), "tokenizer": tokenizers.to_array(self.tokenizer)}


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


def check(config: Config) -> None:
    """Raises ConfigError for what is set and has no meaning here."""
    if config.tokens not in (None, "word"):
        raise ConfigError(f"--task embed learns a vector a word, so it needs --tokens word, not {config.tokens}.")
    if config.optimizer not in (None, "sgd"):
        raise ConfigError(
            f"--task embed is trained by --optimizer sgd, on the rows that a step touches, not by {config.optimizer}."
        )
    if config.precision not in ("auto", "fp32"):
        raise ConfigError(f"--task embed computes in --precision fp32, not {config.precision}.")


def resolve(config: Config, words: Words, tokens: int, device: torch.device) -> Config:
    """The configuration with every auto value chosen."""
    c: dict[str, Any] = config.as_dict()
    c |= {"task": "embed", "tokens": "word", "device": device.type, "precision": "fp32", "optimizer": "sgd"}
    c["warmup"] = config.warmup or 0
    c["embedding_dim"] = config.embedding_dim or 100
    c["window"] = config.window or 5
    if config.negatives is None:
        c["negatives"] = 0 if len(words.counts) - len(SPECIALS) < 100 else 5
    if not (c["epochs"] or c["steps"] or c["minutes"]):
        c["epochs"] = float(max(5, min(200, round(2e7 / tokens))))
    epochs = c["epochs"] or (c["steps"] or 0) / -(-tokens // STRETCH)  # 0 where only the minutes are known
    c["lr"], c["batch_size"] = rate_and_block(config, words, tokens, c["window"], c["negatives"], epochs)
    return build(c)


def rate_and_block(
    config: Config, words: Words, tokens: int, window: int, negatives: int, epochs: float
) -> tuple[float, int]:
    """The learning rate, and how many words are summed up in one update, at most 512.

    All gradients of a block are those of the weights before it. So the more often the most frequent word is pulled in a
    block, as a target or as a negative, the sooner they overshoot together; the rate times their number is bounded.

    At the rate that a single reading needs, a text that is read often is learnt by heart, and neighbours agree less and
    less with what it says of its words. So with negative sampling the rate falls as the square root of the epochs; it
    does not where these are 0, unknown. A lower rate makes no larger blocks, which would hold frequent words back.
    """
    pairs = window + 1 if config.objective == "skipgram" else 1  # a word, in the mean over the windows' widths
    pulls = pairs * float(words.kept.max() + negatives * words.noise.max())  # for each word of the text
    allowed = 6.0 if negatives else 0.6  # what goes beyond is held back row by row: see models.embed
    full = min(RATES[config.objective, negatives == 0], allowed / (pulls * min(CHUNK, tokens)))
    rate = config.lr or (full * min(1.0, (SELDOM / epochs) ** 0.5) if negatives and epochs else full)
    size = min(512, int(allowed / (max(rate, full) * pulls)))
    if not negatives:
        size = min(size, (1 << 22) // len(words.counts))  # a block's softmax takes 16 MiB at most
    return rate, config.batch_size or max(1, size // CHUNK) * CHUNK


def read_data(config: Config, say: Say, tokenizer: tokenizers.Tokenizer | None) -> tuple[TokenFile, TokenFile | None]:
    """Training and validation text. Raises DataError for what no vectors can be learnt from."""
    paths = find_texts(config.files)
    how: dict[str, Any] = {"unit": "line", "invalid": config.invalid_utf8, "progress": say}
    options = tokenizer_options(config, "word") | {"vocab_size": config.vocab_size or 1 << 30}
    data = open_tokens(paths, tokenizer=tokenizer, kind="word", options=options, **how)
    known = data.tokenizer.vocab_size - len(SPECIALS)
    if known < 2:
        raise DataError(
            f"{paths[0]} has {'one word only' if known else 'no word'} that occurs {config.min_count} times or more: "
            "there is nothing to learn vectors from. Lower --min-count, or give more text."
        )
    if known < FEW and config.min_count == MIN_COUNT and data.unknown:
        say(f"Only {known} words occur {MIN_COUNT} times or more; with --min-count 1 the others have a vector too.")
    if config.valid is not None:
        valid = open_tokens(find_texts([config.valid]), tokenizer=data.tokenizer, **how)
        if valid.unknown + len(valid.ends if valid.ends is not None else ()) == len(valid.ids):
            raise DataError(f"{config.valid} has no word of the vocabulary, so it cannot be validated on.")
        return data, valid.head(config.valid_tokens)
    if not config.valid_split:
        return data, None
    held_out = data.part(1 - config.valid_split, 1)
    if len(held_out.ids) == 0:
        say("The text is too short to keep a part for validation: all of it is trained on.")
        return data, None
    return data.part(0, 1 - config.valid_split), held_out.head(config.valid_tokens)
