"""Tells by which operand a kernel moved its bytes.

The emulated device counts sectors a PTX line. The address of an access is computed from
pointers that the kernel was given, so following registers backwards names the operand:

    ld.param.b64 %rd1, [k_param_1];          parameter 1
    add.s64 %rd2, %rd1, %rd9;                from parameter 1 (and from what %rd9 is)
    cp.async.cg.shared.global [%r5], [%rd2], 16;    moves operand 1
"""

from __future__ import annotations

import collections
import dataclasses
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from assembler.errors import AssemblerError

SECTOR_BYTES = 32

_PARAMETER = re.compile(r"ld\.param\S*\s+(%\w+), \[\w+_param_(\d+)\]")
_WRITE = re.compile(r"^(?:@!?%\w+\s+)?([\w.]+)\s+(\{[^}]*\}|%\w+)\s*,(.*);$")
_REGISTER = re.compile(r"%[a-z]+\d+")
_GLOBAL = re.compile(
    r"(?:^|\s)(?:(?:ld|st|atom|red)[\w.]*\.global[\w.]*|cp\.async\S*\.shared\S*\.global\S*)\s"
)


@dataclasses.dataclass
class Traffic:
    """What one operand cost: bytes of 32-byte sectors."""

    read: int = 0
    written: int = 0


def find_operands(ptx: str, pointers: Iterable[int]) -> dict[int, int]:
    """Of each access to global memory, by line of the text (from 1), the parameter it goes
    through. `pointers` are the numbers of the parameters that are pointers.

    Raises:
        AssemblerError: an access goes through no pointer or through several.
    """
    lines = ptx.splitlines()
    origins: dict[str, set[int]] = collections.defaultdict(set)
    feeds: list[tuple[list[str], list[str]]] = []
    wanted = set(pointers)
    for line in lines:
        text = line.strip()
        if found := _PARAMETER.match(text):
            if int(found[2]) in wanted:
                origins[found[1]].add(int(found[2]))
        elif (found := _WRITE.match(text)) and not found[1].startswith(("ld.", "st.", "cp.")):
            feeds.append((_REGISTER.findall(found[2]), _REGISTER.findall(found[3])))
    changed = True
    while changed:
        changed = False
        for written, read in feeds:
            union = set().union(*(origins[name] for name in read))
            for name in written:
                if not union <= origins[name]:
                    origins[name] |= union
                    changed = True
    result = {}
    for number, line in enumerate(lines, 1):
        if not _GLOBAL.search(line):
            continue
        # Of "cp.async [to], [from]" the second address is in global memory.
        addresses = re.findall(r"\[\s*(%\w+)", line)
        found = origins[addresses[-1]] if addresses else set()
        if len(found) != 1:
            text = line.strip()
            raise AssemblerError(f"line {number} goes through {len(found)} pointers: {text}")
        result[number] = next(iter(found))
    return result


def read_traffic(
    ptx: str, parameters: Sequence[Mapping[str, Any]], lines: Iterable[Mapping[str, Any]]
) -> dict[str, Traffic]:
    """Sums the sectors of a launch by operand.

    Args:
        ptx: of the kernel.
        parameters: of the artifact's metadata, in order: "name" and "kind" of each.
        lines: of the emulated device's report.
    """
    pointers = [i for i, p in enumerate(parameters) if p["kind"] in ("pointer", "workspace")]
    operands = find_operands(ptx, pointers)
    traffic = {parameters[i]["name"]: Traffic() for i in pointers}
    for line in lines:
        sectors = line["counters"].get("globalSectors", 0)
        if not sectors or line["ptxLine"] not in operands:
            continue
        entry = traffic[parameters[operands[line["ptxLine"]]]["name"]]
        opcode = line["instruction"]
        if opcode.startswith(("st.", "red.")):
            entry.written += sectors * SECTOR_BYTES
        else:
            entry.read += sectors * SECTOR_BYTES
    return traffic
