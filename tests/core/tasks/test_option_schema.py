"""The schema that editors check our YAML by allows what seqcli allows."""

import json
import operator
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from seqcli.core import recipes
from seqcli.core.config import SCHEMA_FILE, fields_of
from seqcli.core.tasks.option_schema import options_schema
from seqcli.core.tasks.registry import TASKS
from seqcli.core.tasks.union import all_options, build, check
from seqcli.errors import ConfigError

Run = Callable[..., Any]
SCHEMA = options_schema()
TYPES = {"string": str, "boolean": bool, "array": list, "object": dict, "null": type(None)}
SAYING = ("$schema", "title", "description", "then")  # words that check nothing; "then" is read with "if"


def of_type(value: Any, kind: str) -> bool:
    if kind in ("integer", "number"):
        whole = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
        return not isinstance(value, bool) and (whole if kind == "integer" else isinstance(value, int | float))
    return isinstance(value, TYPES[kind])


def limited(compare: Callable[[Any, Any], bool]) -> Callable[..., bool]:
    return lambda value, limit, schema: not of_type(value, "number") or compare(value, limit)


def in_dict(holds: Callable[[dict[str, Any], Any, Any], bool]) -> Callable[..., bool]:
    return lambda value, asked, schema: not isinstance(value, dict) or holds(value, asked, schema)


WORDS: dict[str, Callable[[Any, Any, Any], bool]] = {  # JSON Schema, as far as ours goes
    "type": lambda value, kind, _: of_type(value, kind),
    "enum": lambda value, choices, _: value in choices,
    "const": lambda value, only, _: value == only,
    "minimum": limited(operator.ge),
    "maximum": limited(operator.le),
    "exclusiveMinimum": limited(operator.gt),
    "exclusiveMaximum": limited(operator.lt),
    "anyOf": lambda value, schemas, _: any(fits(value, one) for one in schemas),
    "allOf": lambda value, schemas, _: all(fits(value, one) for one in schemas),
    "if": lambda value, asked, schema: not fits(value, asked) or fits(value, schema["then"]),
    "items": lambda value, asked, _: not isinstance(value, list) or all(fits(item, asked) for item in value),
    "properties": in_dict(lambda value, asked, _: all(fits(value[k], asked[k]) for k in value.keys() & asked.keys())),
    "additionalProperties": in_dict(lambda value, asked, schema: asked or value.keys() <= schema["properties"].keys()),
    "propertyNames": in_dict(lambda value, asked, _: all(fits(name, asked) for name in value)),
    "required": in_dict(lambda value, names, _: value.keys() >= set(names)),
}


def fits(value: Any, schema: dict[str, Any]) -> bool:
    """Whether a value is as the schema asks; a word that is not known here is an error."""
    return all(WORDS[word](value, asked, schema) for word, asked in schema.items() if word not in SAYING)


def allowed(text: str) -> bool:
    """Whether the schema allows this YAML."""
    return fits(yaml.safe_load(text), SCHEMA)


@pytest.mark.parametrize("task", TASKS)
def test_what_we_write_is_allowed(task: str) -> None:
    written = build({"task": task}).to_yaml()
    assert written.split("\n")[0] == f"# yaml-language-server: $schema={SCHEMA_FILE}"
    assert allowed(written)


def test_the_configuration_of_a_run_is_allowed(trained: Path) -> None:
    assert allowed((trained / "config.yaml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", recipes.names())
def test_recipes_are_allowed(name: str) -> None:
    assert allowed(recipes.recipe(name).text)


@pytest.mark.parametrize(
    "text",
    [
        *("hiden: 3", "cell: lsmt", "hidden: 0", "hidden: 1.5", "dropout: 1", "lr: 0", "tie: 3", "files: [1]", "[]"),
        *("task: tags", "{task: tag, attention: dot}", "{task: embed, tokens: char}", "{task: embed, dropout: 0.1}"),
    ],
)
def test_what_seqcli_refuses_is_refused(text: str) -> None:
    with pytest.raises(ConfigError):
        build(yaml.safe_load(text))
    assert not allowed(text)


@pytest.mark.parametrize(
    "text",
    [
        *("{}", "hidden: null", "files: one.txt", "files: [a, b]", "{task: lm, tokens: char}", "task: null", "lr: 1"),
        *("{task: tag, crf: true}", "attention: dot"),
    ],
)
def test_what_seqcli_allows_is_allowed(text: str) -> None:
    check(yaml.safe_load(text))
    assert allowed(text)


def test_every_option_is_described_and_every_task_has_its_own() -> None:
    assert set(SCHEMA["properties"]) == set(all_options())
    assert all(
        known["description"].startswith(all_options()[name].help) for name, known in SCHEMA["properties"].items()
    )
    for one in SCHEMA["allOf"]:
        task = one["if"]["properties"]["task"]["const"]
        assert set(one["then"]["propertyNames"]["enum"]) == set(fields_of(TASKS[task].options))


def test_the_command_prints_it_and_nothing_else(seqcli: Run) -> None:
    result = seqcli("train", "--schema")
    assert (result.code, result.err) == (0, "")
    assert json.loads(result.out) == SCHEMA
