"""Functions of f32 tiles against float64, within the bounds LowerMath.cpp states."""

import math

import numpy as np
import pytest
from tile_programs import compile_program, kernel, pointer, tensor, view

COUNT = 8192
EPSILON = 2.0**-23


def apply(op, x):
    """`op` of every element of x."""
    blocks, tile = COUNT // 256, tensor((256,), "f32")
    whole = view((COUNT,), "f32")
    source = kernel(
        "apply",
        [pointer("x", "f32"), pointer("y", "f32", written=True)],
        f"""
  %block = tile.program_id 0
  %c256 = arith.constant 256 : i32
  %first = arith.muli %block, %c256 : i32
  %xv = tile.view %x : {whole}
  %yv = tile.view %y : {whole}
  %t = tile.load %xv[%first] : {whole} -> {tile}
  %r = {op.replace("X", "%t")} : {tile}
  tile.store %r, %yv[%first] : {tile}, {whole}""",
        grid=(str(blocks), "1", "1"),
    )
    y = np.zeros(COUNT, np.float32)
    program = compile_program(source)
    program.launch([x.astype(np.float32), y])
    return program, y


def grid(low, high):
    """Evenly spaced numbers, and evenly spaced exponents of both signs."""
    spaced = np.linspace(low, high, COUNT // 2)
    small = np.geomspace(1e-30, max(abs(low), abs(high)), COUNT // 4)
    x = np.concatenate([spaced, small, -small if low < 0 else small[::-1]])
    return np.clip(x, low, high).astype(np.float32)


CASES = {
    "math.exp2 X": (np.exp2, (-120, 120), lambda x, r: 2 * EPSILON * r),
    "math.exp2 X fastmath<afn>": (np.exp2, (-120, 120), lambda x, r: 2 * EPSILON * r),
    "math.exp X": (np.exp, (-80, 80), lambda x, r: (2 + np.abs(x)) * EPSILON * r),
    "math.exp X fastmath<afn>": (np.exp, (-80, 80), lambda x, r: (2 + np.abs(x)) * EPSILON * r),
    "math.log2 X": (np.log2, (1e-30, 1e30), lambda x, r: 2 * EPSILON * np.maximum(np.abs(r), 1)),
    "math.log X": (np.log, (1e-30, 1e30), lambda x, r: 2 * EPSILON * np.maximum(np.abs(r), 1)),
    "math.tanh X": (np.tanh, (-20, 20), lambda x, r: 4 * EPSILON * np.abs(r)),
    "math.tanh X fastmath<afn>": (np.tanh, (-20, 20), lambda x, r: 2.0**-11 * np.abs(r)),
    "math.sin X": (np.sin, (-8192, 8192), lambda x, r: 8 * EPSILON),
    "math.cos X": (np.cos, (-8192, 8192), lambda x, r: 8 * EPSILON),
    "math.erf X": (np.vectorize(math.erf), (-6, 6), lambda x, r: 4 * EPSILON),
    "math.sqrt X": (np.sqrt, (0, 1e30), lambda x, r: EPSILON * r),
    "math.floor X": (np.floor, (-1000, 1000), lambda x, r: 0),
    "math.absf X": (np.abs, (-1000, 1000), lambda x, r: 0),
}


@pytest.mark.parametrize("op", CASES)
def test_errors_are_within_what_is_stated(op):
    reference, (low, high), bound = CASES[op]
    x = grid(low, high)
    _, y = apply(op, x)
    ref = reference(x.astype(np.float64))
    excess = np.abs(y - ref) - bound(x.astype(np.float64), ref)
    worst = int(excess.argmax())
    assert excess[worst] <= 0, (x[worst], y[worst], ref[worst])


INF, NAN = np.inf, np.nan


@pytest.mark.parametrize(
    "op,values",
    [
        ("math.exp2 X", {-INF: 0, INF: INF, NAN: NAN, 0: 1}),
        ("math.exp2 X fastmath<afn>", {-INF: 0, INF: INF, NAN: NAN, 0: 1, -130: 0}),
        ("math.exp X", {-INF: 0, INF: INF, NAN: NAN, 0: 1}),
        ("math.log2 X", {0: -INF, INF: INF, NAN: NAN, 1: 0, -1: NAN}),
        ("math.log X", {0: -INF, INF: INF, NAN: NAN, 1: 0, -1: NAN}),
        ("math.tanh X", {0: 0, INF: 1, -INF: -1, NAN: NAN, 100: 1, -100: -1}),
        ("math.erf X", {INF: 1, -INF: -1, NAN: NAN, 100: 1}),
        ("math.sin X", {0: 0, INF: NAN, NAN: NAN}),
        ("math.tanh X fastmath<afn>", {0: 0, INF: 1, -INF: -1, NAN: NAN}),
    ],
)
def test_special_numbers(op, values):
    x = np.resize(np.array(list(values), np.float32), COUNT)
    _, y = apply(op, x)
    np.testing.assert_array_equal(y, np.resize(np.array(list(values.values()), np.float32), COUNT))


def test_approximate_exp2_is_one_instruction():
    program, _ = apply("math.exp2 X fastmath<afn>", np.zeros(COUNT))
    assert "ex2.approx.ftz.f32" in program.ptx
    assert "mul.f32" not in program.ptx
