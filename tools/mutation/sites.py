"""Where a kernel synchronises, and the texts without that.

Works on PTX as compilers print it: one instruction a line. Nothing is parsed
beyond what a mutation needs, so the text stays the same everywhere else.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

#: An instruction, alone on its line: guard, opcode with modifiers, operands.
INSTRUCTION = re.compile(r"^\s*(@!?%\w+\s+)?([a-z][\w:.]*)\s*(.*?);\s*(//.*)?$")

KINDS = {
    "barrier": re.compile(r"(bar|barrier)(\.cta)?\.(sync|arrive)\b"),
    "warp barrier": re.compile(r"bar\.warp\.sync"),
    "wait": re.compile(r"cp\.async\.wait_|mbarrier\.(try|test)_wait"),
    "commit": re.compile(r"cp\.async\.commit_group"),
    "arrive": re.compile(r"mbarrier\.arrive|cp\.async\.mbarrier\.arrive"),
    "fence": re.compile(r"(fence|membar)\b"),
    "order": re.compile(r"(ld|st|atom|red)\.(\w+\.)*(acquire|release|acq_rel)\b"),
}

MEMORY = re.compile(
    r"(ld|st|atom|red|ldmatrix|stmatrix|wmma\.(load|store)|cp\.async\.c[ag])\b(?!\.(param|const|local))"
)
#: What an instruction orders; past anything else a move is none.
ORDERED = {
    "commit": re.compile(r"cp\.async\.c[ag]\b"),
    "wait": re.compile(r"(ld|ldmatrix|wmma\.load)\b(?!\.(param|const|local|global))"),
}
REGISTER = re.compile(r"%[\w.]+")
#: Moving past these would change more than an order.
BOUNDARY = re.compile(r"(bra|brx|ret|exit|call|trap)\b")


@dataclass(frozen=True)
class Mutant:
    """One change of one line."""

    kind: str  # of the instruction, a key of KINDS
    change: str  # "delete", "earlier", "later", "weaken", "narrow"
    line: int  # of the original text, from 1
    instruction: str
    text: str

    def __str__(self) -> str:
        return f"{self.change} line {self.line}: {self.instruction}"


LOC = re.compile(r"\s*\.loc\s+(\d+)\s+(\d+)\s+(\d+)(?:.*inlined_at\s+(\d+)\s+(\d+)\s+(\d+))?")
FILE = re.compile(r'^\s*\.file\s+(\d+)\s+"([^"]*)"', re.MULTILINE)


def places(text: str) -> list[str]:
    """ "reduce.cu:12" for each line: where the outermost of inlined calls stands."""
    names = {number: name.rsplit("/", 1)[-1] for number, name in FILE.findall(text)}
    outer: dict[tuple, tuple | None] = {}
    found, current = [], ""
    for line in text.split("\n"):
        if match := LOC.match(line):
            place = match.group(1, 2, 3)
            outer[place] = match.group(4, 5, 6) if match[4] else None
            for _ in range(32):
                if not outer.get(place):
                    break
                place = outer[place]
            current = f"{names.get(place[0], '')}:{place[1]}"
        found.append(current)
    return found


def split(line: str) -> tuple[str, str, str] | None:
    """Guard, opcode and operands of a line that is one instruction."""
    found = INSTRUCTION.match(line)
    if not found or "{" in line.split(found[2])[0]:
        return None
    return found[1] or "", found[2], found[3]


def kind_of(opcode: str) -> str | None:
    """The kind of synchronisation of an opcode, if any."""
    return next((kind for kind, form in KINDS.items() if form.match(opcode)), None)


def find(text: str, executed: set[int]) -> Iterator[Mutant]:
    """Every mutant of the lines in `executed`, in order."""
    lines = text.split("\n")
    for number in sorted(executed):
        parts = split(lines[number - 1])
        kind = parts and kind_of(parts[1])
        if not kind:
            continue
        for change, changed in changes(lines, number - 1, kind, *parts):
            yield Mutant(kind, change, number, lines[number - 1].strip(), "\n".join(changed))


def changes(
    lines: list[str], index: int, kind: str, guard: str, opcode: str, operands: str
) -> Iterator[tuple[str, list[str]]]:
    def replaced(by: str) -> list[str]:
        return [*lines[:index], by, *lines[index + 1 :]]

    if "_wait" in opcode and opcode.startswith("mbarrier"):
        # The loop around it ends at once.
        yield "delete", replaced(f"{guard}setp.eq.u32 {operands.split(',')[0]}, 0, 0;")
    elif kind != "order":
        yield "delete", replaced("")
    if kind in ("barrier", "warp barrier", "commit", "fence") or "wait_" in opcode:
        yield from moves(lines, index, ORDERED.get(kind, MEMORY))
    if opcode.endswith("wait_group"):
        yield "weaken", replaced(f"{guard}{opcode} {int(operands) + 1};")
    if kind == "order":
        yield (
            "weaken",
            replaced(
                lines[index].replace(
                    opcode, re.sub(r"acquire|release|acq_rel", "relaxed", opcode), 1
                )
            ),
        )
    narrow = re.sub(r"\.(gpu|sys|gl)\b", ".cta", opcode)
    if kind in ("fence", "order") and narrow != opcode:
        yield "narrow", replaced(lines[index].replace(opcode, narrow, 1))


def moves(lines: list[str], index: int, ordered: re.Pattern) -> Iterator[tuple[str, list[str]]]:
    """The line before the nearest memory access above it, and after the one below."""
    for change, step in (("earlier", -1), ("later", 1)):
        target = neighbour(lines, index, step, ordered)
        if target is None:
            continue
        rest = [*lines[:index], *lines[index + 1 :]]
        yield change, [*rest[:target], lines[index], *rest[target:]]


def neighbour(lines: list[str], index: int, step: int, ordered: re.Pattern) -> int | None:
    """The nearest memory access within the straight line of code, if one may pass it."""
    registers = set(REGISTER.findall(lines[index]))
    place = index + step
    while 0 <= place < len(lines):
        line = lines[place].strip()
        parts = split(line)
        if parts:
            if BOUNDARY.match(parts[1]) or kind_of(parts[1]):
                return None
            if registers & set(REGISTER.findall(line)):
                return None
            if ordered.match(parts[1]):
                return place
        elif line and not line.startswith((".loc", "//", ".reg", ".pragma")):
            return None  # a label, a brace, several instructions
        place += step
    return None
