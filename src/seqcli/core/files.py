"""Files that are whole at every moment, and metrics.jsonl: one line a log point or evaluation, a point."""

import json
import os
from pathlib import Path
from typing import Any

METRICS = "metrics.jsonl"


def write_whole(path: Path, data: bytes) -> None:
    """Write so that `path` is at every moment the old file or the new one. Raises OSError, and leaves the old one."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise


def add_point(run_dir: Path, **point: Any) -> None:
    """Append a point."""
    with (run_dir / METRICS).open("a", encoding="utf-8") as file:
        file.write(json.dumps(point) + "\n")


def read_points(run_dir: Path) -> list[dict[str, Any]]:
    """The points that can be read; a line spoilt by a crash is passed over."""
    path = run_dir / METRICS
    points = []
    for line in path.read_bytes().splitlines() if path.is_file() else []:
        try:
            point = json.loads(line)
        except ValueError:
            continue
        if isinstance(point, dict) and isinstance(point.get("step"), int):
            points.append(point)
    return points


def forget_points_after(run_dir: Path, step: int) -> None:
    """Drop the points that a lost part of the run had written, and what cannot be read."""
    kept = [json.dumps(point) + "\n" for point in read_points(run_dir) if point["step"] <= step]
    write_whole(run_dir / METRICS, "".join(kept).encode())
