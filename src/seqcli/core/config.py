"""The configuration of a run: one frozen, typed dataclass. Every option of `train` is a field here.

The command line, the YAML keys, the checks and the help are all made from these fields; there is no second list.
A default of None means "chosen from the data, the machine and the budget"; what was chosen is printed and saved.

The fields are of the standard library, so that a shell's completion and a page of help are there at once. Pydantic, which
checks values by them, and YAML are imported when there is something to check or to read.
"""

import dataclasses
import difflib
import os
from functools import cache
from pathlib import Path
from reprlib import Repr
from typing import Annotated, Any, Literal, get_args

from seqcli.core.files import read_small
from seqcli.errors import ConfigError

PANELS = (
    "Data",
    "Tokens",
    "Model",
    "Translation",
    "Labels",
    "Vectors",
    "Budget",
    "Optimization",
    "Reports",
    "Machine",
)
TASKS = ("lm", "translate", "tag", "classify", "embed")
RECURRENT = "lm translate tag classify"
SHORT = Repr()  # a value of a file, for a sentence: never longer than a line or two
SHORT.maxstring, SHORT.maxother, SHORT.maxlevel = 80, 80, 2


def option(panel: str, help: str, default: Any = None, *, auto: str | None = None, only: str | None = None) -> Any:
    """A field with its help panel; `auto` says in words what a default of None becomes, `only` (one task or several,
    with spaces between) which tasks it is for."""
    return dataclasses.field(default=default, metadata={"panel": panel, "help": help, "auto": auto, "only": only})


@dataclasses.dataclass(frozen=True)
class Limits:
    """Between which numbers a field may be: from, above, below, up to."""

    ge: float | None = None
    gt: float | None = None
    lt: float | None = None
    le: float | None = None

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:
        """How pydantic learns them: its schema of a number has the same four names."""
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


Positive = Annotated[int, Limits(ge=1, le=10**12)]
Fraction = Annotated[float, Limits(ge=0, lt=1)]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """Everything that a training depends on. Raises ConfigError with a sentence for every value that cannot be."""

    # fmt: off
    task: Literal["lm", "translate", "tag", "classify", "embed"] | None = option("Data", "What to learn.", auto="from the file's name: .txt is lm, .tsv translate, .conllu tag, .csv classify")
    files: tuple[str, ...] = option("Data", "Text files and directories of .txt files; .tsv files of pairs or of texts and labels; .conllu files.", ())
    source: str | None = option("Data", "Sources, one a line, of a pair of files.", only="translate")
    target: str | None = option("Data", "Their translations, line by line.", only="translate")
    skip_bad_lines: bool = option("Data", "Pass over lines that are not as they should be, and count them.", False, only="translate classify")
    column: Literal["upos", "xpos", "feats"] = option("Data", "The column of a CoNLL-U file that is learnt.", "upos", only="tag")
    text_column: str | None = option("Data", "The column of the texts, in a CSV or TSV file with a header.", auto="the first column of a file without one", only="classify")
    label_column: str | None = option("Data", "The column of the labels, in a file with a header.", auto="the second column of a file without one", only="classify")
    unit: Literal["stream", "line"] = option("Data", "Read the files as one long text, or every line as a sequence of its own.", "stream", only="lm")
    valid: str | None = option("Data", "Validate on this file instead of a part of the training data.")
    valid_split: Fraction | None = option("Data", "Part of the data kept for validation: the end of a text, some of the lines or pairs.", auto="0.1; for embed 0")
    valid_tokens: Annotated[int, Limits(ge=0)] = option("Data", "Validate on at most so many tokens (0: all).", 200_000)
    test: str | None = option("Data", "Measure the finished model on this file.")
    invalid_utf8: Literal["error", "replace"] = option("Data", "Stop at bytes that are not UTF-8, or read them as U+FFFD.", "error")

    tokens: Literal["char", "byte", "word", "bpe"] | None = option("Tokens", "The tokenizer.", auto="char; for translate bpe where words recur, word where they are few and always the same; word for tag, embed, and classify where texts are not names")
    joint_tokens: bool | None = option("Tokens", "One tokenizer and one embedding for both sides.", auto="with bpe", only="translate")
    normalize: Literal["nfc", "nfd", "nfkc", "none"] = option("Tokens", "Unicode normalization before tokenizing (char, word, bpe).", "nfc")
    lowercase: bool | None = option("Tokens", "Lower-case words (word).", auto="for tag and classify")
    min_count: Positive | None = option("Tokens", "Rarer words (word) or characters (char) become <unk>.", auto="5 for embed, else 1")
    vocab_size: Annotated[int, Limits(ge=8)] | None = option("Tokens", "Largest vocabulary (word, bpe), special tokens included.", auto="30000 for word, 4000 for bpe, by the data for translate, all for embed")

    cell: Literal["rnn", "gru", "lstm"] = option("Model", "The recurrent cell.", "lstm", only=RECURRENT)
    hidden: Positive | None = option("Model", "Hidden units in a layer.", auto="128 to 768, by data and speed; 256 for tag, 128 or 256 for translate and classify", only=RECURRENT)
    layers: Annotated[int, Limits(ge=1, le=100)] = option("Model", "Layers in the stack.", 1, only=RECURRENT)
    bidirectional: bool | None = option("Model", "A second pass from the end (never for lm).", auto="for translate's encoder, tag and classify", only=RECURRENT)
    encoding: Literal["embedding", "one-hot"] = option("Model", "How ids enter the network.", "embedding", only=RECURRENT)
    embedding_dim: Positive | None = option("Model", "Width of the embedding.", auto="by task and vocabulary; as --hidden with --tie; 100 for embed")
    tie: bool | None = option("Model", "Share the embedding with the output layer.", auto="for translate", only="lm translate")
    dropout: Fraction | None = option("Model", "Dropout between layers and before the output.", auto="0 to 0.5, by passes over the data", only=RECURRENT)
    loss: Literal["cross-entropy", "mse"] = option("Model", "Training loss; mse compares raw outputs with the one-hot target.", "cross-entropy", only="lm")

    attention: Literal["none", "dot", "general", "concat", "scaled-dot"] = option("Translation", "How a decoder state is scored against the encoder's.", "general", only="translate")
    input_feeding: bool = option("Translation", "Feed each step's attentional vector to the next one; slower.", False, only="translate")
    context: Literal["first", "every-step"] = option("Translation", "Where the encoder's last state goes: the decoder's first state, or every step too.", "first", only="translate")
    reverse_source: bool = option("Translation", "Read the source from its end.", False, only="translate")
    teacher_forcing: Annotated[float, Limits(ge=0, le=1)] = option("Translation", "Part of the decoder's inputs that is the reference, towards the end of training; the rest are its own predictions.", 1.0, only="translate")
    teacher_forcing_schedule: Literal["linear", "sigmoid", "constant"] = option("Translation", "How that part falls from 1.", "linear", only="translate")
    max_length: Positive | None = option("Translation", "Drop pairs with a side of more tokens; read texts to be labelled only so far.", auto="for translate enough for all pairs but a few outliers; for classify 400, and 1000 for char and byte", only="translate classify")

    characters: Literal["lstm", "affixes", "none"] = option("Labels", "What is seen of a word beside the word: a BiLSTM over its characters, its first and last ones, nothing.", "lstm", only="tag")
    crf: bool = option("Labels", "A linear-chain conditional random field over the tags, instead of each by itself.", False, only="tag")
    pool: Literal["last", "mean", "max", "mean-max", "attention"] = option("Labels", "How the outputs over a text become one vector.", "mean-max", only="classify")
    many_labels: bool = option("Labels", "Train also where the labels are many numbers, or almost as many as the texts.", False, only="classify")
    class_weights: Literal["none", "balanced"] = option("Labels", "balanced: rare labels weigh as much as frequent ones.", "none", only="classify")
    word_dropout: Fraction | None = option("Labels", "Part of the tokens that become <unk> in training.", auto="by the data", only="tag classify")

    vectors: str | None = option("Vectors", "Start the embedding from this file of word vectors: GloVe, word2vec or fastText.", only=RECURRENT)
    freeze_vectors: bool = option("Vectors", "Do not train the vectors that were found there.", False, only=RECURRENT)
    objective: Literal["skipgram", "cbow"] = option("Vectors", "skipgram: a word tells its neighbours; cbow: they tell the word.", "skipgram", only="embed")
    negatives: Annotated[int, Limits(ge=0)] | None = option("Vectors", "Negative samples a word; 0 is the full softmax.", auto="5; 0 for a vocabulary of less than 100 words", only="embed")
    subsample: Annotated[float, Limits(ge=0)] = option("Vectors", "Words of a greater part of the text than this are thinned out (0: none).", 1e-3, only="embed")

    epochs: Annotated[float, Limits(gt=0)] | None = option("Budget", "Stop after so many passes over the data.", auto="with --minutes, as many as the data bears; for embed 5")
    steps: Positive | None = option("Budget", "Stop after so many optimizer updates.")
    minutes: Annotated[float, Limits(gt=0)] | None = option("Budget", "Train for about so long: steps are planned by the speed here.", auto="3 when no budget is given")
    select: Literal["loss", "bleu", "chrf", "exact", "accuracy", "f1"] | None = option("Budget", "The validation figure that the best model is chosen by: bleu, chrf, exact for translate; accuracy, f1 for tag and classify.", auto="accuracy for tag and classify, else the loss", only="translate tag classify")
    patience: Annotated[int, Limits(ge=0)] = option("Budget", "Stop after so many evaluations without a better one (0: never).", 0)

    batch_size: Positive | None = option("Optimization", "Sequences trained side by side.", auto="by task, data and budget")
    batch_tokens: Positive | None = option("Optimization", "Tokens in a batch, instead of --batch-size.", auto="1000 for translate", only="translate tag classify")
    window: Positive | None = option("Optimization", "Tokens of one truncated-BPTT step; with --unit line, the longest line; for embed, how far a word sees to each side.", auto="64; 256 with --unit line; 5 for embed", only="lm embed")
    optimizer: Literal["muon", "adamw", "sgd", "rmsprop", "adagrad"] | None = option("Optimization", "muon: orthogonalized momentum for the recurrent matrices, adamw for the rest.", auto="muon; sgd for embed, always")
    lr: Annotated[float, Limits(gt=0)] | None = option("Optimization", "Peak learning rate.", auto="by optimizer; for embed by objective and epochs")
    schedule: Literal["linear", "cosine", "constant", "plateau", "step"] = option("Optimization", "How the learning rate falls after the warm-up.", "linear")
    warmup: Annotated[int, Limits(ge=0)] | None = option("Optimization", "Steps of linear warm-up, at most a tenth of the run.", auto="50; 0 for embed")
    clip: Annotated[float, Limits(ge=0)] = option("Optimization", "Clip the gradient's norm (0: never).", 1.0, only=RECURRENT)
    weight_decay: Annotated[float, Limits(ge=0)] | None = option("Optimization", "Weight decay, on matrices only.", auto="0.1 for muon and adamw, else 0", only=RECURRENT)
    label_smoothing: Fraction | None = option("Optimization", "Label smoothing of the training loss.", auto="0.1 for translate, else 0", only=RECURRENT)
    average_decay: Fraction | None = option("Optimization", "Evaluate and save exponentially averaged weights (0: off).", auto="over the last 3 % of the run", only=RECURRENT)
    average: Annotated[int, Limits(ge=0)] = option("Optimization", "At the end, try the mean of so many of the best evaluated weights (0: no).", 0)
    seed: Annotated[int, Limits(ge=0, lt=2**63)] = option("Optimization", "Seed of every random choice.", 1)

    log_every: Positive | None = option("Reports", "Steps between log points.", auto="10, or about 100 in a run")
    eval_every: Positive | None = option("Reports", "Steps between evaluations.", auto="at most 20 in a run, about 5 % of its time")
    save_every: Positive | None = option("Reports", "Steps between checkpoints.", auto="every half minute or so")
    keep: Positive = option("Reports", "Checkpoints kept to resume from.", 2)
    sample_every: Annotated[int, Limits(ge=0)] | None = option("Reports", "Steps between short samples (0: none).", auto="five in a run")

    device: Literal["auto", "cpu", "cuda", "mps"] = option("Machine", "Where to compute.", "auto")
    precision: Literal["auto", "fp32", "bf16", "fp16"] = option("Machine", "Arithmetic of the products; parameters stay fp32.", "auto")
    threads: Annotated[int, Limits(ge=0, le=1024)] = option("Machine", "Processor threads (0: OMP_NUM_THREADS, or all cores; for embed one, beside one that reads ahead).", 0)
    # fmt: on

    def __post_init__(self) -> None:
        for name, value in _checked(self.as_dict()).items():
            object.__setattr__(self, name, value)

    def as_dict(self) -> dict[str, Any]:
        """The values by the names of the fields."""
        return {name: getattr(self, name) for name in FIELDS}

    @property
    def held_out(self) -> float:
        """The part of the data kept for validation, where nothing else is said."""
        return 0.1 if self.valid_split is None else self.valid_split

    def with_(self, **changes: Any) -> "Config":
        """The same configuration with some fields changed, checked again."""
        return build({**self.as_dict(), **changes})

    def to_yaml(self) -> str:
        """YAML that `--config` reads back to an equal configuration, in panels, each key with its help."""
        import yaml

        end = "...\n"  # how YAML closes a lone scalar
        lines = ["# seqcli train --config FILE reads this back; the command line wins over it."]
        for panel in PANELS:
            lines.append(f"\n# {panel}")
            for name, field in FIELDS.items():
                if panel_of(field) == panel:
                    value = getattr(self, name)
                    value = list(value) if isinstance(value, tuple) else value
                    flow = yaml.safe_dump(value, default_flow_style=True, width=10**6, allow_unicode=True)
                    text = f"{name}: {flow.removesuffix(end).strip()}"
                    lines.append(f"{text:<32} # {help_of(field)}")
        return "\n".join(lines) + "\n"


Field = dataclasses.Field[Any]
FIELDS: dict[str, Field] = {field.name: field for field in dataclasses.fields(Config)}


def panel_of(field: Field) -> str:
    """The help panel of a field."""
    return str(field.metadata["panel"])


def help_of(field: Field) -> str:
    """What a field is, in one line."""
    return str(field.metadata["help"])


def auto_of(field: Field) -> str | None:
    """What a default of None becomes, in words."""
    auto = field.metadata["auto"]
    return None if auto is None else str(auto)


def tasks_of(field: Field) -> tuple[str, ...]:
    """The tasks that a field is for."""
    only = field.metadata["only"]
    return TASKS if only is None else tuple(str(only).split())


def option_name(field: str) -> str:
    """`batch_size` -> `--batch-size`."""
    return "--" + field.replace("_", "-")


def build(values: dict[str, Any], where: str = "") -> Config:
    """A checked Config; every wrong name, type and range is reported at once in one ConfigError."""
    if not isinstance(values, dict):
        raise ConfigError(f"{where or 'A configuration'} must be a mapping from options to values.")
    given = {str(key).replace("-", "_"): value for key, value in values.items()}
    strange = [name for name in given if name not in FIELDS]
    problems = [f"there is no option {SHORT.repr(name)}.{nearest(name[:100], list(FIELDS))}" for name in strange]
    try:
        config = Config(**{name: value for name, value in given.items() if name in FIELDS})
    except ConfigError as error:
        problems += str(error).split("\n")
    if problems:
        raise ConfigError("\n".join(f"{where}: {problem}" if where else problem for problem in problems))
    return config


@cache
def _checker() -> Any:
    """The fields as a model of pydantic's, which turns values into those of the fields' types and finds what is wrong."""
    from pydantic import ConfigDict, create_model

    fields: dict[str, Any] = {name: (field.type, field.default) for name, field in FIELDS.items()}
    return create_model("Options", __config__=ConfigDict(allow_inf_nan=False), **fields)


def _checked(values: dict[str, Any]) -> dict[str, Any]:
    """The values, each of its field's type. Raises ConfigError with a sentence for every one that cannot be."""
    from pydantic import ValidationError

    try:
        return dict(_checker()(**values))
    except ValidationError as error:
        wrong = dict.fromkeys(str(e["loc"][0]) for e in error.errors())
    raise ConfigError("\n".join(refusal(option_name(name), values[name], FIELDS[name].type) for name in wrong))


SELECTS = {"translate": ("loss", "bleu", "chrf", "exact"), "tag": ("loss", "accuracy", "f1")}
SELECTS["classify"] = SELECTS["tag"]


def check_task(config: Config, task: str) -> None:
    """Raises ConfigError when something is set that another task is for."""
    wrong = [
        f"{option_name(name)} is for --task {' and '.join(tasks_of(field))}, but this is {task}."
        for name, field in FIELDS.items()
        if task not in tasks_of(field) and getattr(config, name) != field.default
    ]
    if config.batch_size and config.batch_tokens:
        wrong.append("Give --batch-size or --batch-tokens, not both: each says how large a batch is.")
    if config.select and config.select not in SELECTS.get(task, (config.select,)):
        wrong.append(f"--select {config.select} is not for {task}, but one of {', '.join(SELECTS[task])}.")
    if wrong:
        raise ConfigError("\n".join(wrong))


def nearest(name: str, choices: list[str] | tuple[str, ...]) -> str:
    """' Did you mean X?' for the choice nearest in spelling, or nothing."""
    close = difflib.get_close_matches(name, choices, n=1, cutoff=0.5)
    return f" Did you mean {close[0]}?" if close else ""


def refusal(option: str, got: Any, annotation: Any) -> str:
    """The sentence for a value that an option of this type cannot have."""
    must = f"{option} is {SHORT.repr(got)}, but must be {in_words(annotation)}."
    return must + nearest(SHORT.repr(got).strip("'"), choices_in(annotation))


def in_words(annotation: Any) -> str:
    """What a value of this type is: `Annotated[int, Limits(ge=1)] | None` -> "a whole number of at least 1"."""
    if choices := choices_in(annotation):
        return f"one of {', '.join(choices)}"
    kind, *others = parts(annotation)
    words = {int: "a whole number", float: "a number", bool: "true or false", str: "a text"}
    limits = [str(part) for part in others if isinstance(part, Limits)]
    return " ".join(filter(None, [words.get(kind, "a list of texts"), *limits]))


def choices_in(annotation: Any) -> tuple[str, ...]:
    """The choices of a type with a closed set of them, else ()."""
    args = get_args(parts(annotation)[0])
    return tuple(args) if all(isinstance(arg, str) for arg in args) else ()


def choices_of(field: Field) -> tuple[str, ...]:
    """The choices of a field with a closed set of them, else ()."""
    return choices_in(field.type)


def parts(annotation: Any) -> list[Any]:
    """A type, None left out, and then what it is annotated with: `Annotated[int, limits] | None` -> [int, limits]."""
    if hasattr(annotation, "__metadata__"):
        return [*parts(annotation.__origin__), *annotation.__metadata__]
    args = get_args(annotation)
    return parts(args[0]) if type(None) in args else [annotation]


def read_yaml(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The options in a YAML file. Raises ConfigError when it is missing, cannot be read, or holds anything else."""
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
