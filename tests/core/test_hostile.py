"""Whatever a model or a checkpoint has become: it is used, or a CheckpointError says in a sentence why not.

`make test-all` spoils 1,500 models and 200 checkpoints; no one takes ten seconds, and all together no 2 GB of memory.
"""

import contextlib
import json
import random
import resource
import shutil
import struct
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from seqcli.core import runs
from seqcli.core.events import Finished, Notice, Stepped
from seqcli.core.tasks.classify.trained import Classifier
from seqcli.core.tasks.forecast.trained import Forecaster
from seqcli.core.tasks.lm.trained import LanguageModel
from seqcli.core.tasks.tag.trained import Tagger
from seqcli.core.tasks.translate.trained import Translator
from seqcli.core.tasks.union import build
from seqcli.core.training.checkpoint import checkpoints
from seqcli.errors import CheckpointError, SeqcliError, TrainingError

# --- ways to spoil a safetensors file ---------------------------------------------------------------------------------

Header = dict[str, Any]
Body = bytearray

VALUES: list[Any] = [
    None, True, 0, -1, 1, 2, 7, 10**6, 10**12, 10**18, 10**400, 0.0, -1.5, 1e308, 1e-308, "", "x", "lm", "7", "\ud800",
    "\x1b]0;title\x07", "[red]", "x" * 5000, [], [[]], [0], ["a", "b"], [None], {}, {"": 0}, {"a": {"b": []}},
]  # fmt: skip
TEXTS = ["", "NaN", "[" * 3000, "{" * 300, "1" * 6000, "1e999", "nul", '"\\ud800"', "\x00", "[" * 400 + "]" * 400]
NUMBERS = [float("nan"), float("inf"), -float("inf"), 3.4e38, -3.4e38, 1e-45, -1.0]


def parse(data: bytes) -> tuple[Header, Body]:
    """Header and body of a safetensors file."""
    size = struct.unpack("<Q", data[:8])[0]
    return json.loads(data[8 : 8 + size]), Body(data[8 + size :])


def built(header: Header, body: Body) -> bytes:
    """The file of a header and a body."""
    text = json.dumps(header).encode("utf-8", "surrogatepass")
    return struct.pack("<Q", len(text)) + text + bytes(body)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The ways to every value inside of a JSON value, itself included."""
    inner = value.items() if isinstance(value, dict) else enumerate(value[:50]) if isinstance(value, list) else ()
    return [path, *(place for key, part in inner for place in places(part, (*path, key)))]


def changed(value: Any, r: random.Random) -> Any:
    """A JSON value with one value in it replaced, taken out or doubled."""
    path = r.choice(places(value))
    if not path:
        return r.choice(VALUES)
    at = value
    for key in path[:-1]:
        at = at[key]
    what = r.random()
    if what < 0.7:
        at[path[-1]] = r.choice(VALUES)
    elif what < 0.85 or isinstance(at, dict):
        del at[path[-1]]
    else:
        at.append(at[path[-1]])
    return value


def tensors(header: Header) -> list[str]:
    return [name for name in header if name != "__metadata__"]


# --- ways to spoil a file: each gives its new bytes -------------------------------------------------------------------


def flipped_header(data: bytes, r: random.Random) -> bytes:
    spoilt = Body(data)
    size = struct.unpack("<Q", data[:8])[0]
    for _ in range(r.choice([1, 1, 3, 20])):
        spoilt[r.randrange(8 + size)] ^= 1 << r.randrange(8)
    return bytes(spoilt)


def flipped_body(data: bytes, r: random.Random) -> bytes:
    spoilt = Body(data)
    size = struct.unpack("<Q", data[:8])[0]
    for _ in range(r.choice([1, 5, 100])):
        spoilt[r.randrange(8 + size, len(spoilt))] ^= 1 << r.randrange(8)
    return bytes(spoilt)


def cut(data: bytes, r: random.Random) -> bytes:
    at = r.randrange(len(data))
    return data[:at] if r.random() < 0.5 else data[:at] + bytes(len(data) - at)


def changed_metadata(data: bytes, r: random.Random) -> bytes:
    header, body = parse(data)
    texts = header["__metadata__"]
    key = r.choice(sorted(texts))
    what = r.random()
    if what < 0.75:
        texts[key] = json.dumps(changed(json.loads(texts[key]), r))
    elif what < 0.9:
        texts[key] = r.choice(TEXTS)
    else:
        del texts[key]
    return built(header, body)


def changed_array(data: bytes, r: random.Random) -> bytes:
    """Of the metadata in the body, which are JSON, or the length of some JSON, that, and numbers."""
    header, body = parse(data)
    arrays = [name for name in tensors(header) if name.startswith("metadata.") and header[name]["dtype"] == "U8"]
    if not arrays:
        return changed_metadata(data, r)
    name = r.choice(arrays)
    start, end = header[name]["data_offsets"]
    numbers = b""
    if named := name == "metadata.series":
        length = 8 + int.from_bytes(body[start : start + 8], "little")
        start, numbers = start + 8, bytes(body[start + length : end])
        end -= len(numbers)
    text = json.dumps(changed(json.loads(body[start:end]), r)) if r.random() < 0.8 else r.choice(TEXTS)
    new = text.encode("utf-8", "surrogatepass")
    if named:
        new, start, end = len(new).to_bytes(8, "little") + new + numbers, start - 8, end + len(numbers)
    for other in tensors(header):
        header[other]["data_offsets"] = [
            n + (len(new) - (end - start)) * (n >= end) for n in header[other]["data_offsets"]
        ]
    header[name] |= {"shape": [len(new)], "data_offsets": [start, start + len(new)]}
    return built(header, body[:start] + new + body[end:])


def changed_tensor(data: bytes, r: random.Random) -> bytes:
    header, body = parse(data)
    name = r.choice(tensors(header))
    entry = header[name]
    what = r.choice(["rename", "type", "shape", "numbers", "swap", "remove", "huge"])
    if what == "rename":
        header[r.choice([name + "x", "", "\x1b[2J", name[:-1], "metadata.config", "generator"])] = header.pop(name)
    elif what == "type":
        entry["dtype"] = r.choice(["I32", "F16", "BF16", "U8", "F64", "I64", "BOOL", "F8_E4M3", "X"])
        size = {"I32": 4, "F16": 2, "BF16": 2, "U8": 1, "F64": 8, "I64": 8, "BOOL": 1, "F8_E4M3": 1}
        length = entry["data_offsets"][1] - entry["data_offsets"][0]
        entry["shape"] = r.choice([entry["shape"], [length // size.get(entry["dtype"], 1)]])
    elif what == "shape":
        count = 1
        for n in entry["shape"]:
            count *= n
        entry["shape"] = r.choice([[count], entry["shape"][::-1], [1, *entry["shape"]], [*entry["shape"], 1, 1]])
    elif what == "huge":
        entry["shape"] = r.choice([[2**40, 2**40], [0, 2**62], [2**63], [-1], [1.5], "x", [2**31]])
    elif what == "numbers" and entry["dtype"] == "F32":
        start, end = entry["data_offsets"]
        if end > start:
            at = start + 4 * r.randrange((end - start) // 4)
            body[at : at + 4] = struct.pack("<f", r.choice(NUMBERS))
    elif what == "swap":
        other = r.choice(tensors(header))
        header[name], header[other] = header[other], header[name]
    else:
        del header[name]
    return built(header, body)


WAYS: list[Callable[[bytes, random.Random], bytes]] = [
    flipped_header,
    flipped_body,
    cut,
    changed_metadata,
    changed_metadata,
    changed_array,
    changed_tensor,
    changed_tensor,
]


def spoilt(data: bytes, r: random.Random) -> bytes:
    """A file that is not quite what it was."""
    return r.choice(WAYS)(data, r)


# --- runs to be spoilt ------------------------------------------------------------------------------------------------

SMALL: dict[str, Any] = {"steps": 4, "save_every": 2, "eval_every": 2, "threads": 1, "precision": "fp32"}
TEXT = "the cat sat on the mat. a dog met the cat at the gate.\n" * 12
PAIRS = "".join(f"{k} and {k + 1}\t{k} und {k + 1}\n" for k in range(30))
TAGGED = "the\tDET\ncat\tNOUN\nsat\tVERB\n\na\tDET\ndog\tNOUN\n\n" * 12
LABELLED = "".join(f"{a} {b} sat\t{a}\n" for a in ("the", "a") for b in ("cat", "dog") for _ in range(8))
SERIES = "ds,y,price,day\n" + "".join(
    f"2024-01-{t:02d},{t % 7 if t < 28 else ''},{t % 3},{'ab'[t % 2]}\n" for t in range(1, 32)
)
PLAIN = "".join(f"{t % 5 + t % 3}\n" for t in range(40))
TRAININGS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "lm": ("text.txt", TEXT, {"hidden": 6, "embedding_dim": 5, "batch_size": 2, "window": 7}),
    "lm-bpe": (
        "text.txt",
        TEXT,
        {"hidden": 6, "tokens": "bpe", "vocab_size": 280, "cell": "gru", "optimizer": "adamw"},
    ),
    "translate": ("pairs.tsv", PAIRS, {"hidden": 6, "embedding_dim": 5, "tokens": "char", "average": 2}),
    "tag": ("tagged.tsv", TAGGED, {"task": "tag", "hidden": 6, "embedding_dim": 5, "crf": True}),
    "classify": (
        "labelled.tsv",
        LABELLED,
        {"task": "classify", "hidden": 6, "pool": "attention", "encoding": "one-hot"},
    ),
    "embed": ("words.txt", TEXT, {"task": "embed", "embedding_dim": 5, "min_count": 1, "valid_split": 0.2}),
    "forecast": ("series.csv", SERIES, {"task": "forecast", "hidden": 6, "horizon": 3, "known": "price,day"}),
    "forecast-sample": ("plain.csv", PLAIN, {"task": "forecast", "hidden": 6, "horizon": 3, "decode": "sample"}),
}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A directory with a run of each kind."""
    place = tmp_path_factory.mktemp("hostile")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        patch.setenv("SEQCLI_CACHE", str(place / "cache"))
        for name, (file, text, options) in TRAININGS.items():
            Path(file).write_text(text)
            list(runs.train(build({**SMALL, **options, "files": (str(place / file),)}), run=name))
    yield place


def use(model: Any) -> None:
    """A little of what a command does with a model."""
    if isinstance(model, LanguageModel):
        model.sample("the", length=3, seed=1)
    elif isinstance(model, Translator):
        model.translate(["1 and 2"], beam=2, max_length=3)
    elif isinstance(model, Tagger):
        model.tag(["the cat"])
    elif isinstance(model, Classifier):
        model.classify(["the cat", ""])
    elif isinstance(model, Forecaster):
        list(model.forecast(levels=[80], samples=5))
    else:
        model.neighbors(model.words[0], 3)


def spoil_models(home: Path, count: int, seed: int) -> int:
    """Spoil so many models; returns how many were refused."""
    refused = 0
    for k in range(count):
        name = list(TRAININGS)[k % len(TRAININGS)]
        good = (home / "runs" / name / "best.safetensors").read_bytes()
        path = Path("spoilt.safetensors")
        path.write_bytes(spoilt(good, random.Random(f"{seed}-{k}")))
        start = time.perf_counter()
        try:
            model = runs.load(path, threads=1)
        except CheckpointError as error:
            refused += 1
            assert "spoilt.safetensors" in str(error)
            assert len(str(error)) < 1000, (k, name)
        else:
            with contextlib.suppress(SeqcliError):  # a vocabulary may lack what is asked for
                use(model)
        assert time.perf_counter() - start < 10, (k, name)
    return refused


def spoil_checkpoints(home: Path, count: int, seed: int, monkeypatch: pytest.MonkeyPatch) -> int:
    """Spoil the newest checkpoint of so many runs and go on; returns how many went on from the one before."""
    monkeypatch.setenv("SEQCLI_CACHE", str(home / "cache"))
    earlier = 0
    for k in range(count):
        name = list(TRAININGS)[k % len(TRAININGS)]
        r = random.Random(f"{seed}-{k}")
        shutil.rmtree("runs", ignore_errors=True)
        shutil.copytree(home / "runs" / name, Path("runs") / name)
        newest = checkpoints(Path("runs") / name)[-1]
        path = newest / r.choice(["model.safetensors", "state.safetensors", "state.safetensors"])
        path.write_bytes(spoilt(path.read_bytes(), r))
        start = time.perf_counter()
        events = runs.resume(name, {"steps": 6})
        with contextlib.suppress(CheckpointError, TrainingError):
            for event in events:
                earlier += isinstance(event, Notice) and "checkpoint before it is used" in event.text
                if isinstance(event, Stepped) and event.step > 100:
                    break  # what it says of its budget was spoilt
        events.close()  # type: ignore[attr-defined]  # a generator
        assert time.perf_counter() - start < 10, (k, name)
    return earlier


def test_spoilt_models(home: Path) -> None:
    assert spoil_models(home, 150, seed=1) > 75


def test_spoilt_checkpoints(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert spoil_checkpoints(home, 18, 1, monkeypatch) > 9


@pytest.mark.slow
def test_many_spoilt_models(home: Path) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert spoil_models(home, 1500, seed=2) > 750
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 2 << 20  # KiB


@pytest.mark.slow
def test_many_spoilt_checkpoints(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert spoil_checkpoints(home, 200, 2, monkeypatch) > 100
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 2 << 20  # KiB


@pytest.mark.parametrize("name", TRAININGS)
def test_whole_models_and_checkpoints_are_used(home: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEQCLI_CACHE", str(home / "cache"))
    shutil.copytree(home / "runs" / name, Path("runs") / name)
    use(runs.load(name, threads=1))
    events = list(runs.resume(name, {"steps": 6}))
    assert not any("checkpoint before" in event.text for event in events if isinstance(event, Notice))
    last = events[-1]
    assert isinstance(last, Finished)
    assert last.step == 6
