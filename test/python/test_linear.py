"""tw.linear end to end: quantise, compile, run the PTX, compare with NumPy.

Runs on a GPU where there is one and on the emulated device otherwise. Options are
combined by a pairwise covering array: every two values of every two options meet.
"""

import ml_dtypes
import numpy as np
import pytest
import tilewright as tw
from covering import covering_array
from tilewright import testing

BF16 = ml_dtypes.bfloat16
OTHERS = ["f3e1m1", "f4e2m1", "f5e3m1", "f6e3m2", "f7e4m2", "e4m3", "e5m2", "nf4", "ternary"]
DTYPES = {"f16": np.float16, "bf16": BF16, "f32": np.float32}

OPTIONS = {
    "format": ["u4", "i4", "u8", "i8", "u6", "u3"],
    "x": ["f16", "bf16"],
    "group": [32, 64, 128, "channel"],
    "scale": ["f16", "bf16"],
    "zero": [False, True],
    "layout": ["nk", "kn"],
    "out": ["f16", "bf16", "f32"],
    "bias": [None, "x", "f32"],
    "activation": [None, "relu", "gelu", "silu"],
    "m": [1, 5, 16, 17, 64, 200],
    "kn": [(128, 32), (384, 96), (1024, 64), (200, 40), (127, 33), (63, 1), (130, 65)],
    "strided": [False, True],
}


CASES = covering_array(OPTIONS, seed=20)


def case_name(case):
    return "-".join(str(value) for value in case.values()).replace(" ", "")


def make_call(case, seed):
    rng = np.random.default_rng(seed)
    k, n = case["kn"]
    w = rng.standard_normal((n, k) if case["layout"] == "nk" else (k, n)).astype(np.float32)
    if case["format"][0] == "u" and not case["zero"]:
        w = np.abs(w)
    qw = tw.quantize(
        w,
        case["format"],
        layout=case["layout"],
        group_size=case["group"],
        zero_point=case["zero"],
        scale_dtype=case["scale"],
    )
    x = rng.standard_normal((case["m"], 2 * k if case["strided"] else k))
    x = x.astype(DTYPES[case["x"]])[:, :k]
    bias = None
    if case["bias"]:
        bias = rng.standard_normal(n).astype(DTYPES[case["x" if case["bias"] == "x" else "bias"]])
    return x, qw, bias


def check(x, qw, bias=None, activation=None, out="f16", device=None):
    y = tw.linear(x, qw, bias, activation, DTYPES[out], device)
    ref, low, magnitude = testing.linear_reference(x, qw, bias, activation, DTYPES[out])
    assert y.dtype == DTYPES[out]
    testing.assert_within_bound(y, ref, low, magnitude=magnitude, k=qw.k, name="y")
    return y


@pytest.mark.parametrize("case", CASES, ids=case_name)
def test_every_pair_of_options_is_within_the_error_bound(case):
    x, qw, bias = make_call(case, seed=CASES.index(case))
    check(x, qw, bias, case["activation"], case["out"])


@pytest.mark.parametrize("format", OPTIONS["format"])
@pytest.mark.parametrize("dtype", ["f16", "bf16"])
@pytest.mark.parametrize("m", [1, 17])
def test_exact_integers_come_out_bit_for_bit(format, dtype, m):
    """Small integers whose partial sums are exact whatever the order and rounding."""
    rng = np.random.default_rng(5)
    k, n = 256, 64
    low = -(2 ** (int(format[1]) - 1)) if format[0] == "i" else 0
    codes = rng.integers(low, low + 2 ** int(format[1]), (n, k)).astype(np.int16)
    scales = np.exp2(rng.integers(-1, 2, (n, 2))).astype(DTYPES[dtype])
    qw = tw.QuantizedTensor.from_codes(
        codes, scales, None, format=format, layout="nk", group_size=128
    )
    x = rng.integers(-2, 3, (m, k)).astype(DTYPES[dtype])
    exact = x.astype(np.float64) @ qw.dequantize().astype(np.float64).T
    assert np.abs(exact).max() < 2**22
    y = tw.linear(x, qw, out_dtype=np.float32)
    np.testing.assert_array_equal(y.astype(np.float64), exact)


@pytest.mark.parametrize("format", [f"{kind}{bits}" for kind in "ui" for bits in range(1, 9)])
@pytest.mark.parametrize("dtype", ["f16", "bf16"])
def test_every_code_is_dequantised_as_documented(format, dtype):
    """x selects one weight at a time, so y holds the dequantised weights themselves."""
    bits = int(format[1])
    low = -(2 ** (bits - 1)) if format[0] == "i" else 0
    k, n = 128, 32
    codes = (low + (np.arange(n * k) * 7 % 2**bits)).reshape(n, k).astype(np.int16)
    zeros = (low + (np.arange(n) % 2**bits)).reshape(n, 1).astype(np.int16)
    scales = np.linspace(0.01, 2, n).reshape(n, 1).astype(DTYPES[dtype])
    qw = tw.QuantizedTensor.from_codes(
        codes, scales, zeros, format=format, layout="nk", group_size="channel"
    )
    y = tw.linear(np.eye(k, dtype=DTYPES[dtype]), qw, out_dtype=np.float32)
    exact = qw.dequantize().T.astype(np.float64)
    rounded = qw.dequantize(DTYPES[dtype]).T.astype(np.float64)
    # A scale per channel may be applied to the sum instead of to each weight.
    assert ((y == rounded) | (np.abs(y - exact) <= np.abs(exact) * 2.0**-23)).all()


@pytest.mark.parametrize("device", ["emulated:a100", "emulated:rtx4090", "emulated:h200"])
def test_emulated_devices_of_several_generations(device):
    x, qw, bias = make_call(CASES[0] | {"m": 16, "kn": (384, 96)}, seed=1)
    check(x, qw, bias, device=device)


def test_leading_dimensions_are_kept():
    rng = np.random.default_rng(6)
    qw = tw.quantize(rng.standard_normal((40, 64)).astype(np.float32), "u4", layout="nk")
    x = rng.standard_normal((2, 3, 64)).astype(np.float16)
    y = tw.linear(x, qw)
    assert y.shape == (2, 3, 40)
    np.testing.assert_array_equal(y.reshape(6, 40), tw.linear(x.reshape(6, 64), qw))
    np.testing.assert_array_equal(y[1, 2], tw.linear(x[1, 2], qw))


@pytest.mark.parametrize(
    "view",
    [
        lambda x: x[::-1],
        lambda x: x[:, ::-1],
        lambda x: np.asfortranarray(x),
        lambda x: np.broadcast_to(x[:1], x.shape),
        lambda x: x[::3],
    ],
    ids=["rows reversed", "columns reversed", "column-major", "broadcast", "every third row"],
)
def test_any_strides(view):
    rng = np.random.default_rng(7)
    qw = tw.quantize(rng.standard_normal((32, 128)).astype(np.float32), "i4", layout="nk")
    x = view(rng.standard_normal((9, 128)).astype(np.float16))
    np.testing.assert_array_equal(tw.linear(x, qw), tw.linear(x.copy(), qw))


@pytest.mark.parametrize("shape", [(0, 64), (2, 0, 64)])
@pytest.mark.parametrize("format", [*(f"{s}{b}" for s in "ui" for b in range(1, 9)), *OTHERS])
def test_no_rows_give_no_rows(format, shape):
    qw = tw.quantize(np.ones((8, 64), np.float32), format, layout="nk")
    assert tw.linear(np.zeros(shape, np.float16), qw).shape == (*shape[:-1], 8)


def test_no_outputs_give_no_columns():
    qw = tw.quantize(np.ones((0, 64), np.float32), "u4", layout="nk")
    assert tw.linear(np.zeros((3, 64), np.float16), qw).shape == (3, 0)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_special_values_stay_in_their_row(value):
    rng = np.random.default_rng(8)
    qw = tw.quantize(rng.standard_normal((32, 128)).astype(np.float32), "i4", layout="nk")
    x = rng.standard_normal((5, 128)).astype(np.float16)
    clean = tw.linear(x, qw)
    x[2, 77] = value
    y = tw.linear(x, qw)
    np.testing.assert_array_equal(np.delete(y, 2, 0), np.delete(clean, 2, 0))
    used = qw.dequantize()[:, 77] != 0
    assert not np.isfinite(y[2, used]).any()


def test_a_group_with_scale_zero_gives_zero():
    w = np.random.default_rng(9).standard_normal((32, 256)).astype(np.float32)
    w[:, 128:] = 0
    qw = tw.quantize(w, "u4", layout="nk")
    x = np.zeros((3, 256), np.float16)
    x[:, 128:] = 1000
    assert (tw.linear(x, qw) == 0).all()


def test_a_kernel_is_compiled_once():
    w = np.random.default_rng(10).standard_normal((96, 160)).astype(np.float32)
    first, second = (tw.quantize(s * w, "u5", layout="nk") for s in (1, 2))
    x = np.ones((3, 160), np.float16)
    with tw.profile() as profile:
        tw.linear(x, first)
        tw.linear(x, second)
        tw.linear(x[:1], first)
        tw.linear(x, first)
    assert len(profile.launches) == 4
    assert len(profile.compiled) <= 2  # one a bucket of rows
    assert profile.launches[0].compile_seconds > 0
    assert profile.launches[1].compile_seconds == 0
    assert profile.launches[3].compile_seconds == 0


def test_the_profile_counts_what_the_emulated_device_did():
    w = np.random.default_rng(11).standard_normal((64, 256)).astype(np.float32)
    qw = tw.quantize(w, "u4", layout="nk")
    with tw.profile(report=True) as profile:
        tw.linear(np.ones((16, 256), np.float16), qw, device="emulated:a100")
    (launch,) = profile.launches
    assert launch.device == "emulated:a100"
    assert launch.problem.startswith("quant_matmul(M=?, N=64, K=256")
    # m16n8k16: each multiplies 16 x 8 x 16.
    assert profile.total("matrixOperations") == 16 * 64 * 256 // (16 * 8 * 16)
    assert profile.total("issues") > 0
    assert launch.report["lines"]


def test_weights_may_die_while_their_kernel_lives():
    x = np.ones((2, 64), np.float16)
    for value in range(1, 6):
        qw = tw.quantize(np.full((8, 64), value, np.float32), "u8", layout="nk")
        np.testing.assert_allclose(tw.linear(x, qw, out_dtype="f32"), 64 * value, rtol=2e-3)


class TestSchedules:
    """A pinned schedule changes how, not what."""

    @pytest.mark.parametrize(
        "schedule",
        [
            "quant_matmul{split_k=1, stages=2, tile_k=128, tile_m=16, tile_n=32, warps_m=1, "
            "warps_n=1}",
            "quant_matmul{split_k=3, stages=4, tile_k=128, tile_m=32, tile_n=64, warps_m=2, "
            "warps_n=2}",
            "quant_matmul{split_k=1, stages=3, tile_k=256, tile_m=64, tile_n=128, warps_m=2, "
            "warps_n=4}",
        ],
    )
    def test_within_the_error_bound(self, schedule):
        rng = np.random.default_rng(12)
        qw = tw.quantize(rng.standard_normal((100, 500)).astype(np.float32), "u4", layout="nk")
        x = rng.standard_normal((33, 500)).astype(np.float16)
        y = tw.linear(x, qw, schedule=schedule)
        ref, low, _ = testing.linear_reference(x, qw)
        testing.assert_within_bound(y, ref, low)

    def test_too_large(self):
        qw = tw.quantize(np.ones((512, 4096), np.float32), "u4", layout="nk")
        with pytest.raises(tw.ResourceError, match=r"bytes of shared memory a block on sm_80"):
            tw.linear(
                np.ones((1, 4096), np.float16),
                qw,
                device="emulated:a100",
                schedule="quant_matmul{split_k=1, stages=8, tile_k=1024, tile_m=16, tile_n=256, "
                "warps_m=1, warps_n=4}",
            )

    @pytest.mark.parametrize("text", ["", "quant_matmul", "quant_matmul{split_k=1", "x{a=1}"])
    def test_not_a_schedule(self, text):
        qw = tw.quantize(np.ones((8, 64), np.float32), "u4", layout="nk")
        with pytest.raises((tw.ArgumentError, tw.ResourceError), match=r"schedule"):
            tw.linear(np.ones((1, 64), np.float16), qw, schedule=text)


class TestErrors:
    """Bad input is refused before anything is compiled, naming the argument."""

    qw = None
    x = np.ones((3, 64), np.float16)

    @pytest.fixture(autouse=True)
    def weights(self):
        self.qw = tw.quantize(np.ones((8, 64), np.float32), "u4", layout="nk")

    @pytest.mark.parametrize("shape", [(), (63,), (64, 3), (2, 65)])
    def test_wrong_k(self, shape):
        with pytest.raises(tw.ShapeError, match=r"x has shape .*expects \[\.\.\., 64\]"):
            tw.linear(np.ones(shape, np.float16), self.qw)

    @pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int16, bool])
    def test_unknown_dtype_of_x(self, dtype):
        with pytest.raises(tw.UnsupportedError, match=r"dtype of x is .*float16, bfloat16"):
            tw.linear(self.x.astype(dtype), self.qw)

    @pytest.mark.parametrize("dtype", [np.float64, np.int32, "f8", "nothing"])
    def test_unknown_out_dtype(self, dtype):
        with pytest.raises(tw.UnsupportedError, match=r"out_dtype is"):
            tw.linear(self.x, self.qw, out_dtype=dtype)

    def test_weights_that_are_not_quantised(self):
        with pytest.raises(tw.UnsupportedError, match=r"weights are a ndarray.*tw\.quantize"):
            tw.linear(self.x, np.ones((8, 64)))

    def test_unknown_activation(self):
        with pytest.raises(tw.UnsupportedError, match=r"activation is 'tanh'; supported: relu"):
            tw.linear(self.x, self.qw, activation="tanh")

    @pytest.mark.parametrize("shape", [(), (7,), (1, 8)])
    def test_bias_of_another_shape(self, shape):
        with pytest.raises(tw.ShapeError, match=r"bias has shape .*expects \(8,\)"):
            tw.linear(self.x, self.qw, np.ones(shape, np.float16))

    @pytest.mark.parametrize("dtype", [np.float64, BF16])
    def test_bias_of_another_dtype(self, dtype):
        with pytest.raises(tw.UnsupportedError, match=r"dtype of bias is .*float16, float32"):
            tw.linear(self.x, self.qw, np.ones(8, dtype))

    def test_unknown_device(self):
        with pytest.raises(tw.DeviceError, match=r"a100"):
            tw.linear(self.x, self.qw, device="emulated:a1000")
        with pytest.raises(tw.DeviceError, match=r"tpu"):
            tw.linear(self.x, self.qw, device="tpu:0")

    def test_no_inputs(self):
        qw = tw.quantize(np.ones((8, 0), np.float32), "u4", layout="nk")
        with pytest.raises(tw.ShapeError, match=r"no inputs"):
            tw.linear(np.ones((3, 0), np.float16), qw)


class TestTorch:
    """CPU tensors go in and come out, where torch is installed."""

    def test_like_numpy(self):
        torch = pytest.importorskip("torch")
        w = torch.randn(40, 96, generator=torch.Generator().manual_seed(1))
        x = torch.randn(5, 96, generator=torch.Generator().manual_seed(2))
        for dtype, numpy_dtype in ((torch.float16, np.float16), (torch.bfloat16, BF16)):
            qw = tw.quantize(w.to(dtype), "u4", layout="nk")
            assert qw.scale_dtype == numpy_dtype
            y = tw.linear(x.to(dtype), qw, bias=torch.ones(40))
            assert y.dtype == dtype
            expected = tw.linear(
                x.to(dtype).float().numpy().astype(numpy_dtype), qw, np.ones(40, np.float32)
            )
            np.testing.assert_array_equal(y.float().numpy(), expected.astype(np.float32))


def test_whatever_exports_host_memory_through_dlpack_is_taken():
    class Exporter:
        def __init__(self, array):
            self.array = array

        def __dlpack__(self, **options):
            return self.array.__dlpack__(**options)

        def __dlpack_device__(self):
            return self.array.__dlpack_device__()

    rng = np.random.default_rng(13)
    qw = tw.quantize(rng.standard_normal((40, 96)).astype(np.float32), "i4", layout="nk")
    x = rng.standard_normal((5, 96)).astype(np.float16)
    np.testing.assert_array_equal(tw.linear(Exporter(x), qw), tw.linear(x, qw))


def test_an_exporter_of_device_memory_is_refused():
    class OnDevice:
        def __dlpack__(self, **options):
            raise BufferError("memory is on cuda:0")

        def __dlpack_device__(self):
            return (2, 0)

    qw = tw.quantize(np.ones((8, 32), np.float32), "i4", layout="nk")
    with pytest.raises(tw.UnsupportedError, match=r"x is a OnDevice .*cuda|x is a OnDevice"):
        tw.linear(OnDevice(), qw)
