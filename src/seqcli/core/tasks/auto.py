"""What a default of None becomes: sizes and rates by the amount of data, the budget and the machine."""

from typing import Any

import torch

from seqcli.core import tokenizers
from seqcli.core.config import Config, build, option_name
from seqcli.core.training.device import pick_precision
from seqcli.core.training.optimizer import PEAK
from seqcli.errors import ConfigError


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


def resolve(config: Config, tokens: int, vocab_size: int, device: torch.device, *, bounded: bool = True) -> Config:
    """The configuration with every auto value chosen, by the amount of data, the budget and the machine."""
    c = shared(config, device)
    c["task"], c["bidirectional"], c["tie"] = "lm", False, bool(config.tie)
    c["tokens"] = config.tokens or "char"
    c["label_smoothing"] = config.label_smoothing or 0.0
    small = tokens < 2e5
    if bounded and not (c["epochs"] or c["steps"]):
        c["epochs"] = max(12.0, round(5e5 / tokens)) if small else 30.0  # more would only be learnt by heart
    # how many tokens the budget can see, at the speed of a laptop
    seen = min(c["minutes"] * 60 * 45_000 if c["minutes"] else 1e12, c["epochs"] * tokens if c["epochs"] else 1e12)
    if c["steps"]:
        seen = min(seen, c["steps"] * (c["batch_size"] or 20) * (c["window"] or 64))
    lines = config.unit == "line"
    if c["hidden"] is None:
        by_budget = 256 if seen < 6e5 else 384 if seen < 5e6 else 512 if seen < 5e7 else 768
        by_data = 128 if tokens < 2e4 else 256 if tokens < 2e5 else 512 if tokens < 5e6 else 1024
        c["hidden"] = min(by_budget, by_data)
    if c["embedding_dim"] is None and c["encoding"] == "embedding":
        c["embedding_dim"] = c["hidden"] if c["tie"] else 128 if vocab_size < 1000 else min(256, c["hidden"])
    if c["tie"] and c["embedding_dim"] != c["hidden"]:
        raise ConfigError(
            f"--tie needs --embedding-dim equal to --hidden, but they are {c['embedding_dim']} and {c['hidden']}."
        )
    if c["dropout"] is None:
        c["dropout"] = dropout(seen / tokens, ((1.5, 0.0), (5, 0.1), (10, 0.2), (0 if small else 25, 0.35)), 0.5)
    c["window"] = c["window"] or (256 if lines else 64)
    if c["batch_size"] is None:
        size = 64 if lines else 20
        while not lines and size > 8 and tokens < size * c["window"] * 20:
            size //= 2
        c["batch_size"] = size
    c["lr"] = c["lr"] or PEAK[c["optimizer"]]
    return build(c)


def resolve_pairs(config: Config, pairs: int, tokens: int, device: torch.device, *, bounded: bool = True) -> Config:
    """The same for a translation model: `pairs` of together so many target `tokens`."""
    c = shared(config, device)
    c["task"] = "translate"
    c["bidirectional"] = config.bidirectional is not False
    c["tie"] = config.tie is not False
    c["label_smoothing"] = 0.1 if config.label_smoothing is None else config.label_smoothing
    if bounded and not (c["epochs"] or c["steps"]):
        c["epochs"] = max(60.0, round(2e6 / tokens))  # more would only be learnt by heart
    c["hidden"] = c["hidden"] or 256
    c["embedding_dim"] = c["embedding_dim"] or c["hidden"]
    if c["batch_size"] is None and c["batch_tokens"] is None:
        c["batch_tokens"] = 1000
    seen = min(c["minutes"] * 60 * 12_000 if c["minutes"] else 1e12, c["epochs"] * tokens if c["epochs"] else 1e12)
    if c["dropout"] is None:
        c["dropout"] = dropout(seen / tokens, ((2, 0.1), (8, 0.2)), 0.3)
    c["lr"] = c["lr"] or (0.5 * PEAK[c["optimizer"]])
    return build(c)


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
