"""What a training shows on a terminal, as wide as it may be, and at its end."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.text import Text

from seqcli.cli import console, progress
from seqcli.cli.progress import LiveDrawer
from seqcli.core import events
from seqcli.core.events import Evaluated, Finished, Logged, Previewed, Started
from seqcli.core.runs import planned
from seqcli.core.tasks.union import build

Run = Callable[..., Any]


@pytest.mark.parametrize("width", [40, 80])
def test_nothing_of_a_display_is_cut_off(corpus: Path, monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    monkeypatch.setattr(console.stderr, "_width", width)
    config = planned(build({"files": (str(corpus),), "steps": 9, "hidden": 4}))
    drawer = LiveDrawer("runs")
    sample = " ".join(f"word{k}" for k in range(40))
    with console.stderr.capture() as caught:
        drawer(Started(Path("runs/a"), config, 123_456, 1000, 100, 50, 0, 9))
        drawer(Previewed(3, sample))
        drawer(Evaluated(3, 0.1, 2.5, {"perplexity": 12.18, "accuracy": 0.25, "f1": 0.125}, 1.0, True))
        drawer.stop()
    lines = [line.rstrip() for line in caught.get().splitlines()]
    assert all(console.stderr.is_terminal or len(line) <= width for line in lines), lines
    text = " ".join(" ".join(lines).replace("│", " ").split())
    assert sample in text and "lstm 1 x 4, embedding 128" in text and "123,456 parameters" in text
    assert "perplexity 12.18 accuracy 25.00% f1 12.50%" in text


@pytest.mark.parametrize("width", [20, 40, 80, 200])
def test_the_line_of_figures_leaves_room_for_the_interrupt(monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    """Where ^C begins a line of its own, the display can no longer be wiped off the screen."""
    monkeypatch.setattr(console.stderr, "_width", width)
    drawer = LiveDrawer("runs")
    drawer.on_logged(Logged(5, 9, 0.5, 2.125, 1e-3, 0.5, 12_345, 1.0, 1.0))
    line = drawer._figures().renderables[1]
    assert isinstance(line, Text) and line.cell_len <= width - 3
    assert line.plain.startswith("loss 2.125") and not line.plain.endswith(" ")
    assert (width < 80) or line.plain.endswith("grad 0.50")


def test_the_end_tells_the_figure_that_the_model_was_chosen_by(seqcli: Run, tmp_path: Path) -> None:
    path = tmp_path / "labels.tsv"
    path.write_text("".join(f"text {k} {'xy'[k % 2]}\t{'xy'[k % 2]}\n" for k in range(60)))
    options = ("--task", "classify", "--hidden", 4, "--steps", 4, "--eval-every", 2, "--run")
    for run, select in (("a", "accuracy"), ("b", "f1"), ("c", "loss")):
        err = seqcli("train", path, *options, run, "--select", select).err
        end = next(line for line in err.splitlines() if line.startswith("Done"))
        step = end.rpartition(" at step ")[2].rstrip(".")
        line = next(line for line in err.splitlines() if line.startswith(f"step {step}  val_loss"))
        name = "val_loss" if select == "loss" else select
        value = line.partition(f"  {name} ")[2].split()[0]
        assert f"best {name} {value} at step {step}." in end, err
    err = seqcli("train", "--resume", "a", "--steps", 5, "--eval-every", 100).err  # nothing better in this sitting
    assert "best accuracy " in err and "% at step" in err


def test_the_end_without_validation(tmp_path: Path) -> None:
    assert progress.best(Finished(tmp_path, 9, 1.0, 1.0, 9, None, "loss", None, "budget")) == "no validation"


def test_figures_are_written_alike() -> None:
    figures = {"accuracy": 0.5, "f1": 0.25, "loss": 1.23456}
    assert "accuracy 50.00%  f1 25.00%" in progress.evaluated(Evaluated(3, 0.1, 1.0, figures, 1.0, True))


def test_the_test_file_is_drawn_as_by_eval(seqcli: Run, tmp_path: Path) -> None:
    path = tmp_path / "labels.tsv"
    path.write_text("".join(f"text {k} {'xy'[k % 2]}\t{'xy'[k % 2]}\n" for k in range(60)))
    trained = seqcli("train", path, "--task", "classify", "--hidden", 4, "--steps", 4, "--run", "a", "--test", path)
    assert trained.code == 0, trained.err
    head, shown = trained.err.rpartition(f"\nOn {path}:\n")[1:]
    figures, _, labels = seqcli("eval", path, "--run", "a").out.partition("\n\n")
    steady = [line for line in figures.splitlines() if "texts/s" not in line]
    assert head and len(steady) > 3
    assert steady == [line for line in shown.partition("\n\n")[0].splitlines() if "texts/s" not in line]
    assert labels.startswith("label\tprecision") and shown.partition("\n\n")[2].startswith("label  precision")


def test_tables_of_a_test_file_on_a_terminal() -> None:
    drawer = LiveDrawer("runs")
    label = {"label": "sea", "precision": 0.5, "recall": 0.25, "f1": 0.125, "count": 1234}
    with console.stderr.capture() as caught:
        drawer.on_tested(events.Tested("t", {"accuracy": 0.5, "labels": [label], "confusions": [("sea", "sky", 3)]}))
    words = " ".join(caught.get().split())
    assert words.startswith("On t: accuracy 50.00% label precision")
    assert "sea 50.0% 25.0% 12.5% 1,234 right taken for times sea sky 3" in words


def test_a_best_long_before_the_end_is_answered_with_what_to_do(tmp_path: Path) -> None:
    def told(best_step: int, reason: str = "budget", task: str = "lm") -> str:
        event = Finished(tmp_path, 100, 1.0, 1.0, best_step, 2.5, "loss", 2.5, reason)
        return "\n".join(progress.summary(event, "a", task))

    assert "the best was at step 59 of 100" in told(59)
    assert "--steps 59" in told(59) and "--patience" in told(59) and "--dropout" in told(59)
    assert "--dropout" not in told(59, task="embed") and "more data" in told(59, task="embed")
    assert "hint" not in told(60) and "hint" not in told(59, "patience")
    unmeasured = Finished(tmp_path, 9, 1.0, 1.0, 0, None, "loss", None, "budget")
    assert "hint" not in "\n".join(progress.summary(unmeasured, "a", "lm"))
