"""What the files of a run may say of themselves: the one schema of all metadata that are read. It needs no torch.

A model file (`best.safetensors`, `model.safetensors`) says what is needed to use its weights, a state file where its
training stands. Both may come from anywhere, so every value is checked before it is used, and one sentence says which
is wrong. A task's own fields are those of the class in its file.py; what goes by the weights' shapes is checked with
the network.
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
from seqcli.core.training.plan import Plan, RecurrentPlan
from seqcli.errors import CheckpointError, ConfigError

Checked = TypeVar("Checked", bound="Metadata")
AnyPlan = TypeVar("AnyPlan", bound=Plan)
Count = Annotated[int, Field(ge=0, le=10**15)]


def plan_of(cls: type[AnyPlan]) -> Callable[[object], AnyPlan]:
    """Makes a plan of this class from values. Raises ValueError when they are none."""

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
    """What every model file says; the class of a task says which plan `config` is."""

    task: str
    config: Plan
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
        if c.tokens != self.tokenizer.name or c.tokens != self.inputs.name:
            return f"its tokens are {c.tokens}, and its tokenizer is of another kind"
        return None


class RecurrentFile(ModelFile):
    """What every file of a recurrent network says."""

    config: RecurrentPlan

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
    """The first thing that is wrong, in words of ours."""
    if isinstance(error, RecursionError):
        return "what it says of itself is nested too deeply"
    first = error.errors(include_url=False, include_input=False)[0]
    where = repr(".".join(str(part) for part in first["loc"][:2])[:80])
    if first["type"] == "missing":
        return f"it lacks {where}"
    reason = str(first["ctx"]["error"]).replace("\n", " ")[:200].rstrip(".") if first["type"] == "value_error" else ""
    return f"its {where} is not what it has to be" + (f" ({reason})" if reason else "")
