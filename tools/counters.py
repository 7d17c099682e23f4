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


#: Weights in planes by their names here; "stack.2" is two planes of four.
PLANES = [*(f"nested8.{bits}" for bits in range(1, 9)), *(f"stack.{n}" for n in range(1, 5))]


@functools.cache
def quantize(weights: int | str, k: int = SIZE, n: int = SIZE) -> tw.QuantizedTensor:
    """Random weights: of so many bits with zero points, or one of `PLANES`; "int8.4": of 4
    bits, for int8 activations."""
    if isinstance(weights, str):
        name, width = weights.split(".")
        if name == "int8":
            w = np.random.default_rng(int(width)).standard_normal((n, k), np.float32)
            options = {"zero_point": True, "layout": "nk", "activations": "int8"}
            return tw.quantize(w, f"u{width}", group_size=GROUP, **options)
        return quantize_planes(name, k, n).truncate(int(width))
    w = np.random.default_rng(weights).standard_normal((n, k), np.float32)
    return tw.quantize(w, f"u{weights}", group_size=GROUP, zero_point=True, layout="nk")


@functools.cache
def quantize_planes(name: str, k: int, n: int) -> tw.QuantizedTensor:
    """All planes of random weights, "nested8" or "stack"."""
    w = np.random.default_rng(8).standard_normal((n, k), np.float32)
    if name == "stack":
        return tw.quantize_residual(w, 4, group_size=GROUP, layout="nk", scale_dtype="f16")
    return tw.quantize(w, name, group_size=GROUP, layout="nk", scale_dtype="f16")


def count(
    qw: tw.QuantizedTensor, m: int, device: str = "a100", *, deterministic: bool = False
) -> Counters:
    """Runs a product by its default schedule on the emulated device and counts."""
    k, n = qw.k, qw.n
    x = np.random.default_rng(m).standard_normal((m, k)).astype(np.float16)
    if qw.activations == "8-bit":
        x, _ = tw.quantize_activations(x)
    kernel = tw.compile("linear", qw, target=device, m=m, deterministic=deterministic)
    options = {"schedule": kernel.schedule, "deterministic": deterministic}
    with tw.profile(report=True) as profile:
        tw.linear(x, qw, device=f"emulated:{device}", **options)
    report = profile.launches[-1].report
    # A scale for each group, of a stack for each plane too, and a zero point of as many bits
    # as a code.
    scale_bits = 16 * (qw.bits if qw.format == "stack" else 1)
    group_bits = scale_bits + (qw.bits if qw.has_zero_point else 0)
    needed = (n * k * qw.bits + math.ceil(k / GROUP) * n * group_bits) / 8
    parameters = kernel.metadata["parameters"]
    return _summarise(kernel.ptx, parameters, report, (m, n, k), needed, x.itemsize)


def _summarise(
    ptx, parameters, report, shape: tuple[int, int, int], needed: float, x_bytes: int = 2
) -> Counters:
    m, n, k = shape
    lines = report["lines"]
    traffic = read_traffic(ptx, parameters, lines)
    stored = sum(traffic[name].read for name in ("w", "scales", "zeros") if name in traffic)
    partials = traffic.get("partials")
    # 16 columns of weights fill the 16 of m16n8k16 (of bytes m16n8k32), the rows of x its 8.
    ideal = math.ceil(n / 16) * math.ceil(m / 8) * math.ceil(k * x_bytes / 32)
    return Counters(
        report["blocks"],
        stored / needed,
        traffic["x"].read / (x_bytes * m * k),
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
    needed = (n * k * 4 + k // GROUP * n * (16 + 4)) / 8
    return _summarise(ptx, parameters, report.raw, (m, n, k), needed)


def get_loop(weights: int | str, m: int, schedule: str, device: str = "a100") -> assembler.Loop:
    """The main loop of a schedule. K is long enough that ptxas keeps it a loop: turns known
    to be few it would lay out one after the other.
    """
    s = parse_schedule(schedule)
    tiles = 8 * s["split_k"]
    qw = quantize(weights, k=tiles * s["tile_k"], n=256)
    if deterministic := "chunk_k" in s:
        schedule = schedule.replace(f"chunk_k={s['chunk_k']}", f"chunk_k={-(-tiles // 16) * 128}")
    options = {"schedule": schedule, "deterministic": deterministic}
    kernel = tw.compile("linear", qw, target=device, m=m, **options)
    assembly = assembler.assemble(kernel.ptx)
    return assembler.disassemble(assembly)[kernel.name].main_loop


def instructions_a_weight(weights: int | str, m: int, schedule: str, device: str = "a100") -> float:
    """Of the main loop, for each weight (of a plane, in stacks) that a lane unpacks."""
    s = parse_schedule(schedule)
    count = s["tile_k"] * s["tile_n"] / (32 * s["warps_n"])
    return len(get_loop(weights, m, schedule, device).instructions) / count


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
    parser.add_argument(
        "--planes", action="store_true", help="nested codes and stacks, at every width, instead"
    )
    parser.add_argument(
        "--int8", action="store_true", help="u1 to u8 beside int8 activations, instead"
    )
    options = parser.parse_args()
    if options.deterministic:
        print_cost(options.device)
        return 0
    for m in options.rows:
        print(f"M = {m}:\n")
        print("| | weights | x | partials, KiB | conflicts | mma | SASS | blocks |")
        print("|---|---|---|---|---|---|---|---|")
        names = [f"int8.{bits}" for bits in options.bits] if options.int8 else options.bits
        for weights in PLANES if options.planes else names:
            qw = quantize(weights)
            schedule = tw.compile("linear", qw, target=options.device, m=m).schedule
            sass = instructions_a_weight(weights, m, schedule, options.device)
            name = f"u{weights}" if isinstance(weights, int) else weights
            print_row(name, count(qw, m, options.device), sass)
        if options.planes or options.int8:
            continue
        print_row("u4, Triton", count_triton(m), triton_instructions_a_weight())
        print()
    return 0


if __name__ == "__main__":
    sys.exit(main())
