"""metrics.jsonl: the points of a run's curve, one JSON line for every log point and every evaluation."""

from pathlib import Path
from typing import Any

from seqcli.core import strict_json
from seqcli.core.files import write_whole

METRICS = "metrics.jsonl"
LONGEST = 1 << 20  # bytes of a line


def add_point(run_dir: Path, **point: Any) -> None:
    """Append a point; a number that is not finite becomes null."""
    with (run_dir / METRICS).open("a", encoding="utf-8") as file:
        file.write(strict_json.dumps(point) + "\n")


def read_points(run_dir: Path) -> list[dict[str, Any]]:
    """The points that can be read; a line spoilt by a crash, or by somebody, is passed over.

    A point is a mapping with a whole number as its `step`. Its numbers are finite; those that were not are None.
    """
    path = run_dir / METRICS
    if not path.is_file():
        return []
    with path.open("rb") as file:
        lines = iter(lambda: file.readline(LONGEST), b"")
        return [point for line in lines if (point := _point(line)) is not None]


def _point(line: bytes) -> dict[str, Any] | None:
    try:
        point = strict_json.loads(line)
    except ValueError:
        return None
    if not isinstance(point, dict) or type(point.get("step")) is not int or not 0 <= point["step"] < 1 << 53:
        return None
    return {key: None if isinstance(v, (int, float)) and not abs(v) < 1e308 else v for key, v in point.items()}


def forget_points_after(run_dir: Path, step: int) -> None:
    """Drop the points that a lost part of the run had written, and what cannot be read."""
    kept = [strict_json.dumps(point) + "\n" for point in read_points(run_dir) if point["step"] <= step]
    write_whole(run_dir / METRICS, "".join(kept).encode())
