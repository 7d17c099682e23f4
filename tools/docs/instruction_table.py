"""Instruction forms of PTX: expands the grammar of instructions/*.forms.

A line of a .forms file is a target and a pattern of a statement:

    sm_75 mad.<lo|hi>.<u32|s32> R, R, R, R

`<a|b>` stands for either; P, H, R, D, Q for a predicate or a register of 16, 32,
64, 128 bits, B of 8; R4 for a vector of four. instructions/module.ptx is what
statements stand in.
"""

from __future__ import annotations

import dataclasses
import itertools
import re
import subprocess
from pathlib import Path

FOLDER = Path(__file__).resolve().parent / "instructions"
FAMILIES = ["integer", "float", "convert", "move", "memory", "barrier", "matrix"]


@dataclasses.dataclass(frozen=True)
class Row:
    """One line of a .forms file."""

    section: str
    target: str
    pattern: str
    place: str  # file and line

    @property
    def forms(self) -> list[str]:
        """The statements that the pattern stands for."""
        return [name_registers(text) for text in expand(self.pattern)]


def expand(pattern: str) -> list[str]:
    """All choices of each <a|b>, which may nest."""
    found = re.search(r"<([^<>]*)>", pattern)
    if not found:
        return [pattern]
    before, after = pattern[: found.start()], pattern[found.end() :]
    return [text for choice in found[1].split("|") for text in expand(before + choice + after)]


def name_registers(text: str) -> str:
    """The statement with a register, or a vector of them, for each letter."""
    next_number = itertools.count(1)

    def name(found: re.Match[str]) -> str:
        kind, count = found[1].lower(), int(found[2] or 0)
        if not count:
            return f"%{kind}{next(next_number)}"
        return "{" + ", ".join(f"%{kind}{next(next_number)}" for _ in range(count)) + "}"

    named = re.sub(r"(?<![\w.%$])([PBHRDQ])(\d?)(?!\w)", name, text)
    return named if named.endswith("}") and named.startswith("{") else named + ";"


def read_rows(family: str) -> list[Row]:
    rows, section = [], ""
    path = FOLDER / f"{family}.forms"
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if line.startswith("## "):
            section = line[3:]
        elif line and not line.startswith("#"):
            target, _, pattern = line.partition(" ")
            rows.append(Row(section, target, pattern, f"{path.name}:{number}"))
    return rows


def ask_decoder(tool: Path, statements: list[str]) -> list[str]:
    """For each statement "ok" or the decoder's message."""
    command = [tool, FOLDER / "module.ptx"]
    done = subprocess.run(
        command, input="\n".join(statements) + "\n", capture_output=True, text=True, check=True
    )
    return done.stdout.splitlines()


def module_of(target: str, statements: list[str]) -> tuple[str, int]:
    """A module with all statements, one a line, and the line of the first."""
    text = (FOLDER / "module.ptx").read_text().replace(".target sm_90", f".target {target}")
    before, _, after = text.partition("\nFORM\n")
    return before + "\n" + "\n".join(statements) + "\n" + after, before.count("\n") + 2
