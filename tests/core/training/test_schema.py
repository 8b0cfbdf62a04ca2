"""Metadata: what is right is taken over with its types, and every wrong value is named in one sentence."""

import math
from typing import Any

import numpy as np
import pytest

from seqcli.core import tokenizers
from seqcli.core.tasks.forecast.frequency import Frequency
from seqcli.core.tasks.forecast.series import Series
from seqcli.core.tasks.forecast.stored import stored
from seqcli.core.tasks.model_file import model_file, task_in
from seqcli.core.tasks.registry import TASKS
from seqcli.errors import CheckpointError


def nested() -> Any:
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    return deep


CHARS = tokenizers.to_array(tokenizers.train("char", ["abcd"]))
WORDS = tokenizers.to_array(tokenizers.train("word", ["a b c d e"]))
STEPS = Frequency("integers", 1)
SERIES = stored(Series(["a", "b"], np.array([0, 2, 5]), np.array([7, 0]), np.arange(5.0), np.array([2, 3]), STEPS))
DECIDED: dict[str, Any] = {"device": "cpu", "precision": "fp32", "lr": 0.1}
SIZES: dict[str, Any] = {"hidden": 7, "embedding_dim": 5, "dropout": 0.1, "weight_decay": 0.1, "cell": "gru"}
PLANS: dict[str, dict[str, Any]] = {
    "lm": {**SIZES, "tokens": "char", "batch_size": 3, "window": 4},
    "translate": {**SIZES, "tokens": "char", "joint_tokens": False, "max_length": 9, "tie": False},
    "tag": {**SIZES, "tokens": "word", "select": "f1"},
    "classify": {**SIZES, "tokens": "word", "select": "f1", "word_dropout": 0.1, "max_length": 9},
    "embed": {"tokens": "word", "optimizer": "sgd", "batch_size": 32, "negatives": 2, "embedding_dim": 5},
    "forecast": {
        **{name: value for name, value in SIZES.items() if name != "embedding_dim"},
        **{"horizon": 4, "history": 12, "patch": 3, "seasons": "6,12", "likelihood": "quantile", "batch_size": 8},
    },
}
OF_TASKS: dict[str, dict[str, Any]] = {
    "lm": {"tokenizer": CHARS},
    "translate": {"tokenizer": CHARS, "source_tokenizer": CHARS, "longest_targets": [[1, 4], [3, 9]]},
    "tag": {"tokenizer": WORDS, "character_tokenizer": CHARS, "tags": ["N", "V"]},
    "classify": {"tokenizer": WORDS, "labels": ["good", "bad"], "temperature": 1.5},
    "embed": {"tokenizer": WORDS},
    "forecast": {"series": SERIES, "spread": 1.5, "trust": 0.8, "covariates": {"known": [], "past": [], "static": []}},
}


def good(task: str, /, **changes: Any) -> dict[str, Any]:
    config = {**DECIDED, **PLANS[task], "task": task, **changes}
    figures = {"loss": 0.5, "tokens": 10}
    return {"task": task, "config": config, "step": 3, "figures": figures, **OF_TASKS[task]}


@pytest.mark.parametrize("task", TASKS)
def test_what_is_right_is_taken_over(task: str) -> None:
    found = model_file(good(task))
    assert (found.task, found.step, found.figures) == (task, 3, {"loss": 0.5, "tokens": 10})
    config = good(task)["config"]
    assert {name: value for name, value in found.config.as_dict().items() if name in config} == config
    if task != "forecast":
        assert found.tokenizer.name == found.config.tokens
    assert model_file({k: v for k, v in good(task).items() if k not in ("step", "figures")}).figures == {}


ANY: list[tuple[str, Any, str]] = [
    ("config", [], "config"),
    ("config", {"no_such": 1}, "config"),
    ("config", {"hidden": "x" * 10**6}, "config"),
    ("tokenizer", "text", "tokenizer"),
    ("tokenizer", np.zeros(4), "tokenizer"),
    ("tokenizer", np.zeros((2, 2), np.uint8), "tokenizer"),
    ("tokenizer", np.full(4, 255, np.uint8), "tokenizer"),
    ("tokenizer", tokenizers.to_array(tokenizers.train("byte", [])), "tokens|words"),
    ("step", -1, "step"),
    ("step", 1.5, "step"),
    ("step", True, "step"),
    ("step", 10**400, "step"),
    ("figures", [], "figures"),
    ("figures", {"loss": math.nan}, "figures.loss"),
    ("figures", {"loss": math.inf}, "figures.loss"),
    ("figures", {"loss": "low"}, "figures.loss"),
    ("figures", {"loss": 10**400}, "figures.loss"),
    ("frozen_rows", [1], "frozen_rows"),
    ("frozen_rows", np.array([-1]), "frozen_rows"),
    ("frozen_rows", np.array([99]), "more rows"),
]
OF_ONE: list[tuple[str, str, Any, str]] = [
    ("translate", "longest_targets", [], "longest_targets"),
    ("translate", "longest_targets", [[1, 10**9]], "longest_targets"),
    ("translate", "longest_targets", [[1, "9"]], "longest_targets"),
    ("translate", "longest_targets", [[1, 9, 9]], "longest_targets"),
    ("translate", "longest_targets", [[3, 9], [4, 2]], "do not rise"),
    ("translate", "source_tokenizer", None, "source_tokenizer"),
    ("translate", "source_tokenizer", WORDS, "another kind"),
    ("tag", "tags", "NV", "tags"),
    ("tag", "tags", ["N"], "tags"),
    ("tag", "tags", ["N", "N"], "tags"),
    ("tag", "tags", ["N", 1], "tags"),
    ("tag", "tags", ["N", "\ud800"], "tags"),
    ("tag", "tokenizer", CHARS, "tokenizer"),
    ("tag", "character_tokenizer", WORDS, "another kind"),
    ("classify", "labels", {"a": 1, "b": 2}, "labels"),
    ("classify", "temperature", 0.0, "temperature"),
    ("classify", "temperature", -1.0, "temperature"),
    ("classify", "temperature", math.nan, "temperature"),
    ("classify", "temperature", "1", "temperature"),
    ("embed", "tokenizer", CHARS, "tokenizer"),
    ("forecast", "series", SERIES[:-1], "series"),
    ("forecast", "series", {"a": [1.0]}, "series"),
    ("forecast", "spread", 0.0, "spread"),
    ("forecast", "spread", math.nan, "spread"),
    ("forecast", "trust", 1.5, "trust"),
    ("forecast", "covariates", [], "covariates"),
    ("forecast", "covariates", {"known": [], "past": []}, "covariates"),
]


@pytest.mark.parametrize(
    ("task", "key", "value", "named"),
    [*((task, *case) for task in ("lm", "classify") for case in ANY), *OF_ONE],
    ids=lambda value: str(value)[:20] if isinstance(value, str | int | float) else "",
)
def test_what_is_wrong_is_named(task: str, key: str, value: Any, named: str) -> None:
    with pytest.raises(CheckpointError, match=named) as caught:
        model_file({**good(task), key: value})
    assert len(str(caught.value)) < 500
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("key", ["config", "step", "figures", "tokenizer"])
def test_what_is_nested_without_end(key: str) -> None:
    for value in (nested(), {"hidden": nested()}, {"files": nested()}, [nested()]):
        with pytest.raises(CheckpointError, match="damaged"):
            model_file({**good("lm"), key: value})


@pytest.mark.parametrize("task", TASKS)
def test_what_is_missing_is_named(task: str) -> None:
    for key in ("config", *OF_TASKS[task]):
        with pytest.raises(CheckpointError, match=key):
            model_file({k: v for k, v in good(task).items() if k != key})


@pytest.mark.parametrize(
    ("task", "changes", "named"),
    [
        ("lm", {"task": "tag"}, "--task is 'tag', but must be lm"),
        ("lm", {"crf": True}, "not of this task"),
        ("lm", {"hidden": None}, "--hidden is None"),
        ("lm", {"embedding_dim": None}, "embedding_dim has not been chosen"),
        ("lm", {"tie": True}, "tied"),
        ("lm", {"tokens": "word"}, "another kind"),
        ("lm", {"vectors": "v.txt"}, "which rows"),
        ("translate", {"max_length": 5}, "longest target"),
        ("classify", {"dropout": None}, "--dropout is None"),
        ("embed", {"negatives": None}, "--negatives is None"),
        ("forecast", {"horizon": None}, "--horizon is None"),
        ("forecast", {"patch": 5}, "no multiple of its patch"),
        ("forecast", {"seasons": "13"}, "season of 13"),
        ("forecast", {"seasons": "often"}, "--seasons"),
        ("forecast", {"decode": "sample"}, "draws from quantiles"),
        ("forecast", {"decode": "sample", "likelihood": "normal", "history": 1, "patch": 1, "seasons": "none"}, "step"),
    ],
)
def test_contradictions(task: str, changes: dict[str, Any], named: str) -> None:
    with pytest.raises(CheckpointError, match=named):
        model_file({**good(task, **changes), "task": task})


def test_sides_that_share_an_embedding_have_one_vocabulary() -> None:
    more = tokenizers.to_array(tokenizers.train("char", ["abcde"]))
    model_file(good("translate", joint_tokens=True))
    model_file({**good("translate"), "source_tokenizer": more})
    with pytest.raises(CheckpointError, match="share an embedding"):
        model_file({**good("translate", joint_tokens=True), "source_tokenizer": more})


def test_tasks_that_are_none() -> None:
    for metadata in ({}, *({"task": task} for task in (None, [], {}, 3, "dance", nested()))):
        with pytest.raises(CheckpointError, match="task"):
            task_in(metadata)
