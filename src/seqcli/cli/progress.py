"""Showing a training: as a live display on a terminal, otherwise as one plain line for each log point."""

import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, NoReturn

from rich.console import Group
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from seqcli.cli import console
from seqcli.cli.console import count, duration, figure, stderr
from seqcli.cli.draw.figures import label_tables, lines, named_by_loss
from seqcli.core.config import fields_of
from seqcli.core.events import (
    Evaluated,
    Event,
    Finished,
    Logged,
    Notice,
    Planned,
    Previewed,
    Saved,
    Started,
    Stepped,
    Tested,
)
from seqcli.core.tasks.registry import TASKS

HEADING = len("  model  ")  # the width of the heading of a line of the description
EARLY = 0.6  # a hint is given if the best evaluation was before this fraction of the training
CARET_C = 3  # columns that are left free for the ^C that a terminal writes at Ctrl-C


@contextmanager
def drawer(*, quiet: bool, json: bool, runs_dir: str) -> Iterator["Drawer"]:
    """Give the `with` block the drawer that suits the options and the terminal: JSON, quiet, live or plain."""
    if json:
        yield JsonDrawer(runs_dir)
    elif quiet:
        yield Drawer(runs_dir)
    elif console.on_terminal():
        live = LiveDrawer(runs_dir)
        try:
            yield live
        finally:
            live.stop()
    else:
        yield PlainDrawer(runs_dir)


class Drawer:
    """The base of all drawers, which are called with the events of a training. By itself it shows nothing."""

    def __init__(self, runs_dir: str) -> None:
        self.runs_dir = runs_dir
        self.run_dir, self.task = Path(runs_dir), ""
        self.plan: dict[str, Any] = {}

    def __call__(self, event: Event) -> None:
        if isinstance(event, Started):
            self.run_dir, self.task, self.plan = event.run_dir, event.plan.task, event.plan.as_dict()
        match event:
            case Started():
                self.on_started(event)
            case Notice():
                self.on_notice(event)
            case Planned():
                self.on_planned(event)
            case Stepped():
                self.on_stepped(event)
            case Logged():
                self.on_logged(event)
            case Evaluated():
                self.on_evaluated(event)
            case Previewed():
                self.on_previewed(event)
            case Saved():
                pass
            case Finished():
                self.on_finished(event)
            case Tested():
                self.on_tested(event)
            case _:
                assert_never(event)

    def on_started(self, event: Started) -> None:
        """Show what is going to be trained. This method and those below do nothing unless a subclass overrides them."""

    def on_notice(self, event: Notice) -> None: ...

    def on_planned(self, event: Planned) -> None: ...

    def on_stepped(self, event: Stepped) -> None: ...

    def on_logged(self, event: Logged) -> None: ...

    def on_evaluated(self, event: Evaluated) -> None: ...

    def on_previewed(self, event: Previewed) -> None: ...

    def on_finished(self, event: Finished) -> None: ...

    def on_tested(self, event: Tested) -> None: ...

    @property
    def named(self) -> str:
        """The run as it is named on a command line."""
        return shlex.quote(self.run_dir.name if self.run_dir.parent == Path("runs") else str(self.run_dir))

    @property
    def resume_command(self) -> str:
        """The command that continues this run."""
        return f"seqcli train --resume {self.named}"


def assert_never(event: NoReturn) -> NoReturn:
    """Fail for an event that no case handles. The type checker reports such an event before the program runs."""
    raise AssertionError(event)


class JsonDrawer(Drawer):
    """Prints every event, except single steps, as a JSON line on stdout."""

    def __call__(self, event: Event) -> None:
        super().__call__(event)
        if not isinstance(event, Stepped):
            console.print_json({"event": type(event).__name__.lower(), **asdict(event)})


class PlainDrawer(Drawer):
    """Prints one plain line for each log point. Samples are printed only if --sample-every was given."""

    def on_started(self, event: Started) -> None:
        self._samples = bool(event.plan.sample_every)
        for line in description(event):
            stderr.print(Text(line))

    def on_notice(self, event: Notice) -> None:
        console.notice(event.text)

    def on_planned(self, event: Planned) -> None:
        console.notice(planned(event))

    def on_logged(self, event: Logged) -> None:
        of = f"/{event.total_steps}" if event.total_steps else ""
        stderr.print(
            Text(
                f"step {event.step}{of}  epoch {event.epoch:.2f}  loss {figure('{:.4f}', event.loss)}  "
                f"lr {event.lr:.2e}  grad {figure('{:.2f}', event.grad_norm)}  {count(event.tokens_per_s)} tokens/s"
                + (f"  {duration(event.seconds_left)} left" if event.seconds_left is not None else "")
            )
        )

    def on_evaluated(self, event: Evaluated) -> None:
        stderr.print(Text(evaluated(event)))

    def on_previewed(self, event: Previewed) -> None:
        if self._samples:
            stderr.print(Text(f"step {event.step}  sample\n{event.text.strip()}"))

    def on_tested(self, event: Tested) -> None:
        tested(event, self.plan)

    def on_finished(self, event: Finished) -> None:
        stderr.print(Text("\n".join(summary(event, self.named, self.task))))


class LiveDrawer(Drawer):
    """Shows a progress bar and a line of figures that stay in place; evaluations and samples scroll above them."""

    def __init__(self, runs_dir: str) -> None:
        super().__init__(runs_dir)
        self._live: Live | None = None
        self._logged: Logged | None = None
        self._val: float | None = None
        self._step = 0
        self._total: int | None = None

    def on_started(self, event: Started) -> None:
        title, *lines = description(event)
        stderr.print(Text(title, style="bold"))
        table = Table.grid()
        table.add_column(no_wrap=True)
        table.add_column()  # a long value is wrapped within this column
        for line in lines:
            table.add_row(line[:HEADING], line[HEADING:], style="dim")
        stderr.print(table, soft_wrap=False)
        self._total = event.total_steps
        self._live = Live(self._figures(), console=stderr, refresh_per_second=8, transient=True)
        self._live.start()

    def on_stepped(self, event: Stepped) -> None:
        self._step = event.step
        if self._live is not None and event.step % 5 == 0:
            self._live.update(self._figures())

    def on_notice(self, event: Notice) -> None:
        console.notice(event.text)

    def on_planned(self, event: Planned) -> None:
        self._total = event.total_steps
        console.notice(planned(event))

    def on_logged(self, event: Logged) -> None:
        self._logged = event

    def on_evaluated(self, event: Evaluated) -> None:
        self._val = event.val_loss
        stderr.print(Text(evaluated(event), style="green" if event.best else "yellow"), soft_wrap=False)

    def on_previewed(self, event: Previewed) -> None:
        stderr.print(
            Panel(
                Text(event.text.strip() or " ", style="italic"),
                border_style="dim",
                title=f"sample at step {event.step}",
                title_align="left",
            ),
            soft_wrap=False,
        )

    def on_tested(self, event: Tested) -> None:
        tested(event, self.plan)

    def on_finished(self, event: Finished) -> None:
        self.stop()
        first, *rest = summary(event, self.named, self.task)
        stderr.print(Text(first, style="bold"), soft_wrap=False)
        for line in rest:
            stderr.print(Text(line))

    def stop(self) -> None:
        """End the live display, and leave the terminal as it was."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _figures(self) -> Group:
        """Return what is displayed now: the progress bar and, below it, the figures of the last log point."""
        bar = ProgressBar(
            total=self._total or 1, completed=min(self._step, self._total or 0), pulse=self._total is None
        )
        of = f"/{self._total}" if self._total else ""
        head = Table.grid(padding=(0, 1), expand=True)
        head.add_column(no_wrap=True)
        head.add_column(ratio=1)
        head.add_column(no_wrap=True, justify="right")
        last = self._logged
        left = f"{duration(last.seconds_left)} left" if last and last.seconds_left is not None else ""
        head.add_row(f"step {self._step}{of}", bar, left)
        if last is None:
            return Group(head, Text("measuring ...", style="dim"))
        parts = [
            ("loss", figure("{:.3f}", last.loss)),
            ("val", figure("{:.3f}", self._val) if self._val is not None else "-"),
            ("epoch", f"{last.epoch:.2f}"),
            ("tokens/s", count(last.tokens_per_s)),
            ("lr", f"{last.lr:.1e}"),
            ("grad", figure("{:.2f}", last.grad_norm)),
        ]
        line = Text(no_wrap=True)
        for name, value in parts:
            part = Text.assemble(" " * 3 * bool(line), (f"{name} ", "dim"), value)
            if line.cell_len + part.cell_len > stderr.width - CARET_C:
                break
            line.append_text(part)
        return Group(head, line)


def description(event: Started) -> list[str]:
    """Return lines that say what is going to be trained, with everything that was decided."""
    plan = event.plan
    budget = f"{event.total_steps} steps" if event.total_steps else f"{plan.minutes:g} min"
    if event.step:
        budget += f", from step {event.step}"
    valid = f", {count(event.valid_tokens)} for validation" if event.valid_tokens else ""
    data = f"{count(event.train_tokens)} {plan.data_in_words}{valid}"
    data += f", vocabulary {count(event.vocab_size)}" if event.vocab_size else ""
    how = f"{plan.optimizer} {plan.lr:g} {plan.schedule}, batch {plan.batch_in_words}"
    return [
        f"{event.run_dir}",
        f"  model  {plan.network_in_words}: {count(event.parameters)} parameters",
        f"  data   {data}",
        f"  train  {how}, {plan.precision} on {plan.device}, {budget}",
    ]


def planned(event: Planned) -> str:
    """Return a sentence that says how many steps fit into the budget in minutes."""
    fit = f"{count(event.total_steps)} steps fit into the time, at {event.step_seconds * 1000:.0f} ms a step"
    return f"{fit}; they were {count(event.before)}: the speed has changed." if event.before else f"{fit}."


FIGURES = {"perplexity": "{:.2f}", "bleu": "{:.2f}", "chrf": "{:.2f}"}
FIGURES |= {"smape": "{:.3f}", "mase": "{:.3f}", "coverage": "{:.1%}"}
FIGURES |= dict.fromkeys(("exact", "accuracy", "unknown_accuracy", "f1", "span_f1"), "{:.2%}")


def evaluated(event: Evaluated) -> str:
    """Return an evaluation as one line."""
    more = "".join(
        f"  {name} {figure(form, event.figures[name])}" for name, form in FIGURES.items() if name in event.figures
    )
    loss = figure("{:.4f}", event.val_loss)
    return f"step {event.step}  val_loss {loss}{more}" + ("" if event.best else "  (no better)")


def best(event: Finished) -> str:
    """Return, in words, the value of the metric that the model was chosen by."""
    if event.best is None:
        return "no validation"
    name, form = ("val_loss", "{:.4f}") if event.select == "loss" else (event.select, FIGURES[event.select])
    return f"best {name} {figure(form, event.best)} at step {event.best_step}"


def summary(event: Finished, named: str, task: str) -> list[str]:
    """Return lines that say how the training ended and what to type next."""
    why = " (no better for long: patience)" if event.reason == "patience" else ""
    return [
        f"Done in {duration(event.seconds)}: {event.step} steps, {event.epoch:.1f} epochs{why}; {best(event)}.",
        f"  model   {event.run_dir / 'best.safetensors'}",
        f"  try it  seqcli {TASKS[task].try_it} --run {named}",
        f"  measure seqcli eval FILE --run {named}",
        *hint(event, task),
    ]


def hint(event: Finished, task: str) -> list[str]:
    """Return advice if the best evaluation was long before the end of the training, otherwise an empty list."""
    if event.best is None or event.reason != "budget" or event.best_step >= EARLY * event.step:
        return []
    dropout = "more --dropout, or " if "dropout" in fields_of(TASKS[task].options) else ""
    return [
        f"  hint    the best was at step {event.best_step} of {event.step}; the steps after it did not help.",
        f"          Stop earlier (--steps {event.best_step}, or --patience 3), or try {dropout}more data.",
    ]


def tested(event: Tested, plan: dict[str, Any]) -> None:
    """Print the metrics on the test file to stderr, in the form in which `seqcli eval` shows them to people."""
    figures = named_by_loss(event.figures, plan)
    stderr.print(Text(f"\nOn {event.file}:"))
    for line in lines(figures):
        stderr.print(Text(line))
    for table in label_tables(figures):
        stderr.print()
        stderr.print(table, soft_wrap=False)
