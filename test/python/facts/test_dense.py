"""ptxas on the default schedules of dense products: no spills, no stack, no warnings."""

import json
import subprocess

import assembler
import pytest
from linear_programs import TARGETS, find_compiler

SHAPES = [(1, 4096, 4096), (16, 1024, 1024), (64, 4096, 4096), (1000, 1000, 1000), (4096, 4096, 64)]
# Each shape and layout on one target: every target meets several of both.
CASES = [
    (shape, layout, TARGETS[(2 * i + j) % len(TARGETS)])
    for i, shape in enumerate(SHAPES)
    for j, layout in enumerate(("nk", "kn"))
]


def compile_matmul(m, n, k, layout, target, dtype="f16", out="f16"):
    tool = find_compiler()
    if tool is None:
        pytest.skip("no tw-compile: the compiler is not part of this build")
    x, y = f"tensor<{m}x{k}x{dtype}>", f"tensor<{m}x{n}x{out}>"
    w = f"tensor<{n}x{k}x{dtype}>" if layout == "nk" else f"tensor<{k}x{n}x{dtype}>"
    program = (
        f"func.func @dense(%x: {x}, %w: {w}) -> {y} {{\n"
        f"  %y = nn.matmul %x, %w {'{transpose_w} ' * (layout == 'nk')}: {x}, {w} -> {y}\n"
        f"  return %y : {y}\n}}\n"
    )
    command = [tool, "-", "--target", target, "--emit", "artifact"]
    run = subprocess.run(command, input=program, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


@pytest.mark.parametrize(("shape", "layout", "target"), CASES)
def test_default_schedule_fits_the_registers(ptxas, shape, layout, target):
    artifact = compile_matmul(*shape, layout, target)
    assembly = assembler.assemble(artifact["ptx"])
    assert assembly.target == target
    assert assembly.defects == [], artifact["metadata"]["schedule"]


@pytest.mark.parametrize("layout", ["nk", "kn"])
def test_operands_come_by_four_matrices(layout):
    """One ldmatrix.x4 for each 16x16 of either operand, none of another width."""
    artifact = compile_matmul(4096, 4096, 4096, layout, "sm_80")
    schedule = artifact["metadata"]["schedule"]["parameters"]
    rows = schedule["tile_m"] // schedule["warps_m"]
    columns = schedule["tile_n"] // schedule["warps_n"]
    reads = (rows + columns) // 16 * schedule["tile_k"] // 16
    ptx = artifact["ptx"]
    assert ptx.count("ldmatrix.") == ptx.count(".x4.") == reads
    assert ptx.count("ldmatrix.sync.aligned.m8n8.x4.trans") == (
        0 if layout == "nk" else columns // 16 * schedule["tile_k"] // 16
    )


@pytest.mark.parametrize(
    ("dtype", "target", "instruction"),
    [
        ("bf16", "sm_86", "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32"),
        ("f32", "sm_80", "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32"),
        ("i8", "sm_90a", "mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32"),
        ("f8E4M3FN", "sm_89", "mma.sync.aligned.m16n8k32.row.col.f32.e4m3.e4m3.f32"),
        ("f8E5M2", "sm_120a", "mma.sync.aligned.m16n8k32.row.col.f32.e5m2.e5m2.f32"),
        ("f8E4M3FN", "sm_80", "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32"),
        ("f8E5M2", "sm_86", "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32"),
        ("f8E4M3FN", "sm_90a", "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32"),
    ],
)
def test_each_dtype_has_its_instruction(ptxas, dtype, target, instruction):
    artifact = compile_matmul(1000, 1024, 1000, "nk", target, dtype)
    schedule = artifact["metadata"]["schedule"]["parameters"]
    warps = schedule["warps_m"] * schedule["warps_n"]
    bits = 16 if "m16n8k16" in instruction else 32 if dtype == "f32" else 8
    products = schedule["tile_m"] * schedule["tile_n"] * schedule["tile_k"] // warps
    assert artifact["ptx"].count(instruction) == products * bits // (16 * 8 * 256)
    assembly = assembler.assemble(artifact["ptx"])
    assert assembly.defects == [], schedule
