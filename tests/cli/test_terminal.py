"""Whatever a model, a run or a file holds, nothing of it steers the terminal; into a pipe it goes as it is."""

import fcntl
import io
import json
import os
import shutil
import struct
import sys
import termios
import threading
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout, suppress
from pathlib import Path
from typing import Any

import pytest

import seqcli as package
from seqcli.cli import console
from seqcli.cli.app import main
from seqcli.core.tasks.embed.trained import WordVectors
from seqcli.core.tasks.translate.trained import Translation

Run = Callable[..., Any]
Shown = Callable[..., str]

# sets a window's title, blinks by a C1 sequence, turns the order of letters around; and markup that rich would obey
EVIL = "\x1b]0;evil\x07\x9b5m\u202e[/b][red]:smile:"
VISIBLE = r"\u001b]0;evil"  # what of it is seen in any case; rich drops the bell
RAW = ("\x1b]", "\x07", "\x9b", "\u202e")


def test_what_is_shown_of_others_text() -> None:
    assert console.shown("a\x1bb\x00\r\x7f\x9b\u202e\u2066\ud800") == (
        r"a\u001bb\u0000\u000d\u007f\u009b\u202e\u2066\ud800"
    )
    fine = "two\nlines\tשלום\u200f é 👩\u200d👧 [b] \\u001b"
    assert console.shown(fine) == fine == console.shown(console.shown(fine))


def test_markup_is_text() -> None:
    from rich.table import Table

    table = Table("[/b]", ":smile:")
    table.add_row("[red]r", EVIL)
    with console.stdout.capture() as caught:
        console.stdout.print("[/b]:smile:", table)
    assert caught.get().count("[/b]") == 3 and "[red]r" in caught.get() and ":smile:" in caught.get()
    assert r"\u202e[/b][red]:smile:" in caught.get()
    assert not any(raw in caught.get() for raw in RAW)


def test_json_is_the_same_json_and_harmless(capsys: pytest.CaptureFixture[str]) -> None:
    console.print_json({"text": EVIL + "\udc9b é"})
    printed = capsys.readouterr().out
    assert json.loads(printed) == {"text": EVIL + "\udc9b é"} and "é" in printed
    assert not any(raw in printed for raw in (*RAW, "\udc9b", "?"))


# --- every command, on a terminal of its own ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with files and one run of each task that hold EVIL wherever they can."""
    place = tmp_path_factory.mktemp("hostile")
    before, cache = Path.cwd(), os.environ.get("SEQCLI_CACHE")
    os.chdir(place)
    os.environ["SEQCLI_CACHE"] = str(place / "cache")
    words, labels = [f"w{EVIL}{k}" for k in range(3)], [f"L{EVIL}{k}" for k in range(2)]
    text = Path(f"t{EVIL.replace('/', '')}.txt")
    text.write_text("\x1b]\x9b\x07\u202e" * 300 + "a" * 9)
    Path("p.tsv").write_text("".join(f"a {EVIL}\t{EVIL * 2}\n" for _ in range(30)))
    Path("g.tsv").write_text("".join(f"{w}\t{labels[k % 2]}\n\n" for k, w in enumerate(words * 8)))
    Path("c.tsv").write_text("".join(f"{w} fine {w}\t{labels[k % 2]}\n" for k, w in enumerate(words * 8)))
    Path("e.txt").write_text(f"the {EVIL} cat\n" * 60)
    small: dict[str, Any] = {"hidden": 4, "steps": 3, "embedding_dim": 4}
    for task, file, more in (
        ("lm", str(text), {}),
        ("translate", "p.tsv", {"batch_size": 8}),
        ("tag", "g.tsv", {}),
        ("classify", "c.tsv", {"pool": "attention"}),
        ("embed", "e.txt", {"hidden": None, "min_count": 1}),
    ):
        config = package.Config(task=task, files=(file,), **{**small, **more})
        for _ in package.train(config, run=task):
            pass
        shutil.copytree(f"runs/{task}", f"runs/{task}{EVIL.replace('/', '')}")
    os.chdir(before)
    os.environ.pop("SEQCLI_CACHE") if cache is None else os.environ.update(SEQCLI_CACHE=cache)
    return place


@pytest.fixture
def on_terminal(hostile: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shown]:
    """Run a command in the hostile directory with a pseudo-terminal for its output; what the terminal was sent."""
    monkeypatch.chdir(hostile)
    monkeypatch.setenv("TERM", "xterm")

    def run(*args: str, width: int = 200) -> str:
        ours, theirs = os.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, width, 0, 0))
        parts: list[bytes] = []

        def read() -> None:
            try:
                while data := os.read(ours, 1 << 16):
                    parts.append(data)
            except OSError:
                pass  # how a terminal says that nobody writes to it any more

        reader = threading.Thread(target=read)
        reader.start()
        monkeypatch.setattr(sys, "argv", ["seqcli", *args])
        monkeypatch.setenv("COLUMNS", str(width))
        with (
            io.TextIOWrapper(io.FileIO(os.dup(theirs), "w"), encoding="utf-8", write_through=True) as out,
            redirect_stdout(out),
            redirect_stderr(out),
        ):
            os.close(theirs)
            monkeypatch.setattr(console.stderr, "file", out)
            monkeypatch.setattr(console.stdout, "file", out)
            assert console.stdout_is_terminal() and console.on_terminal()
            with suppress(SystemExit):
                main()
            for stream in (console.stderr, console.stdout):
                monkeypatch.setattr(stream, "file", None)
        reader.join(timeout=20)
        os.close(ours)
        return b"".join(parts).decode("utf-8")

    yield run


NAME = EVIL.replace("/", "")
COMMANDS: list[tuple[str, ...]] = [
    ("runs",),
    ("info", "lm"),
    ("info", f"lm{NAME}"),
    ("sample", "--run", "lm", "--length", "200", "--temperature", "1", "--seed", "1"),
    ("sample", "--run", "lm", "-n", "2", "--length", "100", "--temperature", "1", "--seed", "1"),
    ("sample", "--run", "lm", "--prime", f"Ω{EVIL}", "--length", "5"),
    ("translate", "p.tsv", "--run", "translate", "--beam", "2", "--max-length", "20"),
    ("translate", "--run", "translate", "--text", EVIL, "--beam", "1", "--max-length", "9", "--attention"),
    ("tag", "--run", "tag", "--pretokenized", EVIL),
    ("tag", "--run", "tag", "--json", EVIL),
    ("classify", "--run", "classify", EVIL),
    ("classify", "--run", "classify", "--probabilities", "--explain", f"x {EVIL}"),
    ("classify", "--run", "classify", "--json", EVIL),
    ("neighbors", "--run", "embed", EVIL),
    ("neighbors", "--run", "embed", "the"),
    ("analogy", "--run", "embed", "the", "cat", "the"),
    ("eval", "g.tsv", "--run", "tag"),
    ("eval", "c.tsv", "--run", "classify"),
    ("eval", "c.tsv", "--run", "classify", "--run", f"classify{NAME}"),
    ("plot", f"lm{NAME}", "-o", f"{NAME}.html"),
    ("export", f"embed{NAME}", f"{NAME}.vec"),
    ("train", f"t{NAME}.txt", "--hidden", "4", "--steps", "4", "--sample-every", "2", "--eval-every", "2"),
    ("train", "g.tsv", "--task", "tag", "--hidden", "4", "--steps", "2", "--sample-every", "1", "--test", "g.tsv"),
    ("train", f"no{EVIL}"),
    ("eval", f"no{EVIL}.conllu", "--run", "tag"),
]


@pytest.mark.parametrize("args", COMMANDS, ids=lambda args: "-".join(a for a in args if EVIL[:3] not in a)[:40])
def test_nothing_in_the_data_steers_the_terminal(
    on_terminal: Shown, monkeypatch: pytest.MonkeyPatch, args: tuple[str, ...]
) -> None:
    """And it is there to be seen, or the test would show nothing."""
    monkeypatch.setattr(WordVectors, "_nearest", lambda *_: [(EVIL, 0.5), ("[/b]", 0.25)])
    monkeypatch.setattr(Translation, "text", EVIL)
    made = f"r{NAME}"
    shutil.rmtree(Path("runs") / made, ignore_errors=True)
    sent = on_terminal(*args, *(("--run", made) if args[0] == "train" else ()))
    assert not [raw for raw in RAW if raw in sent], sent
    assert "Traceback" not in sent
    seen = sent.replace("\r\n", "\n")
    in_pieces = "sample" in args or "--attention" in args
    assert VISIBLE in seen or r"\x1b]0;evil" in seen or (in_pieces and r"\u001b" in seen), seen
    if args[0] in ("neighbors", "analogy") and EVIL not in args:
        assert "[/b] " in seen


def test_bad_lines_of_files_are_shown_harmlessly(on_terminal: Shown) -> None:
    Path("bad.conllu").write_text(f"1\t{EVIL}\tx\tX\n")
    Path("bad2.conllu").write_text("\t".join([EVIL, *"abcdefghi"]) + "\n")
    Path("bad.tsv").write_text(f"{EVIL}\n")
    Path("bad.csv").write_text(f"id{EVIL},text,label\n1,a,b\n2,a b,c\n")
    Path("bad.yaml").write_text('"hid\\e]0;evil\\a\\x9b": 3\n')
    for args in (
        ("bad.conllu",),
        ("bad2.conllu",),
        ("bad.tsv",),
        ("bad.tsv", "--task", "classify"),
        ("bad.csv",),
        ("--config", "bad.yaml"),
    ):
        sent = on_terminal("train", *args)
        assert "Error: " in sent and "evil" in sent, sent
        assert not any(raw in sent for raw in RAW), sent


def test_a_table_is_as_wide_as_what_is_seen_in_it(on_terminal: Shown) -> None:
    lines = [line for line in on_terminal("eval", "c.tsv", "--run", "classify").split("\r\n") if "%" in line]
    assert len({len(line.rstrip()) for line in lines if VISIBLE in line}) == 1, lines


def test_into_a_pipe_results_go_as_they_are(seqcli: Run, hostile: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(hostile)
    label = seqcli("classify", "--run", "classify", EVIL).out
    assert label in [f"L{EVIL}{k}\n" for k in range(2)]
    tagged = seqcli("tag", "--run", "tag", "--pretokenized", "--format", "tsv", EVIL).out
    assert tagged.startswith(f"{EVIL}\tL{EVIL}")
    assert "\x1b" in seqcli("sample", "--run", "lm", "--length", 200, "--temperature", 1, "--seed", 1).out
    assert seqcli("runs").out.count(f"\nlm{NAME}\tlm\t") == 1


# --- input that nobody expects --------------------------------------------------------------------------------------

LINES = {
    "empty": b"",
    "blank": b"\n \n\n",
    "nul": b"a\0b c\n",
    "surrogates": "a\ud800b\n".encode("utf-8", "surrogatepass"),
    "not UTF-8": b"caf\xe9\nfine\n",
    "C1": "a\x9bb \x85 \u2028 c\n".encode(),
    "right to left": "שלום עולם \u202eabc مرحبا\n".encode(),
    "marks": ("e" + "\u0301" * 3000 + "\n").encode(),
    "a long word": b"x" * 100_000 + b"\n",
    "many words": b"fine " * 2000 + b"\n",
    "BOM, CRLF, no end": b"\xef\xbb\xbfa b\r\nc",
}


@pytest.mark.parametrize("lines", LINES.values(), ids=LINES)
def test_any_line_is_answered(
    seqcli: Run, hostile: Path, feed: Callable[[bytes], None], monkeypatch: pytest.MonkeyPatch, lines: bytes
) -> None:
    """With an answer, in its place, or an empty one and a sentence."""
    monkeypatch.chdir(hostile)
    number = len(lines.rstrip(b"c").split(b"\n")) - 1 + lines.endswith(b"c")
    for args in (
        ("classify", "--run", "classify", "--json"),
        ("tag", "--run", "tag", "--json"),
        ("translate", "--run", "translate", "--beam", "1", "--max-length", "4", "--json"),
    ):
        feed(lines)
        result = seqcli(*args)
        bad = sum(not _is_utf8(line) for line in lines.split(b"\n"))
        assert result.code == (1 if bad else 0) and "Traceback" not in result.err, result.err
        assert len([json.loads(line) for line in result.out.split("\n") if line]) == number
        assert result.err.count("is not UTF-8") == bad


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True


@pytest.mark.parametrize(
    "typed", ["\udcff", "a\udc9bb", "\ud800", "\ud83d\ude00 ", "", " ", "[/b]", "x" * 20_000, EVIL]
)
def test_anything_may_be_typed(seqcli: Run, hostile: Path, monkeypatch: pytest.MonkeyPatch, typed: str) -> None:
    monkeypatch.chdir(hostile)
    for args in (
        ("classify", "--run", "classify", typed),
        ("tag", "--run", "tag", typed),
        ("translate", "--run", "translate", "--beam", "1", "--max-length", "4", "--text", typed),
        ("neighbors", "--run", "embed", typed),
        ("analogy", "--run", "embed", "the", typed, "cat"),
        ("plot", "embed", "--what", "vectors", "--text", f"the cat {typed}", "-o", "p.html"),
        ("sample", "--run", "lm", "--length", "3", "--prime", typed),
        ("eval", typed, "--run", "lm"),
    ):
        result = seqcli(*args)
        assert result.code in (0, 1, 2) and "Traceback" not in result.err
        assert result.code == 0 or result.err.startswith("Error: ")
        assert len(result.err) < 3000, "nobody reads so much"


def test_what_was_typed_is_text() -> None:
    assert console.typed("é\udcc3\udca9") == "éé" and console.typed("a\udcff") == "a\ufffd"
    assert console.typed("\ud83d\ude00") == "😀" and console.typed("a\ud800") == "a\ufffd"
