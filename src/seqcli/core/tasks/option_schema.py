"""The JSON schema of the YAML files that `--config` reads, with which editors complete and check them."""

from typing import Any

from seqcli.core.config import json_schema
from seqcli.core.tasks.registry import TASKS
from seqcli.core.tasks.union import all_options

Schema = dict[str, Any]


def options_schema() -> Schema:
    """Return the schema of the options of all tasks, in the draft of JSON Schema that editors know best.

    An option may have any value that one of its tasks allows, or null, which means the same as leaving it out. A file
    that names its `task` may only have the options of that task, with the values that it allows.
    """
    by_task = {name: json_schema(task.options)["properties"] for name, task in TASKS.items()}
    properties: Schema = {}
    narrower: dict[str, Schema] = {name: {} for name in TASKS}
    for name, known in all_options().items():
        allowed = {task: _allowed(by_task[task][name]) for task in known.tasks}
        every = [kind for kinds in allowed.values() for kind in kinds]
        anywhere = [kind for k, kind in enumerate(every) if kind not in every[:k]]
        default = f" Default: {known.default}." if known.default else ""
        properties[name] = _or_null(anywhere) | {"description": known.help + default}
        for task, here in allowed.items():
            if here != anywhere:
                narrower[task][name] = _or_null(here)
    properties["files"]["anyOf"].insert(0, {"type": "string"})  # one file is a list of one
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Options of seqcli train",
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
        "allOf": [
            {
                "if": {"properties": {"task": {"const": task}}, "required": ["task"]},
                "then": {"propertyNames": {"enum": list(by_task[task])}, "properties": narrower[task]},
            }
            for task in TASKS
        ],
    }


def _allowed(schema: Schema) -> list[Schema]:
    """Return what a property may be, as a list of schemas without null, without default and description."""
    kinds = schema.get("anyOf") or [{key: schema[key] for key in schema if key not in ("default", "description")}]
    return [kind for kind in kinds if kind != {"type": "null"}]


def _or_null(kinds: list[Schema]) -> Schema:
    """Return a schema that allows any of these and null."""
    return {"anyOf": [*kinds, {"type": "null"}]}
