import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from seqcli.cli import console
from seqcli.core.recipes import names, recipe

Run = Callable[..., Any]


def test_the_list_is_a_table_in_a_pipe(seqcli: Run) -> None:
    head, *rows = [line.split("\t") for line in seqcli("recipes").out.splitlines()]
    assert head == ["recipe", "task", "files", "about", "expected"]
    assert [row[0] for row in rows] == names()
    assert ["chat", "translate", "data/chat.tsv", recipe("chat").about, recipe("chat").expected] in rows


def test_the_list_is_for_people_on_a_terminal(seqcli: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console, "stdout_is_terminal", lambda: True)
    for width in (50, 80):
        monkeypatch.setenv("COLUMNS", str(width))
        found = seqcli("recipes")
        lines = found.out.splitlines()
        assert max(map(len, lines)) <= width
        assert [line.split()[0] for line in lines] == names()
        assert [line.endswith("(needs FILE)") for line in lines] == [not recipe(name).files for name in names()]
        assert "seqcli recipes NAME" in found.err
    assert all(recipe(name).headline in line for name, line in zip(names(), lines, strict=True)), "cut at 80 columns"


def test_json(seqcli: Run) -> None:
    rows = [json.loads(line) for line in seqcli("recipes", "--json").out.splitlines()]
    assert [row["recipe"] for row in rows] == names()
    one = json.loads(seqcli("recipes", "hello-rnn", "--json").out)
    assert one.pop("options")["loss"] == "mse"
    assert one in rows
    assert one["config"] == "recipe:hello-rnn"
    assert one["files"] == ["data/hello.txt"]


def test_one_is_printed_as_it_is(seqcli: Run) -> None:
    assert seqcli("recipes", "chat").out == recipe("chat").path.read_text(encoding="utf-8")
    wrong = seqcli("recipes", "chad")
    assert (wrong.code, wrong.out) == (2, "")
    assert "Did you mean chat?" in wrong.err


def test_a_copy_trains(seqcli: Run) -> None:
    copied = seqcli("recipes", "--copy", "hello-rnn")
    assert copied.out == "hello-rnn.yaml\ndata/hello.txt\n"
    assert "seqcli train --config hello-rnn.yaml\n" in copied.err
    assert seqcli("train", "--config", "hello-rnn.yaml", "--steps", 2, "--quiet").code == 0
    again = seqcli("recipes", "--copy", "hello-rnn", "--json")
    assert json.loads(again.out) == {"written": [], "kept": ["hello-rnn.yaml", "data/hello.txt"]}
    Path("hello-rnn.yaml").write_text("cell: gru")
    refused = seqcli("recipes", "--copy", "hello-rnn")
    assert (refused.code, refused.out) == (1, "")
    assert Path("hello-rnn.yaml").read_text() == "cell: gru"
    assert seqcli("recipes", "--copy").code == 2


def test_a_recipe_trains_anywhere(seqcli: Run) -> None:
    result = seqcli("train", "--config", "recipe:hello-rnn", "--steps", 2, "--run", "here")
    assert result.code == 0, result.err
    assert "files: [" in Path("runs/here/config.yaml").read_text()
    assert seqcli("train", "--resume", "here", "--steps", 3, "--quiet").code == 0


def test_the_command_line_wins_over_a_recipe(seqcli: Run, corpus: Path) -> None:
    shown = seqcli("train", "--config", "recipe:char-gru", corpus, "--layers", 3, "--show-config").out
    assert re.search(r"^cell: gru ", shown, re.MULTILINE)
    assert re.search(r"^layers: 3 ", shown, re.MULTILINE)
    assert "corpus.txt" in shown and "island.txt" not in shown


def test_a_recipe_without_data_asks_for_a_file(seqcli: Run) -> None:
    result = seqcli("train", "--config", "recipe:skipgram")
    assert result.code == 2
    assert "seqcli train --config recipe:skipgram FILE" in result.err
