"""The entry point, as a process of its own."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from seqcli.cli import process
from seqcli.cli.process import WAITING, wait_asleep


@pytest.fixture
def _nothing_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in WAITING:
        monkeypatch.delenv(name, raising=False)


@pytest.mark.usefixtures("_nothing_asked_for")
def test_threads_wait_asleep_unless_the_user_says_how(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "others_running", lambda: False)
    wait_asleep()
    assert "OMP_WAIT_POLICY" not in os.environ
    monkeypatch.setattr(process, "others_running", lambda: True)
    monkeypatch.setenv("OMP_WAIT_POLICY", "restored by the fixture afterwards")
    del os.environ["OMP_WAIT_POLICY"]
    wait_asleep()
    assert os.environ["OMP_WAIT_POLICY"] == "PASSIVE"
    monkeypatch.setenv("OMP_WAIT_POLICY", "ACTIVE")
    wait_asleep()
    assert os.environ["OMP_WAIT_POLICY"] == "ACTIVE"
    monkeypatch.delenv("OMP_WAIT_POLICY")
    monkeypatch.setenv("GOMP_SPINCOUNT", "1000")
    wait_asleep()
    assert "OMP_WAIT_POLICY" not in os.environ


def test_it_is_said_before_torch_is_loaded_and_only_by_the_command_line(tmp_path: Path) -> None:
    program = (
        "import os, sys, seqcli, seqcli.__main__ as entry; before = os.environ.get('OMP_WAIT_POLICY')\n"
        "from seqcli.cli import process\n"
        "process.others_running = lambda: True\n"
        "sys.argv = ['seqcli', 'runs']\n"
        "try: entry.main()\nexcept SystemExit: pass\n"
        "print(before, os.environ['OMP_WAIT_POLICY'], 'torch' in sys.modules)"
    )
    clean = {name: value for name, value in os.environ.items() if name not in WAITING}
    said = subprocess.run(
        [sys.executable, "-c", program], env=clean, cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert said.stdout.splitlines()[-1] == "None PASSIVE False"


def test_a_second_ctrl_c_ends_quietly_what_the_first_one_stopped() -> None:
    """Also while Python clears up, when an interruption would be shown as one that is ignored."""
    program = (
        "import atexit, os, signal, sys, time\n"
        "atexit.register(lambda: (print('leaving', flush=True), time.sleep(20)))\n"
        "from seqcli.cli import app, console\n"
        "def work():\n"
        "    with console.errors_mapped():\n"
        "        print('working', flush=True)\n"
        "        time.sleep(20)\n"
        "app.main = work\n"
        "from seqcli.__main__ import main\n"
        "main()\n"
    )
    command = [sys.executable, "-c", program]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        for line in ("working\n", "leaving\n"):
            assert child.stdout.readline() == line
            child.send_signal(signal.SIGINT)
        err = child.stderr.read()
    assert (child.returncode, err.strip()) == (130, "")
