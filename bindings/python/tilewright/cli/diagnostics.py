"""Findings as compilers print errors: place, kind, what, the line with a caret, notes."""

from __future__ import annotations

import dataclasses
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from .._extension import native
from ..reports import Finding, Place

_STYLES = {"error": "1;31", "warning": "1;35", "note": "1;36", "place": "1", "caret": "1;32"}


@dataclasses.dataclass(frozen=True)
class Painter:
    """Marks parts of a text with colour, or leaves them as they are."""

    has_colour: bool

    @staticmethod
    def for_stream(stream: TextIO) -> Painter:
        """Colour on a terminal, unless NO_COLOR or TERM=dumb asks for none."""
        plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
        return Painter(stream.isatty() and not plain)

    def __call__(self, style: str, text: str) -> str:
        """The text, marked."""
        return f"\x1b[{_STYLES[style]}m{text}\x1b[0m" if self.has_colour else text


class Sources:
    """The texts that findings point into: the PTX, and source files named by `.loc`."""

    def __init__(self, ptx: str, ptx_name: str, file: str | None = None) -> None:
        self.ptx_name = ptx_name
        self._file = file
        self._lines: dict[str, list[str] | None] = {ptx_name: ptx.splitlines()}
        self._found: dict[str, str] = {}

    def line(self, name: str, number: int) -> str | None:
        """A line of a file, counted from 1; None where there is no such file or line."""
        if name not in self._lines:
            try:
                self._lines[name] = Path(name).read_text(errors="replace").splitlines()
            except (OSError, ValueError):
                self._lines[name] = None
        lines = self._lines[name]
        return lines[number - 1] if lines and 0 < number <= len(lines) else None

    def locate(self, recorded: str) -> str:
        """The path to show for a source file: as recorded, or where it lies by now.

        PTX records the path of the machine that compiled it; often the file is beside it.
        """
        if recorded not in self._found:
            self._found[recorded] = self._look_for(recorded)
        return self._found[recorded]

    def _look_for(self, recorded: str) -> str:
        candidates = [recorded]
        if self._file is not None:
            folder = Path(self._file).parent
            if Path(self._file).name == Path(recorded).name:
                candidates.insert(0, self._file)
            candidates.append(str(folder / Path(recorded).name))
        for candidate in candidates:
            if os.path.isfile(candidate):
                return _shorten(candidate)
        return recorded


def _shorten(path: str) -> str:
    """Relative to where we are, where that is below."""
    relative = os.path.relpath(path)
    return path if relative.startswith("..") else relative


class Printer:
    """Writes diagnostics about one PTX text."""

    def __init__(self, sources: Sources, painter: Painter, out: TextIO | None = None) -> None:
        self._sources, self._paint = sources, painter
        self._out = out

    def finding(self, finding: Finding, seen_in: str = "") -> None:
        """One finding; `seen_in` says under which seeds, where that matters."""
        where = f" in kernel '{demangle(finding.kernel)}'" + (f" {seen_in}" if seen_in else "")
        self._at(finding.place, "error", f"{finding.kind}: {demangle(finding.message)}{where}")
        self._note(f"{_describe_access(finding)}{finding.place.thread}")
        if finding.other is not None:
            other = finding.other
            text = f"{other.what} {other.place.instruction}, {other.place.thread}"
            self._at(other.place, "note", text)
        if finding.remedy:
            self._note(finding.remedy)

    def message(self, style: str, text: str) -> None:
        """A line of its own: "error: ..."."""
        self._print(f"{self._paint(style, style + ':')} {self._paint('place', text)}")

    def _at(self, place: Place, style: str, text: str) -> None:
        """A message at a place: its source line, where that is known, then its PTX."""
        ptx = (self._sources.ptx_name, place.ptx_line, place.ptx_column)
        if not place.source_line:
            self._header(*ptx, style, text)
            self._excerpt(*ptx, _statement_length(place))
            return
        name = self._sources.locate(place.source_file or "source")
        source = (name, place.source_line, place.source_column or 0)
        self._header(*source, style, text)
        self._excerpt(*source, 1)
        for index, site in enumerate(place.inlined_at, 1):
            caller = (self._sources.locate(site.file or "source"), site.line, site.column)
            several = ", or from another such place" if site.is_one_of_several else ""
            self._header(*caller, "note", f"inlined from here{several}")
            if several or index == len(place.inlined_at):
                self._excerpt(*caller, 1)
        statement = self._sources.line(*ptx[:2]) or place.instruction
        self._note(f"in PTX: {ptx[0]}:{ptx[1]}: {' '.join(statement.split())}")

    def _header(self, name: str, line: int, column: int, style: str, text: str) -> None:
        place = ":".join([name, *(str(number) for number in (line, column) if number)])
        shown = text if style == "note" else self._paint("place", text)
        self._print(
            f"{self._paint('place', place + ':')} {self._paint(style, style + ':')} {shown}"
        )

    def _excerpt(self, name: str, line: int, column: int, length: int) -> None:
        text = self._sources.line(name, line)
        if text is None:
            return
        self._print(f"{line:>6} | {text}")
        if 0 < column <= len(text):
            blank = re.sub(r"[^\t]", " ", text[: column - 1])
            length = max(1, min(length, len(text) - column + 1))
            self._print(f"{'':>6} | {blank}{self._paint('caret', '^' + '~' * (length - 1))}")

    def _note(self, text: str) -> None:
        self._print(f"  {self._paint('note', 'note:')} {text}")

    def _print(self, text: str) -> None:
        print(_printable(text), file=self._out or sys.stdout)


def _describe_access(finding: Finding) -> str:
    """ "shared address 0x410 (tile + 16), by "."""
    if finding.address is None:
        return "by "
    symbol = f" ({demangle(finding.symbol)})" if finding.symbol else ""
    return f"at {finding.space} address {finding.address:#x}{symbol}, by "


def demangle(text: str) -> str:
    """Mangled names within a text as the source has them."""
    return re.sub(r"\b_Z\w+", lambda found: native().demangle(found[0]), text)


def _statement_length(place: Place) -> int:
    return len(place.instruction)


def _printable(text: str) -> str:
    """Without control characters that a file may bring, tabs and our colours apart."""
    return re.sub(r"[\x00-\x08\x0b-\x1a\x1c-\x1f\x7f]", "?", text)


def text_diagnostic(sources: Sources, message: str, painter: Painter) -> Iterator[str]:
    """A message of the form "kernel.ptx:12:5: what", with the line and a caret below."""
    found = re.match(r"(.*?):(\d+):(\d+): (.*)", message, re.DOTALL)
    if not found:
        yield f"{painter('error', 'error:')} {painter('place', message)}"
        return
    name, line, column, what = found[1], int(found[2]), int(found[3]), found[4]
    place = painter("place", f"{name}:{line}:{column}:")
    yield f"{place} {painter('error', 'error:')} {painter('place', what)}"
    text = sources.line(name, line)
    if text is not None:
        yield _printable(f"{line:>6} | {text}")
        blank = re.sub(r"[^\t]", " ", text[: column - 1])
        yield f"{'':>6} | {blank}{painter('caret', '^')}"
