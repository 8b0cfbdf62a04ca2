"""The options of decoding: how a language model samples text, and how a translation model searches or samples."""

from typing import Annotated, Literal

from seqcli.core.config import Limits, Options, Positive, again, option, options
from seqcli.errors import ConfigError

Seed = Annotated[int, Limits(ge=0, lt=2**63)]
Temperature = Annotated[float, Limits(ge=0, le=100)]


@options
class SamplingOptions(Options):
    """How text is sampled from a language model."""

    length: Positive = option("Decoding", "Tokens to write.", 400)
    temperature: Temperature = option("Decoding", "0 is greedy, 1 the model's own distribution.", 0.8)
    top_k: Positive | None = option("Decoding", "Draw from the k likeliest tokens.", auto="all")
    top_p: Annotated[float, Limits(ge=0, le=1)] | None = option(
        "Decoding", "Draw from the likeliest tokens that sum to p.", auto="all"
    )
    repetition_penalty: Annotated[float, Limits(ge=1, le=100)] = option(
        "Decoding", "Above 1, tokens seen before become less likely.", 1.0
    )
    stop: str | None = option("Decoding", "End before this text.")
    num_samples: Annotated[int, Limits(ge=1, le=10_000)] = option("Decoding", "Samples, made side by side.", 1)
    seed: Seed | None = option("Decoding", "Seed of the random choices.", auto="another each time")


@options
class SearchOptions(Options):
    """How a translation is found: by beam search or, when a temperature is given, by sampling.

    Raises ConfigError for options that do not go together.
    """

    beam: Positive = option("Decoding", "Hypotheses kept side by side; 1 is greedy.", 5)
    n_best: Positive = option("Decoding", "Translations to print, with their scores.", 1)
    length_penalty: Annotated[float, Limits(ge=0, le=10)] = option("Decoding", "Exponent a of the length norm.", 1.0)
    length_norm: Literal["mean", "wu", "none"] = option(
        "Decoding", "What log p is divided by: mean, length^a; wu, ((5 + length) / 6)^a; none.", "mean"
    )
    coverage_penalty: Annotated[float, Limits(ge=0, le=100)] = option(
        "Decoding", "The cost of words left unlooked at (Wu 2016).", 0.0
    )
    no_repeat_ngram: Annotated[int, Limits(ge=0, le=10**6)] = option("Decoding", "Never write so many tokens twice.", 0)
    min_length: Annotated[int, Limits(ge=0, le=10**9)] = option("Decoding", "Tokens to write at least.", 0)
    max_length: Positive | None = option(
        "Decoding", "Tokens to write at most.", auto="a little more than any known target of such a source"
    )
    max_ratio: Annotated[float, Limits(ge=0, le=1000)] | None = option(
        "Decoding", "Tokens to write at most for each source token.", auto="any"
    )
    temperature: Temperature | None = option("Decoding", "Draw translations instead of searching.", auto="search")
    top_k: Positive | None = again(SamplingOptions, "top_k", auto="all")
    top_p: Annotated[float, Limits(ge=0, le=1)] | None = again(SamplingOptions, "top_p", auto="all")
    replace_unknown: bool = option("Decoding", "Put the source word looked at in place of <unk> (word).", False)
    seed: Seed | None = again(SamplingOptions, "seed", auto="another each time")

    def __post_init__(self) -> None:
        super().__post_init__()
        drawn = self.temperature is not None
        if self.n_best > self.beam and not drawn:
            raise ConfigError(f"--n-best {self.n_best} asks for more than --beam {self.beam} finds; raise --beam.")
        if (self.top_k or self.top_p is not None) and not drawn:
            raise ConfigError("--top-k and --top-p are for drawn translations: give a --temperature.")
        if self.coverage_penalty and drawn:
            raise ConfigError("--coverage-penalty ranks what a search finds, and --temperature draws; leave one out.")
        if self.temperature == 0 and self.n_best > 1:
            raise ConfigError("--temperature 0 is greedy and has one answer; raise it, or leave it out and search.")
