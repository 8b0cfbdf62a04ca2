"""What is installed from a wheel works without the repository that it was built from."""

import importlib.util
import json
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
BUILD = "import sys; from hatchling.build import build_wheel; build_wheel(sys.argv[1])"
RUN = "import sys; sys.path += {places!r}; from seqcli.__main__ import main; main()"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory that the wheel was installed into."""
    if importlib.util.find_spec("hatchling") is None:
        pytest.skip("hatchling, which builds the wheel, is not installed")
    place = tmp_path_factory.mktemp("wheel")
    subprocess.run([sys.executable, "-c", BUILD, str(place)], cwd=ROOT, capture_output=True, check=True)
    (built,) = place.glob("*.whl")
    with zipfile.ZipFile(built) as wheel:  # as pip does with what is Python alone
        wheel.extractall(place / "site")
    return place / "site"


def run(installed: Path, *args: str) -> subprocess.CompletedProcess[str]:
    """Run seqcli from there: Python reads neither PYTHONPATH (-I) nor the .pth files of its site packages (-S), which
    may lead to the repository; the directory of the libraries comes last, as a plain one."""
    places = [str(installed), *dict.fromkeys(sysconfig.get_path(kind) for kind in ("purelib", "platlib"))]
    code = [sys.executable, "-I", "-S", "-c", RUN.format(places=places)]
    return subprocess.run([*code, *args], capture_output=True, text=True, encoding="utf-8", check=False, timeout=120)


def test_it_holds_the_package_the_recipes_and_the_data(installed: Path) -> None:
    inside = {path.relative_to(installed / "seqcli").as_posix() for path in (installed / "seqcli").rglob("*.*")}
    inside = {name for name in inside if not name.endswith(".pyc")}
    code = {path.relative_to(ROOT / "src/seqcli").as_posix() for path in (ROOT / "src/seqcli").rglob("*.py")}
    ours = {f"{place}/{path.name}" for place in ("recipes", "data") for path in (ROOT / place).iterdir()}
    assert inside == code | {"py.typed"} | ours - {"data/make_pairs.py", "data/make_series.py", "data/__pycache__"}


def test_it_lists_its_recipes(installed: Path) -> None:
    rows = [json.loads(line) for line in run(installed, "recipes", "--json").stdout.splitlines()]
    assert len(rows) == len(list((ROOT / "recipes").glob("*.yaml")))
    assert all(Path(row["path"]).is_relative_to(installed) for row in rows)
    assert "\nchar-gru\tlm\tdata/island.txt\t" in run(installed, "recipes").stdout


def test_it_trains_on_its_data_and_samples_in_an_empty_directory(installed: Path) -> None:
    trained = run(installed, "train", "--config", "recipe:char-gru", "--steps", "3", "--hidden", "8", "--quiet")
    assert (trained.returncode, trained.stderr) == (0, "")
    assert str(installed) in Path("runs/island-gru/config.yaml").read_text(encoding="utf-8")
    sampled = run(installed, "sample", "--prime", "Anna", "--length", "20")
    assert (sampled.returncode, len(sampled.stdout)) == (0, 25), sampled.stderr
    copied = run(installed, "recipes", "--copy", "names-line")
    assert copied.stdout.split() == ["names-line.yaml", "data/villages.txt"]
