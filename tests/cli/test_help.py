"""Pages of help, what a shell completes, and what neither of them imports."""

import inspect
import os
import re
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from seqcli.cli.app import COMMANDS
from seqcli.cli.completion import completing, joined
from seqcli.cli.options import FIRST
from seqcli.core.config import option_name
from seqcli.core.recipes import names
from seqcli.core.tasks.union import all_options

Run = Callable[..., Any]
HEAVY = ("torch", "numpy", "tokenizers", "safetensors", "pydantic", "yaml", "rich.markdown", "typer.rich_utils")


def imported(*args: str, **env: str) -> tuple[str, set[str]]:
    """What a command line prints, and the modules that are loaded at its end."""
    code = (
        "import atexit, sys\n"
        "atexit.register(lambda: print(*sys.modules, file=sys.stderr))\n"
        "from seqcli.cli.app import main\n"
        "main()"
    )
    command = [sys.executable, "-c", code, *args]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **env})
    return done.stdout, set(done.stderr.split("\n")[-2].split())


def completed(words: str, shell: str = "bash") -> tuple[list[str], set[str]]:
    """What TAB offers at the end of these words."""
    parted = re.findall(r"[:=]+|[^ :=]+", words) + [""] * words.endswith(" ")  # as bash takes them apart
    out, modules = imported(
        _SEQCLI_COMPLETE=f"complete_{shell}",
        COMP_WORDS="\n".join(parted),
        COMP_CWORD=str(len(parted) - 1),
        _TYPER_COMPLETE_ARGS=words,
    )
    return out.split(), modules


def test_the_list_of_commands_says_the_first_line_of_each() -> None:
    for entry in COMMANDS.values():
        function = getattr(import_module(f"seqcli.cli.commands.{entry.module}"), entry.function)
        assert inspect.cleandoc(function.__doc__).split("\n")[0] == entry.help


@pytest.mark.parametrize(
    "args", [("--help",), ("train", "-h"), ("sample", "--help"), ("recipes", "-h"), ("demo", "-h")]
)
def test_help_imports_nothing_heavy(args: tuple[str, ...]) -> None:
    out, modules = imported(*args)
    assert out.startswith("Usage: seqcli ")
    assert not modules & set(HEAVY)
    of_commands = {f"seqcli.cli.commands.{entry.module}" for entry in COMMANDS.values()}
    called = {f"seqcli.cli.commands.{args[0]}"} if len(args) == 2 else set()
    assert modules & of_commands == called


@pytest.mark.parametrize("command", COMMANDS)
def test_help(seqcli: Run, command: str) -> None:
    a, b = seqcli(command, "--help"), seqcli(command, "-h")
    assert a.code == 0
    assert a.out == b.out
    assert not re.search("<(bool|int|float|str|path)", a.out), "no types of Python"


@pytest.mark.parametrize("width", [40, 80])
@pytest.mark.parametrize("args", [("-h",), ("train", "-h"), ("train", "--help-all"), ("plot", "-h")])
def test_pages_fit_the_terminal(seqcli: Run, monkeypatch: pytest.MonkeyPatch, width: int, args: tuple[str]) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    lines = seqcli(*args).out.split("\n")
    assert max(map(len, lines)) <= width
    assert lines == [line.rstrip() for line in lines]


def test_no_arguments_show_the_help(seqcli: Run) -> None:
    bare, asked = seqcli(), seqcli("--help")
    assert (bare.code, bare.out) == (2, asked.out)
    assert "--version " in asked.out


def offered(page: str) -> set[str]:
    """The options that a page begins a line with."""
    return {match for line in page.split("\n") for match in re.findall(r"^  (?:-\w, )?(--[\w-]+)", line)}


def test_train_shows_what_is_used_first_and_everything_when_asked(seqcli: Run) -> None:
    short, all_ = seqcli("train", "--help").out, seqcli("train", "--help-all").out
    every = {option_name(name) for name in all_options() if name != "files"}
    assert offered(short) == {*map(option_name, FIRST), "--help"}
    assert every < offered(all_)
    assert len(short.split("\n")) < 74
    assert "The recurrent cell. One of rnn, gru, lstm. (default: lstm)" in short
    assert f"{len(offered(all_) - offered(short))} more options: seqcli train --help-all" in short


@pytest.mark.parametrize("args", [("--task", "tag"), ("words.conllu",)])
def test_train_shows_the_options_of_a_task(seqcli: Run, args: tuple[str, ...]) -> None:
    shown = offered(seqcli("train", "--help-all", *args).out)
    for name, known in all_options().items():
        assert name == "files" or (option_name(name) in shown) == ("tag" in known.tasks)


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        ("seqcli tr", ["train", "translate"]),
        ("seqcli train --ce", ["--cell"]),
        ("seqcli train --cell ", ["rnn", "gru", "lstm"]),
        ("seqcli train --task t", ["translate", "tag"]),
        ("seqcli train --tokens b", ["byte", "bpe"]),
        ("seqcli train --resume ", ["other", "small"]),
        ("seqcli sample --run s", ["small"]),
        ("seqcli sample --run=s", ["small"]),
        ("seqcli sample --runs-dir=elsewhere --run=", ["third"]),
        ("seqcli sample --run ", ["small"]),
        ("seqcli neighbors --run ", ["other"]),
        ("seqcli eval file.txt --run ", ["other", "small"]),
        ("seqcli info ", ["other", "small"]),
        ("seqcli export ", ["other"]),
        ("seqcli export other ", []),
        ("seqcli sample --run x --runs-dir elsewhere --run ", ["third"]),
        ("seqcli sample --device c", ["cpu", "cuda"]),
        ("seqcli plot --what a", ["attention"]),
        ("seqcli export --to w", ["word2vec", "word2vec-binary"]),
        ("seqcli recipes hello", ["hello-rnn"]),
        ("seqcli recipes --copy na", ["names-classify", "names-line"]),
        ("seqcli train --config recipe:ch", ["char-gru", "char-lstm", "chat"]),
        ("seqcli train --config=recipe:hel", ["hello-rnn"]),
        ("seqcli train --config recip", [f"recipe:{name}" for name in names()]),
        ("seqcli train --config ", []),
        ("seqcli train --cell=g", ["gru"]),
    ],
)
def test_completion(words: str, wanted: list[str]) -> None:
    for name, task in (("runs/small", "lm"), ("runs/other", "embed"), ("elsewhere/third", "lm")):
        Path(name).mkdir(parents=True)
        Path(name, "config.yaml").write_text(f"# Data\ntask: {task}   # What to learn.\n")
    Path("runs/notes").mkdir()
    found, modules = completed(words)
    assert found == wanted
    assert not modules & set(HEAVY)


def test_a_shell_that_does_not_part_words_is_answered_with_whole_ones() -> None:
    assert joined(["seqcli", "--run=s"], 1) == (["seqcli", "--run=s"], 1, 0)
    assert completing("--run=s", "small", 0) == "--run=small"
    assert completing("recipe:c", "recipe:chat", 0) == "recipe:chat"


def test_a_space_ends_a_word_after_a_colon() -> None:
    assert joined(["seqcli", "a", ":", "b", "c"], 4) == (["seqcli", "a:b", "c"], 2, 0)
    assert joined(["seqcli", "a", ":", ""], 3) == (["seqcli", "a:", ""], 2, 0)
    assert joined(["seqcli", "a", ":"], 2) == (["seqcli", "a:"], 1, 2)


def test_the_list_of_recipes_needs_no_torch() -> None:
    out, modules = imported("recipes")
    assert "char-gru" in out
    assert not modules & {"torch", "numpy", "pydantic"}


def test_other_shells_are_answered_as_fast() -> None:
    found, modules = completed("seqcli tr", "zsh")
    assert '"translate"))\'' in found
    assert not modules & set(HEAVY)


def test_completion_script() -> None:
    out, _ = imported("--show-completion", "bash", _TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION="1")
    assert "complete -o default -F _seqcli_completion seqcli" in out


def test_with_a_file_the_page_has_the_defaults_of_its_task(seqcli: Run) -> None:
    """And for no task but that one."""
    page = " ".join(seqcli("train", "--help-all", "sentences.conllu").out.split())
    assert "--hidden N Hidden units in a layer. (default: 256)" in page
    assert "lm:" not in page and "translate:" not in page
