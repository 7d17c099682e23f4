"""Counts the machine instructions of the quantised product's main loop.

For each width and activation type: compiles a 1024 x 1024 layer with group 128 by its
default schedule, assembles it, disassembles it and counts the innermost loop that
holds HMMA. `unpack` adds up what unpacking is made of (LOP3, SHF, PRMT, packed HFMA2
and HADD2) for each 32 weights of a lane; a few PRMT of scales and addresses are among
them. `table` is UnpackProgram::countInstructions(), from docs/reference/tables.md.

Needs a build, ptxas and nvdisasm. Prints Markdown.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LAYER = """func.func @layer(%x: tensor<?x1024x{half}>, %w: {weights}) -> tensor<?x1024x{half}> {{
  %y = nn.quant_matmul %x, %w : tensor<?x1024x{half}>, {weights} -> tensor<?x1024x{half}>
  return %y : tensor<?x1024x{half}>
}}
"""
WEIGHTS = "!nn.quantized<1024x1024, #nn.qformat<{format}, group = 128, scale = {half}>>"


def run(*command: str | Path) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def innermost_mma_loop(sass: str) -> list[str]:
    """The instructions of the shortest backward branch's range that has an HMMA."""
    instructions: list[str] = []
    labels: dict[str, int] = {}
    loops: list[list[str]] = []
    for line in sass.splitlines():
        if label := re.match(r"\s*(\.L_x_\d+):", line):
            labels[label[1]] = len(instructions)
        elif code := re.match(r"\s+/\*[0-9a-f]{4,}\*/\s+(.*?);", line):
            instructions.append(code[1])
            branch = re.search(r"BRA.*`\((\.L_x_\d+)\)", code[1])
            if branch and branch[1] in labels:
                loops.append(instructions[labels[branch[1]] :])
    return min((loop for loop in loops if any("HMMA" in code for code in loop)), key=len)


def opcode(instruction: str) -> str:
    """The operation without its predicate; HADD2.F32, a widening, apart from HADD2."""
    name = re.sub(r"^@!?U?PT?\d* ", "", instruction).split()[0]
    return "HADD2.F32" if name.startswith("HADD2.F32") else name.split(".")[0]


def measure(tools: Path, scratch: Path, format: str, half: str) -> tuple[Counter[str], float]:
    """Instruction counts of the loop, and 32-weight groups a lane unpacks in it."""
    source, ptx, cubin = (scratch / f"layer.{kind}" for kind in ("mlir", "ptx", "cubin"))
    weights = WEIGHTS.format(format=format, half=half)
    source.write_text(LAYER.format(half=half, weights=weights))
    compiler = tools / "tw-compile"
    metadata = json.loads(run(compiler, "--emit=metadata", source))
    ptx.write_text(run(compiler, source))
    run("ptxas", "-arch=sm_80", ptx, "-o", cubin)
    schedule = metadata["schedule"]["parameters"]
    lane_weights = schedule["tile_k"] * schedule["tile_n"] // (32 * schedule["warps_n"])
    return Counter(map(opcode, innermost_mma_loop(run("nvdisasm", cubin)))), lane_weights / 32


def read_table() -> dict[int, dict[str, int]]:
    text = (ROOT / "docs/reference/tables.md").read_text().split("## Unpack programs")[1]
    rows = re.findall(r"^\| (\d) \| (\d+) \| \d+ \| \d+ \| (\d+) \|", text, re.MULTILINE)
    return {int(bits): {"f16": int(f16), "bf16": int(bf16)} for bits, f16, bf16 in rows}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tools", type=Path, default=ROOT / "build/bin", help="of tw-compile")
    arguments = parser.parse_args()
    table = read_table()
    print("| weights | activations | table | unpack | HMMA | FFMA | whole loop |")
    print("|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as scratch:
        for bits in range(1, 9):
            for half in ("f16", "bf16"):
                counts, groups = measure(arguments.tools, Path(scratch), f"u{bits}", half)
                unpack = sum(counts[name] for name in ("LOP3", "SHF", "PRMT", "HFMA2", "HADD2"))
                cells = [unpack, counts["HMMA"], counts["FFMA"], counts.total()]
                shown = " | ".join(f"{cell / groups:.4g}" for cell in cells)
                print(f"| u{bits} | {half} | {table[bits][half]} | {shown} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
