"""Tagged sentences: reading them from CoNLL-U or from WORD TAB TAG lines, and turning them into ids and batches."""

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

COLUMNS = 10  # in a line of CoNLL-U
COMMENT = re.compile(r"# |#[^\t]*$")  # a comment among WORD TAB TAG lines, where # and #hashtag can be words
SPELLED = 200  # how many characters of a word are read; of a longer word those at its beginning and its end
Numbered = tuple[int, str]  # the number of a line in its file, and the line


@dataclass(frozen=True)
class Sentence:
    """The words of a sentence, and a tag for each."""

    words: list[str]
    tags: list[str]


# --- reading --------------------------------------------------------------------------------------------------------


def read_sentences(paths: Iterable[Path], column: str = "upos", invalid: Invalid = "error") -> Iterator[Sentence]:
    """Yield the sentences of CoNLL-U files, or of files of WORD TAB TAG lines. A blank line ends a sentence.

    Lines that begin with # are comments, except that # TAB TAG is a word and its tag. `column` says which column of
    CoNLL-U has the tags.

    Of CoNLL-U (universaldependencies.org/format) the syntactic words are read. That means the parts of a multiword
    token (3-4) and not the token itself, and no empty nodes (5.1), which stand for nothing in the text. Raises
    DataError for a bad line, with its number.
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
    """Yield the blocks of lines between blank lines, each with the number of its first line."""
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
    """Return the sentence in a block of CoNLL-U lines, which begins on line `start`. Raises DataError."""
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
    """Return a value of a CoNLL-U column as a tag."""
    if isinstance(value, dict):  # the column of features
        return "|".join(f"{key}={one}" for key, one in value.items())
    return "_" if value is None else str(value)


def _two_columns(path: Path, lines: Sequence[Numbered]) -> Sentence:
    """Return the sentence in a block of WORD TAB TAG lines. Raises DataError."""
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
    """A batch of sentences. A form is a distinct spelling of a word; U is the number of forms in the batch.

    The characters of a form are read only once, however often the word is in the batch.
    """

    words: Tensor  # word ids, (B, T)
    mask: Tensor  # (B, T), True = real
    forms: Tensor  # which row of `characters` belongs to each word, (B, T)
    characters: Tensor  # character ids, (U, C)
    character_mask: Tensor  # (U, C), True = real

    def to(self, device: torch.device) -> "WordBatch":
        """Return the batch on another device."""
        if device.type == "cpu":
            return self
        parts = (self.words, self.mask, self.forms, self.characters, self.character_mask)
        return WordBatch(*(part.to(device) for part in parts))


@dataclass(frozen=True)
class SentenceSet:
    """Sentences as ids. Each word is the number of a form (a distinct spelling), which has a word id and characters."""

    rows: Ragged  # for each sentence the numbers of its forms
    words: Ids  # the word id of each form
    characters: Ragged  # the character ids of each form

    @classmethod
    def of(cls, sentences: Sequence[Sequence[str]], words: WordTokenizer, characters: Tokenizer) -> "SentenceSet":
        """Make it from sentences, given as lists of words, and the tokenizers of words and characters."""
        number: dict[str, int] = {}
        rows = [np.array([number.setdefault(w, len(number)) for w in s], dtype=np.int32) for s in sentences]
        forms = list(number)
        spelled = (form if len(form) <= SPELLED else form[: SPELLED // 2] + form[-SPELLED // 2 :] for form in forms)
        return cls(Ragged.of(rows), words.lookup(forms), Ragged.of(characters.encode_lines(list(spelled))))

    def __len__(self) -> int:
        return len(self.rows)

    def select(self, rows: NDArray[Any]) -> "SentenceSet":
        """Return some of the sentences, given by their numbers."""
        return SentenceSet(self.rows.select(rows), self.words, self.characters)

    def batch(self, rows: NDArray[Any]) -> WordBatch:
        """Make a padded batch of the sentences with these numbers (B,)."""
        forms, mask = self.rows.padded(rows)  # (B, T), (B, T); on padding the form is 0
        found, numbers = np.unique(forms.numpy(), return_inverse=True)  # (U,), (B * T,) or (B, T)
        words = torch.from_numpy(self.words[forms.numpy()]).long().masked_fill_(~mask, PAD)  # (B, T)
        characters, character_mask = self.characters.padded(found)  # (U, C), (U, C)
        return WordBatch(words, mask, torch.from_numpy(numbers.reshape(forms.shape)), characters, character_mask)
