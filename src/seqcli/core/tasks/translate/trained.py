"""A trained translation model: translating with it and measuring it."""

import math
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, overload

import numpy as np
import torch
from numpy.typing import NDArray

from seqcli.core import tokenizers
from seqcli.core.config import made as made_options
from seqcli.core.data.ragged import Lines, rows_in_order
from seqcli.core.data.readers import find_files, tell_skipped
from seqcli.core.decoding.options import SearchOptions
from seqcli.core.decoding.sampling import Filters
from seqcli.core.decoding.search import GREEDY, Hypothesis, Search, beam_search, sample
from seqcli.core.events import Say, silent
from seqcli.core.metrics import translation as metrics
from seqcli.core.tasks.translate.decoder import Decoder
from seqcli.core.tasks.translate.file import TranslatorFile
from seqcli.core.tasks.translate.network import Seq2Seq, build_seq2seq
from seqcli.core.tasks.translate.pairs import Pair, PairReader, PairSet, pair_batch, pairs_in_order
from seqcli.core.tasks.translate.plan import TranslatePlan
from seqcli.core.tokenizers import UNK, Tokenizer
from seqcli.core.tokenizers.word import WordTokenizer
from seqcli.core.trained import NetworkTrained, texts_of
from seqcli.errors import CheckpointError, ConfigError, DataError

TOKENS_AT_ONCE = 8192  # the largest number of source tokens, padding included, that are translated as one batch
LONGER = 5  # a translation may have this many tokens more than the longest target known for such a source: see _limits


@dataclass(frozen=True)
class Candidate:
    """One translation and its score: its log-probability with the search's length norm and coverage penalty."""

    text: str
    score: float


@dataclass(frozen=True)
class Translation:
    """The translations of a text.

    If attention was asked for, `attention[t][s]` is how much the t-th target token looked at the s-th source token.
    """

    source: str
    candidates: tuple[Candidate, ...]  # the best first; as many as n_best says
    source_tokens: list[str] = field(default_factory=list)  # these two are there only with attention
    target_tokens: list[str] = field(default_factory=list)
    attention: list[list[float]] | None = None
    truncated: bool = False  # whether the source was longer than the model reads
    unknown: tuple[str, ...] = ()  # parts of the source that are not in the model's vocabulary

    @property
    def text(self) -> str:
        """The best translation."""
        return self.candidates[0].text

    @property
    def score(self) -> float:
        """Its score."""
        return self.candidates[0].score


class Translator(NetworkTrained):
    """A trained encoder-decoder, to translate texts with and to measure."""

    file: ClassVar = TranslatorFile
    plan: TranslatePlan
    measured_with: ClassVar = ("skip_bad_lines", "beam")
    model: Seq2Seq

    def __init__(
        self,
        model: Seq2Seq,
        source_tokenizer: Tokenizer,
        tokenizer: Tokenizer,
        plan: TranslatePlan,
        longest_targets: Sequence[Sequence[int]],
        figures: dict[str, float] | None = None,
    ) -> None:
        """`longest_targets` are the longest targets in training by the length of the source (see translate.pairs)."""
        self.model, self.source_tokenizer, self.tokenizer = model, source_tokenizer, tokenizer
        self.plan, self.figures = plan, figures or {}
        self._source_lengths, self._target_lengths = np.array(longest_targets).T
        self._longest = max(100, 2 * plan.max_length)  # the largest number of source tokens that are read

    @classmethod
    def network(cls, about: TranslatorFile) -> Seq2Seq:
        return build_seq2seq(about.config, about.source_tokenizer.vocab_size, about.tokenizer.vocab_size, None)

    @classmethod
    def of(cls, model: Seq2Seq, about: TranslatorFile) -> "Translator":
        source, target = about.source_tokenizer, about.tokenizer
        return cls(model, source, target, about.config, about.longest_targets, about.figures)

    def facts(self) -> dict[str, str]:
        sizes = f"{self.source_tokenizer.vocab_size:,} and {self.tokenizer.vocab_size:,} {self.plan.tokens}"
        return {"attention": self.plan.attention, "tokens": sizes}

    def examples(self) -> list[str]:
        return ['model.translate("...").text', 'model.evaluate("held_out.tsv", beam=1)']

    # --- translating ------------------------------------------------------------------------------------------

    @overload
    def translate(self, texts: str, *, first: int = ..., attention: bool = ..., **options: Any) -> Translation: ...
    @overload
    def translate(
        self, texts: Iterable[str], *, first: int = ..., attention: bool = ..., **options: Any
    ) -> list[Translation]: ...
    def translate(
        self, texts: str | Iterable[str], *, first: int = 0, attention: bool = False, **options: Any
    ) -> Translation | list[Translation]:
        """Translate a text, or several texts, for which a list is returned in the same order.

        The options are those of decoding.options.SearchOptions: beam, n_best, length_penalty, length_norm,
        coverage_penalty, no_repeat_ngram, min_length, max_length, max_ratio, temperature, top_k, top_p,
        replace_unknown, seed. With a `temperature`, n_best translations are drawn; otherwise they are searched for.
        `max_length` is the largest number of target tokens, and `max_ratio` that for each source token. Without
        `max_length`, a translation is at most a little longer than the longest target that training had for a source of
        about this length or less. With `attention` the result also says where the model looked.

        What is drawn for text k depends on `seed` + `first` + k. When a stream of texts is translated in parts, `first`
        is the number of texts in the parts before. Raises ConfigError for unknown options, for values that are not
        allowed, and for options that contradict each other or do not suit this model; DataError for anything that is no
        text.
        """
        if isinstance(texts, str):
            return self.translate([texts], first=first, attention=attention, **options)[0]
        asked = made_options(SearchOptions, options, beside=("texts", "first", "attention"))
        texts = texts_of(texts)
        self._check(asked, attention=attention)
        base = torch.Generator().seed() % 2**62 if asked.seed is None else asked.seed
        search = Search(
            beam=asked.beam,
            n_best=asked.n_best,
            length_penalty=asked.length_penalty,
            normalize=asked.length_norm,
            coverage_penalty=asked.coverage_penalty,
            no_repeat_ngram=asked.no_repeat_ngram,
            min_length=asked.min_length,
        )
        filters = None
        if asked.temperature is not None or asked.beam == 1:
            filters = Filters(asked.temperature, asked.top_k, asked.top_p) if asked.temperature else GREEDY
        ids = self.source_tokenizer.encode_lines(texts)
        lines = Lines.of([line[: self._longest] for line in ids])
        made: list[Translation | None] = [
            None if text.strip() else Translation(text, (Candidate("", 0.0),)) for text in texts
        ]
        for part in rows_in_order(lines.lengths, TOKENS_AT_ONCE):
            rows = [int(k) for k in part if made[k] is None]
            if not rows:
                continue
            read = torch.from_numpy(lines.lengths[rows]) - 1  # source tokens without <eos>, (B,)
            limit = torch.full_like(read, asked.max_length) if asked.max_length else self._limits(read)
            if asked.max_ratio is not None:
                limit = limit.minimum((asked.max_ratio * read).ceil().long().clamp(min=1))
            found = self._search(lines, rows, search, filters, limit, [base + first + row for row in rows])
            most = max(map(len, found)) if asked.replace_unknown else int(attention)
            looked = [self._attention(lines, rows, [f[min(n, len(f) - 1)] for f in found]) for n in range(most)]
            for row, (k, hypotheses) in enumerate(zip(rows, found, strict=True)):
                made[k] = self._translation(
                    texts[k],
                    ids[k],
                    hypotheses,
                    [weights[row] for weights in looked[: len(hypotheses)]],
                    attention=attention,
                    replace_unknown=asked.replace_unknown,
                )
        return [t for t in made if t is not None]

    def _check(self, asked: SearchOptions, *, attention: bool) -> None:
        """Raise ConfigError for options that do not suit this model."""
        if (attention or asked.replace_unknown or asked.coverage_penalty) and self.model.attention is None:
            raise ConfigError("The model was trained with --attention none; there is no attention to use or to show.")
        if asked.replace_unknown and self.plan.tokens != "word":
            raise ConfigError("--replace-unknown is for models of words; only those have unknown ones.")

    def _limits(self, read: torch.Tensor) -> torch.Tensor:
        """Return how many tokens to write at most, (B,), for sources with `read` (B,) tokens.

        It is the longest target that a source of this length had in training, plus LONGER. Sources that are a little
        longer count too, because some sources say the same in fewer words.
        """
        known = np.searchsorted(self._source_lengths, 1.1 * read.numpy() + 2, side="right")
        return torch.from_numpy(self._target_lengths[np.maximum(known - 1, 0)]) + LONGER

    @torch.no_grad()
    def _search(
        self,
        lines: Lines,
        rows: Sequence[int],
        search: Search,
        filters: Filters | None,
        limit: torch.Tensor,
        seeds: Sequence[int],
    ) -> list[list[Hypothesis]]:
        """Find the translations of the lines with numbers `rows`: by beam search, or by sampling with `filters`.

        limit (B,) is the largest number of tokens. Returns the hypotheses of each line, best first.
        """
        device = self.device
        source, mask = (lines.reversed if self.plan.reverse_source else lines.padded)(np.array(rows))
        with self.in_precision():
            decoder = Decoder(self.model, coverage=bool(search.coverage_penalty))
            state = decoder.start(self.model.encode(source.to(device), mask.to(device)))
            if filters is not None:
                found = sample(decoder, state, limit.to(device), search, filters, seeds)
            else:
                found = beam_search(decoder, state, limit.to(device), search)
        if not all(hypotheses and math.isfinite(hypotheses[0].score) for hypotheses in found):
            raise CheckpointError("The model's scores are no finite numbers: its weights are damaged or diverged.")
        return found

    @torch.no_grad()
    def _attention(self, lines: Lines, rows: Sequence[int], best: Sequence[Hypothesis]) -> list[list[list[float]]]:
        """Return the attention weights of one hypothesis for each row, as lists [row][t][s].

        The network reads the hypotheses again as if they were references.
        """
        pairs = PairSet(lines.select(np.array(rows)), Lines.of([np.array(h.ids, np.int32) for h in best]))
        batch = pair_batch(pairs, np.arange(len(rows)), reverse_source=self.plan.reverse_source).to(self.device)
        _, weights = self.model.features(self.model.encode(batch.source, batch.source_mask), batch.inputs)
        assert weights is not None
        found = []
        for row, (S, T) in enumerate(zip(pairs.source.lengths, pairs.target.lengths, strict=True)):
            here = weights[row, :T, :S].float()  # (T, S)
            if self.plan.reverse_source:  # back into the order of the text; <eos> is last in both
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
        """Make the result for one text with ids (n,) from its hypotheses.

        `looked` are the attention weights [t][s] of the first hypotheses, for as many of them as need it.
        """
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

    def read(self, path: str | Path, *, skip_bad_lines: bool = False, say: Say = silent) -> list[Pair]:
        """Read the pairs of a file. Raises DataError when it has none, or for a bad line."""
        reader = PairReader(skip=skip_bad_lines, invalid=self.plan.invalid_utf8)
        found = list(reader.read(find_files([path])))
        tell_skipped(say, reader.skipped, path)
        if not found:
            raise DataError(f"There is no pair in {path}.")
        return found

    # --- measuring --------------------------------------------------------------------------------------------

    def evaluate(
        self, path: str | Path, *, say: Say = silent, skip_bad_lines: bool = False, **options: Any
    ) -> dict[str, Any]:
        """Translate a file of pairs and measure the result. The options are those of `translate`.

        Returns BLEU, chrF, TER and exact match of the translations, loss, perplexity and accuracy of the references,
        and the speed. Raises DataError when the file cannot be read.
        """
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
            **evaluate(self.model, pairs, reverse_source=self.plan.reverse_source),
            "sentences": len(found),
            "sentences_per_s": len(found) / seconds,
        }


def scores(ours: Sequence[str], references: Sequence[str]) -> dict[str, Any]:
    """Return BLEU, chrF, TER and exact match, with the one to look at first in front, and the signature of BLEU."""
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
    """Compute loss (nats per token), perplexity and accuracy of the references; every target token counts once."""
    device = model.device
    total, hits, tokens = 0.0, 0, 0
    for batch in pairs_in_order(pairs, 4096, reverse_source=reverse_source):
        here = batch.to(device)
        losses, right = model.target_scores(here.source, here.source_mask, here.inputs, here.targets, here.mask)
        total += losses.sum().item()
        hits += int(right.sum())
        tokens += batch.tokens
    mean = total / tokens
    return {"loss": mean, "perplexity": float(np.exp(min(mean, 700.0))), "accuracy": hits / tokens, "tokens": tokens}
