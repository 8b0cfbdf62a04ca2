"""The decoder of a Seq2Seq as a search sees it (see decoding.search.Scorer): one step for K hypotheses a sentence."""

from dataclasses import dataclass

import torch
from torch import Tensor

from seqcli.core.cells.base import State
from seqcli.core.tasks.translate.network import Seq2Seq, Source


@dataclass(frozen=True)
class DecoderState:
    """What B sentences with K hypotheses each have come to; the source is kept once a sentence."""

    source: Source
    cells: list[State]  # (B*K, H), one a layer
    feed: Tensor | None  # (B*K, W), h~ of the step before, with input feeding
    coverage: Tensor | None  # (B, K, S), attention summed over the steps; NaN on padding


class Decoder:
    """Scores the next token of hypotheses; keeps no state of its own."""

    def __init__(self, model: Seq2Seq, *, coverage: bool = False) -> None:
        self.model, self._covers = model, coverage

    def start(self, source: Source) -> DecoderState:
        """The state before the first token, with one hypothesis a sentence."""
        batch = len(source.context)
        feed = source.context.new_zeros(batch, self.model.width) if self.model.input_feeding else None
        covered = None
        if self._covers and source.memory is not None:
            mask = source.memory.mask[:, None]  # (B, 1, S)
            covered = torch.zeros(mask.shape, device=mask.device).masked_fill(~mask, torch.nan)
        return DecoderState(source, source.state, feed, covered)

    def step(self, tokens: Tensor, state: DecoderState) -> tuple[Tensor, DecoderState]:
        """tokens (B, K) -> scores (B, K, V), and the state after."""
        model, source = self.model, state.source
        B, K = tokens.shape
        which = None
        if state.feed is None and not model.every_step:  # the input is the token alone, and many have the same one
            tokens, which = tokens.flatten().unique(return_inverse=True)
            tokens = tokens[:, None]
        x = model.embed(tokens, source.context).flatten(0, 1)
        if state.feed is not None:
            x = torch.cat((x, state.feed.to(x.dtype)), dim=1)
        h, cells = model.decoder.step(x, state.cells, which)
        out, weights = model.attend(h.view(B, K, -1), source)
        coverage = state.coverage
        if coverage is not None and weights is not None:
            coverage = coverage + weights
        feed = out.flatten(0, 1) if state.feed is not None else None
        return model.projection(out), DecoderState(source, cells, feed, coverage)

    def select(self, state: DecoderState, sentences: Tensor, parents: Tensor) -> DecoderState:
        """The state of these sentences (B',) only, whose hypotheses go on from these parents (B', K')."""
        B = len(state.source.context)
        K = len(state.cells[0][0]) // B
        rows = (sentences[:, None] * K + parents).flatten()
        source = state.source
        if not torch.equal(sentences, torch.arange(B, device=sentences.device)):
            memory = source.memory.select(sentences) if source.memory is not None else None
            source = Source(memory, source.context[sentences], [])
        cells = [type(cell)(*(t[rows] for t in cell)) for cell in state.cells]
        feed = state.feed[rows] if state.feed is not None else None
        coverage = state.coverage.flatten(0, 1)[rows].view(*parents.shape, -1) if state.coverage is not None else None
        return DecoderState(source, cells, feed, coverage)

    def coverage(self, state: DecoderState) -> Tensor | None:
        """(B, K, S): how much each source token was looked at, NaN on padding."""
        return state.coverage
