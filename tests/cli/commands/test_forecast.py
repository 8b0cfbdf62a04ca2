"""Series at the command line: training, forecasts as CSV and JSON, figures, and a sentence for everything else."""

import csv
import io
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]
SMALL = ("--hidden", 6, "--steps", 3, "--horizon", 4, "--threads", 1)


def weeks(count: int = 60) -> str:
    """Two series by step."""
    return "step,north,south\n" + "".join(f"{t},{t % 7},{t % 7 * 2 + 3}\n" for t in range(count))


@pytest.fixture
def run(seqcli: Run) -> Path:
    Path("s.csv").write_text(weeks())
    result = seqcli("train", "s.csv", *SMALL, "--run", "f")
    assert result.code == 0, result.err
    assert "4 steps are forecast" in result.err and "seqcli forecast --run f" in result.err
    return Path("runs/f")


def test_a_table_of_series_is_for_a_forecaster_and_its_forecast_is_csv(seqcli: Run, run: Path) -> None:
    result = seqcli("forecast", "--levels", "50,90")
    assert result.code == 0, result.err
    rows = list(csv.DictReader(io.StringIO(result.out)))
    assert list(rows[0]) == ["unique_id", "ds", "mean", "median", "lo-50", "hi-50", "lo-90", "hi-90"]
    places = [(name, str(60 + t)) for name in ("north", "south") for t in range(4)]
    assert [(row["unique_id"], row["ds"]) for row in rows] == places
    for row in rows:
        numbers = [float(row[name]) for name in ("lo-90", "lo-50", "median", "hi-50", "hi-90")]
        assert numbers == sorted(numbers) and all(map(math.isfinite, numbers))


def test_json_is_a_line_for_each_row_and_a_file_is_written(seqcli: Run, run: Path) -> None:
    plain = seqcli("forecast", "--quiet")
    rows = [json.loads(line) for line in seqcli("forecast", "--json", "--series", "south").out.splitlines()]
    assert [row["ds"] for row in rows] == ["60", "61", "62", "63"] and {row["unique_id"] for row in rows} == {"south"}
    assert seqcli("forecast", "-o", "out.csv").out == "out.csv\n"
    assert Path("out.csv").read_text() == plain.out
    told = json.loads(seqcli("forecast", "-o", "out.csv", "--json").out)
    assert told == {"path": "out.csv", "series": 2, "rows": 8}


def test_figures_are_beside_those_of_naive_forecasts(seqcli: Run, run: Path) -> None:
    Path("new.csv").write_text(weeks(75))
    result = seqcli("eval", "new.csv", "--json", "--windows", 2)
    assert result.code == 0, result.err
    found = json.loads(result.out)
    assert found["windows"] == 4 and {"naive", "seasonal naive", "Naive2"} == set(found["beside"])
    assert seqcli("eval", "new.csv").code == 0


@pytest.mark.parametrize("select", ["smape", "mase"])
def test_the_figure_that_chose_the_model_is_told(seqcli: Run, select: str) -> None:
    Path("s.csv").write_text("".join(f"{t % 7 + t % 3}\n" for t in range(60)))
    result = seqcli("train", "s.csv", *SMALL, "--select", select)
    assert result.code == 0 and f"best {select} " in result.err, result.err


def test_a_table_that_may_be_labels_asks_for_the_task(seqcli: Run) -> None:
    Path("t.csv").write_text("name,score\n" + "".join(f"thing{k % 3},{k % 5}\n" for k in range(9)))
    result = seqcli("train", "t.csv")
    assert result.code == 2 and "Traceback" not in result.err
    said = " ".join(result.err.split())
    assert "seqcli train --task forecast t.csv" in said and "seqcli train --task classify t.csv" in said


@pytest.mark.parametrize(
    ("command", "code", "said"),
    [
        (("forecast", "--levels", "0"), 2, "--levels has 0"),
        (("forecast", "--levels", "80,100"), 2, "--levels has 100"),
        (("forecast", "--levels", "many"), 2, "like 80,95"),
        (("forecast", "--series", "nort"), 2, "Did you mean north?"),
        (("forecast", "--samples", "0"), 2, "--samples"),
        (("forecast", "missing.csv"), 1, "missing.csv"),
        (("forecast", "words.csv"), 2, "--id-column"),
        (("forecast", "--run", "g"), 1, "g"),
        (("forecast", "-o", "no/such/out.csv"), 1, "no/such"),
        (("eval", "short.csv", "--run", "f"), 1, "nothing to measure"),
        (("eval", "s.csv", "--beam", "3", "--run", "f"), 2, "--beam"),
        (("train", "--resume", "f", "--horizon", "5"), 2, "--horizon cannot change"),
        (("train", "s.csv", "--horizon", "0"), 2, "--horizon"),
        (("train", "s.csv", "--horizon", "59"), 1, "Lower --horizon"),
        (("train", "s.csv", "--known", "price"), 2, "price"),
        (("train", "s.csv", "--horizon", "4", "--likelihood", "negative-binomial", "--decode", "beam"), 2, "beam"),
        (("sample", "--run", "f"), 1, "forecaster"),
    ],
)
def test_bad_input(seqcli: Run, run: Path, command: tuple[str, ...], code: int, said: str) -> None:
    Path("words.csv").write_text("text,label\nhello,good\nworld,bad\n")
    Path("short.csv").write_text("step,new\n1,5\n2,6\n3,8\n")
    result = seqcli(*command)
    assert (result.code, result.out) == (code, "") and said in " ".join(result.err.split()), result.err
    assert "Traceback" not in result.err


def test_without_a_forecaster_one_is_told_how_to_train_one(seqcli: Run) -> None:
    result = seqcli("forecast")
    assert result.code == 1 and "Train one first: seqcli train SERIES.csv" in result.err
