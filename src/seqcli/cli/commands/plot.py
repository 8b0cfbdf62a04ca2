"""seqcli plot: drawing a picture of a run into a file."""

import math
import os
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from seqcli.cli import console
from seqcli.cli.command import run_names
from seqcli.cli.draw.pictures import Attention, Fan, Losses, Picture, Plane, check_suffix, draw
from seqcli.cli.options import A_RUN, Device, Json, RunsDir, Threads
from seqcli.core import runs
from seqcli.core.catalogue import BEST, find, read_run
from seqcli.core.files import check_target
from seqcli.errors import CheckpointError, ConfigError

if TYPE_CHECKING:
    from seqcli.core.tasks.forecast.trained import Forecaster
    from seqcli.core.tasks.translate.trained import Translator

FREQUENT = 100  # the number of words that are drawn if none are named


class What(str, Enum):
    """The kinds of pictures."""

    loss = "loss"
    attention = "attention"
    vectors = "vectors"
    forecast = "forecast"


TASK = {What.attention: "translate", What.vectors: "embed", What.forecast: "forecast"}  # what a picture needs


def plot(
    run: Annotated[
        str | None,
        typer.Argument(
            metavar="[RUN]",
            help=A_RUN,
            show_default="the newest run",
            autocompletion=run_names,
        ),
    ] = None,
    what: Annotated[
        What, typer.Option("--what", help="The losses, where a translation looks, words as points, a forecast.")
    ] = What.loss,
    text: Annotated[
        str | None,
        typer.Option(
            "--text",
            help="The sentence to translate, for --what attention; the words, for --what vectors.",
            show_default="the 100 most frequent words",
        ),
    ] = None,
    series: Annotated[
        str | None,
        typer.Option("--series", metavar="NAME", help="For --what forecast, which one.", show_default="the first"),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="FILE", help="The picture: .svg, .png or .html.", show_default="RUN-WHAT.svg"
        ),
    ] = None,
    runs_dir: RunsDir = "runs",
    device: Device = "auto",
    threads: Threads = 0,
    json: Json = False,
) -> None:
    """Draw losses, attention, word vectors or a forecast of a run into a file: [bold]seqcli plot -o losses.png[/]

    Word vectors are drawn along the two directions in which they differ most (principal components).

    .png and .svg need matplotlib (pip install "seqcli\\[plot]"); .html needs nothing.
    """
    if output is not None:
        check_suffix(output)
        check_target(output)
    text = console.typed(text) if text is not None else None
    if what in (What.loss, What.forecast) and text is not None:
        raise ConfigError("--text is the sentence for --what attention; other pictures have none.")
    if what is What.attention and text is None:
        raise ConfigError('--what attention needs a sentence to translate: --text "..."')
    if what is not What.forecast and series is not None:
        raise ConfigError("--series is for --what forecast.")
    path = find(run, runs_dir, TASK.get(what))
    name = path.name if path.is_dir() else path.parent.name if path.name == BEST else path.stem
    picture: Picture
    if what is What.loss:
        picture, title = losses_of(path), f"{name}: losses"
    elif what is What.vectors:
        vectors = runs.load(path, runs_dir=runs_dir, device=device, threads=threads, task="embed")
        words = (text or "").split() or [word for word in vectors.words if word.isalpha()][:FREQUENT]
        picture, title = Plane(words, vectors.plane(words)), f"{name}: word vectors"
    elif what is What.forecast:
        forecaster = runs.load(path, runs_dir=runs_dir, device=device, threads=threads, task="forecast")
        shown = console.typed(series) if series is not None else forecaster.series.ids[0]
        picture, title = fan_of(forecaster, shown), f"{name}: {shown}"
    else:
        assert text is not None
        model = runs.load(path, runs_dir=runs_dir, device=device, threads=threads, task="translate")
        picture, title = attention_of(model, text), f"{name}: {text}"
    if output is None:
        output = _free(Path(f"{name or 'run'}-{what.value}.svg"))
        check_target(output)
    draw(picture, output, title)
    if json:
        console.print_json({"run": str(path), "what": what.value, "path": str(output)})
    else:
        console.write(str(output))


def losses_of(path: Path) -> Losses:
    """Return the losses of a run. Raises CheckpointError when it has none yet."""
    if path.is_file():
        path = path.parent  # next to a model in its run
        if not (path / "metrics.jsonl").is_file():
            raise CheckpointError("A model file alone has no losses in it; give a run, which has a metrics.jsonl.")
    found = read_run(path)
    curves: dict[str, list[tuple[int, float]]] = {"loss": [], "val_loss": []}
    for point in found.points:
        for key, curve in curves.items():
            value = point.get(key)
            if isinstance(value, (int, float)) and math.isfinite(value):
                curve.append((int(point["step"]), float(value)))
    if not any(curves.values()):
        raise CheckpointError(f"{path} has no losses in its metrics.jsonl yet; let it train for some steps first.")
    loss = found.options.as_dict().get("loss", "cross-entropy")
    label = "loss (nats per token)" if loss == "cross-entropy" else f"loss ({loss})"
    return Losses(curves["loss"], curves["val_loss"], label)


def fan_of(model: "Forecaster", series: str) -> Fan:
    """The forecast of one series. Raises ConfigError if there is none of that name."""
    made = model.forecast(series=[series])
    intervals = [(share, made.lower[share][0].tolist(), made.upper[share][0].tolist()) for share in made.lower]
    return Fan(made.past_times[0], made.past[0].tolist(), made.times[0], made.median[0].tolist(), intervals)


def attention_of(model: "Translator", text: str) -> Attention:
    """Translate a text and return where the model looked. Raises ConfigError when it has no attention."""
    if not text.strip():
        raise ConfigError("There is nothing to draw: --text is empty.")
    (made,) = model.translate([text], attention=True)
    assert made.attention is not None
    return Attention(made.source_tokens, made.target_tokens, made.attention)


def _free(path: Path) -> Path:
    """Return the path or, if something is there already, the first free one with a number added to its name.

    So no file is overwritten unless the user has named it.
    """
    found, count = path, 1
    while os.path.lexists(found):  # also True for a link that leads nowhere
        count += 1
        found = path.with_name(f"{path.stem}-{count}{path.suffix}")
    return found
