"""Parquet tables: read as cells, with a stand-in for pyarrow and, where it is installed, with pyarrow itself."""

import datetime
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from seqcli.core.tasks.forecast.series import read_series
from seqcli.errors import ConfigError, DataError

COLUMNS: dict[str, list[Any]] = {
    "unique_id": ["a", "a", "a", "b", "b"],
    "ds": [datetime.datetime(2024, 1, day) for day in (1, 2, 4, 1, 2)],
    "y": [1.5, None, 3.0, float("nan"), 5],
}


class Column(list[Any]):
    to_pylist = list.copy


class ParquetFile:
    """A stand-in for pyarrow's, with the rows of COLUMNS."""

    def __init__(self, path: Path) -> None:
        if path.read_bytes() != b"PAR1":
            raise ValueError("Parquet magic bytes not found in footer.")
        self.schema_arrow = SimpleNamespace(names=list(COLUMNS))

    def iter_batches(self, batch_size: int) -> Iterator[Any]:
        for k in range(0, 5, 2):
            columns = [Column(values[k : k + 2]) for values in COLUMNS.values()]
            yield SimpleNamespace(columns=columns, num_rows=len(columns[0]))


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    module = ModuleType("pyarrow.parquet")
    module.ParquetFile = ParquetFile  # type: ignore[attr-defined] # a module that is made up
    monkeypatch.setitem(sys.modules, "pyarrow", ModuleType("pyarrow"))
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", module)
    (tmp_path / "a.parquet").write_bytes(b"PAR1")
    return tmp_path / "a.parquet"


def test_columns_are_read(path: Path) -> None:
    series = read_series([path])
    assert (series.ids, series.frequency.name) == (["a", "b"], "daily")
    np.testing.assert_equal(series.of(0), [1.5, np.nan, np.nan, 3])
    np.testing.assert_equal(series.of(1), [5])


def test_damaged_files_and_rows_are_named(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(COLUMNS, "y", [1.0, 2.0, float("inf"), 4.0, 5.0])
    with pytest.raises(DataError, match=r"a\.parquet, line 4: column 'y' has an infinite value"):
        read_series([path])
    path.write_bytes(b"PAR")
    with pytest.raises(DataError, match=r"a\.parquet cannot be read as a Parquet table: Parquet magic bytes"):
        read_series([path])


def test_without_pyarrow_it_is_said_how_to_get_it(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(ConfigError, match=r'pip install "seqcli\[parquet\]"'):
        read_series([path])


def test_pyarrow_itself(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    parquet.write_table(pyarrow.table(COLUMNS), tmp_path / "b.parquet")
    np.testing.assert_equal(read_series([tmp_path / "b.parquet"]).of(0), [1.5, np.nan, np.nan, 3])
