"""The directory of a run: its name, its lock, and what happens when it goes away."""

import errno
import shutil
import threading
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from seqcli import Config
from seqcli.core import catalogue, places, runs
from seqcli.core.events import Event, Finished, Notice, Stepped
from seqcli.core.places import CONFIG, check_place, new_place
from seqcli.core.tasks.union import build
from seqcli.errors import CheckpointError, ConfigError, TrainingError


def config_of(corpus: Path, **options: Any) -> Config:
    small = {"hidden": 4, "embedding_dim": 3, "batch_size": 4, "window": 9, "steps": 12, "threads": 1}
    return build({**small, "files": (str(corpus),), **options})


def until(events: Generator[Event, None, None], step: int) -> None:
    for event in events:
        if isinstance(event, Stepped) and event.step == step:
            return


def started(corpus: Path, step: int = 3, **options: Any) -> Generator[Event, None, None]:
    """A training that stands at this step."""
    events: Any = runs.train(config_of(corpus, **options), run="r")
    until(events, step)
    return events  # type: ignore[no-any-return]


# --- names ----------------------------------------------------------------------------------------------------------


def test_trainings_started_together_have_different_names() -> None:
    config, count = Config(files=("a.txt",)), 8
    barrier, ends = threading.Barrier(count, timeout=30), threading.Barrier(count, timeout=30)
    found: list[str] = []

    def train() -> None:
        barrier.wait()
        with new_place(config, None, Path("runs/deep")) as (place, lock):
            assert lock.works
            (place / CONFIG).touch()
            found.append(place.name)
            ends.wait()

    threads = [threading.Thread(target=train) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == sorted(["a-lstm", *(f"a-lstm-{k}" for k in range(2, count + 1))])


def test_one_name_is_given_once() -> None:
    config, got = Config(files=("a.txt",)), 0
    barrier = threading.Barrier(4, timeout=30)

    def train() -> None:
        nonlocal got
        check_place("same", Path("runs"))
        barrier.wait()
        try:
            with new_place(config, "same", Path("runs")) as (place, _):
                (place / CONFIG).touch()
                got += 1
        except ConfigError as error:
            assert "exists already" in str(error) or "There is a run" in str(error)

    threads = [threading.Thread(target=train) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert got == 1


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a/", "/a", "a\nb", "a\x1b[31m", "a\0b"])
def test_what_is_no_name(corpus: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="must be a plain name"):
        list(runs.train(config_of(corpus), run=name))
    assert not Path("runs").exists()


def test_a_place_that_cannot_be_had(corpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("runs/empty").mkdir(parents=True)
    with pytest.raises(ConfigError, match="runs/empty exists already, and is no run"):
        list(runs.train(config_of(corpus), run="empty"))
    with pytest.raises(ConfigError, match="cannot be made: File name too long"):
        list(runs.train(config_of(corpus), run="n" * 300))
    Path("loop").symlink_to("loop")
    Path("file").touch()
    for runs_dir in ("loop", "file", "file/below"):
        with pytest.raises(ConfigError, match=r"cannot be made: .*--runs-dir"):
            list(runs.train(config_of(corpus), runs_dir=runs_dir))
    monkeypatch.setattr(places.os, "access", lambda *_: False)
    with pytest.raises(ConfigError, match="cannot be made: Permission denied"):
        list(runs.train(config_of(corpus)))


def test_names_from_files(corpus: Path) -> None:
    Path("loop").symlink_to("loop")
    for file, name in (
        ("한 글.txt", "한-글-lstm"),
        ("..", None),
        ("loop", "loop-lstm"),
        ("n" * 255, "n" * 150 + "-lstm"),
    ):
        with new_place(Config(files=(file,)), None, Path("runs")) as (place, _):
            assert name is None or place.name == name
        assert not Path("runs").exists(), "nothing came of it, so nothing is left"


# --- locks ----------------------------------------------------------------------------------------------------------


def test_a_run_is_trained_by_one_process_at_a_time(corpus: Path) -> None:
    events = started(corpus)
    with pytest.raises(CheckpointError, match="runs/r is being trained by another process"):
        list(runs.resume("r"))
    with pytest.raises(ConfigError, match="There is a run runs/r already"):
        list(runs.train(config_of(corpus), run="r"))
    assert [run.name for run in catalogue.list_runs()] == ["r"]
    events.close()
    resumed: Any = runs.resume("r")
    until(resumed, 5)
    with pytest.raises(CheckpointError, match="being trained by another process"):
        list(runs.resume("r"))
    assert isinstance(list(resumed)[-1], Finished)
    list(runs.resume("r", {"steps": 13}))


def test_a_file_system_without_locks_is_said(corpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none_here(*_: object) -> None:
        raise OSError(errno.ENOTSUP, "Operation not supported")

    monkeypatch.setattr("fcntl.flock", none_here)
    events = list(runs.train(config_of(corpus), run="r"))
    assert any(isinstance(event, Notice) and "has no locks" in event.text for event in events)
    assert isinstance(events[-1], Finished)


def test_a_run_that_is_read_only(corpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    list(runs.train(config_of(corpus), run="r"))

    def read_only(path: Path) -> None:
        raise OSError(errno.EROFS, "Read-only file system", str(path))

    monkeypatch.setattr(places, "Lock", read_only)
    with pytest.raises(CheckpointError, match="runs/r cannot be written to: Read-only file system"):
        list(runs.resume("r", {"steps": 13}))
    assert runs.load("r").plan.hidden == 4


# --- going away -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["removed", "moved", "replaced", "config removed"])
@pytest.mark.parametrize("options", [{}, {"log_every": 100, "eval_every": 100, "save_every": 5}, {"valid_split": 0.0}])
def test_a_directory_that_goes_away_is_an_error(corpus: Path, how: str, options: dict[str, Any]) -> None:
    events = started(corpus, **options)
    place = Path("runs/r")
    if how == "config removed":
        (place / CONFIG).unlink()
    elif how == "removed":
        shutil.rmtree(place)
    else:
        place.rename("runs/moved")
        if how == "replaced":
            shutil.copytree("runs/moved", place)
    there = sorted(Path("runs").rglob("*"))
    with pytest.raises(TrainingError, match="runs/r was removed, moved or replaced while the run was trained"):
        list(events)
    if how == "removed":
        assert sorted(Path("runs").rglob("*")) == there == [], "it is not made again"


def test_stopping_a_training_whose_directory_is_gone(corpus: Path) -> None:
    events = started(corpus)
    shutil.rmtree("runs/r")
    with pytest.raises(TrainingError, match="was removed"):
        events.close()
    assert not Path("runs/r").exists()


def test_a_full_disk_is_a_sentence(corpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    events = started(corpus, log_every=4)

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("seqcli.core.training.loop.add_point", full)
    with pytest.raises(TrainingError, match=r"runs/r cannot be written or read: No space left on device.*--resume r"):
        list(events)


def test_a_path_is_taken_as_it_stands_and_a_name_is_a_run() -> None:
    for place in ("runs/a", "runs/runs/a", "a"):
        Path(place).mkdir(parents=True)
    assert catalogue.find("runs/a") == Path("runs/a")
    assert catalogue.find(Path("runs/a")) == Path("runs/a")
    assert catalogue.find("a") == Path("runs/a")
    Path("runs/a").rmdir()
    assert catalogue.find("a") == Path("a")
    assert catalogue.find("runs/a") == Path("runs/runs/a")


def test_a_run_is_as_far_as_its_newest_checkpoint(corpus: Path) -> None:
    for _ in runs.train(Config(corpus, hidden=4, steps=6, save_every=2, keep=9), run="a"):
        pass
    (run,) = catalogue.list_runs()
    assert run.step == 6
    shutil.rmtree("runs/a/checkpoints/step-00000006")  # as after a crash: logged, and not saved
    assert catalogue.read_run(run.path).step == 4
    shutil.rmtree("runs/a/checkpoints")
    assert catalogue.read_run(run.path).step == 6
