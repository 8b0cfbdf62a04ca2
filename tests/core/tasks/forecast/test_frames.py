"""Data frames as files, by classes that look like those of pandas and polars."""

from pathlib import Path
from typing import Any

import pytest

from seqcli.core.tasks.forecast.frames import as_csv, as_file, kept
from seqcli.core.tasks.forecast.series import read_series
from seqcli.errors import DataError


class Polars:
    """As much of a polars.DataFrame as is used."""

    def __init__(self, columns: dict[str, list[Any]]) -> None:
        self.columns_ = columns

    def write_csv(self) -> str:
        rows = [list(self.columns_), *zip(*self.columns_.values(), strict=True)]
        return "\n".join(",".join(map(str, row)) for row in rows) + "\n"


class RangeIndex:
    name = None


class DatetimeIndex(list[str]):
    name: str | None = None


class Pandas:
    """As much of a pandas.DataFrame as is used."""

    def __init__(self, columns: dict[Any, list[Any]], index: Any) -> None:
        self.data, self.columns, self.index = columns, list(columns), index

    def to_csv(self, *, index: bool, index_label: str | None, header: list[str]) -> str:
        rows = [list(row) for row in zip(*self.data.values(), strict=True)]
        if index:
            rows = [[time, *row] for time, row in zip(self.index, rows, strict=True)]
            header = [str(index_label), *header]
        return "\n".join(",".join(map(str, row)) for row in [header, *rows]) + "\n"


DAYS = [f"2024-01-{day:02d}" for day in range(1, 9)]
Y = [float(k % 3) for k in range(8)]


@pytest.mark.parametrize(
    "frame",
    [
        Polars({"ds": DAYS, "y": Y}),
        Pandas({"ds": DAYS, "y": Y}, RangeIndex()),
        Pandas({"y": Y}, DatetimeIndex(DAYS)),
    ],
    ids=["polars", "pandas", "an index of times"],
)
def test_frames_are_read_like_files(frame: Any) -> None:
    with as_file(frame) as path:
        found = read_series([path])
    assert found.times(0) == DAYS and found.values.tolist() == Y
    assert not path.exists()


def test_an_index_keeps_its_name() -> None:
    index = DatetimeIndex(DAYS)
    index.name = "day"
    assert as_csv(Pandas({"y": Y}, index)).startswith("day,y\n2024-01-01,0.0\n")


def test_columns_without_a_name_are_no_values() -> None:
    with as_file(Pandas({0: Y}, RangeIndex())) as path:
        assert read_series([path]).values.tolist() == Y


def test_a_path_is_left_where_it_is() -> None:
    Path("a.csv").write_text("1\n")
    for path in ("a.csv", Path("a.csv")):
        with as_file(path) as given:
            assert given == Path("a.csv")
    assert Path("a.csv").exists()


def test_a_frame_that_is_trained_on_is_kept_for_going_on() -> None:
    place = kept(Polars({"ds": DAYS, "y": Y}))
    assert place == kept(Pandas({"ds": DAYS, "y": Y}, RangeIndex())) != kept(Polars({"ds": DAYS, "z": Y}))
    assert read_series([Path(place)]).values.tolist() == Y


@pytest.mark.parametrize("value", [3, None, [1.0, 2.0], {"y": Y}, object()])
def test_anything_else_is_refused(value: Any) -> None:
    with pytest.raises(DataError, match="is neither"), as_file(value):
        pass
