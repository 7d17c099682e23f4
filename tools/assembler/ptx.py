"""The same count as `sass`, from PTX alone: for where there is no disassembler.

PTX is not what runs: moves vanish, ptxas fuses and schedules. But in the data
flow from a loaded word to an mma the compiler writes each instruction as it
should run, so there the counts agree, and the tests hold them to that.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence

from assembler.errors import AssemblerError


@dataclasses.dataclass(frozen=True)
class Statement:
    """One instruction: `written` and `read` are names of virtual registers."""

    opcode: str
    written: tuple[str, ...]
    read: tuple[str, ...]
    text: str


@dataclasses.dataclass(frozen=True)
class Loop:
    """The statements between a label and the last branch back to it."""

    statements: tuple[Statement, ...]

    @property
    def mmas(self) -> int:
        """How many mma instructions a turn has."""
        return sum(s.opcode.startswith("mma.") for s in self.statements)

    @property
    def operands(self) -> tuple[Statement, ...]:
        """What makes mma operands out of loaded words; moves are free."""
        return tuple(s for s in _find_operand_slice(self.statements) if not _is_free(s))


_REGISTER = re.compile(r"%\w+")
# A label, or a statement with its vectors in braces.
_ITEM = re.compile(r"\s*(?:(\$[\w$]+):|((?:[^;{}]|\{[^{};]*\})+);)")


def find_main_loop(ptx: str) -> Loop:
    """The innermost loop with the most mma instructions."""
    text = re.sub(r"//.*", "", ptx)
    statements: list[Statement] = []
    labels: dict[str, int] = {}
    ends: dict[int, int] = {}
    for found in _ITEM.finditer(text):
        if found[1]:
            labels[found[1]] = len(statements)
            continue
        statement = _read(" ".join(found[2].split()))
        if statement.opcode.startswith("bra"):
            start = labels.get(statement.text.split()[-1])
            if start is not None:
                ends[start] = len(statements)
        statements.append(statement)
    loops = {
        (start, end): loop
        for start, end in ends.items()
        if (loop := Loop(tuple(statements[start : end + 1]))).mmas
    }
    inner = [
        loop
        for (start, end), loop in loops.items()
        if not any(s >= start and e <= end for s, e in loops if (s, e) != (start, end))
    ]
    if not inner:
        raise AssemblerError("the PTX has no loop with an mma")
    return max(inner, key=lambda loop: loop.mmas)


def _read(text: str) -> Statement:
    bare = re.sub(r"^@!?%\w+ ", "", text)
    opcode, _, rest = bare.partition(" ")
    first, others = _split_first(rest)
    if opcode.startswith(("st.", "cp.", "bar", "red.", "bra", "setp", "prefetch")):
        first, others = "", rest
    return Statement(
        opcode, tuple(_REGISTER.findall(first)), tuple(_REGISTER.findall(others)), text
    )


def _split_first(rest: str) -> tuple[str, str]:
    """The first operand, which may be a vector in braces, and the others."""
    first, _, others = rest.partition("}" if rest.startswith("{") else ",")
    return first, others


def _is_load(statement: Statement) -> bool:
    return statement.opcode.startswith(("ld.", "ldmatrix."))


def _is_free(statement: Statement) -> bool:
    return statement.opcode.startswith("mov.")


def _find_operand_slice(body: Sequence[Statement]) -> list[Statement]:
    needed: set[str] = set()
    chosen: set[int] = set()
    while True:
        before = len(chosen), len(needed)
        for place in range(len(body) - 1, -1, -1):
            statement = body[place]
            if statement.opcode.startswith("mma."):
                # {d}, {a}, {b}, {c}
                vectors = re.findall(r"\{([^{}]*)\}", statement.text)
                if len(vectors) < 4:
                    raise AssemblerError(f"cannot read the operands of '{statement.text}'")
                needed.update(_REGISTER.findall(vectors[-3] + vectors[-2]))
            elif needed.intersection(statement.written) and not _is_load(statement):
                chosen.add(place)
                needed.update(statement.read)
        if (len(chosen), len(needed)) == before:
            return [body[place] for place in sorted(chosen)]
