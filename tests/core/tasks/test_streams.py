"""The random streams of a training: each is salted by its use, so that no two draw the same numbers."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from seqcli.core.layers import start
from seqcli.core.tasks.classify.job import ClassifyJob
from seqcli.core.tasks.forecast.job import ForecastJob
from seqcli.core.tasks.tag.job import TagJob
from seqcli.core.tasks.translate.job import TranslateJob
from seqcli.core.tasks.union import build
from seqcli.core.training.state import TrainingState

TEXTS = {
    "tag": "".join(f"word{k}\tA\nother{k}\tB\n\n" for k in range(40)),
    "classify": "".join(f"text {k} of some\t{'good' if k % 2 else 'bad'}\n" for k in range(40)),
    "translate": "".join(f"source {k}\ttarget {k}\n" for k in range(40)),
    "forecast": "ds\t"
    + "\t".join(f"s{k}" for k in range(30))
    + "\n"
    + "".join(f"{2000 + t}\t" + "\t".join(f"{t % 5 + k}" for k in range(30)) + "\n" for t in range(40)),
}
JOBS: dict[str, Any] = {"tag": TagJob, "classify": ClassifyJob, "translate": TranslateJob, "forecast": ForecastJob}


@pytest.mark.parametrize("task", TEXTS)
def test_no_two_uses_draw_the_same_numbers(task: str, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []
    generator = np.random.default_rng

    def recorded(seed: Any) -> np.random.Generator:
        random = generator(seed)
        made.append(random.bit_generator.state["state"]["state"])
        return random

    monkeypatch.setattr(np.random, "default_rng", recorded)
    Path("a.tsv").write_text(TEXTS[task])
    options = {"hidden": 4, "dropout": 0.0, "batch_size": 8, "steps": 9}
    job = JOBS[task](build({"files": ("a.tsv",), "task": task, **options}))
    for number in range(2 * job.steps_per_epoch):
        job.loss(number, [], 0.0)
    batches, split = 2, 1
    if task == "forecast":
        batches = 1 + 2 * job.steps_per_epoch  # each batch of windows is drawn by itself, and that of the start
    dropped = 0 if task in ("translate", "forecast") else 2 * job.steps_per_epoch
    assert len(made) == len(set(made)) == batches + split + dropped


def test_dropout_and_scheduled_sampling_do_not_repeat_the_numbers_of_the_weights(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made: list[torch.Generator] = []
    monkeypatch.setattr(start, "initialize", lambda network, generator: made.append(generator))
    Path("a.tsv").write_text(TEXTS["translate"])
    sampled = {"teacher_forcing": 0.5, "teacher_forcing_schedule": "constant"}
    for seed in (0, 1):
        options = {"hidden": 4, "dropout": 0.2, "batch_size": 8, "steps": 9, "seed": seed, **sampled}
        job = TranslateJob(build({"files": ("a.tsv",), **options}))
        monkeypatch.setattr(job.model, "loss", lambda *_, generator, **others: made.append(generator))
        made.append(TrainingState(job).generator)
        for number in range(3):
            job.loss(number, [], 0.0)
    drawn = [torch.empty(50, dtype=torch.int64).random_(generator=generator).tolist() for generator in made]
    assert len(drawn) == 2 * (1 + 1 + 3)
    assert len({number for numbers in drawn for number in numbers}) == sum(map(len, drawn))
