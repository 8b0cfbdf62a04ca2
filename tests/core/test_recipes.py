import re
import shlex
from pathlib import Path

import pytest

import seqcli as package
from seqcli.cli.app import COMMANDS
from seqcli.core import recipes
from seqcli.core.tasks.union import build, check
from seqcli.errors import ConfigError, DataError

ROOT = Path(__file__).parent.parent.parent


@pytest.mark.parametrize("name", recipes.names())
def test_every_recipe_says_what_it_teaches_how_and_what_it_reaches(name: str) -> None:
    recipe = recipes.recipe(name)
    assert recipe.about.endswith((".", '").', '("peeky").'))
    assert recipe.expected.endswith(".")
    first, *others = [shlex.split(command, comments=True) for command in recipe.commands]
    assert first[:4] == ["seqcli", "train", "--config", f"recipe:{name}"]
    assert len(first) == (4 if recipe.files else 5), "what has no data of its own needs a file"
    assert recipe.data == recipe.files
    assert others and all(command[0] == "seqcli" and command[1] in COMMANDS for command in others)


@pytest.mark.parametrize("name", recipes.names())
def test_figures_that_are_said_to_be_measured_stand_in_the_benchmarks(name: str) -> None:
    expected = recipes.recipe(name).expected
    if "benchmarks/README.md" in expected:
        measured = (ROOT / "benchmarks/README.md").read_text(encoding="utf-8")
        for figure in re.findall(r"\d[\d,]*\.\d+|\d+,\d+", expected):
            assert figure in measured


def test_names_are_those_of_the_files() -> None:
    assert recipes.names() == sorted(path.stem for path in (ROOT / "recipes").iterdir())
    assert "char-gru" in recipes.names()


def test_files_are_those_below_the_current_directory_or_else_our_own() -> None:
    (file,) = recipes.read_options("recipe:hello-rnn")["files"]
    assert Path(file).is_absolute()
    assert Path(file).read_bytes() == (ROOT / "data/hello.txt").read_bytes()
    Path("data").mkdir()
    Path("data/hello.txt").write_text("mine")
    assert recipes.read_options("recipe:hello-rnn")["files"] == ["data/hello.txt"]
    assert recipes.read_options("recipe:hello-rnn")["cell"] == "rnn"


def test_every_recipe_is_of_options_that_there_are() -> None:
    for name in recipes.names():
        options = recipes.read_options(f"recipe:{name}")
        assert build(options, name).files == tuple(options.get("files", ()))
        assert all(Path(file).is_file() for file in options.get("files", ()))


def test_a_configuration_in_python() -> None:
    config = package.Config(config="recipe:char-gru", hidden=3)
    assert (config.cell, config.hidden) == ("gru", 3)  # type: ignore[attr-defined]  # of a language model
    assert package.Config("other.txt", config="recipe:char-gru").files == ("other.txt",)


@pytest.mark.parametrize(
    ("source", "wanted"),
    [
        ("recipe:char-gur", "There is no recipe 'char-gur'. Did you mean char-gru?"),
        ("recipe:../recipes/chat", "There is no recipe '../recipes/chat'."),
        ("recipe:", "The recipes are attention-dates, cbow"),
        ("recipe:" + "x" * 10_000, "There is no recipe 'xxx"),
        ("char-gru", "There is no configuration file char-gru. Did you mean recipe:char-gru?"),
        (
            "recipes/char-gru.yaml",
            "There is no configuration file recipes/char-gru.yaml. Did you mean recipe:char-gru?",
        ),
    ],
)
def test_a_wrong_name_is_answered_with_the_nearest(source: str, wanted: str) -> None:
    with pytest.raises(ConfigError) as caught:
        recipes.read_options(source)
    assert wanted in str(caught.value)
    assert len(str(caught.value)) < 500


def test_a_copy_is_whole_and_overwrites_nothing() -> None:
    place = Path("here")
    place.mkdir()
    written = recipes.copy("chat", place)
    assert written == {place / "chat.yaml": True, place / "data/chat.tsv": True}
    for path in written:
        assert path.read_bytes() == (ROOT / ("recipes" if path.suffix == ".yaml" else "data") / path.name).read_bytes()
    (place / "chat.yaml").unlink()
    assert recipes.copy("chat", place) == {place / "chat.yaml": True, place / "data/chat.tsv": False}
    assert check(recipes.read_options(place / "chat.yaml"))["task"] == "translate"


@pytest.mark.parametrize("kind", ["file", "directory", "dangling link"])
def test_what_is_there_already_stops_a_copy_before_it_begins(kind: str) -> None:
    Path("data").mkdir()
    there = Path("data/chat.tsv")
    if kind == "file":
        there.write_text("mine")
    elif kind == "directory":
        there.mkdir()
    else:
        there.symlink_to("nowhere")
    with pytest.raises(DataError, match=r"There is another data/chat\.tsv already"):
        recipes.copy("chat", Path())
    assert not Path("chat.yaml").exists()
    assert not Path("data/nowhere").exists()
    assert kind != "file" or there.read_text() == "mine"
