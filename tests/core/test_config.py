from pathlib import Path
from typing import Any

import pytest
import yaml

from seqcli.core.config import PANELS, Config, build, choices_of, option_name, panel_of, read_yaml
from seqcli.errors import ConfigError


def test_every_field_has_panel_and_help() -> None:
    for field in Config.model_fields.values():
        assert panel_of(field) in PANELS
        assert field.description
        assert field.description.endswith(".")


def test_yaml_round_trip() -> None:
    config = build(
        {"files": ("a b.txt", "한.txt"), "cell": "gru", "lr": 0.003, "minutes": 2, "tie": True, "valid": "x: y#.txt"}
    )
    assert build(yaml.safe_load(config.to_yaml())) == config
    assert set(yaml.safe_load(config.to_yaml())) == set(Config.model_fields)


def test_all_errors_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        build(
            {"cell": "lstmm", "hiden": 3, "layers": 0, "dropout": 1.5, "steps": "many", "batch-size": -2}, "recipe.yaml"
        )
    lines = str(caught.value).split("\n")
    assert len(lines) == 6
    text = str(caught.value)
    assert "--cell is 'lstmm', but must be one of rnn, gru, lstm. Did you mean lstm?" in text
    assert "there is no option 'hiden'. Did you mean hidden?" in text
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
    with pytest.raises(ValueError, match="frozen"):
        config.cell = "gru"
    assert choices_of(Config.model_fields["schedule"]) == ("linear", "cosine", "constant", "plateau", "step")
    assert option_name("batch_size") == "--batch-size"
