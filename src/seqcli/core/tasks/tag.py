"""The task `tag`: a label for every word of a sentence."""

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from seqcli.core import tokenizers
from seqcli.core.config import Config
from seqcli.core.data.ragged import RowBatches
from seqcli.core.data.readers import find_files
from seqcli.core.data.sentences import Sentence, SentenceSet, read_sentences
from seqcli.core.models.tagger import build_tagger
from seqcli.core.tasks.auto import resolve_tags, tokenizer_options
from seqcli.core.tasks.pretrained import start_from_vectors, with_width
from seqcli.core.tasks.tagger import Tagger, figures, predict, tag_ids, unseen_tags
from seqcli.core.tokenizers import UNK
from seqcli.core.tokenizers.char import CharTokenizer
from seqcli.core.tokenizers.word import WordTokenizer
from seqcli.core.training.device import pick_device, set_threads
from seqcli.errors import ConfigError, DataError

Say = Callable[[str], None]


class TagJob:
    """What the training loop needs to train a tagger (see training.job.Job)."""

    def __init__(self, config: Config, say: Say = lambda text: None, metadata: Mapping[str, Any] | None = None) -> None:
        if config.encoding == "one-hot":
            raise ConfigError("--encoding one-hot is not for --task tag; its words have embeddings.")
        if config.tokens not in (None, "word"):
            raise ConfigError(
                f"--task tag reads words, and their characters by --characters; not --tokens {config.tokens}."
            )
        if config.crf and config.label_smoothing:
            raise ConfigError("--label-smoothing is for tags by themselves, not for --crf.")
        config = (with_width(config) if metadata is None else config).with_(lowercase=config.lowercase is not False)
        set_threads(config.threads)
        self.device = pick_device(config.device)
        training, self._valid = read_data(config, say)
        if metadata is not None:
            words, characters = (tokenizers.from_array(metadata[key]) for key in ("tokenizer", "character_tokenizer"))
            assert isinstance(words, WordTokenizer)
            self.words, self.characters, self.tags = words, characters, list(metadata["tags"])
        else:
            self.words, self.characters, self.tags = vocabularies(config, training)
        if len(self.tags) < 2:
            raise DataError(f"Every word has the tag {self.tags[0]!r}: there is nothing to learn.")
        self.train_tokens = sum(len(s.words) for s in training)
        self.valid_tokens = sum(len(s.words) for s in self._valid)
        self.config = c = resolve_tags(
            config, len(training), self.train_tokens, self.device, valid=bool(self._valid), bounded=metadata is None
        )
        self._data, self._tags = self._set(training), tag_ids(training, self.tags)
        self._valid_data, self._valid_tags = self._set(self._valid), tag_ids(self._valid, self.tags)
        if complaint := unseen_tags(self._valid, self.tags):
            say(complaint)
        self.batches = RowBatches(
            self._data.rows.lengths, batch_size=c.batch_size, batch_tokens=c.batch_tokens, seed=c.seed
        )
        self.steps_per_epoch = self.batches.steps_per_epoch
        self.vocab_size = self.words.vocab_size
        self.guessing = math.log(len(self.tags))
        sizes = self.words.vocab_size, self.characters.vocab_size, len(self.tags)
        self.model = build_tagger(c, *sizes, c.seed).to(self.device)
        self._frozen = start_from_vectors(self.model.encoding, self.words, c, say, metadata)

    def _set(self, sentences: Sequence[Sentence]) -> SentenceSet:
        return SentenceSet.of([s.words for s in sentences], self.words, self.characters)

    def loss(self, number: int, carry: list[Tensor], done: float) -> tuple[Tensor, int, list[Tensor]]:
        c, rows = self.config, self.batches[number]
        batch = self._data.batch(rows).to(self.device)
        words = forget(batch.words, c.word_dropout or 0.0, (c.seed, number))
        spelled = self.model.spell(batch.characters, batch.character_mask)
        scores = self.model(words, batch.mask, spelled, batch.forms)
        tags = self._tags.padded(rows)[0].to(self.device)
        count = int(batch.mask.sum())
        return self.model.losses(scores, tags, batch.mask, c.label_smoothing or 0.0) / count, count, []

    def evaluate(self) -> dict[str, float] | None:
        if not self._valid:
            return None
        ours, loss = predict(self.model, self._valid_data, self._valid_tags, precision=self.config.precision)
        found = figures([[self.tags[k] for k in row] for row in ours], self._valid, self._valid_data)
        return {"loss": loss} | {name: value for name, value in found.items() if isinstance(value, float)}

    def preview(self, step: int) -> str | None:
        if not self._valid:
            return None
        words = self._valid[0].words
        model = Tagger(self.model, self.words, self.characters, self.tags, self.config)
        (found,) = model.tag_words([words])
        return " ".join(f"{word}/{tag}" for word, tag in zip(words, found.tags, strict=True))

    def metadata(self) -> dict[str, Any]:
        return {
            "task": "tag",
            "config": self.config.as_dict(),
            "tokenizer": tokenizers.to_array(self.words),
            "character_tokenizer": tokenizers.to_array(self.characters),
            "tags": self.tags,
            **self._frozen,
        }


def forget(ids: Tensor, rate: float, seed: tuple[int, int]) -> Tensor:
    """Some of the ids as <unk>, so that the model learns what to do with words it has never seen (word dropout)."""
    if not rate:
        return ids
    drawn: NDArray[np.float64] = np.random.default_rng((*seed, *b"word dropout")).random(tuple(ids.shape))
    return ids.masked_fill(torch.from_numpy(drawn < rate).to(ids.device), UNK)


def read_data(config: Config, say: Say) -> tuple[list[Sentence], list[Sentence]]:
    """Sentences to train and to validate on. Raises DataError for what cannot be trained on."""

    def read(files: Sequence[str]) -> list[Sentence]:
        return list(read_sentences(find_files(files), config.column, config.invalid_utf8))

    found = read(config.files)
    if not found:
        raise DataError(f"There is no tagged sentence in {' '.join(config.files)}.")
    spaced = sum(" " in word for s in found for word in s.words)
    if 2 * spaced > sum(len(s.words) for s in found):
        say("Most words have spaces in them: is this a file of texts and labels? Then say --task classify.")
    if config.valid is not None:
        valid = read([config.valid])
        if not valid:
            raise DataError(f"{config.valid} holds no tagged sentence to validate on.")
    else:
        count = round(len(found) * config.held_out)
        if config.held_out and not count:
            say("There are too few sentences to keep some for validation: all are trained on.")
        order = np.random.default_rng(config.seed).permutation(len(found))
        valid = [found[k] for k in order[:count]]
    if config.valid_tokens and valid:
        some = int(np.searchsorted(np.cumsum([len(s.words) for s in valid]), config.valid_tokens, side="right"))
        valid = valid[: max(1, some)]
    if config.valid is None:
        found = [found[k] for k in np.sort(order[len(valid) :])]
    return found, valid


def vocabularies(config: Config, sentences: Sequence[Sentence]) -> tuple[WordTokenizer, CharTokenizer, list[str]]:
    """The words, the characters and the tags of the training sentences. Raises DataError when no word is left."""
    options = tokenizer_options(config, "word")
    base = WordTokenizer([], options["normalize"], options["lowercase"])
    counts = Counter(base.form(word) for s in sentences for word in s.words)
    words = WordTokenizer.of_counts(counts, **options)
    if not words.words:
        raise DataError(f"No word occurs --min-count {config.min_count} times: the vocabulary is empty.")
    characters = CharTokenizer.train(
        ("".join(dict.fromkeys(w for s in sentences for w in s.words)),), normalize=config.normalize
    )
    tags = Counter(tag for s in sentences for tag in s.tags)
    return words, characters, sorted(tags, key=lambda tag: (-tags[tag], tag))
