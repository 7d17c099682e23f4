"""Prints what the main loop of the quantised product costs, in machine instructions.

For each width and activation type: compiles a layer of K = N = 1024, group 128, 16 rows,
by its default schedule for the A100, assembles it and counts the main loop, for each 32
weights that a lane unpacks:

    table    UnpackProgram::countInstructions(), from docs/reference/tables.md
    unpack   what lies between the loaded words and the mma that reads the numbers
    loop     everything: copies, loads, addresses, 8 HMMA and the scaling of sums too

Needs a build, ptxas and nvdisasm. Prints Markdown. test/python/facts/test_main_loop.py
holds the counts.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))

import assembler  # noqa: E402

LAYER = """!w = {weights}
func.func @layer(%x: tensor<?x1024x{x}>, %w: !w) -> tensor<?x1024x{half}> {{
  %y = nn.quant_matmul %x, %w : tensor<?x1024x{x}>, !w -> tensor<?x1024x{half}>
  return %y : tensor<?x1024x{half}>
}}
"""
WEIGHTS = "!nn.quantized<1024x1024, #nn.qformat<{format}, group = 128, scale = {half}{zero}>>"


def measure(compiler: Path, format: str, x: str, zero: str = "") -> tuple[float, float]:
    """Instructions for 32 weights: of unpacking, of the whole loop."""
    half = "f16" if x == "i8" else x
    source = LAYER.format(
        x=x, half=half, weights=WEIGHTS.format(format=format, half=half, zero=zero)
    )
    command = [compiler, "-", "--target=a100", "--emit=artifact"]
    run = subprocess.run(command, input=source, capture_output=True, text=True, check=True)
    artifact = json.loads(run.stdout)
    schedule = artifact["metadata"]["schedule"]["parameters"]
    lane_weights = schedule["tile_k"] * schedule["tile_n"] // (32 * schedule["warps_n"])
    kernels = assembler.disassemble(assembler.assemble(artifact["ptx"]))
    loop = kernels[artifact["metadata"]["kernel"]].main_loop
    groups = lane_weights / 32
    return len(loop.operands) / groups, len(loop.instructions) / groups


def read_table() -> dict[str, dict[str, int]]:
    """Counts of the unpack programs, by width ("4") of integers or by format."""
    text = (ROOT / "docs/reference/tables.md").read_text()
    integers, floats, tables, nested = text.split("## Unpack programs")[1:5]
    of_bits = re.compile(r"^\| (\d) \| (\d+) \| \d+ \| \d+ \| (\d+) \|", re.MULTILINE)
    rows = of_bits.findall(integers)
    rows += re.findall(r"^\| (\w+) \| (\d+) \| \d+ \| 2\S+ \| (\d+) \|", floats, re.MULTILINE)
    rows += [(name, n, n) for name, n in re.findall(r"^\| (lut\d) \| \d+ \| (\d+)", tables, re.M)]
    for bits, *counts in of_bits.findall(nested):
        rows.append(("nested8" if bits == "8" else f"nested8.{bits}", *counts))
    return {name: {"f16": int(f16), "bf16": int(bf16)} for name, f16, bf16 in rows}


def print_floats(compiler: Path, table: dict[str, dict[str, int]]) -> None:
    print("\n| | f16 | | | bf16 | | |")
    print("|---|---|---|---|---|---|---|")
    print("| weights" + " | table | unpack | loop" * 2 + " |")
    for format in (name for name in table if not name.isdigit()):
        cells = []
        for half in ("f16", "bf16"):
            unpack, loop = measure(compiler, format, half)
            cells += [f"{table[format][half]}", f"{unpack:.4g}", f"{loop:.4g}"]
        print(f"| {format} | {' | '.join(cells)} |")


def print_bytes(compiler: Path) -> None:
    print("\n| x of int8 | table, unpack | loop | loop, zero points |")
    print("|---|---|---|---|")
    for bits in range(1, 9):
        unpack, loop = measure(compiler, f"u{bits}", "i8")
        _, with_zeros = measure(compiler, f"u{bits}", "i8", ", zero = integer")
        print(f"| u{bits} | {unpack:.4g} | {loop:.4g} | {with_zeros:.4g} |")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tools", type=Path, default=ROOT / "build/bin", help="of tw-compile")
    compiler = parser.parse_args().tools / "tw-compile"
    table = read_table()
    columns = [(half, zero) for half in ("f16", "bf16") for zero in ("", ", zero = integer")]
    print("| | f16 | | | | bf16 | | | |")
    print("|---|---|---|---|---|---|---|---|---|")
    print("| weights" + " | table | unpack | loop | loop, zero points" * 2 + " |")
    for bits in range(1, 9):
        cells = []
        for half, zero in columns:
            unpack, loop = measure(compiler, f"u{bits}", half, zero)
            cells += (
                [f"{loop:.4g}"]
                if zero
                else [f"{table[str(bits)][half]}", f"{unpack:.4g}", f"{loop:.4g}"]
            )
        print(f"| u{bits} | {' | '.join(cells)} |")
    print_floats(compiler, table)
    print_bytes(compiler)
    return 0


if __name__ == "__main__":
    sys.exit(main())
