"""Mixed precision (PTX ISA 8.6, sm_100): add, sub and fma of 16-bit sources and f32.

NumPy widens exactly and adds with one rounding. Products of two 16-bit numbers of these
sizes are exact in float32, so fma rounds once too.
"""

import ml_dtypes
import numpy as np
import pytest
import tilewright as tw

DTYPES = {"f16": np.float16, "bf16": ml_dtypes.bfloat16}

KERNEL = """.version 8.6
.target sm_100
.address_size 64
.visible .entry mixed(.param .u64 a, .param .u64 b, .param .u64 c, .param .u64 d) {{
  .reg .b32 %r<2>;
  .reg .b16 %h<2>;
  .reg .f32 %f<2>;
  .reg .b64 %d<8>;
  mov.u32 %r0, %tid.x;
  mul.wide.u32 %d0, %r0, 2;
  mul.wide.u32 %d1, %r0, 4;
  ld.param.u64 %d2, [a];
  ld.param.u64 %d3, [b];
  ld.param.u64 %d4, [c];
  ld.param.u64 %d5, [d];
  add.s64 %d2, %d2, %d0;
  add.s64 %d3, %d3, %d0;
  add.s64 %d4, %d4, %d1;
  add.s64 %d5, %d5, %d1;
  ld.global.b16 %h0, [%d2];
  ld.global.b16 %h1, [%d3];
  ld.global.f32 %f0, [%d4];
  {instruction}
  st.global.f32 [%d5], %f1;
  ret;
}}
"""


def run(instruction, dtype, version="8.6", target="sm_100"):
    rng = np.random.default_rng(21)
    a, b = (rng.standard_normal(256).astype(DTYPES[dtype]) for _ in range(2))
    c = (rng.standard_normal(256) * np.exp2(rng.integers(-30, 30, 256))).astype(np.float32)
    for special, value in enumerate(
        [0, -0.0, np.inf, -np.inf, 2.0**-24, 65504 if dtype == "f16" else 3e38]
    ):
        a[special] = value
        b[special] = 1
    d = np.zeros(256, np.float32)
    ptx = KERNEL.format(instruction=instruction).replace("8.6", version).replace("sm_100", target)
    device = "emulated:b200" if target == "sm_100" else "emulated:h200"
    tw.Module(ptx, device=device).launch("mixed", 1, 256, [a, b, c, d])
    return a.astype(np.float32), b.astype(np.float32), c, d


@pytest.mark.parametrize("dtype", DTYPES)
def test_one_rounding(dtype):
    a, b, c, d = run(f"add.rn.f32.{dtype} %f1, %h0, %f0;", dtype)
    np.testing.assert_array_equal(d, a + c)
    a, b, c, d = run(f"sub.f32.{dtype} %f1, %h0, %f0;", dtype)
    np.testing.assert_array_equal(d, a - c)
    a, b, c, d = run(f"fma.rn.f32.{dtype} %f1, %h0, %h1, %f0;", dtype)
    np.testing.assert_array_equal(d, a * b + c)
    a, b, c, d = run(f"add.rn.sat.f32.{dtype} %f1, %h0, %f0;", dtype)
    np.testing.assert_array_equal(d, np.clip(a + c, 0, 1))


def test_other_rounding():
    a, _, c, d = run("add.rz.f32.f16 %f1, %h0, %f0;", "f16")
    finite = np.isfinite(a)
    exact, d = (a.astype(np.float64) + c)[finite], d[finite]
    assert (np.abs(d) <= np.abs(exact)).all()
    assert (np.abs(d - exact) < np.spacing(np.abs(d) + np.float32(1e-30))).all()


@pytest.mark.parametrize(
    ("version", "target", "message"),
    [
        ("8.6", "sm_90", r"needs .target sm_100 or newer"),
        ("8.5", "sm_100", r"needs .version 8.6 or newer"),
    ],
)
def test_older_modules_are_refused(version, target, message):
    with pytest.raises(tw.Error, match=message):
        run("add.rn.f32.f16 %f1, %h0, %f0;", "f16", version, target)


@pytest.mark.parametrize(
    "instruction",
    ["add.ftz.f32.f16 %f1, %h0, %f0;", "add.f32.f64 %f1, %h0, %f0;", "add.f16.f32 %h1, %h0, %f0;"],
)
def test_other_mixtures_are_refused(instruction):
    with pytest.raises(tw.Error):
        run(instruction, "f16")


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("device", ["emulated:b200", "emulated:rtx5090"])
def test_layers_with_a_narrow_bias_and_residual(dtype, device):
    """LLVM emits these instructions for what is widened and added."""
    rng = np.random.default_rng(22)
    x, w = (rng.integers(-4, 5, shape).astype(DTYPES[dtype]) for shape in ((5, 64), (32, 64)))
    bias = rng.integers(-9, 9, 32).astype(DTYPES[dtype])
    residual = rng.integers(-9, 9, (5, 32)).astype(DTYPES[dtype])
    y = tw.matmul(x, w, bias, layout="nk", residual=residual, out_dtype=np.float32, device=device)
    wide = [array.astype(np.float64) for array in (x, w, bias, residual)]
    np.testing.assert_array_equal(y, wide[0] @ wide[1].T + wide[2] + wide[3])
