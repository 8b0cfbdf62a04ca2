"""Speed of tagging and classifying: sentences a second, against a plain torch loop with packed sequences.

    python benchmarks/label_speed.py RUN FILE [--sentences 10000] [--times 5]

RUN is a trained tagger (FILE is CoNLL-U or WORD TAB TAG) or classifier (FILE is TEXT TAB LABEL) with one layer of
LSTM; FILE is repeated until there are as many sentences. The plain loop has the same weights in nn.Embedding, nn.LSTM
and nn.Linear, reads batches of 32 in the file's order, and packs every batch; that both say the same is checked.
One JSON object; the two alternate, and the figures are medians.
"""

import argparse
import itertools
import json
import statistics
import time
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence, pad_sequence

import seqcli
from seqcli.cli import process
from seqcli.core.layers import Embedding, Stack
from seqcli.core.layers.characters import CharacterLSTM
from seqcli.core.tasks.classify.trained import Classifier
from seqcli.core.tasks.tag.trained import Tagger

BATCH = 32


def torch_lstm(stack: Stack) -> nn.LSTM:
    """A torch LSTM with the weights of a bidirectional stack of one layer."""
    forward, backward = stack.cells
    lstm = nn.LSTM(forward.input_size, forward.hidden_size, batch_first=True, bidirectional=True)
    weights = dict(forward.named_parameters()) | {f"{k}_reverse": v for k, v in backward.named_parameters()}
    lstm.load_state_dict(weights)
    return lstm


def packed(lstm: nn.LSTM, x: Tensor, lengths: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Outputs (B, T, 2H) and last states (B, 2H) of padded rows, by packing them."""
    rows = pack_padded_sequence(x, torch.tensor(lengths), batch_first=True, enforce_sorted=False)
    y, (h, _) = lstm(rows)
    return pad_packed_sequence(y, batch_first=True)[0], torch.cat((h[0], h[1]), dim=1)


def plain_tagger(model: Tagger) -> Callable[[Sequence[Sequence[str]]], list[list[str]]]:
    """The same tagger as a plain torch loop."""
    net = model.model
    assert isinstance(net.spelling, CharacterLSTM) and net.crf is None, "train it with --characters lstm, without --crf"
    spelling, stack = torch_lstm(net.spelling.stack), torch_lstm(net.stack)

    @torch.no_grad()
    def tag(sentences: Sequence[Sequence[str]]) -> list[list[str]]:
        found = []
        for at in range(0, len(sentences), BATCH):
            batch = sentences[at : at + BATCH]
            lengths = [len(s) for s in batch]
            words = pad_sequence([torch.tensor(model.words.lookup(s)) for s in batch], batch_first=True)
            letters = [torch.tensor(model.characters.encode(w)) for s in batch for w in s]
            characters = pad_sequence(letters, batch_first=True)
            _, spelled = packed(spelling, net.spelling.embedding(characters), [len(w) for w in letters])
            rows = pad_sequence(list(spelled.split(lengths)), batch_first=True)
            y, _ = packed(stack, torch.cat((net.encoding(words), rows), dim=2), lengths)
            best = net.projection(y).argmax(2).tolist()
            found += [[model.tags[k] for k in row[:n]] for row, n in zip(best, lengths, strict=True)]
        return found

    return tag


def plain_classifier(model: Classifier) -> Callable[[Sequence[str]], list[str]]:
    """The same classifier as a plain torch loop."""
    net = model.model
    assert isinstance(net.encoding, Embedding) and net.pool.how == "mean-max", "train it with --pool mean-max"
    stack = torch_lstm(net.stack)

    @torch.no_grad()
    def classify(texts: Sequence[str]) -> list[str]:
        found = []
        for at in range(0, len(texts), BATCH):
            ids = [torch.tensor([*model.tokenizer.encode(t), 3]) for t in texts[at : at + BATCH]]
            lengths = [len(row) for row in ids]
            y, _ = packed(stack, net.encoding(pad_sequence(ids, batch_first=True)), lengths)
            real = (torch.arange(y.shape[1])[None] < torch.tensor(lengths)[:, None])[..., None]
            mean = (y * real).sum(1) / torch.tensor(lengths)[:, None]
            highest = y.masked_fill(~real, -torch.inf).amax(1)
            best = net.projection(torch.cat((mean, highest), dim=1)).argmax(1).tolist()
            found += [model.labels[k] for k in best]
        return found

    return classify


def main() -> None:
    """Alternate ours and the plain loop."""
    process.keep_few_kernels()
    process.keep_freed_memory()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run")
    parser.add_argument("file")
    parser.add_argument("--sentences", type=int, default=10_000)
    parser.add_argument("--times", type=int, default=5)
    args = parser.parse_args()
    model = seqcli.load(args.run)
    ours: Callable[[], list[object]]
    theirs: Callable[[], list[object]]
    if isinstance(model, Tagger):
        sentences = [s.words for s in itertools.islice(itertools.cycle(model.read(args.file)), args.sentences)]
        loop = plain_tagger(model)
        ours, theirs = (lambda: [t.tags for t in model.tag_words(sentences)]), (lambda: loop(sentences))
    else:
        assert isinstance(model, Classifier), "give the run of a tagger or a classifier"
        texts = [t.text for t in itertools.islice(itertools.cycle(model.read(args.file)), args.sentences)]
        loop_ = plain_classifier(model)
        ours, theirs = (lambda: [c.label for c in model.classify(texts)]), (lambda: loop_(texts))
    same = [a == b for a, b in zip(ours(), theirs(), strict=True)]
    seconds: dict[str, list[float]] = {"ours": [], "plain": []}
    for _ in range(args.times):
        for name, run in (("ours", ours), ("plain", theirs)):
            start = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - start)
    speed = {name: args.sentences / statistics.median(times) for name, times in seconds.items()}
    print(
        json.dumps(
            {
                "task": model.plan.task,
                **{f"{name}_sentences_per_s": round(value) for name, value in speed.items()},
                "ratio": round(speed["ours"] / speed["plain"], 2),
                "same": round(sum(same) / len(same), 4),
            }
        )
    )


if __name__ == "__main__":
    main()
