"""Initializing an embedding with word vectors from a file: the options `--vectors` and `--freeze-vectors`."""

from collections.abc import Mapping
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from seqcli.core.data.vectors import read_head, read_vectors
from seqcli.core.events import Say
from seqcli.core.layers import Embedding
from seqcli.core.options import RecurrentTextOptions
from seqcli.core.tokenizers import SPECIALS, Tokenizer
from seqcli.core.tokenizers.word import WordTokenizer
from seqcli.errors import ConfigError, DataError

AnyRecurrent = TypeVar("AnyRecurrent", bound=RecurrentTextOptions)


def with_width(options: AnyRecurrent) -> AnyRecurrent:
    """Return the options with word tokens and an embedding as wide as the vectors in the file.

    Without `--vectors` the options are returned unchanged. Raises ConfigError when other options contradict this, such
    as another tokenizer or another width.
    """
    if options.vectors is None:
        if options.freeze_vectors:
            raise ConfigError("--freeze-vectors needs the vectors that it keeps as they are: --vectors FILE.")
        return options
    if options.tokens not in (None, "word"):
        raise ConfigError(f"--vectors has a vector a word, so it needs --tokens word, not {options.tokens}.")
    if options.one_hot:
        raise ConfigError("--vectors starts an embedding, and --encoding one-hot has none.")
    width = read_head(options.vectors).width
    if options.embedding_dim not in (None, width):
        raise ConfigError(
            f"--embedding-dim is {options.embedding_dim}, but the vectors in {options.vectors} have {width} numbers. "
            "Leave it out, and it is taken from the file."
        )
    return options.with_(tokens="word", embedding_dim=width)


def start_from_vectors(
    embedding: nn.Module,
    tokenizer: Tokenizer,
    options: RecurrentTextOptions,
    say: Say,
    metadata: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Copy the vectors in the file into the embedding, and with `--freeze-vectors` keep those rows from being trained.

    Without `--vectors` it does nothing. Returns what the job must include in its own metadata: the numbers of the
    frozen rows. When a run is resumed, `metadata` are those of its checkpoint. The vectors are among its weights then,
    so the file is not read again, and it does not matter if it has been changed or deleted. Raises DataError when no
    word of the vocabulary is in the file.
    """
    if options.vectors is None:
        return {}
    assert isinstance(embedding, Embedding), "with_width allows nothing else"
    if metadata is not None:
        kept = torch.from_numpy(metadata["frozen_rows"])
    else:
        assert isinstance(tokenizer, WordTokenizer)
        kept = start_from(embedding, tokenizer.words, options.vectors, say)
    if not options.freeze_vectors:
        return {"frozen_rows": np.zeros(0, np.int64)}
    embedding.freeze_rows(kept)
    return {"frozen_rows": kept.numpy()}


@torch.no_grad()
def start_from(embedding: Embedding, words: list[str], path: str, say: Say) -> Tensor:
    """Copy the vectors of `words` from a file into an embedding. Returns the numbers of the rows that were set, (n,).

    The first word's row comes after those of the special tokens. A word that is not in the file gets the vector of its
    lower-case form. If that is missing too, its row keeps its random values. `say` is told how many words were found.
    """
    lowered = {word.lower() for word in words}
    found = read_vectors(path, lowered.union(words))
    place = {word: k for k, word in enumerate(found.words)}
    # for each word its row in the file's matrix, or -1: (V - 4,)
    at = np.array([place.get(word, place.get(word.lower(), -1)) for word in words], dtype=np.int64)
    here = np.flatnonzero(at >= 0)  # which words have a vector, (n,)
    if not len(here):
        raise DataError(
            f"None of the {len(words)} words of the vocabulary is in {path}: is it a file of another language?"
        )
    rows = torch.from_numpy(here) + len(SPECIALS)  # (n,)
    values = torch.from_numpy(found.matrix[at[here]])  # (n, E)
    embedding.weight[rows.to(embedding.weight.device)] = values.to(embedding.weight)
    lower = sum(words[k] not in place for k in here.tolist())
    say(
        f"{path}: {len(here):,} of the {len(words):,} words of the vocabulary have a vector there"
        + (f", {lower:,} of them in lower case only" if lower else "")
        + "; the others start at random."
        + (f" {found.duplicates:,} words come twice: the first one counts." if found.duplicates else "")
    )
    return rows
