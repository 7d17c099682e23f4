"""Compiled kernels as the command line handles them, and as files.

An artifact file is PTX that any assembler takes; its first line is a comment with the
launch metadata as JSON, so that one file that people can read is all `tw run` needs.
"""

from __future__ import annotations

import dataclasses
import json
import os
import sys
from pathlib import Path
from typing import Any

from .._extension import native
from .failures import BadInput
from .nvidia import Assembly

_OPENING = "// tilewright: "
#: Extents of attention that are no rows, of one batch or sequence.
_OF_ONE = {"B": 1, "N": 1, "starts": 2}
_CHECK_FOLDER = "the folder must exist and be writable"


@dataclasses.dataclass(frozen=True)
class Artifact:
    """PTX, what it takes to launch it, and how it came about."""

    ptx: str
    metadata: dict[str, Any]
    #: (phase, IR after it), where they were asked for.
    phases: list[tuple[str, str]] = dataclasses.field(default_factory=list)
    compile_seconds: float = 0.0
    #: The file it was read from; empty when it was compiled here.
    path: str = ""

    @classmethod
    def compiled(cls, result: dict[str, Any]) -> Artifact:
        """What the compiler returned."""
        metadata = json.loads(result["metadata"])
        return cls(result["ptx"], metadata, result["phases"], result["seconds"])

    @property
    def schedule(self) -> str:
        """The schedule as `--schedule` takes it."""
        schedule = self.metadata["schedule"]
        parameters = schedule["parameters"].items()
        inner = ", ".join(f"{name}={value}" for name, value in sorted(parameters))
        return f"{schedule['family']}{{{inner}}}" if schedule["family"] else ""

    def blocks(self, m: int, sm_count: int) -> list[int]:
        """The grid for `m` rows, of attention in one batch or one sequence; what a launch
        chooses counts as 1."""
        scalars = [p["name"] for p in self.metadata["parameters"] if p["kind"] == "scalar"]
        values = {"sm_count": sm_count, **dict.fromkeys(scalars, 1)}
        is_attention = "attention" in self.metadata["problem"]["op"]
        for dimension in self.metadata["problem"]["dimensions"]:
            extent, name = dimension.get("extent"), dimension["name"]
            open_extent = _OF_ONE.get(name, m) if is_attention else m
            values[name] = open_extent if extent is None else extent
        return [native().evaluate(text, values) for text in self.metadata["grid"]]

    def with_assembly(self, assembly: Assembly) -> Artifact:
        """The same with what ptxas found out."""
        metadata = dict(self.metadata)
        metadata["registers"] = assembly.registers
        metadata["spill_bytes"] = assembly.spill_bytes
        metadata["versions"] = {**metadata["versions"], "ptxas": assembly.version}
        return dataclasses.replace(self, metadata=metadata)

    def text(self) -> str:
        """The artifact file's contents."""
        return f"{_OPENING}{json.dumps(self.metadata)}\n{self.ptx}"


def read_artifact(path: str) -> Artifact:
    """Reads what `tw compile -o` wrote. The PTX keeps its comment: lines count from it."""
    text = read_text(path)
    opening, _, _ = text.partition("\n")
    hint = "'tw compile ... -o FILE' writes files that tw run takes"
    if not opening.startswith(_OPENING):
        raise BadInput(f"{path}:1: expects '{_OPENING}{{...}}' with the launch metadata", hint)
    try:
        metadata = json.loads(opening.removeprefix(_OPENING))
    except ValueError as error:
        raise BadInput(f"{path}:1: the launch metadata is not JSON: {error}", hint) from None
    if not isinstance(metadata, dict):
        raise BadInput(f"{path}:1: expects an object, but got {opening[:40]}", hint)
    return Artifact(text, metadata, path=path)


def read_text(path: str) -> str:
    """A text file's contents; "-" is standard input."""
    try:
        return sys.stdin.read() if path == "-" else Path(path).read_text()
    except OSError as error:
        raise BadInput(
            f"cannot read {path}: {os.strerror(error.errno or 0)}", "give a path, or - for stdin"
        ) from None
    except UnicodeDecodeError as error:
        raise BadInput(
            f"cannot read {path}: byte {error.start} is not UTF-8 text", "give a text file"
        ) from None


def write_file(path: str, contents: str | bytes) -> None:
    """Writes a file, or raises BadInput."""
    data = contents.encode() if isinstance(contents, str) else contents
    try:
        Path(path).write_bytes(data)
    except OSError as error:
        raise BadInput(
            f"cannot write {path}: {os.strerror(error.errno or 0)}", _CHECK_FOLDER
        ) from None
