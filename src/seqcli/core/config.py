"""How options are defined: fields that become command-line flags, YAML keys, checks and help. No task is named here.

Every task has a class of options in its own folder, whose fields are made by `option`. The command line, the YAML keys,
the checks and the help are all derived from these fields; there is no second list. A default of None means that the
value is chosen from the data, the machine and the budget. A task's plan is its options with all of that decided.

The fields are those of standard dataclasses, so that shell completion and help appear at once. Pydantic, which checks
values, and YAML are imported only when there is something to check or to read.
"""

import dataclasses
import difflib
import os
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from pathlib import Path
from reprlib import Repr
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, TypeVar, get_args, get_origin

from seqcli.core.files import read_small
from seqcli.errors import ConfigError

if TYPE_CHECKING:
    from typing_extensions import dataclass_transform
else:

    def dataclass_transform(**_: object) -> Callable[[Any], Any]:
        """Stand in at run time for the real one, which only type checkers need."""
        return lambda decorator: decorator


PANELS = (
    "Data",
    "Tokens",
    "Model",
    "Translation",
    "Labels",
    "Series",
    "Vectors",
    "Budget",
    "Optimization",
    "Reports",
    "Machine",
)
SCHEMA_FILE = "seqcli.schema.json"  # our YAML files tell editors to look for their schema in this file beside them
SHORT = Repr()  # a shortened repr, so that a value from a file makes no sentence longer than a line or two
SHORT.maxstring, SHORT.maxother, SHORT.maxlevel = 80, 80, 2
LONGEST_NAME = 100  # letters of an unknown name that are compared with those that are known

Field = dataclasses.Field[Any]
AnyOptions = TypeVar("AnyOptions", bound="Options")
Class = TypeVar("Class")

# --- fields ---------------------------------------------------------------------------------------------------------


def option(panel: str, help: str, default: Any = None, *, auto: str | None = None) -> Any:
    """Define a field of a class of options.

    It is shown in the help panel `panel` and described by `help`, one line. `auto` says in words what a default of None
    becomes.
    """
    return dataclasses.field(default=default, metadata={"panel": panel, "help": help, "auto": auto})


def again(base: "type[Options]", name: str, default: Any = None, *, auto: str | None = None) -> Any:
    """Define a field that `base` has too, with another type or default. Panel and help are taken from there."""
    known = fields_of(base)[name].metadata
    return option(known["panel"], known["help"], default, auto=auto)


def decided() -> Any:
    """Define a field of a plan whose option may be left open. The plan has no default for it; the rest is inherited."""
    return dataclasses.field(metadata={"panel": None, "help": None, "auto": None})


def panel_of(field: Field) -> str:
    """Return the name of a field's help panel."""
    return str(field.metadata["panel"])


def help_of(field: Field) -> str:
    """Return the description of a field, one line."""
    return str(field.metadata["help"])


def default_in_words(field: Field) -> str | None:
    """Return in words what the value is if none is given, or None if there is nothing to show."""
    if field.metadata["auto"] is not None:
        return str(field.metadata["auto"])
    if isinstance(field.default, bool):
        return "on" if field.default else None
    if isinstance(field.default, float):
        return f"{field.default:g}"
    return None if field.default in (None, ()) else str(field.default)


def choices_of(field: Field) -> tuple[str, ...]:
    """Return the choices of a field that has a fixed set of them, otherwise ()."""
    return choices_in(field.type)


def option_name(field: str) -> str:
    """Return the flag of a field: `--batch-size` for `batch_size`."""
    return "--" + field.replace("_", "-")


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(option, again, decided))
def options(cls: type[Class]) -> type[Class]:
    """Turn a class into a frozen dataclass of options. A field that the class defines replaces an inherited one.

    Of several bases that define a field, the first in the method resolution order wins, as for any attribute. A plain
    dataclass would collect all fields of each base in turn, including inherited ones, and so let the wrong base win.
    """
    own = {name: kind for name, kind in vars(cls).get("__annotations__", {}).items() if not _is_of_class(kind)}
    merged: dict[str, Any] = {}
    inherited: dict[str, Field] = {}
    for base in reversed(cls.__mro__[1:]):
        defined = vars(base).get("__defined__", {})  # the annotations that the base does not inherit itself
        merged |= defined
        inherited |= {name: vars(base)["__dataclass_fields__"][name] for name in defined}
    for name, field in inherited.items():
        mine = vars(cls).get(name)
        if name not in own:
            setattr(cls, name, dataclasses.field(default=field.default, metadata=field.metadata))
        elif isinstance(mine, dataclasses.Field) and mine.metadata["help"] is None:  # made by `decided`
            setattr(cls, name, dataclasses.field(default=mine.default, metadata={**field.metadata, "auto": None}))
    cls.__annotations__ = merged | own
    cls.__defined__ = own  # type: ignore[attr-defined]  # read above, of the bases of another class
    # The methods are those of Options: to generate them for every class takes time that a completion does not have.
    return dataclasses.dataclass(init=False, kw_only=True, repr=False, eq=False)(cls)


def _is_of_class(kind: Any) -> bool:
    """Return whether an annotation is a ClassVar."""
    return getattr(kind, "__origin__", None) is ClassVar


def fields_of(cls: "type[Options]") -> dict[str, Field]:
    """Return the fields of a class of options by name."""
    return {field.name: field for field in dataclasses.fields(cls)}  # type: ignore[arg-type]  # made by `options`


# --- values ---------------------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Limits:
    """The limits of a number: at least `ge`, above `gt`, below `lt`, at most `le`."""

    ge: float | None = None
    gt: float | None = None
    lt: float | None = None
    le: float | None = None

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:
        """Give the limits to pydantic, whose schema of a number has the same four names."""
        return {**handler(source), **{k: v for k, v in dataclasses.asdict(self).items() if v is not None}}

    def __contains__(self, number: float) -> bool:
        beyond = (
            self.ge is not None and not number >= self.ge,
            self.gt is not None and not number > self.gt,
            self.lt is not None and not number < self.lt,
            self.le is not None and not number <= self.le,
        )
        return not any(beyond)

    def __str__(self) -> str:
        def plain(number: float) -> str:
            return f"{int(number):,}" if number == int(number) else str(number)

        if self.ge is not None and self.le is not None:
            return f"from {plain(self.ge)} to {plain(self.le)}"
        words = (("of at least", self.ge), ("above", self.gt), ("below", self.lt), ("of at most", self.le))
        return " and ".join(f"{word} {plain(number)}" for word, number in words if number is not None)


@dataclasses.dataclass(frozen=True)
class OneOf:
    """The choices of a text field: the names in a registry, looked up at the time when they are needed."""

    registry: Callable[[], Iterable[str]]

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:
        """Let pydantic check that a value is one of the choices."""
        from pydantic_core import core_schema

        def known(value: str) -> str:
            if value not in self.registry():
                raise ValueError("not among the choices")
            return value

        return core_schema.no_info_after_validator_function(known, handler(source))

    def __get_pydantic_json_schema__(self, core_schema: Any, handler: Any) -> dict[str, Any]:
        """Return the JSON schema of the field, with the list of its choices."""
        return {**handler(core_schema), "enum": list(self.registry())}


Positive = Annotated[int, Limits(ge=1, le=10**12)]
Fraction = Annotated[float, Limits(ge=0, lt=1)]


class Options:
    """The base of all classes of options. All options are frozen; `with_` makes a changed copy.

    Making one raises ConfigError, with a sentence for every value that is not allowed.
    """

    def __init__(self, **values: Any) -> None:
        """Take values by the names of the fields.

        Raises TypeError for other names, and when a field without a default has no value.
        """
        known = fields_of(type(self))
        if strange := values.keys() - known.keys():
            raise TypeError(f"{type(self).__name__} has no field {min(strange)!r}")
        for name, field in known.items():
            value = values.get(name, field.default)
            if value is dataclasses.MISSING:
                raise TypeError(f"{type(self).__name__} needs a value of {name!r}")
            object.__setattr__(self, name, value)
        self.__post_init__()

    def __setattr__(self, name: str, value: object) -> None:
        raise dataclasses.FrozenInstanceError(f"cannot assign to field {name!r}")

    def __delattr__(self, name: str) -> None:
        raise dataclasses.FrozenInstanceError(f"cannot delete field {name!r}")

    def __post_init__(self) -> None:
        values, known = self.as_dict(), fields_of(type(self))
        right, wrong = _checked(type(self), values)
        if wrong:
            raise ConfigError("\n".join(refusal(option_name(name), values[name], known[name].type) for name in wrong))
        for name, value in right.items():
            object.__setattr__(self, name, value)

    def __repr__(self) -> str:
        known = fields_of(type(self))
        said = {name: value for name, value in self.as_dict().items() if value != known[name].default}
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in said.items())})"

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and isinstance(other, Options) and self.as_dict() == other.as_dict()

    def __hash__(self) -> int:
        return hash((type(self), *self.as_dict().values()))

    def as_dict(self) -> dict[str, Any]:
        """Return the values by the names of the fields."""
        return {name: getattr(self, name) for name in fields_of(type(self))}

    def with_(self: AnyOptions, **changes: Any) -> AnyOptions:
        """Return the same options with some fields changed, checked again. Raises ConfigError for an unknown name."""
        known = fields_of(type(self))
        several = {name for name in changes if name in known and get_origin(known[name].type) is tuple}
        given = {name: listed(value) if name in several else value for name, value in changes.items()}
        return made(type(self), {**self.as_dict(), **without_paths(given)})

    def to_yaml(self) -> str:
        """Return YAML that `--config` reads back to equal options. Keys are grouped in panels, each with its help."""
        import yaml

        end = "...\n"  # YAML writes this after a single scalar
        lines = [
            f"# yaml-language-server: $schema={SCHEMA_FILE}",  # editors complete and check by it, if the file exists
            "# seqcli train --config FILE reads this back; the command line wins over it.",
        ]
        for panel in PANELS:
            known = {name: field for name, field in fields_of(type(self)).items() if panel_of(field) == panel}
            lines += [f"\n# {panel}"] if known else []
            for name, field in known.items():
                value = getattr(self, name)
                value = list(value) if isinstance(value, tuple) else value
                flow = yaml.safe_dump(value, default_flow_style=True, width=10**6, allow_unicode=True)
                text = f"{name}: {flow.removesuffix(end).strip()}"
                lines.append(f"{text:<32} # {help_of(field)}")
        return "\n".join(lines) + "\n"


def made(cls: type[AnyOptions], values: Mapping[str, Any], beside: Iterable[str] = ()) -> AnyOptions:
    """Make options of this class from values by name.

    Raises ConfigError, which lists all wrong values and unknown names. For an unknown name it suggests the most similar
    one of the fields and of `beside`, the other arguments that the caller accepts.
    """
    known = fields_of(cls)
    problems = [unknown_option(name, (*known, *beside)) for name in values if name not in known]
    kept = {name: value for name, value in values.items() if name in known}
    problems += [refusal(option_name(name), kept[name], known[name].type) for name in wrong_values(cls, kept)]
    if problems:
        raise ConfigError("\n".join(problems))
    return cls(**kept)


def no_others(others: Iterable[str], known: Iterable[str]) -> None:
    """Raise ConfigError, which suggests the most similar known name, if there are any `others`.

    `others` are the unknown keyword arguments of a function that people call. So a misspelled name gets the same
    sentence, whether it is an option or an argument.
    """
    choices = tuple(known)
    if problems := [unknown_option(name, choices) for name in others]:
        raise ConfigError("\n".join(problems))


def listed(value: Any) -> Any:
    """Return one path, or several, as a tuple of texts. Any other value is returned unchanged, and refused later."""
    if isinstance(value, (str, os.PathLike)):
        return (os.fspath(value),)
    if isinstance(value, Iterable) and not isinstance(value, (bytes, Mapping)):
        return tuple(os.fspath(part) if isinstance(part, os.PathLike) else part for part in value)
    return value


def without_paths(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values with every path replaced by its text, since there are no paths in YAML."""
    return {name: os.fspath(value) if isinstance(value, os.PathLike) else value for name, value in values.items()}


def _make_checker(cls: type[Options]) -> Any:
    """Make a pydantic model with the same fields, which converts values to the fields' types and finds wrong ones."""
    from pydantic import ConfigDict, create_model

    fields: dict[str, Any] = {
        name: (field.type, ... if field.default is dataclasses.MISSING else field.default)
        for name, field in fields_of(cls).items()
    }
    return create_model(cls.__name__, __config__=ConfigDict(allow_inf_nan=False), **fields)


_checker: Any = cache(_make_checker)


def _checked(cls: type[Options], values: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Return the values converted to the types of their fields, and the names of those that are not allowed; the values
    are empty if there are any."""
    from pydantic import ValidationError

    known = fields_of(cls)
    # In Python True is also the number 1, but as an option it is a mistake where a number is expected.
    switched = [n for n, v in values.items() if isinstance(v, bool) and parts(known[n].type)[0] in (int, float)]
    if switched:
        return {}, switched
    try:
        return dict(_checker(cls)(**values)), []
    except ValidationError as error:
        found = dict.fromkeys(str(e["loc"][0]) for e in error.errors())
    return {}, [name for name in found if name in values]


def wrong_values(cls: type[Options], values: Mapping[str, Any]) -> list[str]:
    """Return the names of the values that are not allowed."""
    return _checked(cls, values)[1]


def json_schema(cls: type[Options]) -> dict[str, Any]:
    """Return the JSON schema of a class of options. The description of a property is its help and its default."""
    schema: dict[str, Any] = _checker(cls).model_json_schema()
    for name, field in fields_of(cls).items():
        shown, known = default_in_words(field), schema["properties"][name]
        known.pop("title", None)
        if known.get("default") is None:  # chosen by the data, so there is nothing for an editor to fill in
            known.pop("default", None)
        known["description"] = help_of(field) + (f" Default: {shown}." if shown else "")
    return schema


# --- sentences ------------------------------------------------------------------------------------------------------


def nearest(name: str, choices: Iterable[str]) -> str:
    """Return " Did you mean X?" with the choice that is most similar in spelling, or "" if none is similar."""
    known = {choice.lower(): choice for choice in choices}
    close = difflib.get_close_matches(name.lower(), list(known), n=1, cutoff=0.5)
    return f" Did you mean {known[close[0]]}?" if close else ""


def unknown_option(name: str, known: Iterable[str]) -> str:
    """Return the error message for an unknown option. It suggests the most similar one of the known names."""
    return f"There is no option {SHORT.repr(name)}.{nearest(name[:LONGEST_NAME], known)}"


def refusal(option: str, got: Any, annotation: Any) -> str:
    """Return the error message for a value that an option of this type cannot have."""
    must = f"{option} is {SHORT.repr(got)}, but must be {in_words(annotation)}."
    return must + nearest(SHORT.repr(got).strip("'"), choices_in(annotation))


def in_words(annotation: Any) -> str:
    """Describe a type in words: `Annotated[int, Limits(ge=1)] | None` is "a whole number of at least 1"."""
    if choices := choices_in(annotation):
        return f"one of {', '.join(choices)}" if len(choices) > 1 else choices[0]
    kind, *others = parts(annotation)
    words = {int: "a whole number", float: "a number", bool: "true or false", str: "a text"}
    limits = [str(part) for part in others if isinstance(part, Limits)]
    return " ".join(filter(None, [words.get(kind, "a list of texts"), *limits]))


def choices_in(annotation: Any) -> tuple[str, ...]:
    """Return the choices of a type that has a fixed set of them, otherwise ()."""
    kind, *others = parts(annotation)
    for other in others:
        if isinstance(other, OneOf):
            return tuple(other.registry())
    args = get_args(kind)
    return tuple(args) if all(isinstance(arg, str) for arg in args) else ()


def parts(annotation: Any) -> list[Any]:
    """Take a type apart: `Annotated[int, limits] | None` gives [int, limits]: the type, and its annotations."""
    if hasattr(annotation, "__metadata__"):
        return [*parts(annotation.__origin__), *annotation.__metadata__]
    args = get_args(annotation)
    return parts(args[0]) if type(None) in args else [annotation]


def and_(words: Iterable[str]) -> str:
    """Join words as in a sentence: "a", "a and b", "a, b and c"."""
    *first, last = words
    return f"{', '.join(first)} and {last}" if first else last


# --- YAML -----------------------------------------------------------------------------------------------------------


def read_yaml(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read options from a YAML file. Raises ConfigError when it is missing, cannot be read, or holds anything else."""
    from seqcli.core import strict_yaml

    try:
        return strict_yaml.loads(read_small(Path(path)).decode("utf-8-sig"))
    except FileNotFoundError:
        raise ConfigError(f"There is no configuration file {path}.") from None
    except OSError as error:
        raise ConfigError(f"The configuration file {path} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{path}, line {line}: byte {error.start} is not UTF-8. Save the file as UTF-8.") from None
    except strict_yaml.YamlError as error:
        raise ConfigError(f"{path}, {error}") from None
