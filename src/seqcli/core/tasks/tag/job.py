"""The job of training a tagger: reading its data, the loss of a batch, the evaluation."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from torch import Tensor

from seqcli.core import tokenizers
from seqcli.core.data.pretrained import start_from_vectors, with_width
from seqcli.core.data.ragged import RowBatches
from seqcli.core.data.readers import find_files
from seqcli.core.events import Say, silent
from seqcli.core.layers.dropout import word_dropout
from seqcli.core.tasks.tag.file import TaggerFile
from seqcli.core.tasks.tag.network import RecurrentTagger, build_tagger
from seqcli.core.tasks.tag.options import TagOptions
from seqcli.core.tasks.tag.plan import check, make_plan
from seqcli.core.tasks.tag.sentences import Sentence, SentenceSet, read_sentences
from seqcli.core.tasks.tag.trained import Tagger, figures, predict, tag_ids, unseen_tags
from seqcli.core.tokenizers import UNK
from seqcli.core.tokenizers.char import CharTokenizer
from seqcli.core.tokenizers.word import WordTokenizer
from seqcli.core.training.device import pick_device, set_threads
from seqcli.core.training.job import previewed
from seqcli.core.training.plan import tokenizer_options
from seqcli.errors import DataError


class TagJob:
    """What the training loop needs to train a tagger (see training.job.Job)."""

    def __init__(self, options: TagOptions, say: Say = silent, metadata: Mapping[str, Any] | None = None) -> None:
        check(options)
        options = with_width(options) if metadata is None else options
        set_threads(options.threads)
        self.device = pick_device(options.device)
        training, self._valid = read_data(options, say)
        if metadata is not None:
            about = TaggerFile.of(metadata)
            self.words, self.characters, self.tags = about.tokenizer, about.character_tokenizer, about.tags
        else:
            self.words, self.characters, self.tags = vocabularies(options, training)
        if len(self.tags) < 2:
            raise DataError(f"Every word has the tag {self.tags[0]!r}: there is nothing to learn.")
        self.train_tokens = sum(len(s.words) for s in training)
        self.valid_tokens = sum(len(s.words) for s in self._valid)
        self.plan = plan = make_plan(
            options, len(training), self.device, valid=bool(self._valid), bounded=metadata is None
        )
        self._data, self._tags = self._set(training), tag_ids(training, self.tags)
        self._valid_data, self._valid_tags = self._set(self._valid), tag_ids(self._valid, self.tags)
        if complaint := unseen_tags(self._valid, self.tags):
            say(complaint)
        self.batches = RowBatches(
            self._data.rows.lengths, batch_size=plan.batch_size, batch_tokens=plan.batch_tokens, seed=plan.seed
        )
        self.steps_per_epoch = self.batches.steps_per_epoch
        self.vocab_size = self.words.vocab_size
        self.guessing = math.log(len(self.tags))
        self._say, self._metadata = say, metadata

    @cached_property
    def model(self) -> RecurrentTagger:
        """The network, with its initial weights."""
        sizes = self.words.vocab_size, self.characters.vocab_size, len(self.tags)
        network = build_tagger(self.plan, *sizes, self.plan.seed).to(self.device)
        self._kept = start_from_vectors(network.encoding, self.words, self.plan, self._say, self._metadata)
        return network

    def _set(self, sentences: Sequence[Sentence]) -> SentenceSet:
        """Return sentences as ids."""
        return SentenceSet.of([s.words for s in sentences], self.words, self.characters)

    def loss(self, number: int, carry: list[Tensor], done: float) -> tuple[Tensor, int, list[Tensor]]:
        plan, rows = self.plan, self.batches[number]
        batch = self._data.batch(rows).to(self.device)
        words = word_dropout(batch.words, plan.word_dropout, UNK, (plan.seed, number))  # (B, T)
        spelled = self.model.spell(batch.characters, batch.character_mask)  # (U, W) for U distinct words
        scores = self.model(words, batch.mask, spelled, batch.forms)  # (B, T, K)
        tags = self._tags.padded(rows)[0].to(self.device)  # (B, T)
        count = int(batch.mask.sum())
        return self.model.losses(scores, tags, batch.mask, plan.label_smoothing) / count, count, []

    def evaluate(self) -> dict[str, float] | None:
        if not self._valid:
            return None
        ours, loss = predict(self.model, self._valid_data, self._valid_tags, precision=self.plan.precision)
        found = figures([[self.tags[k] for k in row] for row in ours], self._valid, self._valid_data)
        return {"loss": loss} | {name: value for name, value in found.items() if isinstance(value, float)}

    def preview(self, step: int) -> str | None:
        """Tag one of the sentences to validate on, another one at another step."""
        if not self._valid:
            return None
        words = self._valid[previewed(len(self._valid), self.plan.seed, step)].words
        model = Tagger(self.model, self.words, self.characters, self.tags, self.plan)
        (found,) = model.tag_words([words])
        return " ".join(f"{word}/{tag}" for word, tag in zip(words, found.tags, strict=True))

    def metadata(self) -> dict[str, Any]:
        return {
            "task": self.plan.task,
            "config": self.plan.as_dict(),
            "tokenizer": tokenizers.to_array(self.words),
            "character_tokenizer": tokenizers.to_array(self.characters),
            "tags": self.tags,
            **self._kept,
        }


def read_data(options: TagOptions, say: Say) -> tuple[list[Sentence], list[Sentence]]:
    """Read the sentences to train on and those to validate on. Raises DataError for files that cannot be trained on."""

    def read(files: Sequence[str]) -> list[Sentence]:
        return list(read_sentences(find_files(files), options.column, options.invalid_utf8))

    found = read(options.files)
    if not found:
        raise DataError(f"There is no tagged sentence in {' '.join(options.files)}.")
    spaced = sum(" " in word for s in found for word in s.words)
    if 2 * spaced > sum(len(s.words) for s in found):
        say("Most words have spaces in them: is this a file of texts and labels? Then say --task classify.")
    if options.valid is not None:
        valid = read([options.valid])
        if not valid:
            raise DataError(f"{options.valid} holds no tagged sentence to validate on.")
    else:
        count = round(len(found) * options.valid_split)
        if options.valid_split and not count:
            say("There are too few sentences to keep some for validation: all are trained on.")
        order = np.random.default_rng(options.seed).permutation(len(found))
        valid = [found[k] for k in order[:count]]
    if options.valid_tokens and valid:
        some = int(np.searchsorted(np.cumsum([len(s.words) for s in valid]), options.valid_tokens, side="right"))
        valid = valid[: max(1, some)]
    if options.valid is None:
        found = [found[k] for k in np.sort(order[len(valid) :])]
    return found, valid


def vocabularies(options: TagOptions, sentences: Sequence[Sentence]) -> tuple[WordTokenizer, CharTokenizer, list[str]]:
    """Make the vocabularies of words, characters and tags from the training sentences; tags by frequency.

    Raises DataError when no word is frequent enough.
    """
    asked = tokenizer_options(options, "word")
    base = WordTokenizer([], asked["normalize"], asked["lowercase"])
    counts = Counter(base.form(word) for s in sentences for word in s.words)
    words = WordTokenizer.of_counts(counts, **asked)
    if not words.words:
        raise DataError(f"No word occurs --min-count {options.min_count} times: the vocabulary is empty.")
    characters = CharTokenizer.train(
        ("".join(dict.fromkeys(w for s in sentences for w in s.words)),), normalize=options.normalize
    )
    tags = Counter(tag for s in sentences for tag in s.tags)
    return words, characters, sorted(tags, key=lambda tag: (-tags[tag], tag))
