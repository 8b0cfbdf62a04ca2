"""Series: every layout and format that is read, what is mended and said, and what is refused."""

import time
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from seqcli.core.tasks.forecast.frequency import Frequency
from seqcli.core.tasks.forecast.series import Series, read_series
from seqcli.errors import ConfigError, DataError, SeqcliError

nan = np.nan


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def read(tmp_path: Path, text: str, name: str = "a.csv", **how: Any) -> Series:
    return read_series([write(tmp_path / name, text)], **how)


def days(*values: str, header: str = "ds,y", first: int = 1) -> str:
    """A table of one value a day of January 2024."""
    return "\n".join([header, *(f"2024-01-{day:02d},{value}" for day, value in enumerate(values, first))]) + "\n"


def whole(series: Series) -> dict[str, tuple[list[str], list[float]]]:
    """All that there is to know of series without covariates: by name the times and the values."""
    return {id_: (series.times(k)[: series.ends[k]], series.of(k).tolist()) for k, id_ in enumerate(series.ids)}


# --- layouts ----------------------------------------------------------------------------------------------------------


def test_long(tmp_path: Path) -> None:
    series = read(tmp_path, "unique_id,ds,y\nb,1,5\nb,2,6\na,7,1.5\nb,4,\nb,5,8\na,8,-2e1\n")
    assert series.ids == ["b", "a"]
    assert whole(series)["a"] == (["7", "8"], [1.5, -20])
    np.testing.assert_equal(series.of(0), [5, 6, nan, nan, 8])
    assert (len(series), series.starts.tolist(), series.ends.tolist()) == (2, [1, 7], [5, 2])
    assert series.frequency.name == "steps of 1"


def test_wide(tmp_path: Path) -> None:
    series = read(tmp_path, "date,a,b\n2024-01-30,1,\n2024-01-31,2,3\n2024-02-02,5,4\n")
    assert series.ids == ["a", "b"]
    assert series.frequency.name == "daily"
    np.testing.assert_equal(series.of(0), [1, 2, nan, 5])
    assert series.times(1) == ["2024-01-31", "2024-02-01", "2024-02-02"]


@pytest.mark.parametrize(
    ("text", "id_", "values"),
    [
        ("3\n1.5\n2\n", "y", [3, 1.5, 2]),
        ("load\n3\n1.5\n2\n", "load", [3, 1.5, 2]),
        ("load\n3\n\n2\n\n", "load", [3, nan, 2]),  # in a bare column an empty line is an empty cell
        ('"load"\n"3"\n\n"2"\n', "load", [3, nan, 2]),
        ("y\n1,5\n2,5\n", "y", [1.5, 2.5]),
        ("3\nNA\n2", "y", [3, nan, 2]),
    ],
)
def test_a_bare_column(tmp_path: Path, text: str, id_: str, values: list[float]) -> None:
    for name in ("a.csv", "a.txt"):
        series = read(tmp_path, text, name)
        assert series.ids == [id_]
        np.testing.assert_equal(series.of(0), values)
        assert series.times(0) == [str(k) for k in range(1, len(values) + 1)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ds,y\n1,5\n2,6\n", {"y": [5, 6]}),
        (
            "store,date,sales\n1,2024-01-01,5\n1,2024-01-02,6\n2,2024-01-01,7\n2,2024-01-02,8\n",
            {"1": [5, 6], "2": [7, 8]},
        ),
        ("id,ds,y\n1,2024-01-01,5\n2,2024-01-02,6\n3,2024-01-03,7\n", {"y": [5, 6, 7]}),  # id counts the rows
        ("date,month,a,b\n2024-01-31,1,5,6\n2024-02-01,2,7,8\n", {"a": [5, 7], "b": [6, 8]}),
        ("ds,y,\n2024-01-01,5,\n2024-01-02,6,\n", {"y": [5, 6]}),
        ("ds,y\n1.0,5\n2.0,6\n", {"y": [5, 6]}),
        ("place;when;warmth\nOslo;2024-01-01;5\nOslo;2024-01-02;6\n", {"Oslo": [5, 6]}),
        (",y\n0,5\n1,6\n2,7\n", {"y": [5, 6, 7]}),  # as pandas writes an index
        ("H1,1,605\nH1,2,586\nH1,3,586\n", {"H1": [605, 586, 586]}),
        ("when\tx\tz\n2024-01-01\t1\t2\n2024-01-02\t3\t4\n", {"x": [1, 3], "z": [2, 4]}),
        ("series,value\na,1\na,2\nb,3\nb,4\n", {"a": [1, 2], "b": [3, 4]}),  # no times: the order of the rows
        ('ds,"y, in ""t"""\n2024-01-01,1\n2024-01-02,2\n', {'y, in "t"': [1, 2]}),
        ("date,1,2\n2024-01-01,5,6\n2024-01-02,7,8\n", {"1": [5, 7], "2": [6, 8]}),
    ],
)
def test_columns_are_guessed(tmp_path: Path, text: str, expected: dict[str, list[float]]) -> None:
    assert {id_: values for id_, (_, values) in whole(read(tmp_path, text)).items()} == expected


def test_columns_are_named(tmp_path: Path) -> None:
    text = "a,b,c,d\n2024-01-01,x,1,5\n2024-01-02,x,2,6\n2024-01-01,w,3,7\n2024-01-02,w,4,8\n"
    series = read(tmp_path, text, id_column="b", time_column="a", value_column="d")
    assert whole(series) == {k: (["2024-01-01", "2024-01-02"], v) for k, v in {"x": [5, 6], "w": [7, 8]}.items()}
    one = read(tmp_path, "a,c,d\n2024-01-01,1,5\n2024-01-02,2,6\n", value_column="d")
    assert whole(one) == {"d": (["2024-01-01", "2024-01-02"], [5, 6])}


def test_several_files_are_one_table(tmp_path: Path) -> None:
    paths = [
        write(tmp_path / "a.csv", "unique_id,ds,y\na,1,5\nb,1,6\n"),
        write(tmp_path / "b.csv", "unique_id,ds,y\na,2,7\n"),
    ]
    assert whole(read_series(paths)) == {"a": (["1", "2"], [5, 7]), "b": (["1"], [6])}
    write(paths[1], "unique_id,ds,y\na,1,7\n")
    with pytest.raises(DataError, match=r"b\.csv, line 2: series 'a' has the same time in \S*a\.csv, line 2"):
        read_series(paths)
    write(paths[1], "unique_id,ds,z\na,1,7\n")
    with pytest.raises(DataError, match=r"but .*a\.csv has unique_id, ds, y"):
        read_series(paths)


# --- numbers ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cell", ["", " ", "NA", "NaN", "nan", "null", "None", "-", "N/A"])
def test_missing_values(tmp_path: Path, cell: str) -> None:
    np.testing.assert_equal(read(tmp_path, days("1", cell, "3")).of(0), [1, nan, 3])


@pytest.mark.parametrize(
    ("cells", "values"),
    [
        (["1,5", "2", "-0,25"], [1.5, 2, -0.25]),
        (["1.234,5", "2.000", "7"], [1234.5, 2000, 7]),
        (["1.234", "1.234.567", "7"], [1234, 1234567, 7]),
        (["1,234.5", "2,000", "7"], [1234.5, 2000, 7]),
        (["1,234,567", "7,000", "8"], [1234567, 7000, 8]),
        (["1 234,5", "2 000", "7"], [1234.5, 2000, 7]),
        (["1\u00a0234,5", "2\u202f000", "7"], [1234.5, 2000, 7]),
        (["1'234.5", "2’000", "7"], [1234.5, 2000, 7]),
        (["1,5e3", "+2", "\u22127"], [1500, 2, -7]),
        (["0,125", "1,250", "7"], [0.125, 1.25, 7]),  # a whole number does not begin with 0
        (["1.234", "0.5", ".5"], [1.234, 0.5, 0.5]),
    ],
)
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_numbers_of_other_countries(tmp_path: Path, cells: list[str], values: list[float], delimiter: str) -> None:
    quote = '"' if delimiter == "," else ""
    rows = [f"2024-01-0{k}{delimiter}{quote}{cell}{quote}" for k, cell in enumerate(cells, 1)]
    said: list[str] = []
    series = read(tmp_path, "\n".join([f"ds{delimiter}y", *rows]), say=said.append)
    np.testing.assert_allclose(series.of(0), values)
    assert len(said) == 1, "nothing was guessed"


@pytest.mark.parametrize(("delimiter", "value"), [(",", 1234), (";", 1.234)])
def test_what_stays_open_is_said(tmp_path: Path, delimiter: str, value: float) -> None:
    text = f'ds{delimiter}y\n2024-01-01{delimiter}"1,234"\n2024-01-02{delimiter}7\n'
    said: list[str] = []
    assert read(tmp_path, text, say=said.append).of(0).tolist() == [value, 7]
    assert f"line 2: column 'y' has numbers like '1,234', which was read as {value:g}" in said[0]


def test_columns_that_tell_speak_for_those_that_do_not(tmp_path: Path) -> None:
    said: list[str] = []
    series = read(tmp_path, "ds;a;b\n2024-01-01;1,5;1.234\n2024-01-02;2;1,234\n", say=said.append)
    np.testing.assert_allclose([series.of(0), series.of(1)], [[1.5, 2], [1234, 1.234]])


def test_the_whole_column_decides_how_numbers_are_written(tmp_path: Path) -> None:
    rows = [f"{k};1.234" for k in range(1, 60_000)]
    series = read(tmp_path, "\n".join(["t;y", *rows, "60000;1.234,5"]))
    assert (series.of(0)[0], series.of(0)[-1]) == (1234, 1234.5)


# --- times ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "second", "third", "name"),
    [
        ("2024-01-31", "2024-02-01", "2024-02-02", "daily"),
        ("2024/01/31", "2024/02/01", "2024/02/02", "daily"),
        ("20240131", "20240201", "20240202", "daily"),
        ("31.01.2024", "01.02.2024", "02.02.2024", "daily"),
        ("31.1.2024", "1.2.2024", "2.2.2024", "daily"),
        ("31/01/2024", "01/02/2024", "02/02/2024", "daily"),
        ("01/31/2024", "02/01/2024", "02/02/2024", "daily"),
        ("1/31/2024 11:00 PM", "2/1/2024 12:00 AM", "2/1/2024 1:00 AM", "hourly"),
        ("31-01-2024", "01-02-2024", "02-02-2024", "daily"),
        ("2024-01-31 23:00", "2024-02-01 00:00", "2024-02-01 01:00", "hourly"),
        ("2024-01-31T23:00:30", "2024-01-31T23:00:40", "2024-01-31T23:00:50", "every 10 seconds"),
        ("2024-01-31T23:00:00.000Z", "2024-02-01T00:00:00.000Z", "2024-02-01T01:00:00.000Z", "hourly"),
        ("2024-01-31 23:00:00+02:00", "2024-02-01 00:00:00+02:00", "2024-02-01 01:00:00+02:00", "hourly"),
        ("2024-01-31T23:00-0330", "2024-02-01T00:00-0330", "2024-02-01T01:00-0330", "hourly"),
        ("20240131 23:00", "20240201 00:00", "20240201 01:00", "hourly"),
        ("2023-12", "2024-01", "2024-02", "monthly"),
        ("202312", "202401", "202402", "monthly"),
        ("12/2023", "01/2024", "02/2024", "monthly"),
        ("Dec 2023", "Jan 2024", "Feb 2024", "monthly"),
        ("2023-Q4", "2024-Q1", "2024-Q2", "quarterly"),
        ("2023Q4", "2024Q1", "2024Q2", "quarterly"),
        ("Q4 2023", "Q1 2024", "Q2 2024", "quarterly"),
        ("1999", "2000", "2001", "yearly"),
        ("2024-01-31", "2024-02-29", "2024-03-31", "monthly, at month ends"),
        ("1706655600", "1706659200", "1706662800", "steps of 3600"),
        ("-1", "0", "1", "steps of 1"),
    ],
)
def test_formats_of_times(tmp_path: Path, first: str, second: str, third: str, name: str) -> None:
    series = read(tmp_path, f"ds,y\n{first},1\n{second},2\n{third},3\n")
    assert series.frequency.name == name
    assert series.times(0) == [first, second, third]
    assert Frequency.of(series.frequency.as_dict()) == series.frequency


def test_times_far_apart_in_a_file_decide_about_day_and_month(tmp_path: Path) -> None:
    dates = [f"0{k % 9 + 1}/0{k // 9 + 1}/20{y}" for y in range(10, 60) for k in range(81)]
    rows = [f"{date},{k}" for k, date in enumerate(dates)]
    with pytest.raises(
        DataError, match=r"'01/01/2010' in \S+ line 2 begins with a day or a month cannot be seen: no day"
    ):
        read(tmp_path, "\n".join(["ds,y", *rows]))
    with pytest.raises(DataError, match="some have the day first"):
        read(tmp_path, "\n".join(["ds,y", *rows, "13/01/2070,1", "01/13/2070,1"]))


def test_offsets_from_utc(tmp_path: Path) -> None:
    hours = ["00:00+01:00", "01:00+01:00", "03:00+02:00", "04:00+02:00"]  # summer time begins
    series = read(tmp_path, "ds,y\n" + "".join(f"2024-03-31T{hour},{k}\n" for k, hour in enumerate(hours)))
    assert series.of(0).tolist() == [0, 1, 2, 3]
    assert series.times(0)[-1] == "2024-03-31T04:00+02:00"
    assert series.frequency.texts(series.starts + 4) == ["2024-03-31T05:00+02:00"]


def test_days_that_begin_at_midnight_of_their_place(tmp_path: Path) -> None:
    zones = ["+01:00"] * 3 + ["+02:00"] * 4
    rows = [f"2024-03-{day}T00:00:00{zone},{day}" for day, zone in enumerate(zones, 28) if day < 32]
    rows += ["2024-04-01T00:00:00+02:00,32", "2024-04-02T00:00:00+02:00,33"]
    series = read(tmp_path, "\n".join(["ds,y", *rows]))
    assert series.frequency.name == "daily"
    assert series.of(0).tolist() == [28, 29, 30, 31, 32, 33]
    assert series.times(0)[-1] == "2024-04-02T00:00:00+02:00"


def test_summer_time_of_local_times(tmp_path: Path) -> None:
    hours = ["00:00", "01:00", "03:00", "04:00"]
    series = read(tmp_path, "ds,y\n" + "".join(f"2024-03-31T{hour},{k}\n" for k, hour in enumerate(hours)))
    np.testing.assert_equal(series.of(0), [0, 1, nan, 2, 3])
    hours = ["01:00", "02:00", "02:00", "03:00"]
    with pytest.raises(
        DataError, match=r"line 4: series 'y' has the same time in \S+ line 3.*clocks are set back.*UTC"
    ):
        read(tmp_path, "ds,y\n" + "".join(f"2024-10-27T{hour},1\n" for hour in hours))


def test_rows_are_sorted_and_that_is_said(tmp_path: Path) -> None:
    said: list[str] = []
    text = "unique_id,ds,y,x\na,3,30,.3\nb,1,-1,1\na,1,10,.1\na,2,20,.2\nb,2,-2,1\nb,3,-3,1\nb,4,-4,1\n"
    series = read(tmp_path, text, value_column="y", past=["x"], say=said.append)
    assert whole(series) == {"a": (["1", "2", "3"], [10, 20, 30]), "b": (["1", "2", "3", "4"], [-1, -2, -3, -4])}
    np.testing.assert_allclose(series.past["x"], [0.1, 0.2, 0.3, 1, 1, 1, 1])
    assert "1 row comes after a later time" in said[0]
    said.clear()
    read(tmp_path, "unique_id,ds,y\na,1,1\nb,1,2\na,2,1\nb,2,3\n", say=said.append)
    assert len(said) == 1, "rows of two series in turns are usual"


def test_what_was_read_is_said(tmp_path: Path) -> None:
    said: list[str] = []
    read(tmp_path, "unique_id,ds,y\na,1,1\na,3,1\nb,1,2\nb,2,3\n", say=said.append)
    assert said == [
        "2 series, steps of 1: times in 'ds', names in 'unique_id', values in 'y'; 1 of 5 steps have no value."
    ]


# --- covariates -------------------------------------------------------------------------------------------------------

PROMOTED = """shop,day,sold,promo,rain,town
a,2024-01-01,5,yes,0.5,Ulm
a,2024-01-02,6,no,1.5,Ulm
a,2024-01-03,,yes,,Ulm
b,2024-01-02,7,,2.5,Bonn
b,2024-01-04,8,maybe,0,Bonn
b,2024-01-05,,no,,Bonn
"""


def test_covariates(tmp_path: Path) -> None:
    how = {"id_column": "shop", "value_column": "sold", "past": ["rain"], "static": ["town"]}
    series = read(tmp_path, PROMOTED, known=["promo"], **how)
    assert (series.offsets.tolist(), series.ends.tolist()) == ([0, 3, 7], [2, 3])  # the future is kept
    np.testing.assert_equal(series.values, [5, 6, nan, 7, nan, 8, nan])
    codes, names = series.known["promo"]
    assert [names[k] if k >= 0 else None for k in codes] == ["yes", "no", "yes", None, None, "maybe", "no"]
    np.testing.assert_equal(series.past["rain"], [0.5, 1.5, nan, 2.5, nan, 0, nan])
    assert series.static == {"town": ["Ulm", "Bonn"]}
    assert series.times(0) == ["2024-01-01", "2024-01-02", "2024-01-03"]
    np.testing.assert_equal(series.of(1), [7, nan, 8])

    one = series.select(np.array([1]))
    assert (one.ids, one.static, one.starts.tolist()) == (["b"], {"town": ["Bonn"]}, series.starts[1:].tolist())
    np.testing.assert_equal(one.known["promo"][0], codes[3:])
    both = series.select([1, 0])
    np.testing.assert_equal(both.past["rain"], series.past["rain"][[3, 4, 5, 6, 0, 1, 2]])
    np.testing.assert_equal(both.of(1), series.of(0))

    without = read(tmp_path, PROMOTED.replace("promo", "x"), **how, known=[])
    assert (without.offsets.tolist(), without.ends.tolist()) == ([0, 2, 5], [2, 3])


def test_covariates_of_wide_tables_hold_for_every_series(tmp_path: Path) -> None:
    series = read(tmp_path, "ds,a,b,holiday\n1,5,6,0\n2,7,,1\n3,,,0\n", known=["holiday"])
    assert series.ids == ["a", "b"]
    np.testing.assert_equal(series.known["holiday"], [0, 1, 0, 0, 1, 0])
    assert series.ends.tolist() == [2, 1]
    with pytest.raises(ConfigError, match="--static"):
        read(tmp_path, "ds,a,b,x\n1,5,6,0\n2,7,,0\n", static=["x"])


def test_static_columns_do_not_change(tmp_path: Path) -> None:
    text = "unique_id,ds,y,size,kind\na,1,1,2.5,x\na,2,1,,x\nb,1,1,3,\nb,2,1,3,\n"
    series = read(tmp_path, text, value_column="y", static=["size", "kind"])
    np.testing.assert_equal(series.static["size"], [2.5, 3])
    assert series.static["kind"] == ["x", ""]
    with pytest.raises(DataError, match=r"line 5: column 'size' changes within series 'b'.*--known.*--past"):
        read(tmp_path, text.replace("b,2,1,3", "b,2,1,4"), value_column="y", static=["size"])


def test_a_column_that_is_not_all_numbers_is_one_of_texts(tmp_path: Path) -> None:
    rows = [f"{k},{k},{k % 3}" for k in range(1, 500)]
    series = read(tmp_path, "\n".join(["ds,y,x", *rows, "500,500,none of them"]), value_column="y", past=["x"])
    assert isinstance(series.past["x"], tuple)
    assert sorted(series.past["x"][1]) == ["0", "1", "2", "none of them"]


# --- a frequency that is given ----------------------------------------------------------------------------------------


def test_a_frequency_that_is_given(tmp_path: Path) -> None:
    daily = read(tmp_path, days("1", "2", "3", "4")).frequency
    assert read(tmp_path, days("5"), frequency=daily).frequency.name == "daily"
    other = read(tmp_path, "ds,y\n31.01.2024,1\n02.02.2024,2\n", frequency=daily)
    assert other.times(0) == ["31.01.2024", "01.02.2024", "02.02.2024"]
    with pytest.raises(DataError, match=r"line 2: the times are plain integers, but the model's are daily"):
        read(tmp_path, "ds,y\n1,5\n2,6\n", frequency=daily)
    with pytest.raises(DataError, match="no column of times, but the model's series are daily"):
        read(tmp_path, "5\n6\n", frequency=daily)
    steps = read(tmp_path, "ds,y\n1,5\n2,6\n").frequency
    later = read(tmp_path, "ds,y\n1701,5\n1702,6\n", frequency=steps)  # no years
    assert (later.frequency.name, later.starts.tolist()) == ("steps of 1", [1701])
    assert read(tmp_path, "step,y\n1701,5\n1702,6\n").frequency.name == "steps of 1"


# --- what is refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ["a.csv is empty"]),
        ("\n \n", ["a.csv is empty"]),
        ("ds,y\n", ["no rows"]),
        ("ds,name\n2024-01-01,x\n2024-01-02,w\n", ["no column of numbers", "'ds', 'name'"]),
        (days("1", "2", "3,4"), ["line 4", "3 cells where the first line has 2", "-03,3,4'", "--skip-bad-lines"]),
        (days("1", "2", *"3" * 20, "x"), ["line 24", "column 'y' has no number", "'x'"]),
        (days("1", "2", *"3" * 20, "1_000"), ["line 24", "column 'y' has no number", "'1_000'"]),
        (days("1", "2", *"3" * 20, "5%"), ["line 24", "column 'y' has a percent sign", "'5%'"]),
        (days("1", "2", *"3" * 20, "€5"), ["line 24", "column 'y' has a currency sign", "'€5'"]),
        (days("1", "2", *"3" * 20, "-inf"), ["line 24", "column 'y' has an infinite value", "'-inf'"]),
        (days("1", "1e999", "3"), ["line 3", "column 'y' has an infinite value", "'1e999'"]),
        (days("1", "", "3").replace(",3", ",").replace(",1", ","), ["'y'", "no value at all, only gaps"]),
        ("ds,a,b\n2024-01-01,1,\n2024-01-02,2,\n", ["Series 'b'", "only gaps"]),
        (days(*"3" * 20) + "2024-02-30,3\n", ["line 22", "column 'ds' has no date of the calendar", "2024-02-30"]),
        (days(*"3" * 20) + "soon,3\n", ["line 22", "'ds' has no time that is understood", "'soon'", "2024-01-31"]),
        (days(*"3" * 20) + ",3\n", ["line 22", "column 'ds' has an empty time"]),
        (days(*"3" * 20) + "21.01.2024,3\n", ["line 22", "another format than '2024-01-01' in", "line 2", "'21.01"]),
        (days(*"3" * 20) + "2024-01-07,3\n", ["line 22: series 'y' has the same time in", "line 8", "--id-column"]),
        (days(*"3" * 20) + "9999-01-01,3\n", ["'y'", "21 rows in 2,91", "nearly all of it is gaps"]),
        ("ds,y\n2024-01-01 00:00,1\n2024-01-01 01:00Z,2\n", ["line 3", "an offset from UTC, unlike '2024"]),
        ("ds,y\n2024-01-01 00:00:00.5,1\n2024-01-01 01:00:00.5,2\n", ["line 2", "parts of a second"]),
        ("ds;y\n1;1,5\n2;1.5\n3;1\n", ["two styles: '1.5' in", "line 3", "and '1,5' in", "line 2"]),
        ('ds,y\n1,"5\n2,6\n', ["line 2", "a quote that begins there does not end"]),
        ("unique_id,ds,y\na,1,1\na,2,1\n,3,1\n", ["line 4", "column 'unique_id' has no name of a series"]),
        ("ds,a,a\n2024-01-01,1,2\n2024-01-02,1,2\n", ["two columns named 'a'"]),
        ("unique_id,ds,y\n" + "".join(f"a,2024-01-0{k},1\nb,{k + 2000}-01-01,1\n" for k in range(1, 8)),
         ["different frequencies", "'a' is daily", "'b' is yearly"]),
        (days("1"), ["single time"]),
        (days("1", "x", "w"), ["line 3", "column 'y' has no number", "'x'"]),
        ("ds,name\n1,a\n2,b\n", ["no column of numbers"]),
        ("1,5\n9,5\n3,5\n", ["line 1", "'1,5' may be one number with a decimal comma, or two columns"]),
        ("year,month,y\n2024,1,5\n2024,2,6\n", ["times in several columns, 'year' and 'month'"]),
        ("date,time,y\n2024-01-01,13:00,5\n2024-01-01,14:00,6\n", ["times in several columns, 'date' and 'time'"]),
        ("ds,y\n1/2/24,5\n1/3/24,6\n", ["column 'ds' has '1/2/24', which is no time"]),
        ("ds,y\n0.1,5\n0.2,6\n", ["column 'ds' has '0.1', which is no time"]),
        ("ds,y\n" + "".join(f"{k}.0,5\n" for k in range(300)) + "300.5,5\n", ["line 302", "no whole number"]),
        ("ds|y\n2024-01-01|5\n2024-01-02|5\n", ["no column of numbers", "parted by commas, semicolons or tabs"]),
        (days("5%", "6%"), ["no column of numbers", "'y' has a percent sign", "'5%'"]),
        ("unique_id,ds,y\na,2024-01-01,1\na,2024-02-01,1\na,2024-03-01,1\nb,2024-01-05,1\nb,2024-02-05,1\n",
         ["line 5: the time 2024-01-05 of series 'b' does not fit the others, which are monthly"]),
        ("ds,y\n2024-01-31,5\n2024-02-28,6\n2024-03-31,7\n", ["no regular distance", "write months like 2024-01"]),
        ("ds,y\n2024-01-01,5\n2,6\n2024-01-03,7\n2024-01-04,8\n", ["line 3", "another format than '2024-01-01'"]),
        ("ds,y\n2024-01-01,5\n2,6\n", ["another format than '2024-01-01'"]),
    ],
)  # fmt: skip
def test_bad_files_get_a_sentence(tmp_path: Path, text: str, words: list[str]) -> None:
    with pytest.raises(DataError) as error:
        read(tmp_path, text)
    for word in words:
        assert word in str(error.value), error.value


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"value_column": "sale"}, ["no column 'sale'", "shop, day, sold", "Did you mean sold?"]),
        ({"id_column": "stop"}, ["no column 'stop'", "Did you mean shop?"]),
        ({"known": ["prom"], "value_column": "sold"}, ["no column 'prom'", "Did you mean promo?"]),
        (
            {"known": ["promo"], "static": ["town"], "past": ["rain"], "id_column": "shop", "time_column": "town"},
            ["town"],
        ),
        ({}, ["several columns of texts, 'shop' and 'promo' and 'town'", "--id-column"]),
        ({"id_column": "shop"}, ["several columns of numbers, 'sold', 'rain'", "--value-column"]),
    ],
)
def test_wrong_columns_get_a_sentence(tmp_path: Path, how: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(SeqcliError) as error:
        read(tmp_path, PROMOTED, **how)
    for word in words:
        assert word in str(error.value), error.value


def test_bad_rows_are_skipped_and_counted(tmp_path: Path) -> None:
    said: list[str] = []
    text = days(*"12345678") + "2024-01-09,x\nsoon,9\n2024-01-10,1,1\n2024-01-11,inf\n\n,,,\n2024-01-12,12\n"
    series = read(tmp_path, text, skip_bad_lines=True, say=said.append)
    np.testing.assert_equal(series.of(0), [1, 2, 3, 4, 5, 6, 7, 8, nan, nan, nan, 12])
    assert said[0].startswith("4 bad lines of")


def test_a_column_is_one_thing_only(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="'y' is named twice"):
        read(tmp_path, days("1", "2"), value_column="y", time_column="y")


def test_what_may_be_static_is_told_from_what_may_not(tmp_path: Path) -> None:
    one = read(tmp_path, "ds,y,x\n1,5,3\n2,6,3\n", value_column="y", static=["x"])
    np.testing.assert_equal(one.static["x"], [3])


def test_a_series_of_bad_rows_only_is_left_out(tmp_path: Path) -> None:
    text = "unique_id,ds,y\na,1,5\na,2,6\nb,1,x\nb,2,x\nc,1,7\nc,2,8\n"
    assert whole(read(tmp_path, text, skip_bad_lines=True)) == {"a": (["1", "2"], [5, 6]), "c": (["1", "2"], [7, 8])}


def test_other_files_are_recognized(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"PK\x03\x04 and so on")
    with pytest.raises(DataError, match="ZIP"):
        read_series([tmp_path / "a.csv"])
    (tmp_path / "a.csv").write_bytes(b"ds,y\n1,2\n2,3\xff\n")
    with pytest.raises(DataError, match="line 3: byte 12"):
        read_series([tmp_path / "a.csv"])


# --- round trips ------------------------------------------------------------------------------------------------------

VALUES = st.lists(st.none() | st.floats(-1e9, 1e9).map(lambda x: round(x, 3)), max_size=6).map(lambda x: [1.5, *x, 2.5])
ANY_SERIES = st.dictionaries(
    st.text("abcXYZ 12_", min_size=1, max_size=6).filter(lambda t: t == t.strip()), VALUES, min_size=1, max_size=4
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(
    ANY_SERIES.filter(lambda found: any(any(c.isalpha() for c in id_) for id_ in found)),
    st.sampled_from([(",", "."), (";", ","), ("\t", "."), ("\t", ",")]),
    st.sampled_from(["%Y-%m-%d", "%d.%m.%Y", "%Y/%m/%d", "%Y-%m-%dT00:00:00Z"]),
    st.booleans(),
    st.randoms(use_true_random=False),
)
def test_what_is_written_long_is_read(
    tmp_path: Path, found: dict[str, list[float | None]], signs: tuple[str, str], pattern: str, drop: bool, random: Any
) -> None:
    delimiter, point = signs
    rows = [
        (id_, day.astype(object).strftime(pattern), "" if value is None else repr(value).replace(".", point))
        for id_, values in found.items()
        for day, value in zip(np.datetime64("2024-02-27") + np.arange(len(values)), values, strict=True)
        if value is not None or not drop
    ]
    rows.append(("whole", *rows[0][1:]))
    for k in range(7):  # one without gaps, so that the frequency is seen
        day = np.datetime64("2024-03-27") + k
        rows.append(("whole 2", day.astype(object).strftime(pattern), str(k)))
    random.shuffle(rows)
    text = "\n".join(delimiter.join(row) for row in [("unique_id", "ds", "y"), *rows])
    series = read(tmp_path, text)
    assert set(series.ids) == {*found, "whole", "whole 2"}
    for k, id_ in enumerate(series.ids):
        if id_ in found:
            expected = np.array([nan if value is None else value for value in found[id_]])
            np.testing.assert_array_equal(series.of(k), expected)
            assert series.times(k)[0] == np.datetime64("2024-02-27").astype(object).strftime(pattern)


# --- size -------------------------------------------------------------------------------------------------------------


def test_many_rows_take_little_memory_and_time(tmp_path: Path) -> None:
    stamps = [str(time) for time in np.datetime64("2000-01-01T00", "m") + np.arange(3000) * 60]
    with (tmp_path / "a.csv").open("w", encoding="utf-8") as file:
        file.write("unique_id,ds,y\n")
        for k in range(100):
            file.writelines(f"S{k},{time},{step % 97 / 8}\n" for step, time in enumerate(stamps))
    tracemalloc.start()
    begin = time.perf_counter()
    series = read_series([tmp_path / "a.csv"])
    seconds = time.perf_counter() - begin
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(series.values) == 300_000
    assert peak < 300_000 * 130  # bytes a row
    assert seconds < 30  # about three, of which the counting takes two


SIGNS = "0 1 7 - . , ; \t \n \" ' a % $ inf nan NA e5 ds y x id 1.5 1,5 1.234 Z +02:00 T Q1 Jan"
PIECES = (
    *SIGNS.split(" "),
    *("\n1", "\n2", "\n3", "2024-01-01", "2024-01-02", "31.12.2023", "01/02/2024", "12:00", "\r\n", "é", "\u0661", "_"),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=150)
@given(st.lists(st.sampled_from(PIECES), max_size=40).map("".join), st.booleans())
def test_whatever_is_in_a_file_there_is_a_series_or_a_sentence(tmp_path: Path, text: str, skip: bool) -> None:
    for head in ("", "ds,y\n2024-01-01,5\n", "t;y\n1;5\n2;5,5\n3;", 'unique_id,ds,y\na,2024-01-01 12:00Z,"1,5"\n'):
        try:
            series = read(tmp_path, head + text, skip_bad_lines=skip)
        except SeqcliError as error:
            assert str(error)[-1] in ".)'"
            continue
        assert len(series.ids) == len(set(series.ids)) == len(series.starts) == len(series.offsets) - 1
        assert series.offsets[-1] == len(series.values)
        assert Frequency.of(series.frequency.as_dict()) == series.frequency
        for k in range(len(series)):
            assert np.isfinite(series.of(k)[[0, -1]]).all(), "a series begins and ends with a value"
            numbers = series.starts[k] + np.arange(series.ends[k])
            np.testing.assert_array_equal(series.frequency.numbers(series.frequency.times(numbers)), numbers)
            assert len(series.times(k)) == series.ends[k]
