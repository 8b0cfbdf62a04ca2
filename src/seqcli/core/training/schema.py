"""The schema of the metadata in model files and checkpoints. It needs no torch.

The metadata of a model file (`best.safetensors`, `model.safetensors`) hold what is needed to use its weights; those of
a state file, how far its training is. Such a file may come from anybody, so every value is checked before it is used,
and an error names the value that is wrong. This file has what all tasks share. Each task adds its own fields in its
file.py, and whatever depends on the shapes of the weights is checked together with the network.
"""

from collections.abc import Callable, Mapping
from typing import Annotated, Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, PlainValidator, ValidationError

from seqcli.core import tokenizers
from seqcli.core.config import fields_of
from seqcli.core.tokenizers import SPECIALS, Tokenizer
from seqcli.core.tokenizers.word import WordTokenizer
from seqcli.core.training.plan import Plan, RecurrentTextPlan, TextPlan
from seqcli.errors import CheckpointError, ConfigError

Checked = TypeVar("Checked", bound="Metadata")
AnyPlan = TypeVar("AnyPlan", bound=Plan)
Count = Annotated[int, Field(ge=0, le=10**15)]


def plan_of(cls: type[AnyPlan]) -> Callable[[object], AnyPlan]:
    """Return a function that makes a plan of this class from a dictionary, and raises ValueError if that is wrong."""

    def a_plan(value: object) -> AnyPlan:
        if not isinstance(value, dict) or value.keys() - fields_of(cls).keys():
            raise ValueError("no options, or not of this task alone")
        try:
            return cls(**value)
        except ConfigError as error:
            raise ValueError(str(error)) from None
        except TypeError:
            missing = sorted(fields_of(cls).keys() - value.keys())
            raise ValueError(f"it lacks {', '.join(missing[:3])}") from None

    return a_plan


def names(value: object) -> list[str]:
    """Check that a value is a list of at least two different texts, and return it. Raises ValueError otherwise."""
    if not isinstance(value, list) or not all(type(name) is str for name in value) or len(value) < 2:
        raise ValueError("no list of texts")
    if len(set(value)) != len(value):
        raise ValueError("the same twice")
    "\n".join(value).encode()  # raises UnicodeEncodeError, a ValueError, for lone surrogates, which are no valid text
    return value


def a_tokenizer(value: object) -> Tokenizer:
    """Return the tokenizer that an array of bytes holds. Raises ValueError if it holds none."""
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
    """Check that a value is an array of row numbers (n,), and return it. Raises ValueError otherwise."""
    if not isinstance(value, np.ndarray) or value.dtype != np.int64 or value.ndim != 1 or (value < 0).any():
        raise ValueError("no numbers of rows")
    return value


def a_tokenizer_of_words(value: object) -> WordTokenizer:
    """Return the word tokenizer that an array of bytes holds. Raises ValueError if it holds none."""
    found = a_tokenizer(value)
    if not isinstance(found, WordTokenizer):
        raise ValueError("no words")
    return found


OneTokenizer = Annotated[Tokenizer, PlainValidator(a_tokenizer)]
Words = Annotated[WordTokenizer, PlainValidator(a_tokenizer_of_words)]
Names = Annotated[list[str], PlainValidator(names)]


class Metadata(BaseModel):
    """The base class of all metadata: a pydantic model that accepts values of the exact type only."""

    model_config = ConfigDict(strict=True, frozen=True, allow_inf_nan=False, arbitrary_types_allowed=True)

    @classmethod
    def of(cls: type[Checked], metadata: Mapping[str, Any]) -> Checked:
        """Check the metadata of a file and return them. Raises CheckpointError, which says what is wrong."""
        try:
            made = cls.model_validate(dict(metadata))
        except (ValidationError, RecursionError) as error:
            raise CheckpointError(f"The checkpoint is damaged: {_what_is_wrong(error)}.") from None
        if complaint := made.contradiction():
            raise CheckpointError(f"The checkpoint does not fit its own configuration: {complaint}.")
        return made

    def contradiction(self) -> str | None:
        """Return which of the values contradict each other, in words, or None if none do."""
        return None


class ModelFile(Metadata):
    """The metadata of any model file. The class of a task narrows the type of `config` and adds fields."""

    task: str
    config: Plan
    step: Count = 0
    figures: dict[str, Annotated[int, Field(ge=-(10**15), le=10**15)] | float] = {}

    def contradiction(self) -> str | None:
        if self.config.task != self.task:
            return f"its task is {self.task}, and that of its configuration {self.config.task}"
        return None


class TextFile(ModelFile):
    """The metadata of any model file of a training on texts."""

    config: TextPlan
    tokenizer: OneTokenizer

    @property
    def inputs(self) -> Tokenizer:
        """The tokenizer of the network's input, which for translation is not that of its output."""
        return self.tokenizer

    def contradiction(self) -> str | None:
        c = self.config
        if c.tokens != self.tokenizer.name or c.tokens != self.inputs.name:
            return f"its tokens are {c.tokens}, and its tokenizer is of another kind"
        return super().contradiction()


class RecurrentFile(TextFile):
    """The metadata of any model file with a recurrent network on texts."""

    config: RecurrentTextPlan
    frozen_rows: Annotated[NDArray[np.int64], PlainValidator(row_numbers)] | None = None

    def contradiction(self) -> str | None:
        c = self.config
        if not c.one_hot and c.embedding_dim is None:
            return "its embedding_dim has not been chosen"
        if c.vectors is not None and self.frozen_rows is None:
            return "it does not say which rows of its vectors are kept"
        if self.frozen_rows is not None and self.frozen_rows.max(initial=0) >= self.inputs.vocab_size:
            return "it keeps more rows of its vectors than it has"
        return super().contradiction()


def _what_is_wrong(error: ValidationError | RecursionError) -> str:
    """Return the first error in our own words."""
    if isinstance(error, RecursionError):
        return "what it says of itself is nested too deeply"
    first = error.errors(include_url=False, include_input=False)[0]
    where = repr(".".join(str(part) for part in first["loc"][:2])[:80])
    if first["type"] == "missing":
        return f"it lacks {where}"
    reason = str(first["ctx"]["error"]).replace("\n", " ")[:200].rstrip(".") if first["type"] == "value_error" else ""
    return f"its {where} is not what it has to be" + (f" ({reason})" if reason else "")
