"""What people see: tables, numbers, progress; and JSON for programs."""

from __future__ import annotations

import contextvars
import json
import shutil
import sys
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

Result = TypeVar("Result")


def print_json(value: dict[str, Any]) -> None:
    """One JSON object, indented, on stdout."""
    print(json.dumps(value, indent=2))


def print_table(rows: Sequence[Sequence[str]], *, right: Sequence[int] = ()) -> None:
    """Rows in aligned columns; `right` names the columns aligned to the right."""
    if not rows:
        return
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        cells = [
            cell.rjust(width) if column in right else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        print("  ".join(cells).rstrip())


def print_facts(facts: Sequence[tuple[str, str]]) -> None:
    """Labels and what belongs to them; a text of several lines stays in its column."""
    width = max((len(label) for label, _ in facts), default=0)
    for label, text in facts:
        for number, line in enumerate(text.splitlines() or [""]):
            print(f"{label if number == 0 else '':<{width}}  {line}".rstrip())


def count(value: int) -> str:
    """An integer with separators: 16,384."""
    return f"{value:,}"


def binary_bytes(value: int) -> str:
    """A number of bytes, exact where it is whole: 40 MiB."""
    for unit, size in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if value >= size:
            return f"{value / size:.4g} {unit}"
    return f"{value} B"


def seconds(value: float) -> str:
    """A time: 62 ms, 3.1 s."""
    return f"{value * 1e3:.3g} ms" if value < 1 else f"{value:.1f} s"


def wait_for(task: Callable[[], Result], doing: str) -> Result:
    """The result of `task`, which may take long; Ctrl-C ends the wait at once.

    After half a second, and only where stderr is a terminal, a line there says what is
    being done and for how long. The task runs in a thread with this one's context.
    """
    outcome: list[Any] = []
    context = contextvars.copy_context()

    def work() -> None:
        try:
            outcome.extend((True, context.run(task)))
        except BaseException as error:
            outcome.extend((False, error))

    thread = threading.Thread(target=work, daemon=True)
    start = time.monotonic()
    thread.start()
    shows = sys.stderr.isatty()
    thread.join(0.5)
    shown = False
    try:
        while thread.is_alive():
            if shows:
                elapsed = time.monotonic() - start
                print(f"\r{doing} ... {elapsed:.0f} s", end="", file=sys.stderr, flush=True)
                shown = True
            thread.join(0.25)
    finally:
        if shown:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
    succeeded, value = outcome
    if not succeeded:
        raise value
    return value


class Progress:
    """How far long work is and how fast it goes, on stderr: a line that is rewritten on a
    terminal, else a line for each tenth of the work. Used as a context.

    Args:
        doing: what is being done, "packing".
        total: of the work, in bytes.
    """

    def __init__(self, doing: str, total: int) -> None:
        self._doing, self._total = doing, max(total, 1)
        self._done = self._tenths = 0
        self._start = time.monotonic()
        self._is_terminal = sys.stderr.isatty()
        self._what = ""

    def show(self, what: str) -> None:
        """Says what is worked on now."""
        self._what = what
        if self._is_terminal:
            text = self._line()
            width = shutil.get_terminal_size().columns - 1
            print(f"\r{text[:width]}\x1b[K", end="", file=sys.stderr, flush=True)

    def advance(self, nbytes: int) -> None:
        """Adds to the work that is done."""
        self._done += nbytes
        tenths = 10 * self._done // self._total
        if tenths > self._tenths and not self._is_terminal:
            print(self._line(), file=sys.stderr, flush=True)
        self._tenths = tenths

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        if self._is_terminal:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)

    def _line(self) -> str:
        seconds = max(time.monotonic() - self._start, 1e-3)
        rate = f"{self._done / 1e6 / seconds:.0f} MB/s  " if self._done else ""
        return f"{self._doing} {100 * self._done // self._total:3d}%  {rate}{self._what}"
