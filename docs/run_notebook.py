"""Run the code cells of a notebook in one namespace, as a notebook does, without needing one.

    python docs/run_notebook.py docs/python-door.ipynb           runs them; an error ends with its traceback
    python docs/run_notebook.py docs/python-door.ipynb --write   and stores in the notebook what they show

The cells run in a temporary directory beside which `../data` is the data of this project, as beside `docs`.
"""

import argparse
import ast
import contextlib
import io
import json
import linecache
import os
import sys
import tempfile
from pathlib import Path
from typing import Any


def run(notebook: Path, *, write: bool) -> None:
    """Run all code cells."""
    notebook = notebook.resolve()
    content = json.loads(notebook.read_text(encoding="utf-8"))
    namespace: dict[str, Any] = {"__name__": "__main__"}
    with tempfile.TemporaryDirectory() as place:
        (Path(place) / "data").symlink_to(notebook.parent.parent / "data")
        (Path(place) / "docs").mkdir()
        os.chdir(Path(place) / "docs")
        code = [cell for cell in content["cells"] if cell["cell_type"] == "code"]
        for number, cell in enumerate(code, 1):
            cell["execution_count"], cell["outputs"] = number, outputs("".join(cell["source"]), namespace, number)
        os.chdir(notebook.parent)
    if write:
        notebook.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def outputs(source: str, namespace: dict[str, Any], number: int) -> list[dict[str, Any]]:
    """Run one cell; what it shows: what it prints, and its last line where that is an expression."""
    name = f"cell {number}"
    linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)  # for tracebacks
    body = ast.parse(source, name).body
    last = ast.Expression(body.pop().value) if body and isinstance(body[-1], ast.Expr) else None  # type: ignore[attr-defined]
    out, err = io.StringIO(), io.StringIO()
    value = None
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            exec(compile(ast.Module(body, []), name, "exec"), namespace)
            if last is not None:
                value = eval(compile(last, name, "eval"), namespace)
    except BaseException:
        sys.stderr.write(err.getvalue())
        raise
    shown: list[dict[str, Any]] = [
        {"name": stream, "output_type": "stream", "text": overwritten(text.getvalue()).splitlines(keepends=True)}
        for stream, text in (("stderr", err), ("stdout", out))
        if text.getvalue()
    ]
    if value is not None:
        data = {"text/plain": repr(value).splitlines(keepends=True)}
        if hasattr(value, "_repr_html_"):
            data = {"text/html": value._repr_html_().splitlines(keepends=True), **data}
        shown.append({"data": data, "execution_count": number, "metadata": {}, "output_type": "execute_result"})
    return shown


def overwritten(text: str) -> str:
    """What is left of a text whose lines are written over after a carriage return."""
    return "".join(line.split("\r")[-1].rstrip(" ") + "\n" for line in text.removesuffix("\n").split("\n"))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Run the code cells of a notebook.")
    parser.add_argument("notebook", type=Path)
    parser.add_argument("--write", action="store_true", help="store in the notebook what they show")
    asked = parser.parse_args()
    run(asked.notebook, write=asked.write)
