"""What a user sees."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

import seqcli as package

Run = Callable[..., Any]


def process(*args: object, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "seqcli", *map(str, args)],
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=120,
        check=False,
        **options,
    )


def test_version(seqcli: Run) -> None:
    assert seqcli("--version").out == f"seqcli {package.__version__}\n"


def test_train_sample_eval(seqcli: Run, corpus: Path) -> None:
    result = seqcli("train", corpus, "--cell", "gru", "--hidden", 8, "--steps", 20, "--run", "first")
    assert result.code == 0, result.err
    assert result.out == ""
    assert re.search(r"^step 10/20  epoch \d\.\d\d  loss \d\.\d{4}  lr .*  grad .*tokens/s", result.err, re.MULTILINE)
    assert "seqcli sample --run first" in result.err
    assert "\x1b" not in result.err

    sampled = seqcli("sample", "--prime", "the ", "--length", 30, "--seed", 1)
    assert sampled.code == 0, sampled.err
    assert sampled.out.startswith("the ")
    assert len(sampled.out) == 4 + 30 + 1
    assert sampled.out == seqcli("sample", "--prime", "the ", "--length", 30, "--seed", 1).out

    lines = [json.loads(line) for line in seqcli("sample", "-n", 3, "--json", "--length", 5).out.splitlines()]
    assert [(line["prime"], len(line["text"]), line["tokens"], line["ended"]) for line in lines] == [
        ("", 5, 5, "length")
    ] * 3

    figures = seqcli("eval", corpus)
    assert "perplexity" in figures.out
    assert "bits per byte" in figures.out
    found = json.loads(seqcli("eval", corpus, "--json").out)
    assert found["run"] == "first"
    assert found["loss"] > 0
    two = seqcli("eval", corpus, "--run", "first", "--run", "runs/first/best.safetensors").out.splitlines()
    assert len(two) == 3

    assert seqcli("runs").out.splitlines()[1].startswith("first\tlm\tgru 1 x 8\t20\t")
    assert json.loads(seqcli("runs", "--json").out)["run"] == "first"
    info = seqcli("info", "first")
    assert "gru" in info.out
    assert "attention" not in info.out, "the settings of other tasks say nothing of this run"
    assert json.loads(seqcli("info", "--json").out)["config"]["cell"] == "gru"


def test_a_small_text_is_described_as_it_is_trained_on(seqcli: Run) -> None:
    Path("small.txt").write_text("abcdefgh\n" * 2)
    how = ("--hidden", 4, "--steps", 2, "--batch-size", 9)
    for run, options, batch in (
        ("a", ("--window", 6), "2 x 6"),
        ("b", ("--window", 50, "--valid-split", 0.5), "1 x 8"),
        ("c", ("--window", 9, "--unit", "line", "--valid-split", 0), "2 x 9"),
    ):
        assert f", batch {batch}," in seqcli("train", "small.txt", *how, "--run", run, *options).err
        assert f", batch {batch}," in seqcli("train", "--resume", run, "--steps", 4).err


def test_runs_dir(seqcli: Run, corpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEQCLI_RUNS", "elsewhere")
    assert seqcli("train", corpus, "--steps", 2, "--hidden", 4, "--quiet").err == ""
    assert seqcli("sample", "--length", 3).code == 0
    assert Path("elsewhere/corpus-lstm/best.safetensors").is_file()
    assert not Path("runs").exists()


def test_show_config_feeds_config(seqcli: Run, corpus: Path) -> None:
    shown = seqcli("train", "--cell", "gru", "--no-tie", "--show-config").out
    assert yaml.safe_load(shown)["cell"] == "gru"
    assert yaml.safe_load(shown)["hidden"] is None, "there is no text yet to choose it by"
    Path("recipe.yaml").write_text(
        shown.replace("hidden: null", "hidden: 6").replace("files: []", f"files: [{corpus}]")
    )
    again = yaml.safe_load(seqcli("train", "--config", "recipe.yaml", "--cell", "rnn", "--show-config").out)
    assert (again["cell"], again["hidden"], again["task"], again["embedding_dim"]) == ("rnn", 6, "lm", 128)
    assert seqcli("train", "--config", "recipe.yaml", "--steps", 1, "--run", "made").code == 0
    saved = "runs/made/config.yaml"
    assert yaml.safe_load(seqcli("train", "--config", saved, "--show-config").out) == yaml.safe_load(
        Path(saved).read_text()
    )
    longer = yaml.safe_load(seqcli("train", "--resume", "made", "--steps", 3, "--show-config").out)
    assert longer == {**yaml.safe_load(Path(saved).read_text()), "steps": 3}


def test_train_json(seqcli: Run, corpus: Path) -> None:
    result = seqcli("train", corpus, "--steps", 12, "--hidden", 4, "--json")
    events = [json.loads(line) for line in result.out.splitlines()]
    assert events[0]["event"] == "notice"
    assert {"started", "logged", "evaluated", "saved", "finished"} <= {e["event"] for e in events}
    assert result.err == ""


def test_resume(seqcli: Run, trained: Path) -> None:
    result = seqcli("train", "--resume", "small", "--steps", 8)
    assert result.code == 0, result.err
    assert "8 steps, from step 6" in result.err
    assert seqcli("train", "x.txt", "--resume", "small").code == 2


@pytest.mark.parametrize(
    ("number", "option"), [(signal.SIGINT, "--no-tie"), (signal.SIGTERM, "--no-tie"), (signal.SIGINT, "--json")]
)
def test_ctrl_c_saves_and_says_how_to_go_on(corpus: Path, number: int, option: str) -> None:
    options = [option, "--hidden", "4", "--log-every", "5", "--steps", "1000000", "--run", "long"]
    args = [sys.executable, "-m", "seqcli", "train", str(corpus), *options]
    with subprocess.Popen(args, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        seen = ""
        for line in child.stdout if option == "--json" else child.stderr:
            seen += line
            if line.startswith(("step 20/", '{"event": "logged", "step": 20,')):
                break
        child.send_signal(number)
        out, rest = child.stdout.read(), child.stderr.read()
    assert child.returncode == 130, seen + rest
    assert "seqcli train --resume long" in rest
    stopped = int(re.search(r"Stopped after step ([\d,]+)", rest)[1].replace(",", ""))  # type: ignore[index]  # or fail
    assert "Traceback" not in rest
    assert all(json.loads(line) for line in out.splitlines())
    assert stopped >= 20 and (Path("runs/long/checkpoints") / f"step-{stopped:08}").is_dir()


def test_ctrl_c_in_sampling(trained: Path) -> None:
    args = [sys.executable, "-u", "-m", "seqcli", "sample", "--length", "100000000"]
    with subprocess.Popen(args, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        child.stdout.read(50)
        child.send_signal(signal.SIGINT)
        child.stdout.close()
        err = child.stderr.read()
    assert child.returncode in (0, 130)  # by the signal, or by the closed pipe if that came first
    assert "Traceback" not in err


def test_closed_stdout_is_a_quiet_end(trained: Path) -> None:
    command = f"{sys.executable} -m seqcli sample --quiet --length 100000 | head -c 20; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False, timeout=60)
    assert done.stderr == ""
    assert len(done.stdout) == 20
    assert done.returncode == 0


def test_utf8_whatever_the_locale(corpus: Path) -> None:
    Path("k.txt").write_text("한국어 문장입니다. 👩‍👧\n" * 30, encoding="utf-8")
    env = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONIOENCODING": ""}
    assert process("train", "k.txt", "--steps", 2, "--hidden", 4, "--run", "k", env=env).returncode == 0
    done = process("sample", "--prime", "한국어", "--length", 3, "--seed", 1, env=env)
    assert done.stdout.startswith("한국어"), done.stderr


def test_streaming_comes_as_it_is_made(trained: Path) -> None:
    args = [sys.executable, "-m", "seqcli", "sample", "--length", "3000000"]
    with subprocess.Popen(args, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as child:
        assert child.stdout is not None
        start = time.monotonic()
        assert len(child.stdout.read(10)) == 10
        assert time.monotonic() - start < 30  # long before three million characters
        child.kill()


def test_figures_beyond_all_bounds_are_short() -> None:
    from seqcli.cli.console import figure

    assert figure("{:.4f}", 2.71828) == "2.7183"
    assert figure("{:.4f}", 5.1e26) == "5.1e+26"
    assert figure("{:.4f}", -2e5) == "-2.0e+05"
    assert figure("{}", 1_000_000) == "1000000"


def test_show_config_makes_no_network(seqcli: Run, corpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is chosen is told by the data; only where minutes are the budget is the speed of a network measured."""

    def never(*_: object, **__: object) -> None:
        raise AssertionError

    for module in ("lm", "translate", "tag", "classify", "embed", "forecast"):
        monkeypatch.setattr(f"seqcli.core.tasks.{module}.network.build", never)
    shown = seqcli("train", corpus, "--steps", 5, "--show-config")
    assert shown.code == 0 and yaml.safe_load(shown.out)["hidden"] == 128, shown.err
    assert not Path("runs").exists()
