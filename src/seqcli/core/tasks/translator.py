"""A trained translation model: translate with it, measure it."""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from seqcli.core import tokenizers
from seqcli.core.config import Config
from seqcli.core.data.pairs import Pair, PairReader, PairSet, pair_batch, pairs_in_order
from seqcli.core.data.ragged import Lines, rows_in_order
from seqcli.core.data.readers import find_files, tell_skipped
from seqcli.core.decoding.sampling import Filters
from seqcli.core.decoding.search import GREEDY, Hypothesis, SearchOptions, beam_search, sample
from seqcli.core.metrics import translation as metrics
from seqcli.core.models.decoder import Decoder
from seqcli.core.models.seq2seq import Seq2Seq, build_seq2seq
from seqcli.core.models.start import load_weights
from seqcli.core.tokenizers import UNK, Tokenizer
from seqcli.core.tokenizers.word import WordTokenizer
from seqcli.core.training.checkpoint import Stored
from seqcli.core.training.device import autocast, inference_precision, pick_device, set_threads
from seqcli.core.training.schema import TranslatorFile
from seqcli.core.weights import sizes_of_a_file
from seqcli.errors import CheckpointError, ConfigError, DataError

Say = Callable[[str], None]
TOKENS_AT_ONCE = 8192  # source tokens of the sentences that are translated as one batch
LONGER = 5  # tokens that a translation may have more than any known one of a source that is not much longer


@dataclass(frozen=True)
class Candidate:
    """One translation, and its score: the log-probability, with the length and coverage penalties of the search."""

    text: str
    score: float


@dataclass(frozen=True)
class Translation:
    """The best translation of a text, and the others that were asked for.

    `attention[t][s]` is how much the t-th target token looked at the s-th source token.
    """

    source: str
    candidates: tuple[Candidate, ...]
    source_tokens: list[str] = field(default_factory=list)
    target_tokens: list[str] = field(default_factory=list)
    attention: list[list[float]] | None = None
    truncated: bool = False  # the source was longer than the model reads
    unknown: tuple[str, ...] = ()  # what of the source the model has never seen

    @property
    def text(self) -> str:
        """The best translation."""
        return self.candidates[0].text

    @property
    def score(self) -> float:
        """Its score."""
        return self.candidates[0].score


class Translator:
    """A trained encoder-decoder: translate texts with it, measure it."""

    def __init__(
        self,
        model: Seq2Seq,
        source_tokenizer: Tokenizer,
        tokenizer: Tokenizer,
        config: Config,
        longest_targets: Sequence[Sequence[int]],
        figures: dict[str, float] | None = None,
    ) -> None:
        """`longest_targets` are those of the training, by the length of the source (see data.pairs)."""
        self.model, self.source_tokenizer, self.tokenizer = model, source_tokenizer, tokenizer
        self.config, self.figures = config, figures or {}
        self._source_lengths, self._target_lengths = np.array(longest_targets).T
        self._longest = max(100, 2 * (config.max_length or 0))  # source tokens that are read

    @classmethod
    def open(cls, stored: Stored, device: str = "auto", threads: int = 0) -> "Translator":
        """The model in a `best.safetensors`. Raises CheckpointError when its parts do not fit together."""
        set_threads(threads)
        about = TranslatorFile.of(stored.metadata)
        model = cls.network(about)
        load_weights(model, stored.tensors)
        model = model.to(pick_device(device)).eval()
        source, target = about.source_tokenizer, about.tokenizer
        return cls(model, source, target, about.config, about.longest_targets, about.figures)

    @staticmethod
    def network(about: TranslatorFile) -> Seq2Seq:
        """The network of a model file, without its weights."""
        with sizes_of_a_file():
            return build_seq2seq(about.config, about.source_tokenizer.vocab_size, about.tokenizer.vocab_size, None)

    # --- translating ------------------------------------------------------------------------------------------

    def translate(
        self,
        texts: Sequence[str],
        *,
        beam: int = 5,
        n_best: int = 1,
        length_penalty: float = 1.0,
        length_norm: str = "mean",
        coverage_penalty: float = 0.0,
        no_repeat_ngram: int = 0,
        min_length: int = 0,
        max_length: int | None = None,
        max_ratio: float | None = None,
        temperature: float | None = None,
        top_k: int | None = None,
        top_p: float | None = None,
        seed: int | None = None,
        first: int = 0,
        replace_unknown: bool = False,
        attention: bool = False,
    ) -> list[Translation]:
        """Translations of texts, in their order. An empty text is translated by an empty one.

        With a `temperature` translations are drawn (n_best of them), else searched for, with a beam of that width;
        1 is greedy. `max_length` is in target tokens, `max_ratio` in target tokens a source token; without the first, a
        translation is at most a little longer than the longest one of the training of a source of about that length or
        less. Raises ConfigError for options that do not go together. What is drawn for text k depends on
        `seed` + `first` + k, where `first` is the number of texts before, if a stream is translated in parts.
        """
        if n_best > beam and temperature is None:
            raise ConfigError(f"--n-best {n_best} asks for more than --beam {beam} finds; raise --beam.")
        if (attention or replace_unknown or coverage_penalty) and self.model.attention is None:
            raise ConfigError("The model was trained with --attention none; there is no attention to use or to show.")
        if replace_unknown and self.config.tokens != "word":
            raise ConfigError("--replace-unknown is for models of words; only those have unknown ones.")
        if (top_k or top_p is not None) and temperature is None:
            raise ConfigError("--top-k and --top-p are for drawn translations: give a --temperature.")
        if coverage_penalty and temperature is not None:
            raise ConfigError("--coverage-penalty ranks what a search finds, and --temperature draws; leave one out.")
        if temperature == 0 and n_best > 1:
            raise ConfigError("--temperature 0 is greedy and has one answer; raise it, or leave it out and search.")
        if length_norm not in ("mean", "wu", "none"):
            raise ConfigError(f"--length-norm is {length_norm!r}, but must be one of mean, wu, none.")
        base = torch.Generator().seed() % 2**62 if seed is None else seed
        options = SearchOptions(
            beam=beam,
            n_best=n_best,
            length_penalty=length_penalty,
            normalize=length_norm,
            coverage_penalty=coverage_penalty,
            no_repeat_ngram=no_repeat_ngram,
            min_length=min_length,
        )
        filters = None
        if temperature is not None or beam == 1:
            filters = Filters(temperature, top_k, top_p) if temperature else GREEDY
        ids = self.source_tokenizer.encode_lines(texts)
        lines = Lines.of([line[: self._longest] for line in ids])
        made: list[Translation | None] = [
            None if text.strip() else Translation(text, (Candidate("", 0.0),)) for text in texts
        ]
        for part in rows_in_order(lines.lengths, TOKENS_AT_ONCE):
            rows = [int(k) for k in part if made[k] is None]
            if not rows:
                continue
            read = torch.from_numpy(lines.lengths[rows]) - 1  # <eos> is no token of the user's
            limit = torch.full_like(read, max_length) if max_length else self._limits(read)
            if max_ratio is not None:
                limit = limit.minimum((max_ratio * read).ceil().long().clamp(min=1))
            found = self._search(lines, rows, options, filters, limit, [base + first + row for row in rows])
            most = max(map(len, found)) if replace_unknown else int(attention)
            looked = [self._attention(lines, rows, [f[min(n, len(f) - 1)] for f in found]) for n in range(most)]
            for row, (k, hypotheses) in enumerate(zip(rows, found, strict=True)):
                made[k] = self._translation(
                    texts[k],
                    ids[k],
                    hypotheses,
                    [weights[row] for weights in looked[: len(hypotheses)]],
                    attention=attention,
                    replace_unknown=replace_unknown,
                )
        return [t for t in made if t is not None]

    def _limits(self, read: torch.Tensor) -> torch.Tensor:
        """How many tokens are written at most for sources of so many tokens (B,).

        Sources that are a little longer are looked at too, for such as say more in fewer words.
        """
        known = np.searchsorted(self._source_lengths, 1.1 * read.numpy() + 2, side="right")
        return torch.from_numpy(self._target_lengths[np.maximum(known - 1, 0)]) + LONGER

    @torch.no_grad()
    def _search(
        self,
        lines: Lines,
        rows: Sequence[int],
        options: SearchOptions,
        filters: Filters | None,
        limit: torch.Tensor,
        seeds: Sequence[int],
    ) -> list[list[Hypothesis]]:
        device = next(self.model.parameters()).device
        source, mask = (lines.reversed if self.config.reverse_source else lines.padded)(np.array(rows))
        with autocast(inference_precision(self.config.precision, device), device):
            decoder = Decoder(self.model, coverage=bool(options.coverage_penalty))
            state = decoder.start(self.model.encode(source.to(device), mask.to(device)))
            if filters is not None:
                found = sample(decoder, state, limit.to(device), options, filters, seeds)
            else:
                found = beam_search(decoder, state, limit.to(device), options)
        if not all(hypotheses and math.isfinite(hypotheses[0].score) for hypotheses in found):
            raise CheckpointError("The model's scores are no finite numbers: its weights are damaged or diverged.")
        return found

    @torch.no_grad()
    def _attention(self, lines: Lines, rows: Sequence[int], best: Sequence[Hypothesis]) -> list[list[list[float]]]:
        """How the best hypotheses, read again as if they were the reference, look at the source: [row][t][s]."""
        device = next(self.model.parameters()).device
        pairs = PairSet(lines.select(np.array(rows)), Lines.of([np.array(h.ids, np.int32) for h in best]))
        batch = pair_batch(pairs, np.arange(len(rows)), reverse_source=self.config.reverse_source).to(device)
        _, weights = self.model.features(self.model.encode(batch.source, batch.source_mask), batch.inputs)
        assert weights is not None
        found = []
        for row, (S, T) in enumerate(zip(pairs.source.lengths, pairs.target.lengths, strict=True)):
            here = weights[row, :T, :S].float()
            if self.config.reverse_source:
                here = torch.cat((here[:, : S - 1].flip(1), here[:, S - 1 :]), dim=1)
            found.append(here.tolist())
        return found

    def _translation(
        self,
        text: str,
        ids: NDArray[Any],
        hypotheses: Sequence[Hypothesis],
        looked: Sequence[list[list[float]]],
        *,
        attention: bool,
        replace_unknown: bool,
    ) -> Translation:
        """What was found for one text; `looked` is the attention of the first hypotheses, as many as need it."""
        made = Translation(
            text,
            tuple(Candidate(self.tokenizer.decode(h.ids), h.score) for h in hypotheses),
            truncated=len(ids) > self._longest,
        )
        if not looked and UNK not in ids:
            return made
        pieces, eos = self.source_tokenizer.pieces(text), tokenizers.SPECIALS[tokenizers.EOS]
        unknown = tuple(dict.fromkeys(piece for piece, id in zip(pieces, ids.tolist(), strict=True) if id == UNK))
        made = replace(made, unknown=unknown)
        pieces = pieces[: self._longest]
        written = [[self.tokenizer.token(id) for id in h.ids] for h, _ in zip(hypotheses, looked, strict=False)]
        if replace_unknown and isinstance(self.tokenizer, WordTokenizer):
            for words, h, weights in zip(written, hypotheses, looked, strict=False):
                for t, id in enumerate(h.ids):
                    if id == UNK and pieces:
                        words[t] = pieces[int(np.argmax(weights[t][: len(pieces)]))]
            joined = (self.tokenizer.join(words) for words in written)
            candidates = (Candidate(words, h.score) for words, h in zip(joined, hypotheses, strict=True))
            made = replace(made, candidates=tuple(candidates))
        if not attention:
            return made
        return replace(made, source_tokens=[*pieces, eos], target_tokens=[*written[0], eos], attention=looked[0])

    def read(self, path: str | Path, *, skip_bad_lines: bool = False, say: Say = lambda text: None) -> list[Pair]:
        """The pairs of a file. Raises DataError when it has none, or a line that is no pair."""
        reader = PairReader(skip=skip_bad_lines, invalid=self.config.invalid_utf8)
        found = list(reader.read(find_files([path])))
        tell_skipped(say, reader.skipped, path)
        if not found:
            raise DataError(f"There is no pair in {path}.")
        return found

    # --- measuring --------------------------------------------------------------------------------------------

    def evaluate(
        self, path: str | Path, *, say: Say = lambda text: None, skip_bad_lines: bool = False, **options: Any
    ) -> dict[str, Any]:
        """Figures of a file of pairs: BLEU, chrF, TER, exact match, perplexity; options as in `translate`."""
        found = self.read(path, skip_bad_lines=skip_bad_lines, say=say)
        start = time.perf_counter()
        made = self.translate([s for s, _ in found], **options)
        ours = [t.text for t in made]
        seconds = time.perf_counter() - start
        if cut := sum(t.truncated for t in made):
            say(f"{cut} sources are longer than the model reads; their beginnings were translated.")
        pairs = PairSet.of(found, self.source_tokenizer, self.tokenizer)
        return {
            **scores(ours, [t for _, t in found]),
            **evaluate(self.model, pairs, reverse_source=self.config.reverse_source),
            "sentences": len(found),
            "sentences_per_s": len(found) / seconds,
        }


def scores(ours: Sequence[str], references: Sequence[str]) -> dict[str, Any]:
    """BLEU, chrF, TER and exact match, the one to look at first in front, and the signature of BLEU."""
    found = {
        "bleu": metrics.bleu(ours, references),
        "chrf": metrics.chrf(ours, references),
        "ter": metrics.ter(ours, references),
        "exact": metrics.exact(ours, references),
    }
    first = metrics.headline(references)
    return {first: found[first], **found, "signature": metrics.signature()}


@torch.no_grad()
def evaluate(model: Seq2Seq, pairs: PairSet, *, reverse_source: bool) -> dict[str, float]:
    """Loss (nats a target token), perplexity and accuracy of the references; every target token counts once."""
    device = next(model.parameters()).device
    total, hits, tokens = 0.0, 0, 0
    for batch in pairs_in_order(pairs, 4096, reverse_source=reverse_source):
        here = batch.to(device)
        losses, right = model.target_scores(here.source, here.source_mask, here.inputs, here.targets, here.mask)
        total += losses.sum().item()
        hits += int(right.sum())
        tokens += batch.tokens
    mean = total / tokens
    return {"loss": mean, "perplexity": float(np.exp(min(mean, 700.0))), "accuracy": hits / tokens, "tokens": tokens}
