"""metrics.jsonl: one line a log point or evaluation."""

import json
from pathlib import Path
from typing import Any

METRICS = "metrics.jsonl"


def add_point(run_dir: Path, **point: Any) -> None:
    """Append one line."""
    with (run_dir / METRICS).open("a", encoding="utf-8") as file:
        file.write(json.dumps(point) + "\n")


def forget_points_after(run_dir: Path, step: int) -> None:
    """Drop the lines that a lost part of the run had written."""
    path = run_dir / METRICS
    if path.is_file():
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        kept = [line for line in lines if line.endswith("\n") and json.loads(line)["step"] <= step]
        path.write_text("".join(kept), encoding="utf-8")
