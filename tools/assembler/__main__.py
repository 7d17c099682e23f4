"""Prints what the kernels of a PTX file cost: resources, and their main loops by class."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import assembler


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m assembler", description=__doc__)
    parser.add_argument("ptx", type=Path)
    parser.add_argument("--listing", action="store_true", help="print the loop's instructions")
    arguments = parser.parse_args()
    try:
        assembly = assembler.assemble(arguments.ptx.read_text())
        kernels = assembler.disassemble(assembly)
    except (assembler.AssemblerError, OSError) as error:
        print(f"assembler: {error}", file=sys.stderr)
        return 2
    for name, resources in assembly.kernels.items():
        print(f"{name} for {assembly.target}: {resources}")
        try:
            loop = kernels[name].main_loop
        except assembler.AssemblerError as error:
            print(f"  {error}")
            continue
        print(f"  main loop: {len(loop.instructions)} instructions, {loop.mmas} mma")
        print(f"  operands: {len(loop.operands)}, constants: {len(loop.constants)}")
        for kind, count in loop.counts.most_common():
            print(f"  {count:5} {kind}")
        if arguments.listing:
            marks = {id(i): "=" for i in loop.operands} | {id(i): "#" for i in loop.constants}
            for instruction in loop.instructions:
                print(f"  {instruction.address:6x} {marks.get(id(instruction), ' ')} {instruction}")
    print("\n".join(assembly.defects) or "no defects")
    return 1 if assembly.defects else 0


if __name__ == "__main__":
    sys.exit(main())
