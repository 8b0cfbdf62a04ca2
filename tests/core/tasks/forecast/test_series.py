"""Series: every layout that is read, what is mended and said, and what is refused."""

from pathlib import Path

import numpy as np

from seqcli.core.tasks.forecast.series import read_series


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_long(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "unique_id,ds,y\nb,1,5\nb,2,6\na,7,1.5\nb,4,\nb,5,8\na,8,-2\n")
    series = read_series([path])
    assert series.ids == ["b", "a"]
    np.testing.assert_equal(series.of(0), [5, 6, np.nan, np.nan, 8])
    np.testing.assert_equal(series.of(1), [1.5, -2])
    assert series.times(1) == ["7", "8"]
    assert series.select([1]).ids == ["a"]
    np.testing.assert_equal(series.select([1, 0]).of(1), series.of(0))


def test_wide(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "date,a,b\n2024-01-30,1,\n2024-01-31,2,3\n2024-02-02,5,4\n")
    series = read_series([path])
    assert series.ids == ["a", "b"]
    assert series.frequency.name == "daily"
    np.testing.assert_equal(series.of(0), [1, 2, np.nan, 5])
    assert series.times(1) == ["2024-01-31", "2024-02-01", "2024-02-02"]
