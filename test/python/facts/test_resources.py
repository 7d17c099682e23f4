"""ptxas on the default schedules: no spills, no stack, no local memory, no warnings.

`make test` takes a sample; `make test-ptxas-full` (TILEWRIGHT_PTXAS_FULL=1) takes, on
every target, rows in which every two values of every two options meet.
"""

import os
import re

import assembler
import pytest
from covering import covering_array
from linear_programs import TARGETS, Linear, compile_linear

OPTIONS = {
    "weight": [f"{sign}{bits}" for bits in range(1, 9) for sign in "ui"],
    "x": ["f16", "bf16"],
    "group": ["16", "32", "48", "64", "128", "channel", "128x128", "16x8", "tensor"],
    "scale": ["f16", "bf16", "f32", "e8m0", "e4m3", "ue5m3"],
    "zero": ["none", "integer", "float : f16", "offset : f32"],
    "tensor_scale": [False, True],
    "m": [1, 5, 16, 17, 64, 256, 1024],
    "dynamic": [False, True],
    "shape": [(1024, 1024), (384, 1536), (4096, 4096), (1000, 1000), (63, 17)],
    "y": ["f16", "bf16", "f32"],
    "activation": ["none", "relu", "gelu", "silu"],
    "bias": [False, True],
}
# Nested codes at every width, whose bits are merged in registers, and stacks.
NESTED = OPTIONS | {
    "weight": [*(f"nested8.{bits}" for bits in range(1, 8)), "nested8"],
    "zero": ["none", "offset : f16", "offset : f32"],
}
STACKS = OPTIONS | {"weight": ["stack"], "zero": ["none"]}
FULL = os.environ.get("TILEWRIGHT_PTXAS_FULL") == "1"


def make_linear(row):
    row = dict(row)
    k, n = row.pop("shape")
    return Linear(**row, k=k, n=n)


# The sample takes every fourth row, each on one target; what it compiles, the full set does.
LINEARS = [make_linear(row) for row in covering_array(OPTIONS, seed=7)]
IN_PLANES = [
    make_linear(row) for options in (NESTED, STACKS) for row in covering_array(options, seed=7)
]
SAMPLED = LINEARS[::4] + IN_PLANES[::24]
SAMPLE = [(linear, TARGETS[i % len(TARGETS)]) for i, linear in enumerate(SAMPLED)]
EVERY = [(linear, target) for target in TARGETS for linear in LINEARS + IN_PLANES]
CASES = EVERY if FULL else SAMPLE


@pytest.mark.parametrize(
    ("linear", "target"), CASES, ids=[f"{target}-{linear.name}" for linear, target in CASES]
)
def test_default_schedule_fits_the_registers(ptxas, linear, target):
    compiled = compile_linear(linear, target)
    assembly = assembler.assemble(compiled.ptx)
    assert assembly.target == target
    assert assembly.defects == [], compiled.schedule
    # 64 Ki registers an SM on every target: a block has to fit.
    threads = compiled.metadata["block"][0]
    assert assembly.kernel.registers * threads <= 65536


# Beside 8-bit floats: every unpack scheme and bucket of rows, widened with and without cvt.
FLOAT8 = [
    Linear(
        weight=("u4", "i7", "u8", "u5", "f5e2m2", "e4m3", "nested8")[i % 7],
        x=("f8E4M3FN", "f8E5M2")[i % 2],
        group=("128", "32", "channel", "64", "128x128")[i % 5],
        zero=OPTIONS["zero"][i % 4] if i % 7 < 4 else "none",
        m=OPTIONS["m"][-1 - i % 6],
        k=4096 if i % 3 else 1000,
        n=4096 if i % 2 else 1000,
    )
    for i in range(168 if FULL else 14)
]


@pytest.mark.parametrize("i", range(len(FLOAT8)), ids=[linear.name for linear in FLOAT8])
def test_default_schedule_beside_8_bit_floats_fits_the_registers(ptxas, i):
    target = TARGETS[i // 2 % len(TARGETS)]
    compiled = compile_linear(FLOAT8[i], target)
    assert assembler.assemble(compiled.ptx).defects == [], compiled.schedule


# Beside int8 activations: every width, rule and bucket of rows, on each target in turn.
BYTES = [
    Linear(
        weight=f"{'ui'[i % 2]}{i % 8 + 1}",
        x="i8",
        group=("128", "32", "channel", "64", "96", "128x128")[i % 6],
        zero=OPTIONS["zero"][i % 4],
        m=OPTIONS["m"][i % 7],
        k=4096 if i % 3 else 1000,
        n=4096 if i % 2 else 1000,
    )
    for i in range(168 if FULL else 24)
]


@pytest.mark.parametrize("linear", BYTES, ids=lambda linear: linear.name)
def test_byte_products_fit_the_registers(ptxas, linear):
    target = TARGETS[(BYTES.index(linear) * 5 // 4) % len(TARGETS)]
    compiled = compile_linear(linear, target)
    assembly = assembler.assemble(compiled.ptx)
    assert assembly.target == target
    assert assembly.defects == [], compiled.schedule
    assert assembly.kernel.registers * compiled.metadata["block"][0] <= 65536


def test_a_spill_is_seen(ptxas):
    """The check can fail: the same kernel with too few registers."""
    compiled = compile_linear(Linear(m=256, k=4096, n=4096), "sm_80")
    starved = re.sub(r"^(\.reqntid .*)$", r"\1\n.maxnreg 64", compiled.ptx, flags=re.MULTILINE)
    defects = assembler.assemble(starved).defects
    assert any("bytes of spill stores" in defect for defect in defects), defects
