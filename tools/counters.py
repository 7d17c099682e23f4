"""Prints what the quantised product requests, computes and costs, by width.

For 1 and 16 rows, K = N = 2048, group 128, f16, zero points, the default schedule of the
A100. Columns:

    weights   bytes of codes, scales and zero points requested, over what their bits take
    x         the same for the activations; the ideal reads them once
    partials  KiB of partial sums written and read again
    conflicts wavefronts of shared memory beyond the least that would do
    mma       m16n8k16 instructions over the least: columns or rows fill the 16
    SASS      machine instructions of the main loop for each weight that a lane unpacks

Bytes are those of the 32-byte sectors that the emulated device counted. The last row is
what Triton makes of a straightforward u4 kernel (test/triton), for the same product. SASS
needs ptxas and nvdisasm. Prints Markdown. test/python/facts/test_counters.py holds the
numbers.
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
import math
import re
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / path) for path in ("tools", "test/cuda", "test/triton")]

import assembler  # noqa: E402
import tilewright as tw  # noqa: E402
from assembler.traffic import read_traffic  # noqa: E402
from triton_cases import TRITON_CASES, read_kept  # noqa: E402

SIZE, GROUP = 2048, 128


@dataclasses.dataclass(frozen=True)
class Counters:
    """One product, by the emulated device."""

    blocks: int
    weights: float  # requested over needed
    x: float  # requested over needed
    partials: int  # bytes written and read
    conflicts: int  # wavefronts
    mma: float  # issued over ideal


def parse_schedule(text: str) -> dict[str, int]:
    """The parameters of "family{name=value, ...}"."""
    return {name: int(value) for name, value in re.findall(r"(\w+)=(\d+)", text)}


@functools.cache
def quantize(bits: int, k: int = SIZE, n: int = SIZE) -> tw.QuantizedTensor:
    """Random weights with zero points."""
    w = np.random.default_rng(bits).standard_normal((n, k), np.float32)
    return tw.quantize(w, f"u{bits}", group_size=GROUP, zero_point=True, layout="nk")


def count(
    qw: tw.QuantizedTensor, m: int, device: str = "a100", *, deterministic: bool = False
) -> Counters:
    """Runs a product by its default schedule on the emulated device and counts."""
    k, n = qw.k, qw.n
    x = np.random.default_rng(m).standard_normal((m, k)).astype(np.float16)
    kernel = tw.compile("linear", qw, target=device, m=m, deterministic=deterministic)
    options = {"schedule": kernel.schedule, "deterministic": deterministic}
    with tw.profile(report=True) as profile:
        tw.linear(x, qw, device=f"emulated:{device}", **options)
    report = profile.launches[-1].report
    return _summarise(kernel.ptx, kernel.metadata["parameters"], report, (m, n, k), qw.bits)


def _summarise(ptx, parameters, report, shape: tuple[int, int, int], bits: int) -> Counters:
    m, n, k = shape
    lines = report["lines"]
    traffic = read_traffic(ptx, parameters, lines)
    stored = sum(traffic[name].read for name in ("w", "scales", "zeros"))
    needed = n * k * bits / 8 + math.ceil(k / GROUP) * n * (16 + bits) / 8
    partials = traffic.get("partials")
    # 16 columns of weights fill the 16 of m16n8k16, the rows of x its 8.
    ideal = math.ceil(n / 16) * math.ceil(m / 8) * math.ceil(k / 16)
    return Counters(
        report["blocks"],
        stored / needed,
        traffic["x"].read / (2 * m * k),
        partials.read + partials.written if partials else 0,
        sum(
            line["counters"].get("sharedWavefronts", 0)
            - line["counters"].get("sharedIdealWavefronts", 0)
            for line in lines
        ),
        report["total"]["matrixOperations"] / ideal,
    )


def count_triton(m: int) -> Counters:
    """The same of test/triton/kernels.py: matmul_u4, with its kept PTX."""
    case = TRITON_CASES["matmul_u4"]
    ptx = read_kept(case)
    n = k = SIZE
    rng = np.random.default_rng(m)
    args = [
        rng.standard_normal((m, k)).astype(np.float16),
        rng.integers(-(2**31), 2**31, (k // 8, n), np.int32),
        rng.standard_normal((k // GROUP, n)).astype(np.float16),
        rng.integers(0, 16, (k // GROUP, n), np.uint8),
        np.zeros((m, n), np.float16),
        *map(np.int32, (m, n, k)),
        *[None] * 2,  # scratch memory that it does not use
    ]
    shared = int(re.search(r"shared (\d+)", ptx)[1])
    grid = (n // case.constants["BLOCK_N"], math.ceil(m / case.constants["BLOCK_M"]))
    module = tw.Module(ptx, "emulated:a100")
    report = module.launch("matmul_u4", grid, 32 * case.warps, args, dynamic_shared=shared)
    names = ["x", "w", "scales", "zeros", "y", "m", "n", "k", "scratch", "profile"]
    kinds = ["pointer"] * 5 + ["dimension"] * 3 + ["pointer"] * 2
    parameters = [{"name": name, "kind": kind} for name, kind in zip(names, kinds, strict=True)]
    return _summarise(ptx, parameters, report.raw, (m, n, k), 4)


def get_loop(bits: int, m: int, schedule: str, device: str = "a100") -> assembler.Loop:
    """The main loop of a schedule. K is long enough that ptxas keeps it a loop: turns known
    to be few it would lay out one after the other.
    """
    s = parse_schedule(schedule)
    tiles = 8 * s["split_k"]
    qw = quantize(bits, k=tiles * s["tile_k"], n=256)
    if deterministic := "chunk_k" in s:
        schedule = schedule.replace(f"chunk_k={s['chunk_k']}", f"chunk_k={-(-tiles // 16) * 128}")
    options = {"schedule": schedule, "deterministic": deterministic}
    kernel = tw.compile("linear", qw, target=device, m=m, **options)
    assembly = assembler.assemble(kernel.ptx)
    return assembler.disassemble(assembly)[kernel.name].main_loop


def instructions_a_weight(bits: int, m: int, schedule: str, device: str = "a100") -> float:
    """Of the main loop, for each weight that a lane unpacks."""
    s = parse_schedule(schedule)
    weights = s["tile_k"] * s["tile_n"] / (32 * s["warps_n"])
    return len(get_loop(bits, m, schedule, device).instructions) / weights


def triton_instructions_a_weight() -> float:
    """The same of Triton's kernel."""
    case = TRITON_CASES["matmul_u4"]
    loop = assembler.disassemble(assembler.assemble(read_kept(case)))["matmul_u4"].main_loop
    weights = case.constants["BLOCK_K"] * case.constants["BLOCK_N"] / (32 * case.warps)
    return len(loop.instructions) / weights


def print_row(name: str, c: Counters, sass: float) -> None:
    """A line of the table."""
    print(
        f"| {name} | {c.weights:.3f} | {c.x:.4g} | {c.partials / 1024:.4g} "
        f"| {c.conflicts} | {c.mma:.3g} | {sass:.3g} | {c.blocks} |",
        flush=True,
    )


def print_cost(device: str) -> None:
    """What deterministic=True costs, K = N = 4096."""
    qw = quantize(4, 4096, 4096)
    print("| M | | blocks | partials, KiB | conflicts | SASS |")
    print("|---|---|---|---|---|---|")
    for m in (1, 16, 64, 256, 1024):
        for name, deterministic in (("default", False), ("deterministic", True)):
            kernel = tw.compile("linear", qw, target=device, m=m, deterministic=deterministic)
            c = count(qw, m, device, deterministic=deterministic)
            sass = instructions_a_weight(4, m, kernel.schedule, device)
            print(
                f"| {m} | {name} | {c.blocks} | {c.partials / 1024:.4g} | {c.conflicts} "
                f"| {sass:.3g} |",
                flush=True,
            )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bits", type=int, nargs="+", default=range(1, 9))
    parser.add_argument("--rows", type=int, nargs="+", default=(1, 16))
    parser.add_argument("--device", default="a100")
    parser.add_argument(
        "--deterministic",
        action="store_true",
        help="u4, K = N = 4096: what deterministic=True costs, instead",
    )
    options = parser.parse_args()
    if options.deterministic:
        print_cost(options.device)
        return 0
    for m in options.rows:
        print(f"M = {m}:\n")
        print("| | weights | x | partials, KiB | conflicts | mma | SASS | blocks |")
        print("|---|---|---|---|---|---|---|---|")
        for bits in options.bits:
            qw = quantize(bits)
            schedule = tw.compile("linear", qw, target=options.device, m=m).schedule
            sass = instructions_a_weight(bits, m, schedule, options.device)
            print_row(f"u{bits}", count(qw, m, options.device), sass)
        print_row("u4, Triton", count_triton(m), triton_instructions_a_weight())
        print()
    return 0


if __name__ == "__main__":
    sys.exit(main())
