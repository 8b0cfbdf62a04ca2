"""metrics.jsonl: the learning curve of a run, with one JSON line for every log point and every evaluation."""

from pathlib import Path
from typing import Any

from seqcli.core import strict_json
from seqcli.core.files import write_whole

METRICS = "metrics.jsonl"
LONGEST = 1 << 20  # the largest number of bytes that is read as one line


def add_point(run_dir: Path, **point: Any) -> None:
    """Append a point to the file of a run. A number that is not finite is written as null. Raises OSError."""
    with (run_dir / METRICS).open("a", encoding="utf-8") as file:
        file.write(strict_json.dumps(point) + "\n")


def read_points(run_dir: Path) -> list[dict[str, Any]]:
    """Read the points of a run. Lines that cannot be read, after a crash for example, are skipped.

    A point is a dictionary with a whole number as its `step`. Its numbers are finite; those that were not are None.
    Returns an empty list when there is no file.
    """
    path = run_dir / METRICS
    if not path.is_file():
        return []
    with path.open("rb") as file:
        lines = iter(lambda: file.readline(LONGEST), b"")
        return [point for line in lines if (point := _point(line)) is not None]


def _point(line: bytes) -> dict[str, Any] | None:
    """Return the point on a line, or None if there is none."""
    try:
        point = strict_json.loads(line)
    except ValueError:
        return None
    if not isinstance(point, dict) or type(point.get("step")) is not int or not 0 <= point["step"] < 1 << 53:
        return None
    return {key: None if isinstance(v, (int, float)) and not abs(v) < 1e308 else v for key, v in point.items()}


def forget_points_after(run_dir: Path, step: int) -> None:
    """Remove the points after `step`, which a resumed run will write again, and lines that cannot be read."""
    kept = [strict_json.dumps(point) + "\n" for point in read_points(run_dir) if point["step"] <= step]
    write_whole(run_dir / METRICS, "".join(kept).encode())
