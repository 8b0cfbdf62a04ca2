"""Groups of options that tasks share. The options class of a task inherits from them, and may change defaults."""

from typing import Annotated, Literal

from seqcli.core.cells import CELLS
from seqcli.core.config import Fraction, Limits, OneOf, Options, Positive, option, options

VocabularySize = Annotated[int, Limits(ge=8, le=10**8)]
Length = Annotated[float, Limits(gt=0, le=10**9)]  # of a training, in epochs or minutes
LearningRate = Annotated[float, Limits(gt=0, le=10**12)]


@options
class Data(Options):
    """The data that a training reads."""

    task: str = option("Data", "What to learn.")
    files: tuple[str, ...] = option(
        "Data",
        "Text files and directories of .txt files; .tsv files of pairs or of texts and labels; .conllu files.",
        (),
    )
    valid: str | None = option("Data", "Validate on this file instead of a part of the training data.")
    valid_split: Fraction = option(
        "Data", "Part of the data kept for validation: the end of a text, some of the lines or pairs.", 0.1
    )
    test: str | None = option("Data", "Measure the finished model on this file.")
    invalid_utf8: Literal["error", "replace"] = option(
        "Data", "Stop at bytes that are not UTF-8, or read them as U+FFFD.", "error"
    )

    @property
    def inputs(self) -> tuple[str, ...]:
        """All files of training data."""
        return self.files


@options
class Tokens(Options):
    """How text becomes ids, and how many of them are enough to validate on."""

    valid_tokens: Annotated[int, Limits(ge=0)] = option("Data", "Validate on at most so many tokens (0: all).", 200_000)
    tokens: Literal["char", "byte", "word", "bpe"] | None = option("Tokens", "The tokenizer.")
    normalize: Literal["nfc", "nfd", "nfkc", "none"] = option(
        "Tokens", "Unicode normalization before tokenizing (char, word, bpe).", "nfc"
    )
    lowercase: bool | None = option("Tokens", "Lower-case words (word).", False)
    min_count: Positive = option("Tokens", "Rarer words (word) or characters (char) become <unk>.", 1)
    vocab_size: VocabularySize | None = option(
        "Tokens", "Largest vocabulary (word, bpe), special tokens included.", auto="30000 for word, 4000 for bpe"
    )


@options
class Budget(Options):
    """How long a training lasts. The smallest of epochs, steps and minutes counts."""

    epochs: Length | None = option(
        "Budget", "Stop after so many passes over the data.", auto="with --minutes, as many as the data bears"
    )
    steps: Positive | None = option("Budget", "Stop after so many optimizer updates.")
    minutes: Length | None = option(
        "Budget", "Train for about so long: steps are planned by the speed here.", auto="3 when no budget is given"
    )
    patience: Annotated[int, Limits(ge=0)] = option(
        "Budget", "Stop after so many evaluations without a better one (0: never).", 0
    )


@options
class Optimization(Options):
    """How the weights are updated."""

    batch_size: Positive | None = option(
        "Optimization", "Sequences trained side by side.", auto="by task, data and budget"
    )
    optimizer: Literal["muon", "adamw", "sgd", "rmsprop", "adagrad"] = option(
        "Optimization", "muon: orthogonalized momentum for the recurrent matrices, adamw for the rest.", "muon"
    )
    lr: LearningRate | None = option("Optimization", "Peak learning rate.", auto="by task and optimizer")
    schedule: Literal["linear", "cosine", "constant", "plateau", "step"] = option(
        "Optimization", "How the learning rate falls after the warm-up.", "linear"
    )
    warmup: Annotated[int, Limits(ge=0)] = option(
        "Optimization", "Steps of linear warm-up, at most a tenth of the run.", 50
    )
    average: Annotated[int, Limits(ge=0)] = option(
        "Optimization", "At the end, try the mean of so many of the best evaluated weights (0: no).", 0
    )
    seed: Annotated[int, Limits(ge=0, lt=2**63)] = option("Optimization", "Seed of every random choice.", 1)


@options
class Reports(Options):
    """How often a training reports, evaluates and saves."""

    log_every: Positive | None = option("Reports", "Steps between log points.", auto="10, or about 100 in a run")
    eval_every: Positive | None = option(
        "Reports", "Steps between evaluations.", auto="at most 20 in a run, about 5 % of its time"
    )
    save_every: Positive | None = option("Reports", "Steps between checkpoints.", auto="every half minute or so")
    keep: Positive = option("Reports", "Checkpoints kept to resume from.", 2)
    sample_every: Annotated[int, Limits(ge=0)] | None = option(
        "Reports", "Steps between short samples (0: none).", auto="five in a run"
    )


@options
class Machine(Options):
    """Where to compute, and in which precision."""

    device: Literal["auto", "cpu", "cuda", "mps"] = option("Machine", "Where to compute.", "auto")
    precision: Literal["auto", "fp32", "bf16", "fp16"] = option(
        "Machine", "Arithmetic of the products; parameters stay fp32.", "auto"
    )
    threads: Annotated[int, Limits(ge=0, le=1024)] = option(
        "Machine",
        "Processor threads (0: OMP_NUM_THREADS, or all cores; for embed one, beside one that reads ahead).",
        0,
    )


@options
class TrainingOptions(Data, Budget, Optimization, Reports, Machine):
    """The options of every training."""

    @property
    def chosen_by(self) -> str:
        """The validation metric that the best model is chosen by."""
        return "loss"

    @property
    def lower_is_better(self) -> bool:
        """Whether the best model is the one with the lowest value of that metric, and not with the highest."""
        return self.chosen_by == "loss"

    @property
    def kind(self) -> str:
        """One word for what is trained, which becomes part of the name of the run."""
        return self.task

    @property
    def model_in_words(self) -> str:
        """A short description of the network, for lists of runs."""
        return self.task

    @property
    def network_in_words(self) -> str:
        """A description of the network in detail, for one run."""
        return self.model_in_words

    @property
    def batch_in_words(self) -> str:
        """The size of a batch, in words."""
        return str(self.batch_size)

    @property
    def data_in_words(self) -> str:
        """What the data are counted in, as in "353,500 values"."""
        return "tokens"


@options
class TextOptions(TrainingOptions, Tokens):
    """The options of every training on texts."""

    @property
    def data_in_words(self) -> str:
        return f"{self.tokens} tokens"


@options
class RecurrentOptions(TrainingOptions):
    """The options of every training of a recurrent network."""

    cell: Annotated[str, OneOf(lambda: CELLS)] = option("Model", "The recurrent cell.", "lstm")
    hidden: Positive | None = option("Model", "Hidden units in a layer.")
    layers: Annotated[int, Limits(ge=1, le=100)] = option("Model", "Layers in the stack.", 1)
    dropout: Fraction | None = option(
        "Model", "Dropout between layers and before the output.", auto="0 to 0.5, by passes over the data"
    )

    clip: Annotated[float, Limits(ge=0)] = option("Optimization", "Clip the gradient's norm (0: never).", 1.0)
    weight_decay: Annotated[float, Limits(ge=0)] | None = option(
        "Optimization", "Weight decay, on matrices only.", auto="0.1 for muon and adamw, else 0"
    )
    average_decay: Fraction | None = option(
        "Optimization",
        "Evaluate and save exponentially averaged weights (0: off).",
        auto="over the last 3 % of the run",
    )

    @property
    def kind(self) -> str:
        """One word for what is trained, which becomes part of the name of the run."""
        return self.cell

    @property
    def model_in_words(self) -> str:
        """A short description of the network, for lists of runs."""
        return f"{self.cell} {self.layers} x {self.hidden}"


@options
class RecurrentTextOptions(RecurrentOptions, TextOptions):
    """The options of every training of a recurrent network on texts."""

    embedding_dim: Positive | None = option("Model", "Width of the embedding.", auto="by vocabulary")
    vectors: str | None = option(
        "Vectors", "Start the embedding from this file of word vectors: GloVe, word2vec or fastText."
    )
    freeze_vectors: bool = option("Vectors", "Do not train the vectors that were found there.", False)
    label_smoothing: Fraction = option("Optimization", "Label smoothing of the training loss.", 0.0)

    @property
    def one_hot(self) -> bool:
        """Whether ids enter the network as one-hot vectors. Tasks that offer this have the option --encoding."""
        return False

    @property
    def network_in_words(self) -> str:
        encoded = "one-hot" if self.one_hot else f"embedding {self.embedding_dim}"
        return f"{self.model_in_words}, {encoded}" + (f", dropout {self.dropout:g}" if self.dropout else "")


@options
class Encoded(RecurrentTextOptions):
    """The options of tasks whose ids may enter the network as one-hot vectors."""

    encoding: Literal["embedding", "one-hot"] = option("Model", "How ids enter the network.", "embedding")

    @property
    def one_hot(self) -> bool:
        return self.encoding == "one-hot"


@options
class BySequences(RecurrentTextOptions):
    """The options of tasks whose batches are whole sequences, which can be read in both directions."""

    bidirectional: bool = option("Model", "A second pass from the end.", True)
    batch_tokens: Positive | None = option("Optimization", "Tokens in a batch, instead of --batch-size.")

    @property
    def network_in_words(self) -> str:
        return "bidirectional " * self.bidirectional + super().network_in_words
