"""A trained language model: sampling text from it and measuring it."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

import numpy as np
from numpy.typing import NDArray

from seqcli.core import tokenizers
from seqcli.core.cells.numpy_steps import STEPS
from seqcli.core.config import SHORT, made
from seqcli.core.decoding.options import SamplingOptions
from seqcli.core.decoding.sampling import Filters
from seqcli.core.events import Say, silent
from seqcli.core.metrics.lm import figures
from seqcli.core.tasks.lm.file import LanguageModelFile
from seqcli.core.tasks.lm.generate import Steps, TorchSteps, generate
from seqcli.core.tasks.lm.numpy_network import NumpyLM, weight_shapes
from seqcli.core.tasks.lm.plan import LMPlan
from seqcli.core.tokenizers import BOS, EOS, UNK, Tokenizer
from seqcli.core.trained import Trained
from seqcli.core.training.stored import Stored
from seqcli.core.weights import check_weights
from seqcli.errors import CheckpointError, DataError, VocabularyError

if TYPE_CHECKING:  # torch is imported when something is measured, or computed on a GPU
    from seqcli.core.data import TokenFile
    from seqcli.core.tasks.lm.network import RecurrentLM


@dataclass(frozen=True)
class Sample:
    """A sampled text."""

    prime: str
    text: str  # what comes after the prime
    tokens: int  # the number of tokens in that text
    ended: str  # why it ended: "length", "stop" (the stop text came) or "eos"


class Writer:
    """The text of one sample while it is generated.

    It ends after `length` tokens, before the text `stop` or, if `ends` is set, with <eos>. `ended` says why it ended,
    or is None while it goes on.
    """

    def __init__(self, tokenizer: Tokenizer, prime: list[int], stop: str | None, length: int, *, ends: bool) -> None:
        self.ended: str | None = None
        self._decoder = tokenizer.stream_decoder()
        self._stop, self._held, self._left = stop, "", length
        self._eos = EOS if ends else -1
        self._decoder.go_on_after(prime)

    def write(self, id: int) -> str:
        """Add a token. Returns the text that can be shown now; what may begin the stop text is held back."""
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


class LanguageModel(Trained):
    """A trained language model, to sample text from and to measure.

    On a CPU, text is generated in NumPy, whose operations start faster than torch's, so torch is not even imported. On
    the devices cuda and mps, and for a cell without steps in NumPy, torch is used.
    """

    file: ClassVar = LanguageModelFile
    plan: LMPlan

    def __init__(
        self,
        weights: Mapping[str, NDArray[Any]],
        tokenizer: Tokenizer,
        plan: LMPlan,
        figures: dict[str, float] | None = None,
        *,
        device: str = "auto",
        threads: int = 0,
    ) -> None:
        self.weights, self.tokenizer, self.plan = weights, tokenizer, plan
        self.figures = figures or {}
        self.device, self.threads = device, threads

    @classmethod
    def open(cls, stored: Stored, device: str = "auto", threads: int = 0) -> "LanguageModel":
        """Make the model from the content of a `best.safetensors`. Raises CheckpointError if parts do not fit."""
        about = LanguageModelFile.of(stored.metadata)
        model = cls(stored.tensors, about.tokenizer, about.config, about.figures, device=device, threads=threads)
        if model.writes_in_numpy:
            check_weights(stored.tensors, weight_shapes(about.config, about.tokenizer.vocab_size))
        _ = model.in_numpy if model.writes_in_numpy else model.model  # made now, so that errors come now
        return model

    @classmethod
    def network(cls, about: LanguageModelFile) -> "RecurrentLM":
        """Make the network of a model file, without its weights."""
        from seqcli.core.tasks.lm.network import build_lm

        return build_lm(about.config, about.tokenizer.vocab_size, None)

    @classmethod
    def of(cls, network: "RecurrentLM", tokenizer: Tokenizer, plan: LMPlan) -> "LanguageModel":
        """Make the trained model of a network with its present weights."""
        weights = {name: p.detach().float().cpu().numpy().copy() for name, p in network.named_parameters()}
        return cls(weights, tokenizer, plan)

    def facts(self) -> dict[str, str]:
        return {"tokens": f"{self.tokenizer.vocab_size:,} {self.plan.tokens}"}

    def examples(self) -> list[str]:
        if self.plan.unit == "line":
            return ["model.samples(num_samples=5)", 'model.evaluate("other_lines.txt")']
        return ['model.sample("The", length=200)', 'model.evaluate("held_out.txt")']

    @property
    def parameters(self) -> int:
        return sum(array.size for array in self.weights.values())

    @property
    def writes_in_numpy(self) -> bool:
        """Whether text is generated in NumPy, without torch."""
        return self.device in ("auto", "cpu") and self.plan.cell in STEPS

    @cached_property
    def in_numpy(self) -> NumpyLM:
        """The network in NumPy."""
        return NumpyLM(self.weights, self.plan, self.tokenizer.vocab_size)

    @cached_property
    def model(self) -> "RecurrentLM":
        """The torch network on its device.

        Raises CheckpointError when the weights do not fit, ConfigError when there is no such device.
        """
        import torch

        from seqcli.core.layers.start import load_weights
        from seqcli.core.tasks.lm.network import build_lm
        from seqcli.core.training.device import pick_device, use_threads

        use_threads(self.threads)
        device = pick_device(self.device)
        network = build_lm(self.plan, self.tokenizer.vocab_size, None)
        load_weights(network, {name: torch.as_tensor(array) for name, array in self.weights.items()})
        return network.to(device).eval()

    def encode_prime(self, prime: str) -> tuple[list[int], list[str]]:
        """Return the ids of a prime, and the parts of it that are not in the vocabulary and become <unk>.

        Raises VocabularyError when nothing of it is in the vocabulary.
        """
        ids = self.tokenizer.encode(prime).tolist()
        if UNK not in ids:
            return ids, []
        strange = [
            piece
            for piece in dict.fromkeys(prime.split() if self.plan.tokens == "word" else prime)
            if UNK in self.tokenizer.encode(piece)
        ]
        if all(id == UNK for id in ids):
            raise VocabularyError(
                f"The model knows nothing of the prime {prime!r}; its vocabulary was made from its training text."
            )
        return ids, strange

    def stream(self, prime: str = "", **options: Any) -> Iterator[tuple[int, str, str | None]]:
        """Sample text, yielding (number of the sample, piece of text, why it ended) as it is generated.

        The last item of a sample says why it ended ("length", "stop" or "eos"); before, that is None. The options are
        those of decoding.options.SamplingOptions: length, temperature, top_k, top_p, repetition_penalty, stop,
        num_samples, seed. Without a prime, a model of a stream begins as after the end of a line. With `seed` None
        every call gives other samples. Sample k depends on the seed and k alone, not on how many samples are made.
        Raises ConfigError for unknown options and for values that are not allowed.
        """
        return self._written(prime, made(SamplingOptions, options, beside=("prime",)))

    def _written(self, prime: str, asked: SamplingOptions) -> Iterator[tuple[int, str, str | None]]:
        """Yield the pieces of all samples; see `stream`."""
        if not isinstance(prime, str):
            raise DataError(f"The prime is one text, not {SHORT.repr(prime)}.")
        ids, _ = self.encode_prime(prime)
        lines = self.plan.unit == "line"
        if lines:
            ids = [BOS, *ids]
        elif not ids:
            newline = self.tokenizer.encode("\n").tolist()
            ids = newline if newline and newline[0] != UNK else [len(tokenizers.SPECIALS)]
        filters = Filters(asked.temperature, asked.top_k, asked.top_p, asked.repetition_penalty)
        randoms = [np.random.default_rng(own) for own in np.random.SeedSequence(asked.seed).spawn(asked.num_samples)]
        writers = [Writer(self.tokenizer, ids if prime else [], asked.stop, asked.length, ends=lines) for _ in randoms]
        going = list(enumerate(writers))
        with np.errstate(all="ignore"):  # numbers that are not finite are an error below
            steps: Steps = (
                self.in_numpy.after(ids, asked.num_samples)
                if self.writes_in_numpy
                else TorchSteps(self.model, ids, asked.num_samples)
            )
        if not np.isfinite(steps.scores).all():
            raise CheckpointError("The model gives no finite numbers: its training went wrong, or its file is damaged.")
        for chosen in generate(steps, ids, filters, randoms, ends=lines):
            for k, writer in going:
                piece = writer.write(chosen[k])
                if piece or writer.ended:
                    yield k, piece, writer.ended
            if any(writer.ended for _, writer in going):
                going = [(k, writer) for k, writer in going if not writer.ended]
                if not going:
                    return

    def samples(self, prime: str = "", **options: Any) -> list[Sample]:
        """Sample texts side by side, as one batch, and return them. The options are those of `stream`."""
        asked = made(SamplingOptions, options, beside=("prime",))
        count = asked.num_samples
        texts, ends = [""] * count, ["length"] * count
        for k, piece, ended in self._written(prime, asked):
            texts[k] += piece
            ends[k] = ended or ends[k]
        return [Sample(prime, t, len(self.tokenizer.encode(t)), e) for t, e in zip(texts, ends, strict=True)]

    def sample(self, prime: str = "", **options: Any) -> str:
        """Sample one text and return it, the prime included. The options are those of `stream`: length, seed, ..."""
        return prime + self.samples(prime, **options)[0].text

    def evaluate(self, path: str | Path, *, say: Say = silent, **others: NoReturn) -> dict[str, Any]:
        """Measure the model on a text. Returns the metrics by name.

        They are loss, perplexity, accuracy, bits_per_character, bits_per_byte, tokens and tokens_per_s. Raises
        DataError when the text cannot be read or is too short.
        """
        self.takes_no(others)
        from seqcli.core.data import find_texts, open_tokens

        c = self.plan
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


def evaluate(model: "RecurrentLM", data: "TokenFile") -> dict[str, float]:
    """Compute the metrics of a model on a text or on lines (see metrics.lm.figures). Every target counts once."""
    import torch

    from seqcli.core.tasks.lm.batches import held_out_batches

    device = model.device
    total, hits, tokens, state = 0.0, 0, 0, None
    for batch, counted in held_out_batches(data.ids, data.ends, data.lines):
        here = batch.to(device)
        losses, right, state = model.target_scores(here.x, here.y, None if batch.fresh else state, here.mask)
        if counted:
            total += losses.cpu().sum(dtype=torch.float64).item()  # on the processor: an Apple GPU has no float64
            hits += int(right.sum())
            tokens += batch.tokens
    text = data.predicted
    return figures(total, tokens, hits, characters=text.characters, bytes=text.bytes, loss=model.loss_name)
