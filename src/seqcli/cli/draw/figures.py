"""Metrics as text: a line for each metric and, for models with labels, tables of the labels and of the mistakes."""

from collections.abc import Mapping
from typing import Any

from rich.table import Table

from seqcli.cli import console
from seqcli.core.metrics.names import NAMES, OF_LABELS

MOST = 12  # how many kinds of mistakes are shown
WIDTH = 24  # the width of the column of names


def named_by_loss(figures: Mapping[str, Any], plan: Mapping[str, Any]) -> dict[str, Any]:
    """Return the metrics of a model with this plan. If its loss is a squared error, it gets that name."""
    squared = plan.get("loss") == "mse"
    return {"squared_error" if squared and name == "loss" else name: value for name, value in figures.items()}


def in_order(*runs: Mapping[str, Any]) -> list[str]:
    """Return the names of the metrics that any of the runs has. The first metric of the first run comes first."""
    known = [key for key in NAMES if any(key in figures for figures in runs)]
    return sorted(known, key=lambda key: key != next(iter(runs[0])))


def lines(figures: Mapping[str, Any]) -> list[str]:
    """Return the metrics of one run, one on each line."""
    if "beside" in figures:
        return beside_lines(figures)
    names = {key: OF_LABELS.get(key, NAMES[key][0]) if "labels" in figures else NAMES[key][0] for key in NAMES}
    return [f"{names[key]:<{WIDTH}}{console.figure(NAMES[key][1], figures[key])}" for key in in_order(figures)]


def beside_lines(figures: Mapping[str, Any]) -> list[str]:
    """The figures of one run in a column, and beside it those of the plain ways to do the same."""
    columns: dict[str, Mapping[str, Any]] = {"this model": figures, **figures["beside"]}
    wide = max(map(len, columns)) + 2
    found = [" " * WIDTH + "".join(f"{name:>{wide}}" for name in columns)]
    for key in in_order(figures):
        name, form = NAMES[key]
        cells = (console.figure(form, column[key]) if key in column else "" for column in columns.values())
        found.append((f"{name:<{WIDTH}}" + "".join(f"{cell:>{wide}}" for cell in cells)).rstrip())
    return found


def label_lines(figures: Mapping[str, Any]) -> list[str]:
    """Return the metrics of every label, and the most frequent mistakes, as TAB separated lines.

    Returns an empty list for a model without labels.
    """
    if "labels" not in figures:
        return []
    found = ["", "label\tprecision\trecall\tf1\tcount"]
    for row in figures["labels"]:
        shares = (f"{row[key]:.4f}" for key in ("precision", "recall", "f1"))
        found.append("\t".join([row["label"], *shares, str(row["count"])]))
    if figures["confusions"]:
        found += ["", "right\tgiven\tcount"]
    return found + [f"{right}\t{given}\t{count}" for right, given, count in figures["confusions"][:MOST]]


def label_tables(figures: Mapping[str, Any]) -> list[Table]:
    """Return the same as tables for a terminal."""
    if "labels" not in figures:
        return []
    table = Table(box=None, header_style="dim", pad_edge=False)
    table.add_column("label")
    for name in ("precision", "recall", "F1", "count"):
        table.add_column(name, justify="right")
    for row in figures["labels"]:
        shares = (f"{row[key]:.1%}" for key in ("precision", "recall", "f1"))
        table.add_row(row["label"], *shares, console.count(row["count"]))
    if not figures["confusions"]:
        return [table]
    worst = Table(box=None, header_style="dim", pad_edge=False)
    worst.add_column("right")
    worst.add_column("taken for")
    worst.add_column("times", justify="right")
    for right, given, count in figures["confusions"][:MOST]:
        worst.add_row(right, given, console.count(count))
    return [table, worst]
