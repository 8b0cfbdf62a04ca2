"""Tagged sentences: read from CoNLL-U or from WORD TAB TAG lines, and turned into what a tagger reads."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from seqcli.core.data.ragged import Ragged
from seqcli.core.data.readers import Invalid, bad_line, read_lines
from seqcli.core.tokenizers import PAD, Ids, Tokenizer
from seqcli.core.tokenizers.word import WordTokenizer
from seqcli.errors import DataError

COLUMNS = 10  # of a CoNLL-U line
COMMENT = re.compile(r"# |#[^\t]*$")  # among WORD TAB TAG lines, where # and #hashtag can be words
SPELLED = 200  # characters of a word that are read; of a longer one its beginning and its end
Numbered = tuple[int, str]  # the number of a line in its file, and the line


@dataclass(frozen=True)
class Sentence:
    """Words and a tag for each."""

    words: list[str]
    tags: list[str]


# --- reading --------------------------------------------------------------------------------------------------------


def read_sentences(paths: Iterable[Path], column: str = "upos", invalid: Invalid = "error") -> Iterator[Sentence]:
    """The sentences of CoNLL-U files, or of files of WORD TAB TAG lines, with a blank line after each sentence.

    Lines that begin with # are comments; but # TAB TAG is a word and its tag.

    Of CoNLL-U (universaldependencies.org/format) the syntactic words are read: of a multiword token (3-4) its parts,
    and no empty node (5.1), which stands for nothing in the text. Raises DataError at a bad line, naming it.
    """
    for path in paths:
        for start, lines in _blocks(path, invalid):
            first = next((line for line in lines if not line.startswith("#")), "")
            numbered = list(enumerate(lines, start))
            if first.count("\t") > 2:
                yield _conllu(path, start, [(k, line) for k, line in numbered if not line.startswith("#")], column)
            elif words := [(k, line) for k, line in numbered if not COMMENT.match(line)]:
                yield _two_columns(path, words)


def _blocks(path: Path, invalid: Invalid) -> Iterator[tuple[int, list[str]]]:
    """Lines between blank ones, and the number of the first."""
    block: list[str] = []
    number = 0
    for number, line in enumerate(read_lines(path, invalid=invalid), 1):
        if line.strip():
            block.append(line)
        elif block:
            yield number - len(block), block
            block = []
    if block:
        yield number - len(block) + 1, block


def _conllu(path: Path, start: int, lines: Sequence[Numbered], column: str) -> Sentence:
    import conllu

    for number, line in lines:
        found = line.count("\t") + 1
        if found != COLUMNS:
            raise bad_line(path, number, f"{found} columns where CoNLL-U has {COLUMNS}", line)
    try:
        (tokens,) = conllu.parse("\n".join(line for _, line in lines))
    except (conllu.exceptions.ParseException, ValueError) as error:
        raise DataError(f"{path}, the sentence of line {start} is no CoNLL-U: {error}.") from None
    words = [token for token in tokens if isinstance(token["id"], int)]
    if not words:
        raise DataError(f"{path}, the sentence of line {start} has no word.")
    return Sentence([str(word["form"]) for word in words], [_tag(word[column]) for word in words])


def _tag(value: Any) -> str:
    if isinstance(value, dict):  # features
        return "|".join(f"{key}={one}" for key, one in value.items())
    return "_" if value is None else str(value)


def _two_columns(path: Path, lines: Sequence[Numbered]) -> Sentence:
    sentence = Sentence([], [])
    for number, line in lines:
        columns = [part.strip() for part in line.split("\t")]
        if len(columns) != 2 or not all(columns):
            many = f"{len(columns)} column{'s' * (len(columns) > 1)}"
            what = f"{many} where tagged text has WORD TAB TAG, and CoNLL-U {COLUMNS}"
            empty = f"an empty {'tag' if columns[0] else 'word'}"
            raise bad_line(path, number, what if len(columns) != 2 else empty, line)
        sentence.words.append(columns[0])
        sentence.tags.append(columns[1])
    return sentence


# --- ids ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class WordBatch:
    """Words (B, T) as ids and as numbers of `forms`; the forms' characters (U, C); masks, True = real.

    A form is a distinct spelling: its characters are read once, however often it stands in the batch.
    """

    words: Tensor
    mask: Tensor
    forms: Tensor
    characters: Tensor
    character_mask: Tensor

    def to(self, device: torch.device) -> "WordBatch":
        """The same on another device."""
        if device.type == "cpu":
            return self
        parts = (self.words, self.mask, self.forms, self.characters, self.character_mask)
        return WordBatch(*(part.to(device) for part in parts))


@dataclass(frozen=True)
class SentenceSet:
    """Sentences as ids: every token is the number of a form, every form has a word id and characters."""

    rows: Ragged
    words: Ids  # of each form
    characters: Ragged  # of each form

    @classmethod
    def of(cls, sentences: Sequence[Sequence[str]], words: WordTokenizer, characters: Tokenizer) -> "SentenceSet":
        """The sentences, given as words, for these vocabularies."""
        number: dict[str, int] = {}
        rows = [np.array([number.setdefault(w, len(number)) for w in s], dtype=np.int32) for s in sentences]
        forms = list(number)
        spelled = (form if len(form) <= SPELLED else form[: SPELLED // 2] + form[-SPELLED // 2 :] for form in forms)
        return cls(Ragged.of(rows), words.lookup(forms), Ragged.of(characters.encode_lines(list(spelled))))

    def __len__(self) -> int:
        return len(self.rows)

    def select(self, rows: NDArray[Any]) -> "SentenceSet":
        """Some of the sentences."""
        return SentenceSet(self.rows.select(rows), self.words, self.characters)

    def batch(self, rows: NDArray[Any]) -> WordBatch:
        """These sentences, padded."""
        forms, mask = self.rows.padded(rows)
        found, numbers = np.unique(forms.numpy(), return_inverse=True)  # padding reads as form 0
        words = torch.from_numpy(self.words[forms.numpy()]).long().masked_fill_(~mask, PAD)
        characters, character_mask = self.characters.padded(found)
        return WordBatch(words, mask, torch.from_numpy(numbers.reshape(forms.shape)), characters, character_mask)
