"""A trained language model, ready to use."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from seqcli.core import tokenizers
from seqcli.core.config import Config
from seqcli.core.data import TokenFile, find_texts, held_out_batches, open_tokens
from seqcli.core.decoding.sampling import Filters
from seqcli.core.metrics.lm import figures
from seqcli.core.models.generate import Generator
from seqcli.core.models.lm import RecurrentLM, build_lm
from seqcli.core.models.start import load_weights
from seqcli.core.tokenizers import BOS, EOS, UNK, Tokenizer
from seqcli.core.training.checkpoint import Stored
from seqcli.core.training.device import pick_device, set_threads
from seqcli.core.training.schema import LanguageModelFile
from seqcli.errors import DataError, VocabularyError

Say = Callable[[str], None]


@dataclass(frozen=True)
class Sample:
    """A sampled text: the prime, the text after it and its number of tokens, why it ended (length, stop or eos)."""

    prime: str
    text: str
    tokens: int
    ended: str


class Writer:
    """The text of one sample as it grows; it ends with <eos>, before the stop text, or after `length` tokens."""

    def __init__(self, tokenizer: Tokenizer, prime: list[int], stop: str | None, length: int, *, ends: bool) -> None:
        self.ended: str | None = None
        self._decoder = tokenizer.stream_decoder()
        self._stop, self._held, self._left = stop, "", length
        self._eos = EOS if ends else -1
        for id in prime[-8:]:  # what the first token is written after
            self._decoder.push(id)

    def write(self, id: int) -> str:
        """The text that can be shown after this token; what may begin the stop text is held back."""
        self._left -= 1
        if id == self._eos:
            self.ended, text = "eos", self._decoder.finish()
        else:
            text = self._decoder.push(id)
            if self._left == 0:
                self.ended = "length"
                text += self._decoder.finish()
        if not self._stop:
            return text
        text = self._held + text
        found = text.find(self._stop)
        if found >= 0:
            self.ended = "stop"
            return text[:found]
        keep = 0 if self.ended else min(len(text), len(self._stop) - 1)
        self._held = text[len(text) - keep :]
        return text[: len(text) - keep]


class LanguageModel:
    """A trained language model: sample from it, measure it."""

    def __init__(
        self, model: RecurrentLM, tokenizer: Tokenizer, config: Config, figures: dict[str, float] | None = None
    ) -> None:
        self.model, self.tokenizer, self.config = model, tokenizer, config
        self.figures = figures or {}

    @classmethod
    def open(cls, stored: Stored, device: str = "auto", threads: int = 0) -> "LanguageModel":
        """The model in a `best.safetensors`. Raises CheckpointError when its parts do not fit together."""
        set_threads(threads)
        about = LanguageModelFile.of(stored.metadata)
        model = cls.network(about)
        load_weights(model, stored.tensors)
        return cls(model.to(pick_device(device)).eval(), about.tokenizer, about.config, about.figures)

    @staticmethod
    def network(about: LanguageModelFile) -> RecurrentLM:
        """The network of a model file, without its weights."""
        return build_lm(about.config, about.tokenizer.vocab_size)

    def encode_prime(self, prime: str) -> tuple[list[int], list[str]]:
        """Ids of a prime, and the pieces of it that the vocabulary lacks, which become <unk>.

        Raises VocabularyError when nothing in it is known.
        """
        ids = self.tokenizer.encode(prime).tolist()
        if UNK not in ids:
            return ids, []
        strange = [
            piece
            for piece in dict.fromkeys(prime.split() if self.config.tokens == "word" else prime)
            if UNK in self.tokenizer.encode(piece)
        ]
        if all(id == UNK for id in ids):
            raise VocabularyError(
                f"The model knows nothing of the prime {prime!r}; its vocabulary was made from its training text."
            )
        return ids, strange

    def stream(
        self,
        prime: str = "",
        *,
        length: int = 400,
        temperature: float = 0.8,
        top_k: int | None = None,
        top_p: float | None = None,
        repetition_penalty: float = 1.0,
        stop: str | None = None,
        seed: int | None = None,
        num_samples: int = 1,
    ) -> Iterator[tuple[int, str, str | None]]:
        """Sample, yielding (sample, text, ended): pieces of text as they come; `ended` says why a sample ended.

        The prime runs through the network once. Without one, a stream model starts as after a line's end. With `seed`
        None every call gives another sample.
        """
        ids, _ = self.encode_prime(prime)
        lines = self.config.unit == "line"
        if lines:
            ids = [BOS, *ids]
        elif not ids:
            newline = self.tokenizer.encode("\n").tolist()
            ids = newline if newline and newline[0] != UNK else [len(tokenizers.SPECIALS)]
        filters = Filters(temperature, top_k, top_p, repetition_penalty)
        random = torch.Generator()
        random.seed() if seed is None else random.manual_seed(seed)
        writers = [Writer(self.tokenizer, ids if prime else [], stop, length, ends=lines) for _ in range(num_samples)]
        going = list(enumerate(writers))
        for chosen in Generator(self.model, ids, num_samples, filters, random, ends=lines):
            for k, writer in going:
                piece = writer.write(chosen[k])
                if piece or writer.ended:
                    yield k, piece, writer.ended
            if any(writer.ended for _, writer in going):
                going = [(k, writer) for k, writer in going if not writer.ended]
                if not going:
                    return

    def samples(self, prime: str = "", *, num_samples: int = 1, **options: Any) -> list[Sample]:
        """Sampled texts, made side by side as one batch; options as in `stream`."""
        texts, ends = [""] * num_samples, ["length"] * num_samples
        for k, piece, ended in self.stream(prime, num_samples=num_samples, **options):
            texts[k] += piece
            ends[k] = ended or ends[k]
        return [Sample(prime, t, len(self.tokenizer.encode(t)), e) for t, e in zip(texts, ends, strict=True)]

    def sample(self, prime: str = "", **options: Any) -> str:
        """One sampled text, the prime included; options as in `stream`: length, temperature, seed, ..."""
        return prime + self.samples(prime, **options)[0].text

    def evaluate(self, path: str | Path, *, say: Say = lambda text: None) -> dict[str, float]:
        """Figures of a text: loss, perplexity, accuracy, bits per character and byte, tokens, tokens_per_s."""
        c = self.config
        data = open_tokens(
            find_texts([path]), unit=c.unit, invalid=c.invalid_utf8, tokenizer=self.tokenizer, progress=say
        )
        if len(data.ids) < 2:
            raise DataError(f"{path} is too short to evaluate: it needs two tokens at least.")
        if data.unknown:
            say(f"{data.unknown} of {len(data.ids)} tokens are not in the model's vocabulary and count as <unk>.")
        start = time.perf_counter()
        found = evaluate(self.model, data)
        seconds = time.perf_counter() - start
        return {**found, "tokens_per_s": found["tokens"] / seconds}


@torch.no_grad()
def evaluate(model: RecurrentLM, data: TokenFile) -> dict[str, float]:
    """Figures of a text or of lines (see metrics.lm.figures); every target counts once."""
    device = next(model.parameters()).device
    batches = held_out_batches(data.ids, data.ends)
    total, hits, tokens, state = 0.0, 0, 0, None
    for batch, counted in batches:
        here = batch.to(device)
        losses, right, state = model.target_scores(here.x, here.y, None if batch.fresh else state, here.mask)
        if counted:
            total += losses.sum(dtype=torch.float64).item() if device.type != "mps" else losses.sum().item()
            hits += int(right.sum())
            tokens += batch.tokens
    share = tokens / len(data.ids)
    return figures(
        total, tokens, hits, characters=data.characters * share, bytes=data.bytes * share, loss=model.loss_name
    )
