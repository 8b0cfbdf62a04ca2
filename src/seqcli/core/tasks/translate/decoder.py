"""The decoder of a Seq2Seq as a search needs it (see decoding.search.Scorer): one step for all hypotheses."""

from dataclasses import dataclass

import torch
from torch import Tensor

from seqcli.core.cells.base import State
from seqcli.core.tasks.translate.network import Seq2Seq, Source


@dataclass(frozen=True)
class DecoderState:
    """The state of B sentences with K hypotheses each. The source of a sentence is stored only once."""

    source: Source
    cells: list[State]  # one for each layer, (B * K, H)
    feed: Tensor | None  # with input feeding, h~ of the previous step: (B * K, W)
    coverage: Tensor | None  # attention weights summed over the steps, NaN on padding: (B, K, S)


class Decoder:
    """Scores the next tokens of hypotheses. It keeps no state of its own.

    With `coverage` it sums up the attention weights, which the coverage penalty needs.
    """

    def __init__(self, model: Seq2Seq, *, coverage: bool = False) -> None:
        self.model, self._covers = model, coverage

    def start(self, source: Source) -> DecoderState:
        """Make the state before the first token, with one hypothesis for each sentence."""
        batch = len(source.context)
        feed = source.context.new_zeros(batch, self.model.width) if self.model.input_feeding else None  # (B, W)
        covered = None
        if self._covers and source.memory is not None:
            mask = source.memory.mask[:, None]  # (B, 1, S)
            covered = torch.zeros(mask.shape, device=mask.device).masked_fill(~mask, torch.nan)  # (B, 1, S)
        return DecoderState(source, source.state, feed, covered)

    def step(self, tokens: Tensor, state: DecoderState) -> tuple[Tensor, DecoderState]:
        """Feed the last tokens (B, K). Returns the logits of the next tokens (B, K, V) and the next state."""
        model, source = self.model, state.source
        B, K = tokens.shape
        which = None
        # If the input is the token alone, hypotheses with the same token have the same input: U distinct ones.
        if state.feed is None and not model.every_step:
            tokens, which = tokens.flatten().unique(return_inverse=True)  # (U,), (B * K,)
            tokens = tokens[:, None]  # (U, 1)
        x = model.embed(tokens, source.context).flatten(0, 1)  # (B * K, I), or (U, I)
        if state.feed is not None:
            x = torch.cat((x, state.feed.to(x.dtype)), dim=1)  # (B * K, I + W)
        h, cells = model.decoder.step(x, state.cells, which)  # (B * K, H)
        out, weights = model.attend(h.view(B, K, -1), source)  # (B, K, W), (B, K, S)
        coverage = state.coverage
        if coverage is not None and weights is not None:
            coverage = coverage + weights  # (B, K, S)
        feed = out.flatten(0, 1) if state.feed is not None else None  # (B * K, W)
        return model.projection(out), DecoderState(source, cells, feed, coverage)  # (B, K, V)

    def select(self, state: DecoderState, sentences: Tensor, parents: Tensor) -> DecoderState:
        """Return the state of the sentences (B',) alone, with hypotheses that continue the `parents` (B', K')."""
        B = len(state.source.context)
        K = len(state.cells[0][0]) // B
        rows = (sentences[:, None] * K + parents).flatten()  # (B' * K',)
        source = state.source
        if not torch.equal(sentences, torch.arange(B, device=sentences.device)):
            memory = source.memory.select(sentences) if source.memory is not None else None
            source = Source(memory, source.context[sentences], [])
        cells = [type(cell)(*(t[rows] for t in cell)) for cell in state.cells]  # (B' * K', H)
        feed = state.feed[rows] if state.feed is not None else None  # (B' * K', W)
        # (B', K', S)
        coverage = state.coverage.flatten(0, 1)[rows].view(*parents.shape, -1) if state.coverage is not None else None
        return DecoderState(source, cells, feed, coverage)

    def coverage(self, state: DecoderState) -> Tensor | None:
        """Return the attention that each source token got so far, summed over the steps: (B, K, S), NaN on padding."""
        return state.coverage
