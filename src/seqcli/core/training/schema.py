"""What the files of a run may say of themselves: the one schema of all metadata that are read. It needs no torch.

A model file (`best.safetensors`, `model.safetensors`) says what is needed to use its weights, a state file where its
training stands. Both may come from anywhere, so every value is checked before it is used, and one sentence says which
is wrong. A task's own fields are those of its class here; what goes by the weights' shapes is checked with the network.
"""

from collections.abc import Mapping
from itertools import pairwise
from typing import Annotated, Any, ClassVar, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, PlainValidator, ValidationError

from seqcli.core import tokenizers
from seqcli.core.config import TASKS, Config, build
from seqcli.core.tokenizers import SPECIALS, Tokenizer
from seqcli.core.tokenizers.word import WordTokenizer
from seqcli.errors import CheckpointError, ConfigError

Checked = TypeVar("Checked", bound="Metadata")
Count = Annotated[int, Field(ge=0, le=10**15)]
Lengths = Annotated[list[Annotated[int, Field(ge=0, le=10**6)]], Field(min_length=2, max_length=2)]  # source, target


def a_configuration(value: object) -> Config:
    """The configuration of these values."""
    if not isinstance(value, dict):
        raise ValueError("no mapping")
    try:
        return build(value)
    except ConfigError as error:
        raise ValueError(str(error)) from None


def names(value: object) -> list[str]:
    """Two distinct texts or more."""
    if not isinstance(value, list) or not all(type(name) is str for name in value) or len(value) < 2:
        raise ValueError("no list of texts")
    if len(set(value)) != len(value):
        raise ValueError("the same twice")
    "\n".join(value).encode()  # a lone surrogate is no text: UnicodeEncodeError is a ValueError
    return value


def a_tokenizer(value: object) -> Tokenizer:
    """The tokenizer that these bytes are."""
    if not isinstance(value, np.ndarray) or value.dtype != np.uint8 or value.ndim != 1:
        raise ValueError("no bytes")
    try:
        found = tokenizers.from_array(value)
    except CheckpointError as error:
        raise ValueError(str(error)) from None
    if found.vocab_size <= len(SPECIALS):
        raise ValueError("no tokens")
    return found


def row_numbers(value: object) -> NDArray[np.int64]:
    """Numbers of rows (n,)."""
    if not isinstance(value, np.ndarray) or value.dtype != np.int64 or value.ndim != 1 or (value < 0).any():
        raise ValueError("no numbers of rows")
    return value


def a_tokenizer_of_words(value: object) -> WordTokenizer:
    """The same, of words."""
    found = a_tokenizer(value)
    if not isinstance(found, WordTokenizer):
        raise ValueError("no words")
    return found


OneTokenizer = Annotated[Tokenizer, PlainValidator(a_tokenizer)]
Words = Annotated[WordTokenizer, PlainValidator(a_tokenizer_of_words)]
Names = Annotated[list[str], PlainValidator(names)]


class Metadata(BaseModel):
    """The base of what a file says of itself."""

    model_config = ConfigDict(strict=True, frozen=True, allow_inf_nan=False, arbitrary_types_allowed=True)

    @classmethod
    def of(cls: type[Checked], metadata: Mapping[str, Any]) -> Checked:
        """The metadata of a file, checked. Raises CheckpointError, naming what is wrong."""
        try:
            made = cls.model_validate(dict(metadata))
        except (ValidationError, RecursionError) as error:
            raise CheckpointError(f"The checkpoint is damaged: {_what_is_wrong(error)}.") from None
        if complaint := made.contradiction():
            raise CheckpointError(f"The checkpoint does not fit its own configuration: {complaint}.")
        return made

    def contradiction(self) -> str | None:
        """What of it does not go together with the rest, if anything."""
        return None


class ModelFile(Metadata):
    """What every model file says."""

    needs: ClassVar[tuple[str, ...]] = ()  # of the configuration, what must not be left to be chosen

    task: Literal["lm", "translate", "tag", "classify", "embed"]
    config: Annotated[Config, PlainValidator(a_configuration)]
    tokenizer: OneTokenizer
    frozen_rows: Annotated[NDArray[np.int64], PlainValidator(row_numbers)] | None = None
    step: Count = 0
    figures: dict[str, Annotated[int, Field(ge=-(10**15), le=10**15)] | float] = {}

    @property
    def inputs(self) -> Tokenizer:
        """The tokenizer of what the network reads."""
        return self.tokenizer

    def contradiction(self) -> str | None:
        c = self.config
        if c.task != self.task:
            return f"its task is {self.task}, and that of its configuration {c.task}"
        needs = (*self.needs, *(("embedding_dim",) if c.encoding == "embedding" else ()))
        if undecided := [name for name in needs if getattr(c, name) is None]:
            return f"its {undecided[0]} has not been chosen"
        if c.tokens != self.tokenizer.name or c.tokens != self.inputs.name:
            return f"its tokens are {c.tokens}, and its tokenizer is of another kind"
        if c.vectors is not None and self.frozen_rows is None:
            return "it does not say which rows of its vectors are kept"
        if self.frozen_rows is not None and self.frozen_rows.max(initial=0) >= self.inputs.vocab_size:
            return "it keeps more rows of its vectors than it has"
        return None


class LanguageModelFile(ModelFile):
    """A language model."""

    needs = ("hidden", "dropout", "tie")
    task: Literal["lm"]

    def contradiction(self) -> str | None:
        c = self.config
        if c.tie and (c.encoding == "one-hot" or c.embedding_dim != c.hidden):
            return "its embedding cannot be tied to its output layer"
        return super().contradiction()


class TranslatorFile(ModelFile):
    """A translation model; `tokenizer` is that of the targets."""

    needs = ("hidden", "dropout", "embedding_dim", "bidirectional")
    task: Literal["translate"]
    source_tokenizer: OneTokenizer
    longest_targets: Annotated[list[Lengths], Field(min_length=1, max_length=10**6)]

    @property
    def inputs(self) -> Tokenizer:
        return self.source_tokenizer

    def contradiction(self) -> str | None:
        if self.config.joint_tokens and self.source_tokenizer.vocab_size != self.tokenizer.vocab_size:
            return "its sides share an embedding, and their tokenizers differ"
        if any(a >= c or b >= d for (a, b), (c, d) in pairwise(self.longest_targets)):
            return "its longest targets do not rise with the length of the source"
        if self.config.max_length is not None and self.longest_targets[-1][1] > self.config.max_length:
            return "its longest target is longer than any that it was trained on"
        return super().contradiction()


class TaggerFile(ModelFile):
    """A tagger; `tokenizer` is that of the words."""

    needs = ("hidden", "dropout", "embedding_dim")
    task: Literal["tag"]
    tokenizer: Words
    character_tokenizer: OneTokenizer
    tags: Names

    def contradiction(self) -> str | None:
        if self.character_tokenizer.name != "char":
            return "the tokenizer of its characters is of another kind"
        return super().contradiction()


class ClassifierFile(ModelFile):
    """A classifier."""

    needs = ("hidden", "dropout")
    task: Literal["classify"]
    labels: Names
    temperature: Annotated[float, Field(gt=0)]


class WordVectorsFile(ModelFile):
    """Word vectors."""

    needs = ("embedding_dim", "negatives")
    task: Literal["embed"]
    tokenizer: Words


FILES: dict[str, type[ModelFile]] = {
    "lm": LanguageModelFile,
    "translate": TranslatorFile,
    "tag": TaggerFile,
    "classify": ClassifierFile,
    "embed": WordVectorsFile,
}


def task_in(metadata: Mapping[str, Any]) -> str:
    """The task of a model file. Raises CheckpointError when it names none that is known."""
    task = metadata.get("task")
    if not isinstance(task, str):
        raise CheckpointError("The checkpoint is damaged, or holds no model: it does not name its task.")
    if task not in FILES:
        raise CheckpointError(
            f"It is a model for the task {task[:40]!r}, which this version does not know; it knows {', '.join(TASKS)}."
        )
    return task


def model_file(metadata: Mapping[str, Any]) -> ModelFile:
    """The metadata of a model file of any task, checked. Raises CheckpointError."""
    return FILES[task_in(metadata)].of(metadata)


def _what_is_wrong(error: ValidationError | RecursionError) -> str:
    """The first thing that is wrong, in words of ours."""
    if isinstance(error, RecursionError):
        return "what it says of itself is nested too deeply"
    first = error.errors(include_url=False, include_input=False)[0]
    where = repr(".".join(str(part) for part in first["loc"][:2])[:80])
    if first["type"] == "missing":
        return f"it lacks {where}"
    reason = str(first["ctx"]["error"]).replace("\n", " ")[:200].rstrip(".") if first["type"] == "value_error" else ""
    return f"its {where} is not what it has to be" + (f" ({reason})" if reason else "")
