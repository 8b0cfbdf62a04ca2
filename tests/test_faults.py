"""Trainings that are killed, run out of disk, lose their text or may not write: the last good checkpoint is usable, and
a run that goes on comes to the very same bits as one that never stopped."""

import errno
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

import pytest
import torch
from safetensors.torch import load_file

import seqcli
from seqcli.core import catalogue, files, runs
from seqcli.core.events import Finished
from seqcli.core.tasks.union import build
from seqcli.errors import SeqcliError

Run = Callable[..., Any]
WORDS = ("red", "blue", "green", "old", "new", "cat", "dog", "tree", "house", "river")
SMALL: dict[str, Any] = {"steps": 24, "save_every": 1, "eval_every": 4, "sample_every": 9, "threads": 1, "seed": 3}
NETWORK: dict[str, Any] = {"hidden": 8, "embedding_dim": 6, "average": 3, "dropout": 0.2}
TASKS: dict[str, dict[str, Any]] = {
    "lm": {**NETWORK, "batch_size": 4, "window": 9},
    "translate": {**NETWORK, "batch_tokens": 60},
    "tag": {**NETWORK, "batch_size": 4},
    "classify": {**NETWORK, "batch_size": 4},
    "embed": {"embedding_dim": 6, "min_count": 1, "valid_split": 0.2},
    "forecast": {"hidden": 8, "average": 3, "dropout": 0.2, "batch_size": 4, "horizon": 4},
}
KILLS = 100  # in each task


@pytest.fixture
def data(tmp_path: Path) -> Callable[[str], Path]:
    """A small file for each task."""

    def made(task: str) -> Path:
        chance = random.Random(5)
        lines = [[chance.choice(WORDS) for _ in range(6)] for _ in range(90)]
        text = {
            "lm": "\n".join(map(" ".join, lines)),
            "embed": "\n".join(map(" ".join, lines)),
            "translate": "\n".join(f"{' '.join(line)}\t{' '.join(line[::-1])}" for line in lines),
            "classify": "\n".join(f"{' '.join(line)}\t{'pet' if 'cat' in line else 'none'}" for line in lines),
            "tag": "\n\n".join("\n".join(f"{word}\t{word[0].upper()}" for word in line) for line in lines),
            "forecast": "\n".join(f"{day % 7 + chance.random()}" for day in range(90)),
        }[task]
        path = tmp_path / f"{task}.{'txt' if task in ('lm', 'embed') else 'tsv'}"
        path.write_text(text + "\n", encoding="utf-8")
        return path

    return made


@pytest.fixture
def order() -> Iterator[Callable[..., int]]:
    """Have the server train, and kill it after so many seconds; how the training ended."""
    server = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("fork_server.py"))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    to, of = pipes(server)
    assert of.readline() == "ready\n"

    def give(run: str, options: dict[str, Any], *, resume: bool, seconds: float | None = None) -> int:
        print(json.dumps({"run": run, "options": options, "resume": resume}), file=to, flush=True)
        child = int(of.readline())
        if seconds is not None:
            time.sleep(seconds)
            with suppress(ProcessLookupError):  # it may have come to its end
                os.kill(child, signal.SIGKILL)
        return int(of.readline())

    yield give
    to.close()
    server.wait(10)
    of.close()


def pipes(server: subprocess.Popen[str]) -> tuple[IO[str], IO[str]]:
    assert server.stdin is not None and server.stdout is not None
    return server.stdin, server.stdout


def everything(run: str) -> dict[str, Any]:
    """All that a run has come to: weights, state and figures, but not how long it took."""
    place = Path("runs", run)
    (newest,) = sorted(place.glob("checkpoints/step-*"))[-1:]
    kept = {path.name: path for path in (*newest.iterdir(), place / "best.safetensors")}
    tensors = {
        f"{file}/{name}": value.contiguous().flatten().view(torch.uint8).tolist()
        for file, path in kept.items()
        for name, value in load_file(path).items()
    }
    points = [json.loads(line) for line in (place / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    times = ("seconds", "tokens_per_s")
    return {**tensors, "points": [{k: v for k, v in point.items() if k not in times} for point in points]}


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="a training is killed in a fork of a process that has torch")
@pytest.mark.parametrize("task", TASKS)
def test_killed_trainings_go_on_to_the_same_bits(
    task: str, data: Callable[[str], Path], order: Callable[..., int]
) -> None:
    """A hundred kills at random moments, while saving, evaluating and averaging too."""
    options = {**SMALL, **TASKS[task], "task": task, "files": [str(data(task))]}
    started = time.perf_counter()
    assert order("whole", options, resume=False) == 0
    whole, lasts = everything("whole"), time.perf_counter() - started
    chance = random.Random(7)
    kills = number = 0
    while kills < KILLS:
        number += 1
        run = f"killed-{number}"
        ended, resume = -signal.SIGKILL, False
        while ended != 0:
            seconds = chance.uniform(0, 1.1 * lasts)
            ended = order(run, options, resume=resume, seconds=seconds)
            assert ended in (0, -signal.SIGKILL)
            kills += ended != 0
            resume = any(Path("runs", run).glob("checkpoints/step-*"))
            if ended and not resume:  # too early to be gone on with
                number += 1
                run = f"killed-{number}"
        assert everything(run) == whole
        left = [path for path in Path("runs", run).rglob("*") if path.name.endswith(".tmp")]
        assert left == []


def trained(data: Callable[[str], Path], **options: Any) -> Path:
    """A run of a few steps of a language model."""
    path = data("lm")
    list(seqcli.train(build({**SMALL, **TASKS["lm"], "files": (str(path),), "steps": 8, **options}), run="r"))
    return path


def usable() -> None:
    """What is on the disk can be sampled from and gone on with."""
    assert runs.load("r", task="lm").sample(length=5, seed=1)
    list(runs.resume("r", {"steps": 12}))


def test_a_full_disk_is_said_and_the_last_checkpoint_goes_on(
    data: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """At any of the writes of a training, whole or half; simulated where bytes are brought to the disk."""
    trained(data)
    real = os.fsync
    for left in (0, 1, 2, 3, 5, 8, 13):
        count = 0

        def full(number: int, left: int = left) -> None:
            nonlocal count
            count += 1
            if count > left:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            real(number)

        monkeypatch.setattr(files.os, "fsync", full)
        with pytest.raises(SeqcliError, match="No space left"):
            list(runs.resume("r", {"steps": 40}))
        monkeypatch.setattr(files.os, "fsync", real)
        usable()
        assert not list(Path("runs").rglob("*.tmp"))


def test_a_run_that_may_not_be_written_to_is_said(data: Callable[[str], Path]) -> None:
    trained(data)
    place = Path("runs/r")
    for path in (place, place / "checkpoints"):
        path.chmod(0o555)
    try:
        if os.access(place, os.W_OK):
            pytest.skip("this user may write everywhere")
        with pytest.raises(SeqcliError, match="cannot be written"):
            list(runs.resume("r", {"steps": 12}))
    finally:
        for path in (place, place / "checkpoints"):
            path.chmod(0o755)
    usable()


def test_a_text_that_has_vanished_is_said(data: Callable[[str], Path], seqcli: Run) -> None:
    """While it is trained on, its tokens are in the cache; to go on, it must be there again."""
    path = trained(data)
    text = path.read_text(encoding="utf-8")
    path.unlink()
    result = seqcli("train", "--resume", "r", "--steps", 12)
    assert result.code == 1 and str(path) in result.err and "Traceback" not in result.err
    assert runs.load("r", task="lm").sample(length=5, seed=1)
    path.write_text(text, encoding="utf-8")
    usable()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_training_that_is_asked_to_end_saves_and_says_how_to_go_on(
    data: Callable[[str], Path], number: signal.Signals
) -> None:
    command = [sys.executable, "-m", "seqcli", "train", str(data("lm")), "--run", "r", "--steps", "100000"]
    command += ["--hidden", "8", "--threads", "1", "--log-every", "1"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("step 3"):
                process.send_signal(number)
                break
        said = process.stderr.read()
        assert process.wait(30) == 130, said
    assert "seqcli train --resume r" in said
    last = list(runs.resume("r", {"steps": catalogue.read_run(Path("runs/r")).step + 1}))[-1]
    assert isinstance(last, Finished)
