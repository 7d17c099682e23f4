"""Reads what nvdisasm prints: instructions, loops, and what a loop spends.

The text of `nvdisasm -c` is a list of labels and instructions; from it come the
basic blocks of a kernel, their edges, the natural loops, and of each loop

    counts      instructions by class: mma, shared loads, copies, barriers, ...
    operands    the instructions that compute the operands of its mma from what
                was loaded: the dequantisation, told from address arithmetic by
                data flow instead of by name
    constants   the instructions that make what those need and no load feeds:
                values that could have been computed before the loop

    LDS.128 R4, [R2]                      a load: where the search stops
    IMAD R2, R9, 0x80, R3                 an address: no mma operand needs it
    IMAD.MOV.U32 R3, RZ, RZ, 0x64006400   a constant
    LOP3.LUT R8, R4, 0xf000f, R3, 0xea    makes an operand
    HADD2 R8, R8, -1024, -1024            makes an operand
    HMMA.16816.F32 R16, R12, R8, R16      the mma that reads R8
"""

from __future__ import annotations

import collections
import dataclasses
import functools
import re
from collections.abc import Iterable, Sequence

from assembler.errors import AssemblerError


@dataclasses.dataclass(frozen=True)
class Instruction:
    """One machine instruction."""

    address: int
    guard: str  # "", "@P0", "@!UP1"
    opcode: str  # with its modifiers: "LOP3.LUT"
    operands: tuple[str, ...]

    @property
    def name(self) -> str:
        """The opcode without modifiers."""
        return self.opcode.partition(".")[0]

    @property
    def target(self) -> str | None:
        """The label that a branch names."""
        found = re.search(r"`\((\S+?)\)", " ".join(self.operands))
        return found[1] if found else None

    @property
    def is_load(self) -> bool:
        """Whether it reads memory into registers."""
        return self.name in _LOADS

    @property
    def is_mma(self) -> bool:
        """Whether it multiplies matrices."""
        return self.name in _MMAS

    def __str__(self) -> str:
        guard = f"{self.guard} " if self.guard else ""
        return f"{guard}{self.opcode} {', '.join(self.operands)}".rstrip()


_LOADS = {"LDS", "LDSM", "LDG", "LD", "LDC", "LDCU", "LDL", "LDTM", "S2R", "S2UR", "ULDC"}
_MMAS = {"HMMA", "IMMA", "QMMA", "OMMA", "BMMA", "DMMA", "HGMMA", "IGMMA", "QGMMA", "UTCHMMA"}
_ENDS = {"EXIT", "RET", "KILL"}

# In the order in which they are tried; what none takes is "integer": addresses,
# loop counters, uniform arithmetic.
_CLASSES = (
    ("mma", r"(H|I|Q|O|B|D|HG|IG|QG|UTCH)MMA\b"),
    ("matrix load", r"LDSM\b"),
    ("shared load", r"LDS\b"),
    ("shared store", r"STSM?\b"),
    ("local", r"(LDL|STL)\b"),
    ("copy", r"(LDGSTS|UBLKCP|UTMALDG)\b"),
    ("global", r"(LDG|STG|LD|ST|RED|ATOMG?)\b"),
    ("barrier", r"(BAR|SYNCS|WARPSYNC)\b"),
    ("copy wait", r"(LDGDEPBAR|DEPBAR|LDGDEPBAR|ARRIVES)\b"),
    ("conversion", r"(HADD2\.F32|HADD2\.BF16_V2\.F32|F2F|F2FP|I2F|I2FP|F2I|I2HP)\b"),
    ("half", r"(HADD2|HFMA2|HMUL2|HMNMX2|HSET2|HSETP2)\b"),
    ("float", r"(FFMA|FADD|FMUL|FMNMX|FSEL|FSETP|MUFU)\w*\b"),
    ("logic", r"(LOP3|PRMT|SHF|BFE|SGXT)\b"),
    ("predicate", r"(ISETP|PLOP3|UISETP|UPLOP3|SEL|USEL|P2R|R2P)\b"),
    ("control", r"(BRA|BRX|EXIT|CALL|RET|BSSY|BSYNC|BREAK|BREAKB|NOP|YIELD)\b"),
    ("move", r"(MOV|UMOV|CS2R|R2UR|IMAD\.MOV|S2R|S2UR|ULDC|LDC|LDCU)\b"),
)
CLASSES = (*tuple(name for name, _ in _CLASSES), "integer")
_PATTERNS = [(name, re.compile(pattern)) for name, pattern in _CLASSES]


def classify(instruction: Instruction) -> str:
    """The class of an instruction, one of `CLASSES`."""
    for name, pattern in _PATTERNS:
        if pattern.match(instruction.opcode):
            return name
    return "integer"


@dataclasses.dataclass
class Block:
    """Instructions that run together; `successors` are numbers of blocks."""

    instructions: list[Instruction]
    successors: list[int]


@dataclasses.dataclass(frozen=True)
class Loop:
    """A natural loop: its blocks' instructions by address."""

    head: int
    blocks: frozenset[int]
    instructions: tuple[Instruction, ...]

    @property
    def counts(self) -> collections.Counter[str]:
        """Instructions by class."""
        return collections.Counter(classify(i) for i in self.instructions)

    @property
    def mmas(self) -> int:
        """How many mma instructions a turn has."""
        return sum(i.is_mma for i in self.instructions)

    @functools.cached_property
    def _slice(self) -> tuple[tuple[Instruction, ...], tuple[Instruction, ...]]:
        needed = _find_operand_slice(self.instructions)
        fed = _find_fed(self.instructions)
        return (
            tuple(self.instructions[i] for i in needed if i in fed),
            tuple(self.instructions[i] for i in needed if i not in fed),
        )

    @property
    def operands(self) -> tuple[Instruction, ...]:
        """The instructions that make mma operands out of loaded words."""
        return self._slice[0]

    @property
    def constants(self) -> tuple[Instruction, ...]:
        """The instructions that make what `operands` need and no load feeds."""
        return self._slice[1]


@dataclasses.dataclass(frozen=True)
class Kernel:
    """The code of one kernel."""

    name: str
    blocks: list[Block]

    @property
    def instructions(self) -> list[Instruction]:
        """All of them, by address."""
        return [i for block in self.blocks for i in block.instructions]

    @property
    def loops(self) -> list[Loop]:
        """The natural loops; those with one head are one loop."""
        return _find_loops(self.blocks)

    @property
    def main_loop(self) -> Loop:
        """The innermost loop with the most mma instructions."""
        loops = [loop for loop in self.loops if loop.mmas]
        if not loops:
            mmas = sum(i.is_mma for i in self.instructions)
            raise AssemblerError(
                f"kernel '{self.name}' has no loop with an mma; it has {mmas} outside of loops"
            )
        inner = [loop for loop in loops if not any(other.blocks < loop.blocks for other in loops)]
        return max(inner, key=lambda loop: loop.mmas)


_KERNEL = re.compile(r"\.text\.(\S+):$")
_LABEL = re.compile(r"(\.?[\w$.]+):$")
_INSTRUCTION = re.compile(
    r"/\*([0-9a-f]{4,})\*/\s+\{?\s*(?:(@!?U?P\w+)\s+)?([A-Z][\w.]*)\s*(.*?)\s*(?:\}\s*)?;"
)


def parse(text: str) -> dict[str, Kernel]:
    """The kernels in what `nvdisasm -c` printed, by name."""
    kernels: dict[str, Kernel] = {}
    name: str | None = None
    lines: list[Instruction | str] = []

    def finish() -> None:
        if name is not None:
            kernels[name] = Kernel(name, _make_blocks(lines))

    for line in text.splitlines():
        line = re.sub(r"\(\*.*?\*\)", "", line).strip()  # notes: (*"SpillRefill"*)
        if found := _KERNEL.match(line):
            finish()
            name, lines = found[1], []
        elif found := _LABEL.match(line):
            lines.append(found[1])
        elif line.startswith("/*") and (found := _INSTRUCTION.match(line)):
            operands = tuple(part.strip() for part in found[4].split(",")) if found[4] else ()
            lines.append(Instruction(int(found[1], 16), found[2] or "", found[3], operands))
        elif re.match(r"/\*[0-9a-f]{4,}\*/", line):
            raise AssemblerError(f"cannot read the machine instruction '{line}'")
    finish()
    if not kernels:
        raise AssemblerError("the disassembly has no kernel")
    return kernels


def _make_blocks(lines: Iterable[Instruction | str]) -> list[Block]:
    blocks: list[Block] = []
    labels: dict[str, int] = {}
    waiting: list[str] = []
    fresh = True
    for line in lines:
        if isinstance(line, str):
            waiting.append(line)
            fresh = True
            continue
        if fresh:
            blocks.append(Block([], []))
            labels.update(dict.fromkeys(waiting, len(blocks) - 1))
            waiting, fresh = [], False
        blocks[-1].instructions.append(line)
        fresh = line.name in _ENDS or (line.target is not None and line.name != "BSSY")
    for number, block in enumerate(blocks):
        last = block.instructions[-1]
        # A jump's condition is its guard or an operand before the label.
        conditional = bool(last.guard) or len(last.operands) > 1
        if last.target in labels and last.name != "BSSY":
            block.successors.append(labels[last.target])
            falls = conditional
        else:
            falls = last.name not in _ENDS or bool(last.guard)
        if falls and number + 1 < len(blocks):
            block.successors.append(number + 1)
    return blocks


def _find_dominators(blocks: list[Block]) -> list[set[int]]:
    """Of each block the blocks that every path to it passes."""
    every = set(range(len(blocks)))
    predecessors: list[list[int]] = [[] for _ in blocks]
    for number, block in enumerate(blocks):
        for successor in block.successors:
            predecessors[successor].append(number)
    dominators = [{0}] + [set(every) for _ in blocks[1:]]
    changed = True
    while changed:
        changed = False
        for number in range(1, len(blocks)):
            before = [dominators[p] for p in predecessors[number]]
            found = set.intersection(*before) if before else set(every)
            found = found | {number}
            if found != dominators[number]:
                dominators[number], changed = found, True
    return dominators


def _find_loops(blocks: list[Block]) -> list[Loop]:
    dominators = _find_dominators(blocks)
    reachable, pending = {0}, [0]
    while pending:
        for successor in blocks[pending.pop()].successors:
            if successor not in reachable:
                reachable.add(successor)
                pending.append(successor)
    predecessors = collections.defaultdict(list)
    for number in reachable:
        for successor in blocks[number].successors:
            predecessors[successor].append(number)
    bodies: dict[int, set[int]] = {}
    for tail in reachable:
        for head in blocks[tail].successors:
            if head not in dominators[tail]:
                continue
            body = bodies.setdefault(head, {head})
            pending = [tail]
            while pending:
                number = pending.pop()
                if number not in body:
                    body.add(number)
                    pending += predecessors[number]
    return [
        Loop(head, frozenset(body), tuple(i for b in sorted(body) for i in blocks[b].instructions))
        for head, body in sorted(bodies.items())
    ]


_REGISTER = re.compile(r"\bU?R(\d+)\b")
# Registers of an mma's operands A and B, by shape.
_MMA_WIDTHS = {"16816": (4, 2), "1688": (2, 1), "16832": (4, 2), "16864": (4, 2)}


def _registers(operand: str) -> list[str]:
    return [found[0] for found in _REGISTER.finditer(operand)]


def _following(operand: str, count: int) -> set[str]:
    """`count` registers from the one `operand` names."""
    found = _REGISTER.search(operand)
    if not found:
        return set()
    prefix = found[0].rstrip("0123456789")
    return {f"{prefix}{int(found[1]) + i}" for i in range(count)}


def _written(instruction: Instruction) -> set[str]:
    """The registers an instruction writes; empty where it writes none."""
    if instruction.name in {"ST", "STS", "STG", "STL", "STSM", "RED", "LDGSTS", "BAR", "DEPBAR"}:
        return set()
    for operand in instruction.operands[:2]:
        if re.match(r"!?U?P[T\d]", operand):
            continue  # a predicate written first
        return _following(operand, _get_width(instruction))
    return set()


def _get_width(instruction: Instruction) -> int:
    modifiers = instruction.opcode.split(".")
    if instruction.is_mma:
        return 4 if "F32" in modifiers or "S32" in modifiers else 2
    if instruction.name == "LDSM":
        return int(modifiers[-1]) if modifiers[-1].isdigit() else 1
    if "128" in modifiers:
        return 4
    if "64" in modifiers or "WIDE" in modifiers or instruction.name == "CS2R":
        return 2
    return 1


def _find_operand_slice(body: Sequence[Instruction]) -> list[int]:
    """The places of the instructions of a loop body whose results reach an mma's
    A or B operand without passing through memory. Backwards through the body,
    again and again for what one turn leaves to the next.
    """
    needed: set[str] = set()
    chosen: set[int] = set()
    while True:
        before = len(chosen), len(needed)
        for place in range(len(body) - 1, -1, -1):
            instruction = body[place]
            if instruction.is_mma:
                needed -= _written(instruction)
                needed |= _get_mma_operands(instruction)
                continue
            written = _written(instruction)
            if not written & needed:
                continue
            if not instruction.guard:
                needed -= written
            if instruction.is_load:
                continue
            chosen.add(place)
            for operand in instruction.operands[1:]:
                needed.update(_registers(operand))
        if (len(chosen), len(needed)) == before:
            return sorted(chosen)


def _find_fed(body: Sequence[Instruction]) -> set[int]:
    """The places of the instructions that compute with what was loaded in the
    loop from shared or global memory.
    """
    loaded: set[str] = set()
    fed: set[int] = set()
    while True:
        before = len(fed), len(loaded)
        for place, instruction in enumerate(body):
            written = _written(instruction)
            if instruction.name in {"LDS", "LDSM", "LDG", "LD"}:
                loaded |= written
            elif any(r in loaded for o in instruction.operands[1:] for r in _registers(o)):
                fed.add(place)
                loaded |= written
            elif not instruction.guard:
                loaded -= written
        if (len(fed), len(loaded)) == before:
            return fed


def _get_mma_operands(instruction: Instruction) -> set[str]:
    """The registers of operands A and B."""
    shape = next((m for m in instruction.opcode.split(".") if m in _MMA_WIDTHS), None)
    if shape is None:
        raise AssemblerError(f"unknown shape of mma '{instruction}'")
    a, b = _MMA_WIDTHS[shape]
    return _following(instruction.operands[1], a) | _following(instruction.operands[2], b)
