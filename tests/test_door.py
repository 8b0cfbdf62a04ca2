"""The Python door: what `import seqcli` gives, what it answers to mistakes, and what it leaves alone."""

import inspect
import json
import os
import subprocess
import sys
import typing
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar, get_args

import numpy as np
import pytest

import seqcli
from seqcli.core.card import MOST, card
from seqcli.core.events import Finished, Saved, Started, Stepped
from seqcli.core.tasks.registry import TASKS
from seqcli.errors import CheckpointError, ConfigError, DataError

SMALL: dict[str, Any] = {"steps": 3, "hidden": 6, "embedding_dim": 5, "threads": 2}
FILES = {
    "lm": ("text.txt", "the cat sat on the mat. the dog sat on the log.\n" * 40),
    "translate": ("pairs.tsv", "".join(f"{a} {b}\t{b} {a}\n" for a in "abcdefg" for b in "hijklmn")),
    "tag": (
        "tagged.conllu",
        "\n".join(f"{k}\t{w}\t_\t{t}" + "\t_" * 6 for k, w, t in ((1, "the", "DET"), (2, "cat", "NOUN"))),
    ),
    "classify": (
        "labelled.tsv",
        "".join(f"{a} {b} sat\t{a}\n" for a in ("the", "a") for b in ("cat", "dog") for _ in range(9)),
    ),
    "embed": ("words.txt", "the cat sat on the mat . the dog sat on the log .\n" * 40),
    "forecast": ("series.csv", "day,sold\n" + "".join(f"2024-01-{k:02d},{k % 7}\n" for k in range(1, 32))),
}
WITHOUT = {"embed": {"hidden"}, "forecast": {"embedding_dim"}}  # options of SMALL that a task does not have


def run_python(code: str, *args: object, **env: str) -> str:
    """What a fresh interpreter prints."""
    whole = {**os.environ, **env}
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, args)], capture_output=True, text=True, env=whole, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A directory with a trained run of every task, each named after it."""
    place = tmp_path_factory.mktemp("door")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SEQCLI_CACHE", str(place / "cache"))
        for task, (name, text) in FILES.items():
            (place / name).write_text((text + "\n\n") * 12 if task == "tag" else text)
            own = {"embed": {"min_count": 1}, "forecast": {"horizon": 3}}.get(task, {})
            small = {k: v for k, v in SMALL.items() if k not in WITHOUT.get(task, ())}
            for _ in seqcli.train(place / name, task=task, run=task, runs_dir=place / "runs", **small, **own):
                pass
    yield place


@pytest.fixture
def models(place: Path) -> Any:
    return SimpleNamespace(**{task: seqcli.load(task, runs_dir=place / "runs") for task in TASKS})


# --- what there is --------------------------------------------------------------------------------------------------


def test_dir_shows_exactly_what_there_is() -> None:
    there = ["Config", "__version__", "errors", "events", "fit", "load", "resume", "runs", "train"]
    assert dir(seqcli) == there
    assert all(getattr(seqcli, name) is not None for name in there)
    found: dict[str, Any] = {}
    exec("from seqcli import *", found)
    assert sorted(set(found) - {"__builtins__"}) == [name for name in there if name != "__version__"]
    assert all(inspect.getdoc(getattr(seqcli, name)) for name in there)
    with pytest.raises(AttributeError, match="no attribute 'trian'; it has Config, errors"):
        seqcli.trian  # noqa: B018 - to be refused


def test_torch_is_not_imported_to_ask_for_things(place: Path) -> None:
    """Nor for text on a processor."""
    said = run_python(
        "import sys, seqcli\n"
        "light = {name.split('.')[0] for name in sys.modules}\n"
        "print(sorted(light & {'torch', 'numpy', 'pydantic', 'yaml', 'rich', 'typer'}))\n"
        "seqcli.Config('x.txt', steps=2).to_yaml(), dir(seqcli), seqcli.events.Logged, seqcli.errors.SeqcliError\n"
        "print(repr(seqcli.runs(sys.argv[1])))\n"
        "model = seqcli.load('lm', runs_dir=sys.argv[1])\n"
        "model.sample('the', length=5), repr(model), model._repr_html_()\n"
        "print('torch' in sys.modules)",
        place / "runs",
    )
    nothing, shown, torch = said.splitlines()
    assert nothing == "[]"
    assert "Run('tag', tag, lstm 1 x 6, step 3" in shown
    assert torch == "False"


def test_signatures_say_what_comes_back() -> None:
    """Type checkers are told by the name of the task what `load` and `fit` give: what the registry says it is."""
    if sys.version_info < (3, 11):
        pytest.skip("get_overloads is new in Python 3.11")
    for function, attribute in (
        (seqcli.load, "trained_class"),
        (seqcli.fit, "trained_class"),
        (seqcli.Config, "options_class"),
    ):
        told = {}
        for each in typing.get_overloads(function):
            task = inspect.signature(each).parameters.get("task")
            if task is not None and (names := get_args(task.annotation)) and names[0] in TASKS:
                told[names[0]] = inspect.signature(each).return_annotation
        assert told == {name: getattr(TASKS[name], attribute).split(".")[1] for name in told}
        assert len(told) >= 5, "a new task may follow later, and is a Trained until then"
    assert (Path(seqcli.__file__).parent / "py.typed").exists(), "without it, type checkers do not look"


def test_the_readme_does_what_it_says(corpus: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """On small files, in a few steps."""
    readme = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
    code = readme.partition("```python\n")[2].partition("```")[0]
    assert "minutes=1" in code and "steps=200" in code
    Path("held_out.txt").write_text("the cat met the dog.\n")
    Path("pairs.tsv").write_text("".join(f"{a} text\tein {b}\n" for a in ("one", "another", "a", "no") for b in "abc"))
    exec(code.replace("minutes=1", "steps=3, hidden=6").replace("steps=200", "steps=3, hidden=6"), {})
    assert "Finished(" in capsys.readouterr().out
    assert [run.name for run in seqcli.runs()] == ["mine", "corpus-lstm"]
    assert isinstance(list(seqcli.resume("mine", steps=4))[-1], Finished)


# --- options --------------------------------------------------------------------------------------------------------


def test_files_are_one_path_or_several() -> None:
    assert seqcli.Config("x.txt").files == seqcli.Config(files="x.txt").files == ("x.txt",)
    assert seqcli.Config(Path("a") / "x.txt").files == (str(Path("a") / "x.txt"),)
    for several in (["x.txt", Path("y.txt")], ("x.txt", "y.txt"), (Path(f"{name}.txt") for name in "xy")):
        assert seqcli.Config(several).files == ("x.txt", "y.txt")
    assert seqcli.Config("x.tsv").task == "translate"
    assert seqcli.Config("x.txt", valid=Path("v.txt"), **{"batch-size": 3}).valid == "v.txt"
    changed = seqcli.Config("x.txt", hidden=3).with_(files=Path("y.txt"), layers=2)
    assert (changed.files, changed.hidden, changed.layers) == (("y.txt",), 3, 2)
    Path("c.yaml").write_text("hidden: 5\nlayers: 2\n")
    asked = seqcli.Config("x.txt", config=Path("c.yaml"), layers=3)
    assert (asked.hidden, asked.layers) == (5, 3)


def test_options_show_what_differs_from_the_defaults() -> None:
    assert repr(seqcli.Config("x.txt", hidden=7, lr=0.5)) == "LMOptions(lr=0.5, files=('x.txt',), hidden=7)"


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"hiden": 3}, "There is no option 'hiden'. Did you mean hidden?"),
        ({"hidden": "many"}, "--hidden is 'many', but must be a whole number"),
        ({"cell": "lstn"}, "Did you mean lstm?"),
        ({"task": "tagg"}, "Did you mean tag?"),
        ({"crf": True}, "--crf is for --task tag, but this is lm."),
        ({"files": 3}, "--files is 3, but must be"),
        ({"files": b"x.txt"}, "--files is b'x.txt', but must be"),
        ({"files": {"x.txt": 1}}, "--files is {'x.txt': 1}, but must be"),
        ({"files": ["x.txt", 3]}, "--files is ('x.txt', 3), but must be"),
        ({"config": "none.yaml"}, "There is no configuration file none.yaml."),
        ({"config": 3}, "--config is 3, but must be a name or a path."),
        ({"confg": "a.yaml"}, "Did you mean config?"),
        ({"hidden": float("nan")}, "--hidden is nan"),
    ],
    ids=str,
)
def test_wrong_options_are_answered_with_a_sentence(options: dict[str, Any], sentence: str) -> None:
    for ask in (seqcli.Config, seqcli.train, seqcli.fit):
        with pytest.raises(ConfigError) as caught:
            ask(**{"files": "x.txt", **options})
        assert sentence in str(caught.value)
    assert not Path("runs").exists()


def test_everything_that_is_wrong_is_said_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        seqcli.Config("x.txt", hiden=3, layers=0, lr="fast")
    assert len(str(caught.value).splitlines()) == 3


def test_wrong_arguments_are_answered_with_a_sentence(place: Path) -> None:
    runs_dir = place / "runs"
    for call, sentence in [
        (lambda: seqcli.load("lm", devise="cpu"), "Did you mean device?"),
        (lambda: seqcli.load("lm", device="gpu"), "--device is 'gpu', but must be one of auto, cpu, cuda, mps"),
        (lambda: seqcli.load("lm", threads=-1), "--threads is -1, but must be a whole number"),
        (lambda: seqcli.load(task="lmm"), "Did you mean lm?"),
        (lambda: seqcli.load(3), "--run is 3, but must be a name or a path."),
        (lambda: seqcli.load("lm", runs_dir=3), "--runs-dir is 3"),
        (lambda: seqcli.runs(3), "--runs-dir is 3"),
        (lambda: seqcli.train("x.txt", rnu="mine"), "Did you mean run?"),
        (lambda: seqcli.train("x.txt", run=3), "The name of a run is a text, not 3."),
        (lambda: seqcli.fit("x.txt", progres=True), "Did you mean progress?"),
        (lambda: seqcli.train(seqcli.Config("x.txt"), steps=3), "not both"),
        (lambda: seqcli.Config("x.txt").with_(hiden=3), "Did you mean hidden?"),
        (lambda: seqcli.Config("x.txt").with_(hidden=0), "--hidden is 0"),
        (lambda: seqcli.resume("lm", runs_dir=runs_dir, stepps=9), "Did you mean steps?"),
        (lambda: seqcli.resume("lm", runs_dir=runs_dir, cell="gru"), "--cell cannot change when a run goes on"),
        (lambda: seqcli.resume("lm", runs_dir=runs_dir, steps="more"), "--steps is 'more'"),
    ]:
        with pytest.raises(ConfigError) as caught:
            call()
        assert sentence in str(caught.value)
    for call, sentence in [
        (lambda: seqcli.load("lmm", runs_dir=runs_dir), "Did you mean lm?"),
        (lambda: seqcli.load("x" * 5000, runs_dir=runs_dir), "no such path"),
        (lambda: seqcli.load("lm", task="tag", runs_dir=runs_dir), "holds a language model, not a tagger"),
        (seqcli.load, "Train one first"),
        (lambda: seqcli.resume("lmm", runs_dir=runs_dir), "Did you mean lm?"),
    ]:
        with pytest.raises(CheckpointError) as caught_:
            call()
        assert sentence in str(caught_.value)


def test_misspelled_options_of_a_model(models: Any) -> None:
    for call, sentence in [
        (lambda: models.lm.sample(temprature=1), "Did you mean temperature?"),
        (lambda: models.lm.stream("the", lenght=1), "Did you mean length?"),  # at once, not when it is read
        (lambda: models.lm.samples(num_sample=2), "Did you mean num_samples?"),
        (lambda: models.lm.sample(length=0), "--length is 0"),
        (lambda: models.lm.evaluate("x.txt", beem=3), "There is no option 'beem'."),
        (lambda: models.translate.translate("x", beem=3), "Did you mean beam?"),
        (lambda: models.translate.translate("x", atention=True), "Did you mean attention?"),
        (lambda: models.translate.translate("x", n_best=9), "--n-best 9 asks for more than --beam 5"),
        (lambda: models.tag.tag("x", beam=3), "There is no option 'beam'."),
        (lambda: models.tag.evaluate("x.conllu", sya=print), "Did you mean say?"),
        (lambda: models.classify.classify("x", explian=True), "Did you mean explain?"),
        (lambda: models.classify.evaluate("x.tsv", skip_bad_line=True), "Did you mean skip_bad_lines?"),
        (lambda: models.embed.evaluate("x.tsv", beam=3), "There is no option 'beam'."),
        (lambda: models.lm.translate("x"), "A model of --task lm has no 'translate'. It is used by model.sample("),
        (lambda: models.translate.sample("x"), "--task translate has no 'sample'"),
        (lambda: models.embed.neighbors(["the"]), "One word is wanted, not ['the']"),
        (lambda: models.embed.analogy("the", "cat", 3), "One word is wanted, not 3"),
        *(
            (lambda m=m: m.evaluate(["a.txt", "b.txt"]), "not by ['a.txt', 'b.txt']; give one at a time")
            for m in (models.lm, models.translate, models.tag, models.classify, models.embed)
        ),
    ]:
        with pytest.raises(ConfigError) as caught:
            call()
        assert sentence in str(caught.value)
    assert not hasattr(models.lm, "translate") and not hasattr(models.lm, "_repr_png_")
    for call, sentence in [
        (lambda: models.lm.sample(3), "The prime is one text, not 3."),
        (lambda: models.lm.sample(["the"]), "The prime is one text, not ['the']."),
        (lambda: models.translate.translate(3), "A text or a list of texts is wanted, not 3."),
        (lambda: models.translate.translate(["a", None]), "each is a text, and number 2 is None."),
        (lambda: models.tag.tag(b"the cat"), "A text or a list of texts is wanted, not b'the cat'."),
        (lambda: models.classify.classify([["the"]]), "each is a text, and number 1 is ['the']."),
    ]:
        with pytest.raises(DataError) as wrong:
            call()
        assert sentence in str(wrong.value)


# --- training -------------------------------------------------------------------------------------------------------


def test_train_gives_events(corpus: Path, capfd: pytest.CaptureFixture[str]) -> None:
    events = list(seqcli.train("corpus.txt", steps=2, hidden=6, threads=2))
    assert [type(e) for e in events if isinstance(e, (Started, Stepped, Saved, Finished))] == [
        Started, Stepped, Stepped, Saved, Finished
    ]  # fmt: skip
    assert all(isinstance(e, get_args(seqcli.events.Event)) for e in events)
    assert events[-1].run_dir == Path("runs/corpus-lstm")
    assert capfd.readouterr() == ("", "")


def test_a_config_trains_as_its_options_do(corpus: Path) -> None:
    asked = seqcli.Config(corpus, seed=5, **SMALL)
    for _ in seqcli.train(asked, run="a"):
        pass
    seqcli.fit([corpus], run="b", seed=5, **SMALL)
    a, b = (seqcli.load(name).weights for name in "ab")
    assert a.keys() == b.keys()
    assert all((a[name] == b[name]).all() for name in a)


def test_fit_gives_the_model_and_says_nothing(corpus: Path, capfd: pytest.CaptureFixture[str]) -> None:
    model = seqcli.fit(corpus, task="lm", run="mine", device="cpu", **SMALL)
    assert type(model).__name__ == "LanguageModel"
    assert model.device == "cpu", "it computes where it was trained"
    assert model.sample("the", length=5, seed=1) == seqcli.load("mine").sample("the", length=5, seed=1)
    assert model.figures["loss"] == seqcli.runs()[0].val_loss
    assert capfd.readouterr() == ("", "")


def test_fit_with_progress_writes_a_line_to_stderr(corpus: Path, capfd: pytest.CaptureFixture[str]) -> None:
    seqcli.fit(corpus, run="mine", progress=True, log_every=1, eval_every=2, **SMALL)
    out, err = capfd.readouterr()
    assert out == ""
    *notices, last = err.rstrip("\n").split("\n")
    assert all("step" not in notice for notice in notices)
    drawn = last.split("\r")
    assert [text.split(",")[0] for text in drawn if text.strip()] == [
        "step 1 of 3",
        "step 2 of 3",
        "step 3 of 3",
        "step 3 of 3",
    ]
    assert "validation loss" in drawn[-1]
    assert err.endswith("\n")


def test_an_interrupted_fit_can_be_resumed(
    corpus: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Also where the interruption comes between two events, and while its traceback is kept, as notebooks do."""
    begun = seqcli._told

    def interrupted(events: Any) -> Any:
        for event in begun(events):
            yield event
            if isinstance(event, Stepped) and event.step == 2:
                raise KeyboardInterrupt

    monkeypatch.setattr(seqcli, "_told", interrupted)
    with pytest.raises(KeyboardInterrupt) as kept:
        seqcli.fit(corpus, run="mine", progress=True, **{**SMALL, "steps": 5})
    assert kept is not None
    events = list(seqcli.resume("mine"))
    assert [(e.step, e.total_steps) for e in events if isinstance(e, Started)] == [(2, 5)]
    assert capfd.readouterr().err.endswith("\n")


def test_resume_goes_on(corpus: Path) -> None:
    events = seqcli.train(corpus, run="mine", **SMALL)
    next(event for event in events if isinstance(event, Stepped))
    events.close()
    (run,) = seqcli.runs()
    assert [e.step for e in seqcli.resume(run) if isinstance(e, Stepped)] == [2, 3]
    assert [e.step for e in seqcli.resume("mine", steps=5) if isinstance(e, Finished)] == [5]


def test_runs_are_where_the_environment_says(place: Path, monkeypatch: pytest.MonkeyPatch, corpus: Path) -> None:
    """As for the command line."""
    assert seqcli.runs() == []
    monkeypatch.setenv("SEQCLI_RUNS", str(place / "runs"))
    assert {run.name for run in seqcli.runs()} == set(TASKS)
    assert type(seqcli.load(task="tag")).__name__ == "Tagger"
    monkeypatch.setenv("SEQCLI_RUNS", "elsewhere")
    seqcli.fit(corpus, run="mine", **SMALL)
    assert [run.path for run in seqcli.runs()] == [Path("elsewhere/mine")]


def test_a_run_says_what_it_is_and_opens_as_it_is(place: Path) -> None:
    found = {run.name: run for run in seqcli.runs(place / "runs")}
    shown = repr(found["translate"])
    assert shown == f"Run('translate', translate, lstm 1 x 6, step 3, val_loss {found['translate'].val_loss:.4g})"
    assert type(seqcli.load(found["classify"])).__name__ == "Classifier"
    assert os.fspath(found["tag"]) == str(place / "runs" / "tag")


# --- using ----------------------------------------------------------------------------------------------------------


def test_one_text_gives_one_result_and_many_a_list(models: Any) -> None:
    """What is found is the same; how sure of it a model is, may differ in the last digits with the size of a batch."""
    for method, text, found in (
        (models.translate.translate, "a h", lambda one: one.text),
        (models.tag.tag, "the cat", lambda one: one.tags),
        (models.classify.classify, "the dog sat", lambda one: one.label),
    ):
        one = method(text)
        assert type(one).__name__ in ("Translation", "Tagged", "Classified")
        assert [found(each) for each in method([text])] == [found(one)]
        several = method([text, "the", text])
        assert [type(each) for each in several] == [type(one)] * 3
        assert found(several[0]) == found(several[2]) == found(one)
        assert method(t for t in (text, "the", text)) == method((text, "the", text)) == several
        assert method([]) == []


def test_results_say_what_they_found(models: Any) -> None:
    assert models.translate.translate("a h", beam=1).text == models.translate.translate(["a h"], beam=1)[0].text
    tagged = models.tag.tag("the cat")
    assert (tagged.words, len(tagged.tags)) == (["the", "cat"], 2)
    labelled = models.classify.classify("the dog sat")
    assert set(labelled.probabilities) == {"the", "a"}
    assert sum(labelled.probabilities.values()) == pytest.approx(1)


CHANGES = """
import json, os, signal, sys, warnings
import numpy as np, random, torch
import torch._dynamo  # torch's optimizers do; it names a directory in the environment, and adds a filter of warnings

looked_up, env = [], []
def hook(event, args):
    if event == "ctypes.dlsym":
        looked_up.append(str(args[1]))
    elif event in ("os.putenv", "os.unsetenv"):
        env.append(str(args[0]))
sys.addaudithook(hook)

def process():
    return {
        "threads": [torch.get_num_threads(), torch.get_num_interop_threads()],
        "environment": dict(os.environ),
        "torch's generator": torch.random.get_rng_state().tolist(),
        "numpy's generator": repr(np.random.get_state()),
        "python's generator": repr(random.getstate()),
        "warnings": repr(warnings.filters),
        "gradients": [torch.is_grad_enabled(), torch.are_deterministic_algorithms_enabled()],
        "types": str(torch.get_default_dtype()),
        "signals": [repr(signal.getsignal(s)) for s in (signal.SIGINT, signal.SIGTERM)],
        "place": [os.getcwd(), sys.path],
    }

torch.set_num_threads(3)
place = sys.argv[1]
os.chdir(place)
before = process()
env.clear()

import seqcli
models = {task: seqcli.load(task) for task in ("lm", "translate", "tag", "classify", "embed")}
models["lm"].sample("the", length=5)
models["lm"].evaluate("text.txt")
models["translate"].translate(["a h", "b i"])
models["translate"].translate("a h", temperature=1.0)
models["translate"].evaluate("pairs.tsv")
models["tag"].tag("the cat")
models["tag"].evaluate("tagged.conllu")
models["classify"].classify("the cat sat")
models["classify"].evaluate("labelled.tsv")
models["embed"].neighbors("cat", 2)
for model in models.values():
    repr(model), model._repr_html_()
used = process()

seqcli.load("tag", threads=1)
told = torch.get_num_threads()

seqcli.fit("text.txt", task="lm", steps=2, hidden=4, threads=2, run="again-" + str(os.getpid()))
trained = process()

quiet = ["mallopt" in looked_up, env]
from seqcli.cli.process import keep_freed_memory
keep_freed_memory()
print(json.dumps({
    "using": [name for name in before if used[name] != before[name]],
    "told": told,
    "training": [name for name in before if trained[name] != before[name]],
    "threads": trained["threads"][0],
    "quiet": quiet,
    "noticed": "mallopt" in looked_up,
}))
"""


def test_the_process_stays_as_it_is(place: Path) -> None:
    """Loading and using change nothing of it; training sets torch's threads, and only that."""
    found = json.loads(run_python(CHANGES, place, SEQCLI_CACHE=str(place / "cache")))
    assert found["using"] == []
    assert found["told"] == 1
    assert found["training"] == ["threads"]
    assert found["threads"] == 2
    assert found["quiet"] == [False, []]
    assert found["noticed"] or sys.platform != "linux", "this test would not see mallopt"


# --- what is shown --------------------------------------------------------------------------------------------------


def test_models_say_what_they_are_in_a_line(models: Any) -> None:
    for model, beginning in (
        (models.lm, "LanguageModel(lstm 1 x 6, 19 char tokens, loss "),
        (models.translate, "Translator(lstm 1 x 6, general attention, "),
        (models.tag, "Tagger(lstm 1 x 6, 2 words, 2 tags ("),
        (models.classify, "Classifier(lstm 1 x 6, "),
        (models.embed, "WordVectors(skipgram 5, "),
    ):
        shown = repr(model)
        assert shown.startswith(beginning), shown
        assert shown.isprintable()
    assert f"perplexity {models.lm.figures['perplexity']:.4g}" in repr(models.lm)
    assert "2 labels ('a', 'the')" in repr(models.classify) or "2 labels ('the', 'a')" in repr(models.classify)


class Page(HTMLParser):
    """The text of a page, of which every element is closed in its turn."""

    ALLOWED: ClassVar = {"div", "strong", "span", "dl", "dt", "dd", "bdi", "pre", "code"}

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open, self.text, self.attributes = [], [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in self.ALLOWED
        self.open.append(tag)
        self.attributes += [name for name, _ in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def test_models_show_a_card_in_a_notebook(models: Any) -> None:
    for task, model in vars(models).items():
        page = Page(model._repr_html_())
        assert set(page.attributes) == {"style", "role", "aria-label"}
        assert page.text[0] == type(model).__name__
        assert page.text[1] == model.plan.network_in_words
        assert FILES[task][0] in page.text
        assert f"{model.parameters:,}" in page.text
        assert f"{model.examples()[0]}\n{model.examples()[1]}" in "".join(page.text)
    page = Page(models.lm._repr_html_())
    assert page.text[2:4] == ["loss (nats per token)", f"{models.lm.figures['loss']:.4f}"]
    assert "10% of that, held out" in page.text
    assert models.lm.parameters == sum(p.numel() for p in models.lm.model.parameters())
    assert {"DET", "NOUN"} <= set(Page(models.tag._repr_html_()).text)


def test_examples_of_the_cards_run(models: Any) -> None:
    """Those that need no file."""
    for model in vars(models).values():
        found = eval(model.examples()[0], {"model": model})
        assert found.size if isinstance(found, np.ndarray) else found


def test_nothing_in_a_model_is_taken_for_html_or_steers_a_terminal(models: Any) -> None:
    evil = ["<script>alert(1)</script>", 'a" onclick="x', "x\x1b[31m", "left\u202eright", "&amp;", "\ud800"]
    for model, name in ((models.classify, "labels"), (models.tag, "tags")):
        setattr(model, name, [*evil, *(f"{name} {k}" for k in range(MOST))])
        page = Page(model._repr_html_())  # refuses any other element
        assert set(page.attributes) == {"style", "role", "aria-label"}
        assert {"<script>alert(1)</script>", 'a" onclick="x', "x\\x1b[31m", "left\\u202eright", "&amp;"} <= set(
            page.text
        )
        assert any(f"and {len(evil)} more" in text for text in page.text)
        setattr(model, name, evil[:4])
        assert repr(model).isprintable()
    long = card("T", "a", [("<i>", "1<2")], {"<b>": "x" * 9999}, {"<u>": ["y" * 9999]}, ["<p>"])
    assert len(long) < 5000
    assert {"<i>", "1<2", "<b>", "<u>", "<p>"} <= set(Page(long).text)


def test_figures_of_a_file_cannot_spoil_a_card(models: Any) -> None:
    models.lm.figures = {"loss": 1e300, "perplexity": -1e300, "<b>": 1.0, "accuracy": 0.25}
    text = Page(models.lm._repr_html_()).text
    assert "1.0e+300" in text and "25.00%" in text and "<b>" not in text
    assert "loss 1e+300" in repr(models.lm)
