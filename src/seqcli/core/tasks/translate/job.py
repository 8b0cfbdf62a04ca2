"""The job of training a translation model: reading its data, choosing tokenizers, the loss, the evaluation."""

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from seqcli.core import tokenizers
from seqcli.core.data.pretrained import start_from_vectors, with_width
from seqcli.core.data.readers import blocks, find_files, tell_skipped
from seqcli.core.events import Say, silent
from seqcli.core.layers.seeds import salted
from seqcli.core.metrics import translation as metrics
from seqcli.core.tasks.translate.network import Seq2Seq, build_seq2seq, training_speed
from seqcli.core.tasks.translate.options import TranslateOptions
from seqcli.core.tasks.translate.pairs import Pair, PairBatches, PairReader, PairSet, held_out, longest_targets
from seqcli.core.tasks.translate.plan import Sizes, make_plan
from seqcli.core.tasks.translate.trained import Translator, evaluate
from seqcli.core.tokenizers import Tokenizer
from seqcli.core.tokenizers.word import WordTokenizer
from seqcli.core.training.device import pick_device, set_threads
from seqcli.core.training.job import previewed
from seqcli.core.training.plan import tokenizer_options
from seqcli.errors import ConfigError, DataError

LONG = 0.001  # this fraction of the pairs, the longest ones, does not count when the longest side is determined
STEP_BYTES = 1 << 30  # the memory that the attention in a training step may take
# What is put between lines when a tokenizer is trained. It adds no token to the vocabulary.
SEPARATOR = {"char": "", "byte": "", "word": " ", "bpe": "\n"}


class TranslateJob:
    """What the training loop needs to train a translation model (see training.job.Job)."""

    def __init__(self, options: TranslateOptions, say: Say = silent, metadata: Mapping[str, Any] | None = None) -> None:
        set_threads(options.threads)
        self.device = pick_device(options.device)
        pairs = read_training(options, say)
        tell_of_labels(pairs, say)
        if metadata is not None:
            self.source_tokenizer = tokenizers.from_array(metadata["source_tokenizer"])
            self.tokenizer = tokenizers.from_array(metadata["tokenizer"])
        else:
            options = choose_tokens(with_width(options), pairs)
            self.source_tokenizer, self.tokenizer = train_tokenizers(options, pairs)
        whole = PairSet.of(pairs, self.source_tokenizer, self.tokenizer)
        longest = options.max_length or longest_side(whole, options)
        training, valid = self._parts(options.with_(max_length=longest), pairs, whole, longest, say)
        self.train_tokens = len(training.target.ids)
        self.vocab_size = self.tokenizer.vocab_size
        self.guessing = math.log(self.vocab_size)
        sizes = Sizes(
            len(training),
            (len(training.source.ids), self.train_tokens),
            (self.source_tokenizer.vocab_size, self.vocab_size),
        )
        self.plan = plan = make_plan(
            options.with_(max_length=longest),
            sizes,
            self.device,
            lambda plan, rows: training_speed(plan, rows, sizes),
            say=say,
            bounded=metadata is None,
        )
        self._valid, self._valid_pairs = valid
        self.valid_tokens = len(self._valid.target.ids) if self._valid is not None else 0
        self.longest_targets = longest_targets(training)
        self.batches = PairBatches(
            training,
            batch_size=plan.batch_size,
            batch_tokens=plan.batch_tokens,
            seed=plan.seed,
            reverse_source=plan.reverse_source,
        )
        self.steps_per_epoch = self.batches.steps_per_epoch
        self._say, self._metadata = say, metadata

    @cached_property
    def model(self) -> Seq2Seq:
        """The network, with its initial weights."""
        plan = self.plan
        network = build_seq2seq(plan, self.source_tokenizer.vocab_size, self.vocab_size, plan.seed).to(self.device)
        embedding = network.source_embedding
        self._kept = start_from_vectors(embedding, self.source_tokenizer, plan, self._say, self._metadata)
        return network

    def _parts(
        self, options: TranslateOptions, pairs: list[Pair], whole: PairSet, longest: int, say: Say
    ) -> tuple[PairSet, tuple[PairSet | None, list[Pair]]]:
        """Drop the pairs that are too long, and divide the others. Returns the pairs to train on, and those to validate
        on, as ids and as texts."""
        c, lengths = options, whole.longer_sides
        kept = np.flatnonzero(lengths <= longest)
        if not len(kept):
            raise DataError(
                f"All {len(pairs)} pairs have a side of more than --max-length {longest} tokens; the shortest has "
                f"{lengths.min()}."
            )
        if len(kept) < len(pairs):
            say(
                f"{len(pairs) - len(kept)} of {len(pairs)} pairs are longer than --max-length {longest}: dropped. "
                f"The longest has {lengths.max()} tokens on one side."
            )
        if c.valid is not None:
            reader = PairReader(skip=c.skip_bad_lines, invalid=c.invalid_utf8)
            held_out_pairs = list(reader.read(find_files([c.valid])))
            tell_skipped(say, reader.skipped, c.valid)
            if not held_out_pairs:
                raise DataError(f"{c.valid} holds no pair to validate on.")
            valid = PairSet.of(held_out_pairs, self.source_tokenizer, self.tokenizer)
            some = first_tokens(valid, c.valid_tokens)
            return whole.select(kept), (valid.select(np.arange(some)), held_out_pairs[:some])
        held = kept[held_out(whole.select(kept), c.valid_split, c.valid_tokens, c.seed)]
        if not len(held):
            if c.valid_split:
                say("There are too few pairs of different sources to keep some for validation: all are trained on.")
            return whole.select(kept), (None, [])
        training = whole.select(np.setdiff1d(kept, held))
        return training, (whole.select(held), [pairs[k] for k in held.tolist()])

    def loss(self, number: int, carry: list[Tensor], done: float) -> tuple[Tensor, int, list[Tensor]]:
        c = self.plan
        batch = self.batches[number].to(self.device)
        own = 1 - teacher_forcing(c.teacher_forcing_schedule, c.teacher_forcing, done)
        generator = torch.Generator().manual_seed(salted(c.seed, "teacher forcing", number)) if own else None
        loss = self.model.loss(
            batch.source,
            batch.source_mask,
            batch.inputs,
            batch.targets,
            batch.mask,
            label_smoothing=c.label_smoothing,
            own=own,
            generator=generator,
        )
        return loss, batch.tokens, []

    def evaluate(self) -> dict[str, float] | None:
        if self._valid is None:
            return None
        found = evaluate(self.model, self._valid, reverse_source=self.plan.reverse_source)
        if self.plan.select in metrics.SCORES:
            ours = [t.text for t in self._translator().translate([s for s, _ in self._valid_pairs], beam=1)]
            found[self.plan.select] = metrics.SCORES[self.plan.select](ours, [t for _, t in self._valid_pairs])
        return found

    def preview(self, step: int) -> str | None:
        """Translate one of the pairs to validate on, another one at another step."""
        if not self._valid_pairs:
            return None
        source, target = self._valid_pairs[previewed(len(self._valid_pairs), self.plan.seed, step)]
        (ours,) = self._translator().translate([source], beam=1)
        return f"{source}\n-> {ours.text}\n = {target}"

    def _translator(self) -> Translator:
        """Return the trained model as it is now."""
        return Translator(self.model, self.source_tokenizer, self.tokenizer, self.plan, self.longest_targets)

    def metadata(self) -> dict[str, Any]:
        return {
            "task": self.plan.task,
            "config": self.plan.as_dict(),
            "source_tokenizer": tokenizers.to_array(self.source_tokenizer),
            "tokenizer": tokenizers.to_array(self.tokenizer),
            "longest_targets": self.longest_targets,
            **self._kept,
        }


def teacher_forcing(schedule: str, end: float, done: float) -> float:
    """Return the fraction of the decoder's inputs that are taken from the reference (Bengio 2015, section 2.4).

    `done`, from 0 to 1, is the fraction of the training that has been done. The result falls from 1 to `end`, or is
    `end` all the time with the schedule "constant".
    """
    if schedule == "constant":
        return end
    if schedule == "linear":
        return 1 - (1 - end) * done
    return 1 - (1 - end) / (1 + math.exp(-12 * (done - 0.5)))  # an inverse sigmoid: it falls steeply in the middle


# --- the data -------------------------------------------------------------------------------------------------------


def tell_of_labels(pairs: list[Pair], say: Say) -> None:
    """Tell the user if there are so few different targets that they may be labels."""
    targets = len({target for _, target in pairs})
    if targets * 50 <= len(pairs):
        say(
            f"The targets are {targets} different ones: to learn them as labels of texts, say --task classify; "
            "as labels of words, with a blank line after each sentence, --task tag."
        )


def read_training(options: TranslateOptions, say: Say) -> list[Pair]:
    """Read all pairs to train and validate on.

    Raises DataError when there are none, or for a bad line; ConfigError when the options for files contradict each
    other.
    """
    reader = PairReader(skip=options.skip_bad_lines, invalid=options.invalid_utf8)
    if (options.source is None) != (options.target is None):
        raise ConfigError("--source and --target go together: sources in one file, their translations in the other.")
    pairs: Iterator[Pair]
    if options.source is not None and options.target is not None:
        if options.files:
            raise ConfigError("Give a FILE of pairs, or --source and --target, not both.")
        names = f"{options.source} and {options.target}"
        source, target = find_files([options.source])[0], find_files([options.target])[0]
        pairs = reader.read_parallel(source, target)
    else:
        names = " ".join(options.files)
        pairs = reader.read(find_files(options.files))
    found = list(pairs)
    tell_skipped(say, reader.skipped, names)
    if not found:
        raise DataError(f"There is no pair in {names}.")
    return found


def first_tokens(pairs: PairSet, tokens: int) -> int:
    """Return how many of the first pairs have together at most `tokens` target tokens (0: all), but at least one."""
    return max(1, int(np.searchsorted(pairs.target.ends, tokens, side="right"))) if tokens else len(pairs)


def choose_tokens(options: TranslateOptions, pairs: list[Pair]) -> TranslateOptions:
    """Return the options with the tokenizer and the size of its vocabulary chosen, where they were not given."""
    tokens = options.tokens or fitting_tokens(pairs[:: 1 + len(pairs) // 10_000])
    size = options.vocab_size
    if size is None and tokens == "bpe":
        size = 4000 if len(pairs) < 10_000 else 6000 if len(pairs) < 100_000 else 12_000
    return options.with_(tokens=tokens, vocab_size=size)


def fitting_tokens(pairs: list[Pair]) -> str:
    """Choose the kind of tokens for pairs by looking at them.

    "word" if both sides are made of a few words that come again and again, as in commands and actions; "bpe" if there
    are many words and they recur on both sides, as in sentences; otherwise "char", as for dates, numbers and short
    lists.
    """
    sides = [[pair[side] for pair in pairs] for side in (0, 1)]
    words = [Counter(word for text in side for word in text.split()) for side in sides]
    if any(map(numeric, words)):
        return "char"
    if all(map(closed, words)) and words_come_back(sides[1]):
        return "word"
    recurring = all(
        len(counts) < 0.25 * counts.total() or unspaced(side) for side, counts in zip(sides, words, strict=True)
    )
    return "bpe" if recurring and sum(counts.total() for counts in words) > 10_000 else "char"


def numeric(words: Counter[str]) -> bool:
    """Return whether most of the words contain digits, as numbers and codes do; their characters matter then."""
    return 2 * sum(any(sign.isdigit() for sign in word) for word in words) > len(words)


def closed(words: Counter[str]) -> bool:
    """Return whether these are probably all words that will ever come: there are few, and hardly any is rare."""
    return len(words) <= 1000 and sum(n for n in words.values() if n < 20) <= 0.001 * words.total()


def words_come_back(texts: list[str]) -> bool:
    """Return whether the word tokenizer, after splitting these texts into words, joins them to the same texts again."""
    tokenizer = WordTokenizer([])
    return all(tokenizer.join(tokenizer.split(text)) == text for text in texts)


def unspaced(texts: list[str]) -> bool:
    """Return whether these are sentences in a script without spaces between words, such as Chinese or Japanese."""
    words = sum(len(text.split()) for text in texts)
    return words < 2 * len(texts) and len(set("".join(texts))) > 500


def longest_side(pairs: PairSet, options: TranslateOptions) -> int:
    """Choose --max-length: the longest side, in tokens, of the pairs to train on.

    It is long enough for all pairs, except that of every thousand at most one may be left out, if it is more than twice
    as long as all others. And it is limited by memory: attention has a number for each pair of a target and a source
    token, T * S in all, and a training step holds about four copies of them in single precision (scores, weights, and
    the gradients of both). `concat` has a vector instead of each number, so it takes as many times more as that is
    wide.
    """
    lengths = np.sort(pairs.longer_sides)
    most = min(int(lengths[-1]), 2 * int(lengths[len(lengths) - 1 - int(LONG * len(lengths))]))
    width = (options.hidden or 256) if options.attention == "concat" else 1
    rows = options.batch_size or 1  # a batch sized by tokens holds only one pair of such a length
    return max(1, min(most, math.isqrt(STEP_BYTES // (4 * 4 * width * rows))))


def train_tokenizers(options: TranslateOptions, pairs: list[Pair]) -> tuple[Tokenizer, Tokenizer]:
    """Train the tokenizers of source and target. With --joint-tokens it is one tokenizer for both.

    Raises ConfigError for options that would change nothing about them, or that do not go together.
    """
    kind = str(options.tokens)
    if options.lowercase_source and kind != WordTokenizer.name:
        raise ConfigError(f"--lowercase-source would change nothing: the tokens are {kind}. Choose others by --tokens.")
    if options.lowercase_source and options.joint:
        raise ConfigError("--lowercase-source needs a tokenizer for each side; leave out --joint-tokens.")

    def train(sides: tuple[int, ...], options: TranslateOptions = options) -> Tokenizer:
        lines = (pair[side] for pair in pairs for side in sides)
        return tokenizers.train(
            kind,
            blocks(lines, SEPARATOR[kind]),
            **tokenizer_options(options, kind),
        )

    if options.joint:
        both = train((0, 1))
        return both, both
    sources = options.with_(lowercase=True) if options.lowercase_source else options
    return train((0,), sources), train((1,))
