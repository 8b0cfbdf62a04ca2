"""Forecasts of the hourly series of the M4 competition, beside naive ones and, if asked for, those of neuralforecast.

    python benchmarks/forecast.py M4_HOURLY [--minutes 3] [--seeds 1,2,3] [--peer PYTHON] [-- OPTIONS OF TRAIN]

M4_HOURLY is a directory with train.csv and test.csv, long tables of unique_id, ds, y; test.csv has the last 48 steps.
PYTHON is an interpreter that has neuralforecast; its LSTM and its DeepAR train with their
defaults (1,000 steps) for as many minutes at most.
Prints a JSON line for each training, and a table.
"""

import argparse
import csv
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

HORIZON, SEASON = 48, 24
SHOWN = ("owa", "smape", "mase", "msis", "wql", "coverage_95", "seconds")
PEER = """
import sys, time, json, logging, warnings
warnings.filterwarnings("ignore"); logging.disable(logging.INFO)
import pandas as pd, torch
from neuralforecast import NeuralForecast
from neuralforecast.losses.pytorch import DistributionLoss, MQLoss
from neuralforecast.models import LSTM, DeepAR
name, train, out, minutes, seed = sys.argv[1], sys.argv[2], sys.argv[3], float(sys.argv[4]), int(sys.argv[5])
levels = [20, 40, 60, 80, 95]
def model():
    limit = {"seconds": 60 * minutes}
    how = dict(h=48, random_seed=seed, max_time=limit, enable_progress_bar=False, logger=False)
    if name == "LSTM":
        return LSTM(input_size=168, scaler_type="standard", loss=MQLoss(level=levels), **how)
    loss = DistributionLoss("StudentT", level=levels, return_params=False)
    return DeepAR(input_size=168, scaler_type="standard", loss=loss, **how)
frame = pd.read_csv(train)
start = time.perf_counter()
made = NeuralForecast(models=[model()], freq=1)
made.fit(frame)
seconds, steps = time.perf_counter() - start, made.models[0].train_trajectories[-1][0]
made.predict().reset_index().to_csv(out, index=False)
print(json.dumps({"steps": steps, "seconds": seconds}))
"""


def main() -> None:
    """Train, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--minutes", type=float, default=3)
    parser.add_argument("--seeds", default="1,2,3")
    parser.add_argument("--peer", metavar="PYTHON")
    parser.add_argument("options", nargs="*", help="options of seqcli train, after --")
    asked = parser.parse_args()
    rows: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as place:
        for seed in asked.seeds.split(","):
            found = ours(asked.data, asked.minutes, seed, asked.options, Path(place))
            rows |= {name: figures for name, figures in found.pop("beside").items() if name not in rows}
            rows[f"seqcli, seed {seed}"] = found
            print(json.dumps({"seed": seed, **found}), flush=True)
        for name in ("LSTM", "DeepAR") if asked.peer else ():
            rows[f"neuralforecast {name}"] = peer(asked.peer, name, asked.data, asked.minutes, Path(place))
            print(json.dumps({"peer": name, **rows[f"neuralforecast {name}"]}), flush=True)
    print(f"{'':<24}" + "".join(f"{key:>12}" for key in SHOWN))
    for name, figures in rows.items():
        print(f"{name:<24}" + "".join(f"{figures[key]:>12.4g}" if key in figures else f"{'':>12}" for key in SHOWN))


def ours(data: Path, minutes: float, seed: str, options: list[str], place: Path) -> dict[str, Any]:
    """Train and measure with the commands that a user would type. Returns the figures."""
    seqcli = [sys.executable, "-m", "seqcli"]
    run = ["--run", f"seed{seed}", "--runs-dir", str(place / "runs")]
    start = time.perf_counter()
    command = [*seqcli, "train", "-q", str(data / "train.csv"), "--horizon", str(HORIZON), "--minutes", str(minutes)]
    subprocess.run([*command, "--seed", seed, *run, *options], check=True)
    seconds = time.perf_counter() - start
    command = [*seqcli, "eval", "-q", "--json", str(data / "test.csv"), *run]
    made = subprocess.run(command, check=True, capture_output=True, text=True)
    start = time.perf_counter()
    subprocess.run([*seqcli, "forecast", "-q", *run, "-o", str(place / "made.csv")], check=True, capture_output=True)
    return {**json.loads(made.stdout), "seconds": seconds, "forecast_seconds": time.perf_counter() - start}


def peer(python: str, name: str, data: Path, minutes: float, place: Path) -> dict[str, Any]:
    """Let neuralforecast train and forecast, and measure its forecasts like ours. Returns the figures."""
    out = place / f"{name}.csv"
    command = [python, "-c", PEER, name, str(data / "train.csv"), str(out), str(minutes), "1"]
    said = subprocess.run(command, check=True, capture_output=True, text=True, cwd=place).stdout
    past, test = read(data / "train.csv"), read(data / "test.csv")
    made = {key: np.array(rows) for key, rows in forecasts(out, name).items()}
    return {**measured(past, test, made), **json.loads(said.strip().splitlines()[-1])}


def read(path: Path) -> dict[str, Any]:
    """Read a long table. Returns the values of each series in the order of the file."""
    found: dict[str, list[float]] = {}
    with path.open() as file:
        for row in csv.DictReader(file):
            found.setdefault(row["unique_id"], []).append(float(row["y"]))
    return {name: np.array(values) for name, values in found.items()}


LEVELS = (0.025, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.975)
COLUMNS = ("lo-95", "lo-80", "lo-60", "lo-40", "lo-20", "median", "hi-20", "hi-40", "hi-60", "hi-80", "hi-95")


def forecasts(path: Path, name: str) -> dict[str, list[list[float]]]:
    """Read the quantiles that neuralforecast wrote, a row of LEVELS for each step of each series."""
    found: dict[str, list[list[float]]] = {}
    with path.open() as file:
        for row in csv.DictReader(file):
            found.setdefault(row["unique_id"], []).append([float(row[f"{name}-{column}"]) for column in COLUMNS])
    return found


def measured(past: dict[str, Any], test: dict[str, Any], made: dict[str, Any]) -> dict[str, float]:
    """Return the figures of quantiles (H, 11) of each series."""
    from seqcli.core.metrics import series as metrics
    from seqcli.core.tasks.forecast.naive import naive2

    names = list(past)
    targets = np.stack([test[name] for name in names])
    quantiles = np.sort(np.stack([made[name] for name in names]), -1)
    scales = np.array([metrics.seasonal_mae(past[name], SEASON) for name in names])
    plain = np.stack([naive2(past[name], HORIZON, SEASON) for name in names])
    base = metrics.smape(targets, plain), metrics.mase(targets, plain, scales).value
    found = {"smape": metrics.smape(targets, quantiles[..., 5])}
    found["mase"] = metrics.mase(targets, quantiles[..., 5], scales).value
    found["owa"] = metrics.owa(found["smape"], found["mase"], *base)
    found["msis"] = metrics.msis(targets, quantiles[..., 0], quantiles[..., -1], scales).value
    found["wql"] = metrics.wql(targets, quantiles[..., 1:-1])
    found["coverage_95"] = metrics.coverage(targets, quantiles[..., 0], quantiles[..., -1])
    return found


if __name__ == "__main__":
    main()
