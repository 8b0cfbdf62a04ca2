import dataclasses
import subprocess
import sys
from dataclasses import FrozenInstanceError
from pathlib import Path
from typing import Any

import pytest
import yaml

from seqcli import Config
from seqcli.core.config import PANELS, fields_of, help_of, option_name, panel_of, read_yaml
from seqcli.core.tasks.tag.plan import TagPlan
from seqcli.core.tasks.translate.plan import TranslatePlan
from seqcli.core.tasks.union import all_options, build
from seqcli.errors import ConfigError


def test_every_field_has_panel_and_help() -> None:
    for field in (field for known in all_options().values() for field in known.fields.values()):
        assert panel_of(field) in PANELS
        assert help_of(field).endswith(".")


def test_yaml_round_trip() -> None:
    config = build(
        {"files": ("a b.txt", "한.txt"), "cell": "gru", "lr": 0.003, "minutes": 2, "tie": True, "valid": "x: y#.txt"}
    )
    assert build(yaml.safe_load(config.to_yaml())) == config
    assert set(yaml.safe_load(config.to_yaml())) == set(config.as_dict())


def test_all_errors_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        build(
            {"cell": "lstmm", "hiden": 3, "layers": 0, "dropout": 1.5, "steps": "many", "batch-size": -2}, "recipe.yaml"
        )
    lines = str(caught.value).split("\n")
    assert len(lines) == 6
    text = str(caught.value)
    assert "--cell is 'lstmm', but must be one of rnn, gru, lstm. Did you mean lstm?" in text
    assert "There is no option 'hiden'. Did you mean hidden?" in text
    for name in ("--layers is 0", "--dropout is 1.5", "--steps is 'many'", "--batch-size is -2"):
        assert name in text
    assert all(line.startswith("recipe.yaml: ") for line in lines)


@pytest.mark.parametrize(
    ("text", "message"),
    [("a: [", "line 1: this is not YAML at column 5"), ("- 1", "option: value"), (None, "no configuration file")],
)
def test_bad_yaml(tmp_path: Path, text: str | None, message: str) -> None:
    path = tmp_path / "c.yaml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ConfigError, match=message):
        read_yaml(path)


def test_frozen_and_typed() -> None:
    config: Any = Config()
    with pytest.raises(FrozenInstanceError):
        config.cell = "gru"
    assert build({"hidden": "7", "lr": 1, "tie": "yes", "files": ["a"]}) == Config(
        hidden=7, lr=1.0, tie=True, files=("a",)
    )
    with pytest.raises(ConfigError, match="--hidden is 0, but must be"):
        Config(hidden=0)


@pytest.mark.parametrize(
    ("name", "value", "wanted"),
    [
        ("hidden", "many", "a whole number from 1 to 1,000,000,000,000"),
        ("hidden", 1.5, "a whole number from 1 to 1,000,000,000,000"),
        ("lr", "fast", "a number above 0 and of at most 1,000,000,000,000"),
        ("lr", 1e300, "a number above 0 and of at most 1,000,000,000,000"),
        ("minutes", float("inf"), "a number above 0 and of at most 1,000,000,000"),
        ("epochs", 1e308, "a number above 0 and of at most 1,000,000,000"),
        ("dropout", 1, "a number of at least 0 and below 1"),
        ("vocab_size", 7, "a whole number from 8 to 100,000,000"),
        ("vocab_size", 10**22, "a whole number from 8 to 100,000,000"),
        ("tie", "perhaps", "true or false"),
        ("valid", 3, "a text"),
        ("files", 3, "a list of texts"),
        ("schedule", "linea", "one of linear, cosine, constant, plateau, step"),
    ],
)
def test_the_words_of_errors_are_our_own(name: str, value: object, wanted: str) -> None:
    with pytest.raises(ConfigError) as caught:
        build({name: value})
    assert str(caught.value).startswith(f"{option_name(name)} is {value!r}, but must be {wanted}.")


def test_a_field_needs_no_pydantic() -> None:
    code = (
        "import sys, seqcli.core.tasks.union as r; r.all_options()['hidden'].default\n"
        "print([m for m in ('pydantic', 'yaml') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_names_and_choices() -> None:
    assert all_options()["schedule"].choices == ("linear", "cosine", "constant", "plateau", "step")
    assert option_name("batch_size") == "--batch-size"


def test_what_a_task_defines_wins_over_what_all_have() -> None:
    """Also in its plan, which inherits from the plan of all tasks, too."""
    assert TagPlan.lowercase is True
    assert TranslatePlan.label_smoothing == 0.1
    known = fields_of(TagPlan)
    assert (known["lowercase"].type, known["hidden"].default) == (bool, dataclasses.MISSING)
    assert Config("a.tsv") == Config("a.tsv") != Config("a.tsv", seed=2)
    assert len({Config("a.tsv"), Config("a.tsv")}) == 1
