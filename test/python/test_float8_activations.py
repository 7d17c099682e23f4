"""Activations of e4m3 and e5m2, dense and beside packed weights, where they are f16 products.

Every number of both formats is widened, NaN and infinities too, and compared bit for bit;
a covering array of the rest is within the error bound of float64. Runs on emulated devices
that have an instruction to widen (h200, rtx4090) and one that has none (a100).
"""

import json

import ml_dtypes
import numpy as np
import pytest
import tilewright as tw
from covering import covering_array
from tilewright import testing
from tilewright._extension import native

FLOAT8 = {"e4m3": ml_dtypes.float8_e4m3fn, "e5m2": ml_dtypes.float8_e5m2}
DEVICES = ["emulated:a100", "emulated:h200"]
OUT = {"f16": np.float16, "f32": np.float32, "bf16": ml_dtypes.bfloat16, **FLOAT8}


def all_numbers(dtype):
    return np.arange(256, dtype=np.uint8).view(FLOAT8[dtype])


def identity(n, dtype):
    return np.eye(n, dtype=np.float32).astype(dtype)


def same(a, b):
    return (a == b) | (np.isnan(a) & np.isnan(b))


# ===- Every number ----------------------------------------------------------------------===


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", FLOAT8)
def test_every_number_is_widened_exactly(dtype, device):
    """One number a row, the rest zeros, so that nothing is rounded and NaN stays in its row."""
    numbers = all_numbers(dtype)
    wide = numbers.astype(np.float64)
    k = 64
    # Each number at another place of K, so that it comes to every place of a fragment.
    x = np.zeros((256, k), FLOAT8[dtype])
    x[np.arange(256), np.arange(256) * 5 % k] = numbers
    w = np.ones((32, k), FLOAT8[dtype])
    y = tw.matmul(x, w, layout="nk", out_dtype=np.float32, device=device)
    assert same(y.astype(np.float64), wide[:, None]).all()
    qw = tw.QuantizedTensor.from_codes(
        np.ones((32, k), np.uint8),
        np.ones((32, 1), np.float16),
        None,
        format="u4",
        layout="nk",
        group_size="channel",
    )
    for rows in (x, x[:8], x[120:128]):
        y = tw.linear(rows, qw, out_dtype=np.float32, device=device)
        expected = np.broadcast_to(rows.astype(np.float64).sum(axis=1, keepdims=True), y.shape)
        assert same(y.astype(np.float64), expected).all()


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", FLOAT8)
def test_every_number_of_w_is_widened_exactly(dtype, device):
    numbers = all_numbers(dtype)
    w = np.zeros((256, 64), FLOAT8[dtype])
    w[np.arange(256), np.arange(256) * 7 % 64] = numbers
    y = tw.matmul(
        np.ones((1, 64), FLOAT8[dtype]), w, layout="nk", out_dtype=np.float32, device=device
    )
    assert same(y.astype(np.float64), numbers.astype(np.float64)[None]).all()


@pytest.mark.parametrize("operand_bits", ["", "operand_bits=16, "])
def test_tensor_cores_with_float8_may_be_asked_for_f16(operand_bits):
    """On sm_89 sums of float8 products have fewer bits; those of f16 products are exact here."""
    schedule = (
        f"matmul{{{operand_bits}split_k=1, stages=2, tile_k=64, tile_m=16, tile_n=32, "
        "warps_m=1, warps_n=1}"
    )
    x = np.ones((1, 64), FLOAT8["e4m3"])
    x[0, :2] = 256, 2**-9
    w = np.ones((32, 64), FLOAT8["e4m3"])
    w[:, 0] = 16  # a sum of 21 bits
    options = {"layout": "nk", "out_dtype": np.float32, "schedule": schedule}
    y = tw.matmul(x, w, device="emulated:rtx4090", **options)
    exact = x.astype(np.float64) @ w.astype(np.float64).T
    assert (y == exact).all() == bool(operand_bits)


# ===- Everything with everything -------------------------------------------------------===

DENSE = {
    "dtype": list(FLOAT8),
    "device": [*DEVICES, "emulated:rtx4090"],
    "m": [1, 16, 17, 70, 130],
    "kn": [(1, 1), (63, 33), (256, 64), (200, 40), (384, 136)],
    "out": list(OUT),
    "activation": [None, "silu", "swiglu"],
    "bias": [False, True],
    "strided": [False, True],
    "deterministic": [False, True],
}


def numbers_of(rng, shape, dtype):
    return rng.standard_normal(shape).astype(np.float32).astype(FLOAT8[dtype])


@pytest.mark.parametrize("case", covering_array(DENSE, seed=3), ids=str)
def test_dense_products_are_within_the_error_bound(case):
    rng = np.random.default_rng(1)
    (k, n), m, out = case["kn"], case["m"], OUT[case["out"]]
    n += n % 2 if case["activation"] == "swiglu" else 0
    x = numbers_of(rng, (m, 2 * k if case["strided"] else k), case["dtype"])[:, :k]
    w = numbers_of(rng, (n, k), case["dtype"])
    parts = {"activation": case["activation"], "out_dtype": out}
    if case["bias"]:
        parts["bias"] = rng.standard_normal(n).astype(np.float32)
    schedule = None
    if case["device"] == "emulated:rtx4090":
        if case["deterministic"]:
            case = case | {"deterministic": False}
        schedule = (
            "matmul{operand_bits=16, split_k=1, stages=3, tile_k=32, tile_m=32, tile_n=32, "
            "warps_m=2, warps_n=2}"
        )
    y = tw.matmul(
        x,
        w,
        layout="nk",
        device=case["device"],
        schedule=schedule,
        deterministic=case["deterministic"],
        **parts,
    )
    ref, low, magnitude = testing.matmul_reference(x, w.T, **parts)
    testing.assert_within_bound(y, ref, low, magnitude=magnitude, k=k)


PACKED = {
    "dtype": list(FLOAT8),
    "device": [*DEVICES, "emulated:rtx4090"],
    "format": ["u4", "i3", "u8", "i5", "f4e2m1", "e4m3", "nf4", "nested8"],
    "group": [32, 128, "channel"],
    "zero": [None, "integer", "float"],
    "m": [1, 8, 9, 40, 130],
    "kn": [(128, 32), (384, 96), (200, 40), (127, 33), (1024, 64)],
    "out": list(OUT),
    "strided": [False, True],
    "deterministic": [False, True],
}


@pytest.mark.parametrize("case", covering_array(PACKED, seed=5), ids=str)
def test_products_with_packed_weights_are_within_the_error_bound(case):
    rng = np.random.default_rng(2)
    (k, n), m, out = case["kn"], case["m"], OUT[case["out"]]
    options = {}
    if case["format"] in ("u4", "u8", "i3", "i5") and case["zero"]:
        options["zero_point"] = True if case["zero"] == "integer" else "float"
    qw = tw.quantize(
        rng.standard_normal((n, k)).astype(np.float32),
        case["format"],
        layout="nk",
        group_size=case["group"],
        scale_dtype="f16",
        **options,
    )
    x = numbers_of(rng, (m, 2 * k if case["strided"] else k), case["dtype"])[:, :k]
    y = tw.linear(x, qw, out_dtype=out, device=case["device"], deterministic=case["deterministic"])
    ref, low, magnitude = testing.linear_reference(x, qw, out_dtype=out)
    testing.assert_within_bound(y, ref, low, magnitude=magnitude, k=k)


def test_a_row_has_the_same_bits_whatever_is_beside_it():
    rng = np.random.default_rng(4)
    x, w = numbers_of(rng, (70, 512), "e4m3"), numbers_of(rng, (64, 512), "e4m3")
    options = {"layout": "nk", "deterministic": True, "device": "emulated:a100"}
    together = tw.matmul(x, w, **options)
    np.testing.assert_array_equal(tw.matmul(x[7:8], w, **options), together[7:8])


# ===- What is said ----------------------------------------------------------------------===


def test_the_result_is_f16_unless_asked_otherwise():
    x = numbers_of(np.random.default_rng(0), (3, 128), "e5m2")
    qw = tw.quantize(np.ones((32, 128), np.float32), "u4", layout="nk")
    assert tw.linear(x, qw).dtype == np.float16


@pytest.mark.parametrize(("target", "by"), [("a100", 2), ("h200", 1)])
@pytest.mark.parametrize("op", ["matmul", "quant_matmul"])
def test_remarks_say_what_is_done_instead(op, target, by):
    w = "tensor<64x256xf8E4M3FN>"
    if op == "quant_matmul":
        w = "!nn.quantized<256x64, #nn.qformat<u4, group = 128, scale = f16>>"
    x, y = "tensor<16x256xf8E4M3FN>", "tensor<16x64xf16>"
    layout = " {transpose_w}" * (op == "matmul")
    program = (
        f"func.func @f(%x: {x}, %w: {w}) -> {y} {{\n"
        f"  %y = nn.{op} %x, %w{layout} : {x}, {w} -> {y}\n  return %y : {y}\n}}\n"
    )
    kernel = native().compile_source(program, "f.mlir", target, None, 16, False)
    remarks = json.loads(kernel["metadata"])["remarks"]
    said = ["multiplies 'f8E4M3FN' as f16", "widens 'f8E4M3FN' by integer arithmetic"]
    for text in said:
        assert sum(text in remark for remark in remarks) == (text in said[:by]), remarks
    assert ("cvt.rn.f16x2.e4m3x2" in kernel["ptx"]) == (by == 1)
    assert "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32" in kernel["ptx"]


def test_bank_conflicts_of_the_main_loop():
    """Bytes are read two by two where packed weights lie as halves do, and matrix by matrix
    where they do not."""
    x = np.ones((64, 512), FLOAT8["e4m3"])
    qw = tw.quantize(np.ones((64, 512), np.float32), "u4", layout="nk")
    for run in (
        lambda: tw.linear(x, qw, device="emulated:a100"),
        lambda: tw.linear(x[:1], qw, device="emulated:a100"),
        lambda: tw.matmul(x, x, layout="nk", device="emulated:a100"),
    ):
        with tw.profile() as profile:
            run()
        assert profile.total("sharedWavefronts") == profile.total("sharedIdealWavefronts") > 0


class TestErrors:
    """Schedules and weights that do not go with such activations."""

    x = np.ones((1, 64), FLOAT8["e4m3"])
    tiles = "split_k=1, stages=2, tile_k=64, tile_m=16, tile_n=32, warps_m=1, warps_n=1}"

    def refuse(self, x, operand_bits, message, device="emulated:a100"):
        with pytest.raises(tw.Error, match=message):
            tw.matmul(
                x,
                x,
                layout="nk",
                device=device,
                schedule=f"matmul{{operand_bits={operand_bits}, {self.tiles}",
            )

    def test_operand_bits(self):
        self.refuse(self.x, 0, r"operand_bits to be 16 on sm_80, whose mma\.sync .*e4m3.* 0;.* 16")
        self.refuse(self.x, 8, r"operand_bits to be 16 on sm_80, .* 8; the nearest is 16")
        self.refuse(self.x, 12, r"operand_bits to be one of 0, 16, .* 12", "emulated:rtx4090")
        self.refuse(
            self.x.astype(np.float16), 16, r"operand_bits to be left out with f16, but got 16"
        )

    def test_weights_for_bytes(self):
        qw = tw.quantize(
            np.ones((32, 64), np.float32), "u4", layout="nk", group_size=64, activations="int8"
        )
        with pytest.raises(tw.UnsupportedError, match=r"x is float8_e4m3fn, .*8-bit activations"):
            tw.linear(self.x, qw)
        again = qw.for_activations("float8_e4m3fn")
        assert again.activations == "16-bit"
        tw.linear(self.x, again)
