"""What a table looks like at a glance: series of numbers, labelled texts, or either."""

from pathlib import Path

import pytest

from seqcli.core.tasks.forecast.sniffing import looks_like
from seqcli.errors import DataError

REVIEWS = ["a dull film without any hope", "what a wonderful evening we had", "not for me at all, sorry"]
NAMES = ["Anna", "Boris", "Chidi", "Dana", "Elif"]


@pytest.mark.parametrize(
    ("text", "looks"),
    [
        ("unique_id,ds,y\nH1,1,5\nH1,2,6\nH2,1,7\n", "series"),
        ("H1,1,5\nH1,2,6\nH2,1,7\nH2,2,3\n", "series"),
        ("store;date;sales\nNorth;31.01.2024;5\nNorth;01.02.2024;6\n", "series"),
        ("date,a,b\n2024-01-01,1,2\n2024-01-02,1,2\n", "series"),
        ("5\n6\n7\n", "series"),
        ("y\n5,5\n6,5\n", "series"),
        ("date,store,sales\n" + "".join(f"2024-01-01,shop {k} in the north,{k}\n" for k in range(9)), "either"),
        ("item,sales\na,5\na,6\nb,7\nb,8\n", "either"),
        ("\n".join(f"{text},{k % 2}" for k, text in enumerate(t.replace(",", "") for t in REVIEWS)), "labels"),
        ("\n".join(f"{text}\t{k % 2}" for k, text in enumerate(REVIEWS)), "labels"),
        ("\n".join(f"{name}\tX{k % 2}" for k, name in enumerate(NAMES)), "labels"),
        ("text,label,stars\n" + "".join(f'"{text}",good,{k}\n' for k, text in enumerate(REVIEWS)), "labels"),
        ("date,text,label\n" + "".join(f'2024-01-0{k},"{text}",good\n' for k, text in enumerate(REVIEWS, 1)), "labels"),
        ("date,text,stars\n" + "".join(f'2024-01-0{k},"{text}",{k}\n' for k, text in enumerate(REVIEWS, 1)), "either"),
    ],
)
def test_looks(tmp_path: Path, text: str, looks: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text(text, encoding="utf-8")
    assert looks_like(path) == looks


def test_other_files(tmp_path: Path) -> None:
    assert looks_like(tmp_path / "a.parquet") == "series"
    (tmp_path / "a.csv").write_text("", encoding="utf-8")
    with pytest.raises(DataError, match="empty"):
        looks_like(tmp_path / "a.csv")
    (tmp_path / "a.csv").write_bytes("ds;y\n01.01.2024;5\n02.01.2024;6 für\n".encode("latin-1"))
    assert looks_like(tmp_path / "a.csv") in ("series", "labels")
