"""An embedding that starts from a file of word vectors: `--vectors FILE`, `--freeze-vectors`, for any task of words."""

from collections.abc import Mapping
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from seqcli.core.data.vectors import read_head, read_vectors
from seqcli.core.events import Say
from seqcli.core.layers import Embedding
from seqcli.core.options import RecurrentOptions
from seqcli.core.tokenizers import SPECIALS, Tokenizer
from seqcli.core.tokenizers.word import WordTokenizer
from seqcli.errors import ConfigError, DataError

AnyRecurrent = TypeVar("AnyRecurrent", bound=RecurrentOptions)


def with_width(options: AnyRecurrent) -> AnyRecurrent:
    """The options with words as tokens, and an embedding as wide as the vectors; unchanged without `vectors`.

    Raises ConfigError when another width or tokenizer is asked for.
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
    options: RecurrentOptions,
    say: Say,
    metadata: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Give the rows of known words their vectors, and keep them so with `freeze_vectors`; nothing without `vectors`.

    Returns what the job's own metadata must have among it: which rows are kept. With the `metadata` of a checkpoint,
    which has the weights, the file is not read again, so a run goes on where the file is gone or another.
    Raises DataError when no word of the vocabulary is in the file.
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
    """Copy the vectors of `words`, whose rows begin after those of the special tokens; returns the rows found (n,).

    A word that the file lacks takes the vector of its lower-case form, or keeps its random start.
    """
    lowered = {word.lower() for word in words}
    found = read_vectors(path, lowered.union(words))
    place = {word: k for k, word in enumerate(found.words)}
    at = np.array([place.get(word, place.get(word.lower(), -1)) for word in words], dtype=np.int64)  # (V - 4,)
    here = np.flatnonzero(at >= 0)
    if not len(here):
        raise DataError(
            f"None of the {len(words)} words of the vocabulary is in {path}: is it a file of another language?"
        )
    rows = torch.from_numpy(here) + len(SPECIALS)
    values = torch.from_numpy(found.matrix[at[here]])
    embedding.weight[rows.to(embedding.weight.device)] = values.to(embedding.weight)
    lower = sum(words[k] not in place for k in here.tolist())
    say(
        f"{path}: {len(here):,} of the {len(words):,} words of the vocabulary have a vector there"
        + (f", {lower:,} of them in lower case only" if lower else "")
        + "; the others start at random."
        + (f" {found.duplicates:,} words come twice: the first one counts." if found.duplicates else "")
    )
    return rows
