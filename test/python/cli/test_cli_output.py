"""Progress, Ctrl-C and the tables that people read."""

import os
import pty
import signal
import subprocess
import sys
import time

import pytest
from tilewright.cli import output


def test_long_work_says_so_on_a_terminal_and_leaves_no_trace(capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert output.wait_for(lambda: time.sleep(0.9) or 7, "thinking") == 7
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("\rthinking ... ")
    assert captured.err.endswith("\r\x1b[K")


def test_without_a_terminal_there_is_no_progress(capsys):
    assert output.wait_for(lambda: time.sleep(0.9) or 7, "thinking") == 7
    assert capsys.readouterr() == ("", "")


def test_what_the_task_raises_is_raised():
    def fail():
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        output.wait_for(fail, "failing")


def test_numbers():
    assert output.binary_bytes(40 << 20) == "40 MiB"
    assert output.binary_bytes(163 << 10) == "163 KiB"
    assert output.seconds(0.0621) == "62.1 ms"
    assert output.seconds(3.14) == "3.1 s"


def test_ctrl_c_ends_a_kernel_that_runs_long():
    """A child on a terminal of its own; interrupted once the kernel runs."""
    leader, follower = pty.openpty()
    command = ["run", "--op", "quant_matmul", "-m", "16384", "-n", "1024", "-k", "1024"]
    child = subprocess.Popen(
        [sys.executable, "-m", "tilewright", *command, "--device", "emulated:a100"],
        stdout=subprocess.DEVNULL, stderr=follower, start_new_session=True,
    )  # fmt: skip
    os.close(follower)
    seen = b""
    while b"running on emulated:a100 ..." not in seen:
        assert child.poll() is None, seen
        seen += os.read(leader, 4096)
    child.send_signal(signal.SIGINT)
    assert child.wait(timeout=20) == 130
    assert b"Traceback" not in seen
    os.close(leader)
