"""The notebook in docs: what it shows can be done, cell by cell."""

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

DOCS = Path(__file__).parent.parent / "docs"
NOTEBOOK = DOCS / "python-door.ipynb"


def test_every_cell_of_the_notebook_runs() -> None:
    done = subprocess.run(
        [sys.executable, str(DOCS / "run_notebook.py"), str(NOTEBOOK)],
        env={**os.environ, "PYTHONWARNINGS": "error"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert (done.stdout, done.stderr) == ("", "")


def test_the_notebook_is_whole_and_plain() -> None:
    """Its code is Python without magics; what it shows is stored, and no error is."""
    content = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    assert content["nbformat"] == 4
    cells = content["cells"]
    assert len({cell["id"] for cell in cells}) == len(cells)
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    for number, cell in enumerate(code, 1):
        ast.parse("".join(cell["source"]))
        assert cell["execution_count"] == number
        assert all(output["output_type"] in ("stream", "execute_result") for output in cell["outputs"])
    assert sum("text/html" in output.get("data", {}) for cell in code for output in cell["outputs"]) >= 2
    used = "\n".join("".join(cell["source"]) for cell in code)
    for name in ("fit", "train", "load", "resume", "runs", "Config", "errors", "events", "sample", "translate", "tag"):
        assert name in used
