"""Reading the small part of YAML that options need: a mapping from names to plain values or lists of them.

The rest of YAML is an error: nesting, tags, aliases, several documents. So no file can take much more memory than it
has bytes, whoever wrote it, and every error has a line number.
"""

from collections.abc import Iterator
from typing import Any

import yaml
from yaml.constructor import SafeConstructor
from yaml.resolver import Resolver

MOST_VALUES = 200_000  # reading more would take longer than anybody waits
LONGEST_NUMBER = 40  # characters; anything longer is not meant to be a number
RESOLVER: Any = Resolver()  # decides what a plain word is: a number, a truth value, ...
CONSTRUCTOR: Any = SafeConstructor()  # turns such a word into a Python value
LIST_OR_VALUE = "a word, a number or a list of them in [brackets]"


class YamlError(ValueError):
    """An error in YAML, with the number of its line."""

    def __init__(self, line: int, what: str) -> None:
        super().__init__(f"line {line}: {what}.")


class Values(dict[str, Any]):
    """The values of a text by name. `lines` are the numbers of the lines on which the names stand."""

    def __init__(self) -> None:
        self.lines: dict[str, int] = {}


def loads(text: str) -> Values:
    """Return the values by name; an empty text has none. Raises YamlError."""
    try:
        return _document(_counted(yaml.parse(text, yaml.SafeLoader)))
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise YamlError(line, f"the character U+{error.character:04X} has no place in YAML") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        at = f" at column {mark.column + 1}" if mark else ""
        raise YamlError(mark.line + 1 if mark else 1, f"this is not YAML{at}: {error.problem}") from None


def _counted(events: Iterator[Any]) -> Iterator[Any]:
    """Pass on the events of the parser, but raise YamlError when there are too many."""
    for count, event in enumerate(events):
        if count > MOST_VALUES:
            raise _bad(event, f"here are more than {MOST_VALUES:,} names and values; name directories, not their files")
        yield event


def _document(events: Iterator[Any]) -> Values:
    """Return the mapping that the whole text is."""
    values = Values()
    documents = 0
    for event in events:
        if isinstance(event, yaml.DocumentStartEvent):
            documents += 1
            if documents > 1:
                raise _bad(event, "a second document begins here; there must be one only")
        elif isinstance(event, yaml.MappingStartEvent):
            _check_plain(event)
            values = _mapping(events)
        elif isinstance(event, yaml.NodeEvent) and not (isinstance(event, yaml.ScalarEvent) and not event.value):
            raise _bad(event, "here must be `option: value` lines, like `cell: gru`")
    return values


def _mapping(events: Iterator[Any]) -> Values:
    """Return a mapping, up to the event that ends it."""
    values = Values()
    for key in events:
        if isinstance(key, yaml.MappingEndEvent):
            break
        if not isinstance(key, yaml.ScalarEvent):
            raise _bad(key, "here must be the name of an option")
        _check_plain(key)
        if key.value in values:
            raise _bad(key, f"the option {key.value[:40]!r} comes twice")
        values.lines[key.value] = _line(key)
        event = next(events)
        values[key.value] = _list(events) if isinstance(event, yaml.SequenceStartEvent) else None
        _check_plain(event)
        if values[key.value] is None:
            values[key.value] = _scalar(event)
    return values


def _list(events: Iterator[Any]) -> list[Any]:
    """Return a list of plain values, up to the event that ends it."""
    values = []
    for event in events:
        if isinstance(event, yaml.SequenceEndEvent):
            break
        _check_plain(event)
        values.append(_scalar(event))
    return values


def _check_plain(event: Any) -> None:
    """Raise YamlError for anchors, aliases and tags, with which a value could mean something else."""
    if isinstance(event, yaml.AliasEvent) or event.anchor is not None:
        raise _bad(event, "anchors (&) and aliases (*) have no place here; write the value out, or put it in quotes")
    if event.tag is not None:
        raise _bad(event, "tags (!) have no place here; write the value alone, or put it in quotes")


def _scalar(event: Any) -> str | int | float | bool | None:
    """Return a plain value. What YAML would take for a date stays a text."""
    if not isinstance(event, yaml.ScalarEvent):
        raise _bad(event, f"the value of an option is {LIST_OR_VALUE}")
    text: str = event.value
    if "\0" in text or any("\ud800" <= c <= "\udfff" and not "\udc80" <= c <= "\udcff" for c in text):
        raise _bad(event, "here is a character that no text and no file name can hold")  # PEP 383 has the exceptions
    if event.style:  # in quotes, or a block
        return text
    node = yaml.ScalarNode(RESOLVER.resolve(yaml.ScalarNode, text, (True, False)), text)
    kind = node.tag.rpartition(":")[2]
    if kind == "null":
        return None
    if kind not in ("int", "float", "bool"):
        return text  # dates too
    if len(text) > LONGEST_NUMBER:
        raise _bad(event, f"a number of {len(text):,} characters is too long; put it in quotes if it is none")
    try:
        value: int | float | bool = getattr(CONSTRUCTOR, f"construct_yaml_{kind}")(node)
    except (ValueError, OverflowError):
        raise _bad(event, f"{text!r} is no number that can be read; put it in quotes if it is none") from None
    return value


def _bad(event: Any, what: str) -> YamlError:
    """Return the error for an event, with the number of its line."""
    return YamlError(_line(event), what)


def _line(event: Any) -> int:
    """Return the number of the line on which an event begins."""
    return int(event.start_mark.line) + 1
