"""Prints what causal attention requests and computes, beside a kernel of Triton's.

One head, tiles of 64 x 64, 4 warps, f16, on the emulated device. Columns:

    conflicts  wavefronts of shared memory beyond the least that would do
    local      bytes of local memory
    stores     instructions that store to shared memory: p would pass through it between the
               products; of a turn over full tiles
    mma        m16n8k16 instructions over those of the tiles that hold a visible score
    scores     the same over what the visible scores alone take
    powers     exponentials for each score of full tiles
    SASS       machine instructions of the loop over full tiles

Triton's kernels are those of test/triton (`flash_attention_64`, `_128`), which test for no
edge: their lengths are multiples of the tile. SASS needs ptxas and nvdisasm. Prints Markdown.
test/python/facts/test_attention_counters.py holds the numbers.
"""

from __future__ import annotations

import argparse
import dataclasses
import re
import subprocess
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / path) for path in ("tools", "test/cuda", "test/triton")]

import assembler  # noqa: E402
import tilewright as tw  # noqa: E402
from triton_cases import TRITON_CASES, read_kept  # noqa: E402

TILE, WARPS = 64, 4
SCHEDULE = f"attention{{stages=2, tile_k={TILE}, tile_q={TILE}, warps={WARPS}}}"


@dataclasses.dataclass(frozen=True)
class Counters:
    """One launch, by the emulated device."""

    conflicts: int  # wavefronts
    local: int  # bytes
    stores: float  # instructions a warp and full tile
    mma: float  # issued over those of visible tiles
    scores: float  # issued over those of visible scores
    powers: float  # a score of full tiles


def count(d: int, length: int, device: str = "a100") -> Counters:
    """Runs `tw.attention` and counts."""
    q, k, v = make_operands(d, length)
    with tw.profile(report=True) as profile:
        tw.attention(q, k, v, causal=True, schedule=SCHEDULE, device=f"emulated:{device}")
    return _summarise(profile.launches[-1].report, d, length)


def count_triton(d: int, length: int, device: str = "a100") -> Counters:
    """The same of Triton's kernel."""
    ptx = read_kept(TRITON_CASES[f"flash_attention_{d}"])
    q, k, v = (a[0, :, 0] for a in make_operands(d, length))
    out = np.zeros_like(q)
    args = [q, k, v, out, np.float32(d**-0.5), np.int32(length), *[None] * 2]  # scratch, unused
    shared = int(re.search(r"shared (\d+)", ptx)[1])
    module = tw.Module(ptx, f"emulated:{device}")
    report = module.launch(
        "flash_attention", (length // TILE, 1), 32 * WARPS, args, dynamic_shared=shared
    )
    return _summarise(report.raw, d, length)


def make_operands(d: int, length: int) -> tuple[np.ndarray, ...]:
    """q, k and v of one batch and head."""
    if length % TILE or length < 4 * TILE:
        raise ValueError(
            f"length is {length}; expects a multiple of {TILE}, at least {4 * TILE}, "
            f"such as {max(4, round(length / TILE)) * TILE}"
        )
    rng = np.random.default_rng(d)
    return tuple(rng.standard_normal((1, length, 1, d)).astype(np.float16) for _ in range(3))


def _summarise(report: dict, d: int, length: int) -> Counters:
    rows = length // TILE
    full, visible = rows * (rows - 1) // 2, rows * (rows + 1) // 2
    lines = report["lines"]
    # Instructions of the loop over full tiles run once in each: the others, on the diagonal,
    # are fewer, and so are rows of tiles.
    inside = [line for line in lines if line["counters"].get("issues", 0) == full * WARPS]

    def total(name: str, prefix: str) -> int:
        return sum(
            line["counters"].get(name, 0)
            for line in inside
            if (line["instruction"] or "").startswith(prefix)
        )

    mma = report["total"]["matrixOperations"]
    of_tile = 2 * (TILE // 16) * (TILE // 8) * (d // 16)
    of_scores = 2 * length * (length + 1) / 2 * d / (16 * 8 * 16)
    return Counters(
        report["total"].get("sharedWavefronts", 0)
        - report["total"].get("sharedIdealWavefronts", 0),
        report["total"].get("localBytes", 0),
        total("issues", "st.shared") / (full * WARPS),
        mma / (visible * of_tile),
        mma / of_scores,
        total("activeLanes", "ex2") / (full * TILE * TILE),
    )


def get_full_loop(ptx: str) -> assembler.Loop:
    """The loop over full tiles: of those with products the shortest."""
    (kernel,) = assembler.disassemble(assembler.assemble(ptx)).values()
    return min(
        (loop for loop in kernel.loops if loop.mmas), key=lambda loop: len(loop.instructions)
    )


def compile_kernel(compiler: Path, d: int, target: str = "sm_80") -> str:
    """The PTX of what `count` runs, by tw-compile."""
    kind = f"tensor<1x?x1x{d}xf16>"
    schedule = re.sub(r"(\w+)\{(.*)\}", r'#tile.schedule<"\1", {\2}>', SCHEDULE)
    source = (
        f"func.func @attend(%q: {kind}, %k: {kind}, %v: {kind}) -> {kind} {{\n"
        f"  %o = nn.attention %q, %k, %v scale {d**-0.5} causal {{schedule = {schedule}}}"
        f" : {kind}, {kind}, {kind} -> {kind}\n  return %o : {kind}\n}}\n"
    )
    command = [compiler, "-", "--target", target]
    return subprocess.run(command, input=source, capture_output=True, text=True, check=True).stdout


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--length", type=int, default=1024)
    parser.add_argument("--tools", type=Path, default=ROOT / "build/bin", help="of tw-compile")
    options = parser.parse_args()
    print("| D | | conflicts | local | stores | mma | scores | powers | SASS |")
    print("|---|---|---|---|---|---|---|---|---|")
    for d in (64, 128):
        ours = compile_kernel(options.tools / "tw-compile", d)
        triton = read_kept(TRITON_CASES[f"flash_attention_{d}"])
        for name, run, ptx in (("here", count, ours), ("Triton", count_triton, triton)):
            c = run(d, options.length)
            print(
                f"| {d} | {name} | {c.conflicts} | {c.local} | {c.stores:g} | {c.mma:.4g} "
                f"| {c.scores:.4g} | {c.powers:.4g} | {len(get_full_loop(ptx).instructions)} |",
                flush=True,
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
