"""What a default of None becomes: sizes and rates by the amount of data, the budget and the machine."""

from collections.abc import Callable
from typing import Any

import torch

from seqcli.core import tokenizers
from seqcli.core.config import Config, build, option_name
from seqcli.core.models.lm import build_lm
from seqcli.core.models.seq2seq import build_seq2seq
from seqcli.core.training.device import pick_precision
from seqcli.core.training.optimizer import PEAK
from seqcli.core.training.speed import Seen, steps_per_second
from seqcli.errors import ConfigError

Say = Callable[[str], None]


def shared(config: Config, device: torch.device) -> dict[str, Any]:
    """What is chosen in the same way for every task."""
    if config.encoding == "one-hot" and config.embedding_dim:
        raise ConfigError("--embedding-dim is the width of an embedding, and --encoding one-hot has none.")
    c: dict[str, Any] = config.as_dict()
    c["device"] = device.type
    c["precision"] = pick_precision(config.precision, device)
    if not (c["epochs"] or c["steps"] or c["minutes"]):
        c["minutes"] = 3.0
    c["optimizer"] = config.optimizer or "muon"
    c["warmup"] = 50 if config.warmup is None else config.warmup
    c["min_count"] = config.min_count or 1
    if c["weight_decay"] is None:
        c["weight_decay"] = 0.1 if c["optimizer"] in ("muon", "adamw") else 0.0
    return c


def tokenizer_options(config: Config, kind: str) -> dict[str, Any]:
    """What a tokenizer of that kind is trained with. Raises ConfigError for an option that it has no use for."""
    given = {
        "normalize": (config.normalize, "nfc"),
        "lowercase": (bool(config.lowercase), False),
        "min_count": (config.min_count or 1, 1),
        "vocab_size": (config.vocab_size, None),
    }
    takes = tokenizers.tokenizer_class(kind).options
    idle = [option_name(name) for name, (value, plain) in given.items() if value != plain and name not in takes]
    if idle:
        raise ConfigError(
            f"{' and '.join(idle)} would change nothing: the tokens are {kind}. Choose others by --tokens."
        )
    return {name: given[name][0] for name in takes}


def dropout(passes: float, table: tuple[tuple[float, float], ...], most: float) -> float:
    """The rate of the first row (passes below, rate) that holds; `most` where none does."""
    return next((rate for below, rate in table if passes < below), most)


# the hidden units of a language model, and the tokens that it must see to be better than the one before
LM_SIZES = ((256, 0.0), (384, 6e5), (512, 3e6), (768, 1.5e7))


def resolve(
    config: Config,
    tokens: int,
    vocab_size: int,
    device: torch.device,
    *,
    say: Say = lambda text: None,
    bounded: bool = True,
) -> Config:
    """The configuration with every auto value chosen, by the amount of data, the budget and the machine."""
    c = shared(config, device)
    c["task"], c["bidirectional"], c["tie"] = "lm", False, bool(config.tie)
    c["tokens"] = config.tokens or "char"
    c["label_smoothing"] = config.label_smoothing or 0.0
    small = tokens < 2e5
    if bounded and not (c["epochs"] or c["steps"]):
        c["epochs"] = max(12.0, round(5e5 / tokens)) if small else 30.0  # more would only be learnt by heart
    lines = config.unit == "line"
    c["window"] = c["window"] or (256 if lines else 64)
    if c["batch_size"] is None:
        size = 64 if lines else 20
        while not lines and size > 8 and tokens < size * c["window"] * 20:
            size //= 2
        c["batch_size"] = size
    c["lr"] = c["lr"] or PEAK[c["optimizer"]]

    def sized(hidden: int) -> dict[str, Any]:
        width = c["embedding_dim"]
        if width is None and c["encoding"] == "embedding":
            width = hidden if c["tie"] else 128 if vocab_size < 1000 else min(256, hidden)
        return c | {"hidden": hidden, "embedding_dim": width, "dropout": c["dropout"] or 0.0}

    seen = Seen(c, tokens, c["batch_size"] * c["window"], lambda hidden: lm_speed(build(sized(hidden)), vocab_size))
    if c["hidden"] is None:
        by_data = 128 if tokens < 2e4 else 256 if tokens < 2e5 else 512 if tokens < 5e6 else 768
        c["hidden"] = min(LM_SIZES[0][0], by_data)
        for hidden, least in LM_SIZES[1:]:
            if hidden > by_data or not seen.can_be(hidden, least):
                break
            c["hidden"] = hidden
    if c["dropout"] is None:
        passes = seen.by(c["hidden"]) / tokens
        c["dropout"] = dropout(passes, ((1.2, 0.0), (3.4, 0.1), (7, 0.2), (0 if small else 18, 0.35)), 0.5)
    tell_speed(seen, c["hidden"], say)
    c |= sized(c["hidden"])
    if c["tie"] and c["embedding_dim"] != c["hidden"]:
        raise ConfigError(
            f"--tie needs --embedding-dim equal to --hidden, but they are {c['embedding_dim']} and {c['hidden']}."
        )
    return build(c)


def tell_speed(seen: Seen, hidden: int, say: Say) -> None:
    """Say what sizes were chosen by."""
    if seen.measured:
        say(f"Here a network of {hidden} units learns about {seen.measured[hidden]:,.0f} tokens a second.")


def lm_speed(config: Config, vocab_size: int) -> float:
    """Tokens a second of training a language model of these sizes here."""
    B, T = config.batch_size or 1, min(config.window or 1, 64)
    ids = torch.arange(B * T, device=config.device).remainder(vocab_size).view(B, T)
    steps = steps_per_second(lambda: build_lm(config, vocab_size, None), lambda model: model.loss(ids, ids)[0], config)
    return B * T * steps


def resolve_pairs(
    config: Config,
    pairs: int,
    tokens: tuple[int, int],
    vocab_sizes: tuple[int, int],
    device: torch.device,
    *,
    say: Say = lambda text: None,
    bounded: bool = True,
) -> Config:
    """The same for a translation model: `pairs` of together so many `tokens`, of sources and of targets."""
    c = shared(config, device)
    c["task"] = "translate"
    c["bidirectional"] = config.bidirectional is not False
    c["tie"] = config.tie is not False
    c["label_smoothing"] = 0.1 if config.label_smoothing is None else config.label_smoothing
    if bounded and not (c["epochs"] or c["steps"]):
        c["epochs"] = max(60.0, round(2e6 / tokens[1]))  # more would only be learnt by heart
    # dates, sums, names: a few characters in short texts are learnt as well, and sooner, by half the units
    short = config.tokens in ("char", "byte") and max(vocab_sizes) < 150 and max(tokens) < 40 * pairs
    c["hidden"] = c["hidden"] or (128 if short else 256)
    c["embedding_dim"] = c["embedding_dim"] or c["hidden"]
    if c["batch_size"] is None and c["batch_tokens"] is None:
        c["batch_tokens"] = 1000
    c["lr"] = c["lr"] or (0.5 * PEAK[c["optimizer"]])
    lengths = tokens[0] / pairs, tokens[1] / pairs
    rows = c["batch_size"] or max(1, round(c["batch_tokens"] / lengths[1]))
    seen = Seen(
        c,
        tokens[1],
        rows * lengths[1],
        lambda hidden: pair_speed(build(c | {"dropout": 0.0}), rows, lengths, vocab_sizes),
    )
    if c["dropout"] is None:
        c["dropout"] = dropout(seen.by(c["hidden"]) / tokens[1], ((1.3, 0.1), (5.5, 0.2)), 0.3)
    tell_speed(seen, c["hidden"], say)
    return build(c)


def pair_speed(config: Config, rows: int, lengths: tuple[float, float], vocab_sizes: tuple[int, int]) -> float:
    """Target tokens a second of training a translation model of these sizes here, on pairs of these mean lengths."""
    S, T = (max(1, round(length)) for length in lengths)
    source = torch.arange(rows * S, device=config.device).remainder(vocab_sizes[0]).view(rows, S)
    target = torch.arange(rows * T, device=config.device).remainder(vocab_sizes[1]).view(rows, T)
    real = torch.ones_like(source, dtype=torch.bool), torch.ones_like(target, dtype=torch.bool)
    steps = steps_per_second(
        lambda: build_seq2seq(config, *vocab_sizes, None),
        lambda model: model.loss(source, real[0], target, target, real[1], label_smoothing=0.1),
        config,
    )
    return rows * T * steps


def resolve_tags(
    config: Config, sentences: int, tokens: int, device: torch.device, *, valid: bool, bounded: bool = True
) -> Config:
    """The same for a tagger: so many sentences, of together so many words."""
    c = shared(config, device)
    c["task"], c["tokens"] = "tag", "word"
    c["bidirectional"] = config.bidirectional is not False
    c["select"] = config.select or ("accuracy" if valid else None)
    if bounded and not (c["epochs"] or c["steps"]):
        c["epochs"] = 20.0
    c["hidden"] = c["hidden"] or 256
    c["embedding_dim"] = c["embedding_dim"] or 100
    c["dropout"] = 0.5 if c["dropout"] is None else c["dropout"]
    c["word_dropout"] = 0.3 if c["word_dropout"] is None else c["word_dropout"]
    c["label_smoothing"] = config.label_smoothing or 0.0
    if c["batch_size"] is None and c["batch_tokens"] is None:
        c["batch_size"] = 32 if sentences > 1000 else 16
    c["lr"] = c["lr"] or 0.5 * PEAK[c["optimizer"]]
    return build(c)


def resolve_labels(
    config: Config, texts: int, tokens: int, device: torch.device, *, valid: bool, bounded: bool = True
) -> Config:
    """The same for a classifier: so many texts, of together so many tokens."""
    c = shared(config, device)
    c["task"] = "classify"
    c["bidirectional"] = config.bidirectional is not False
    c["select"] = config.select or ("accuracy" if valid else None)
    letters = c["tokens"] in ("char", "byte")
    if bounded and not (c["epochs"] or c["steps"]):
        c["epochs"] = 20.0 if letters or texts < 4000 else 6.0  # words are soon learnt by heart
    c["hidden"] = c["hidden"] or (256 if letters and texts > 4000 else 128)
    if c["encoding"] == "embedding":
        c["embedding_dim"] = c["embedding_dim"] or (64 if letters else 300)
    c["dropout"] = (0.4 if letters else 0.5) if c["dropout"] is None else c["dropout"]
    c["word_dropout"] = (0.3 if c["tokens"] == "word" else 0.0) if c["word_dropout"] is None else c["word_dropout"]
    c["label_smoothing"] = config.label_smoothing or 0.0
    if c["batch_size"] is None and c["batch_tokens"] is None:
        c["batch_size"] = 16 if texts < 4000 else 128 if letters else 64
    c["lr"] = c["lr"] or (0.67 if letters else 0.25) * PEAK[c["optimizer"]]
    return build(c)
