"""Facts about machine code: assembles PTX, disassembles it, counts instructions.

    assembly = assembler.assemble(ptx)
    assembly.defects                                  # [] unless spills, stack, warnings
    loop = assembler.disassemble(assembly)["k"].main_loop
    loop.counts["barrier"], loop.mmas, len(loop.operands)

Needs ptxas and nvdisasm, of the CUDA toolkit or its Python packages, and
no GPU. `python -m assembler kernel.ptx` prints the facts of one file.
"""

from assembler.assemble import (
    Assembly,
    Resources,
    assemble,
    disassemble,
    get_target,
    parse_report,
)
from assembler.cache import Cache
from assembler.errors import AssemblerError
from assembler.locate import explain_missing, find_tool
from assembler.sass import CLASSES, Instruction, Kernel, Loop, classify, parse

__all__ = [
    "CLASSES",
    "AssemblerError",
    "Assembly",
    "Cache",
    "Instruction",
    "Kernel",
    "Loop",
    "Resources",
    "assemble",
    "classify",
    "disassemble",
    "explain_missing",
    "find_tool",
    "get_target",
    "parse",
    "parse_report",
]
