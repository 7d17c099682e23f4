"""Products of int8 activations with packed integer weights, end to end.

Integers are exact: what holds small numbers, or powers of two as scales, is compared bit
for bit with int64 arithmetic, for every code of every width and at the ends of the range
of sums. A pairwise covering array of everything else is within the error bound of float64.
Runs on the emulated device with its checkers on where there is no GPU.
"""

import itertools

import ml_dtypes
import numpy as np
import pytest
import tilewright as tw
from covering import covering_array
from tilewright import testing

FLOATS = {"f16": np.float16, "bf16": ml_dtypes.bfloat16, "f32": np.float32}
INTEGERS = [f"{sign}{bits}" for sign in "ui" for bits in range(1, 9)]


def code_range(format):
    bits = int(format[1])
    return (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if format[0] == "i" else (0, 2**bits - 1)


def pack(codes, scales, zeros=None, *, format, group=128, **options):
    options = {"layout": "nk", "activations": "int8", **options}
    return tw.QuantizedTensor.from_codes(
        codes, scales, zeros, format=format, group_size=group, **options
    )


def exact_product(x, codes, scales, zeros, group):
    """x @ weights.T in float64, whose terms are integers times powers of two."""
    spread = [np.repeat(a, group, axis=1)[:, : codes.shape[1]] for a in (scales, zeros)]
    weights = (codes - spread[1].astype(np.int64)) * spread[0].astype(np.float64)
    return x.astype(np.float64) @ weights.T


# ===- Exactness ------------------------------------------------------------------------===


@pytest.mark.parametrize("zero", [False, True], ids=["plain", "zeros"])
@pytest.mark.parametrize("format", INTEGERS)
def test_every_code_is_multiplied_exactly(format, zero):
    """x picks one weight at a time, so y holds (code - zero) * scale itself."""
    low, high = code_range(format)
    k, n, rows = 128, 32, 8
    # Each column starts elsewhere, so that a code comes to every place of a fragment.
    codes = low + (np.arange(k)[None, :] * 3 + np.arange(n)[:, None] * 5) % (high - low + 1)
    zeros = low + (np.arange(n) * 7 % (high - low + 1))[:, None]
    scales = np.exp2(np.arange(n) % 5 - 2).astype(np.float16)[:, None]
    qw = pack(codes, scales, zeros if zero else None, format=format)
    exact = ((codes - zeros * zero) * scales.astype(np.float64)).T
    for first in range(0, k, rows * 4):
        # Eight rows at a time, weights as operand A; -128 and 127 are the largest there are.
        picks = np.zeros((rows, k), np.int8)
        signs = np.where(np.arange(rows) % 2, 127, -128)
        picks[np.arange(rows), first + 4 * np.arange(rows) + first // 32 % 4] = signs
        y = tw.linear(picks, qw, out_dtype=np.float32)
        chosen = exact[first + 4 * np.arange(rows) + first // 32 % 4]
        np.testing.assert_array_equal(y.astype(np.float64), chosen * signs[:, None])


@pytest.mark.parametrize("group", [32, 96, 128, "channel"])
@pytest.mark.parametrize("format", INTEGERS)
def test_integers_come_out_bit_for_bit(format, group):
    rng = np.random.default_rng([INTEGERS.index(format), len(str(group))])
    low, high = code_range(format)
    k, n = 256, 48
    m = {32: 1, 96: 8, 128: 17, "channel": 40}[group]
    rows = k if group == "channel" else group
    groups = -(-k // rows)
    codes = rng.integers(low, high + 1, (n, k))
    zeros = rng.integers(low, high + 1, (n, groups))
    scales = np.exp2(rng.integers(-1, 2, (n, groups))).astype(np.float16)
    qw = pack(codes, scales, zeros, format=format, group=group)
    x = rng.integers(-9, 10, (m, k)).astype(np.int8)
    y = tw.linear(x, qw, out_dtype=np.float32)
    exact = exact_product(x, codes, scales, zeros, rows)
    assert np.abs(exact).max() < 2**22
    np.testing.assert_array_equal(y.astype(np.float64), exact)


@pytest.mark.parametrize("m", [1, 16])
@pytest.mark.parametrize("format", ["u8", "i8", "u4", "i1"])
@pytest.mark.parametrize("group", [128, 256, "channel"])
def test_the_largest_sums_are_exact(format, group, m):
    """Sums of a group reach 128 * 128 * 255, next to where their float form would end."""
    low, high = code_range(format)
    k, n = 512, 32
    codes = np.full((n, k), high)
    codes[::2] = low
    grid = (n, 1 if group == "channel" else k // group)
    qw = pack(codes, np.ones(grid, np.float16), format=format, group=group)
    for value in (-128, 127):
        x = np.full((m, k), value, np.int8)
        y = tw.linear(x, qw, out_dtype=np.float32)
        exact = value * codes.sum(axis=1)
        np.testing.assert_array_equal(y.astype(np.float64), np.tile(exact, (m, 1)))


@pytest.mark.parametrize("k", [65536, 65536 + 128])
def test_channels_longer_than_a_32_bit_sum_holds(k):
    """Up to K = 65536 one integer sum; beyond, tiles are scaled one by one."""
    codes = np.full((32, k), 255)
    qw = pack(codes, np.ones((32, 1), np.float32), format="u8", group="channel")
    y = tw.linear(np.full((1, k), -128, np.int8), qw, out_dtype=np.float32)
    assert abs(-128 * 255 * k) > 0.99 * 2**31
    np.testing.assert_array_equal(y, np.float32(-128 * 255 * k))


@pytest.mark.parametrize("rule", ["subtract", "add"])
def test_floating_point_zero_points_meet_the_sum_of_x(rule):
    rng = np.random.default_rng(4)
    k, n, m = 256, 32, 5
    codes = rng.integers(0, 8, (n, k))
    zeros = (rng.integers(-15, 16, (n, 2)) / 4).astype(np.float16)
    scales = np.exp2(rng.integers(-1, 2, (n, 2))).astype(np.float16)
    qw = pack(codes, scales, zeros, format="u3", zero_rule=rule)
    x = rng.integers(-9, 10, (m, k)).astype(np.int8)
    s, z = np.repeat(scales.astype(float), 128, axis=1), np.repeat(zeros.astype(float), 128, axis=1)
    weights = (codes - z) * s if rule == "subtract" else codes * s + z
    y = tw.linear(x, qw, out_dtype=np.float32)
    np.testing.assert_array_equal(y.astype(np.float64), x.astype(np.float64) @ weights.T)


# ===- Everything with everything -------------------------------------------------------===

SPLIT = "quant_matmul{split_k=2, stages=3, tile_k=128, tile_m=32, tile_n=64, warps_m=2, warps_n=2}"
DEEP = "quant_matmul{split_k=1, stages=2, tile_k=256, tile_m=16, tile_n=64, warps_m=1, warps_n=2}"
STREAM = "quant_matmul{split_k=1, stages=3, stream_k=3, tile_k=128, tile_m=8, tile_n=64, "
STREAM += "warps_m=1, warps_n=2}"
OPTIONS = {
    "format": ["u4", "i4", "u8", "i8", "u3", "i5", "u6", "i7", "u1", "i2"],
    "group": [32, 64, 96, 256, "channel", "tensor", (128, 128), (64, 8)],
    "scale": ["f16", "bf16", "f32", "e8m0", "e4m3"],
    "zero": [None, "integer", "subtract", "add"],
    "m": [1, 8, 9, 65, 200],
    "kn": [(127, 33), (520, 96), (65, 1), (300, 65)],
    "out": ["f16", "bf16", "f32"],
    "bias": [False, True],
    "activation": [None, "gelu", "silu"],
    "row_scale": ["token", "tensor", None],
    "column_scale": [False, True],
    "residual": [False, True],
    "strided": [False, True],
    "schedule": [None, SPLIT, DEEP, STREAM, "deterministic"],
}
CASES = covering_array(OPTIONS, seed=3)


def case_name(case):
    return "-".join(str(value).split("{")[0] for value in case.values()).replace(" ", "")


def test_the_covering_array_covers():
    for a, b in itertools.combinations(OPTIONS, 2):
        met = {(str(case[a]), str(case[b])) for case in CASES}
        assert len(met) == len(OPTIONS[a]) * len(OPTIONS[b])


@pytest.mark.parametrize("case", CASES, ids=case_name)
def test_every_pair_of_options_is_within_the_error_bound(case):
    rng = np.random.default_rng(CASES.index(case))
    k, n = case["kn"]
    low, high = code_range(case["format"])
    place = tw.granularity.Granularity.of(case["group"])
    grid = place.grid(n, k)
    zeros = None
    if case["zero"] == "integer":
        zeros = rng.integers(low, high + 1, grid)
    elif case["zero"]:
        zeros = rng.uniform(low, high + 1, grid).astype(np.float16)
    format = tw.scale_formats.SCALE_FORMATS[case["scale"]]
    qw = pack(
        rng.integers(low, high + 1, (n, k)),
        format.round_up(rng.uniform(0.01, 1, grid)),
        zeros,
        format=case["format"],
        group=case["group"],
        scale_dtype=case["scale"],
        zero_rule="add" if case["zero"] == "add" else "subtract",
    )
    numbers = rng.standard_normal((case["m"], k)).astype(np.float16)
    x, scale = tw.quantize_activations(numbers, case["row_scale"] or "token")
    if case["strided"]:
        x = np.repeat(x, 2, axis=0)[::2]
    arguments = {
        "row_scale": scale if case["row_scale"] else None,
        "column_scale": rng.uniform(0.5, 2, n).astype(np.float32) if case["column_scale"] else None,
    }
    if case["residual"]:
        arguments["residual"] = rng.standard_normal((case["m"], n)).astype(np.float32)
    bias = rng.standard_normal(n).astype(np.float32) if case["bias"] else None
    out = FLOATS[case["out"]]
    schedule = case["schedule"]
    if schedule in (SPLIT, STREAM) and k <= 128:
        schedule = None
    y = tw.linear(
        x,
        qw,
        bias,
        case["activation"],
        out,
        "emulated:a100",
        **arguments,
        schedule=schedule if schedule != "deterministic" else None,
        deterministic=schedule == "deterministic",
    )
    ref, low_precision, magnitude = testing.linear_reference(
        x, qw, bias, case["activation"], out, **arguments
    )
    testing.assert_within_bound(y, ref, low_precision, magnitude=magnitude, k=k, name="y")


def test_batches_are_packed_and_multiplied():
    rng = np.random.default_rng(6)
    w = rng.standard_normal((3, 40, 256))
    qw = tw.quantize(w, "i4", layout="nk", activations="int8")
    assert (qw.activations, qw.matrix(1).activations) == ("8-bit", "8-bit")
    x = rng.integers(-9, 10, (3, 5, 256)).astype(np.int8)
    y = tw.linear(x, qw, out_dtype=np.float32)
    for i in range(3):
        np.testing.assert_array_equal(y[i], tw.linear(x[i], qw.matrix(i), out_dtype=np.float32))
    with pytest.raises(tw.ArgumentError, match="activations"):
        tw.QuantizedTensor.stack([qw.matrix(0), qw.matrix(1).for_activations("float16")])


def test_pairs_of_columns_are_gate_and_up():
    rng = np.random.default_rng(2)
    w = rng.standard_normal((64, 256)) / 16
    qw = tw.quantize(w, "u4", layout="nk", activations="int8")
    x, scale = tw.quantize_activations(rng.standard_normal((9, 256)).astype(np.float16))
    y = tw.linear(x, qw, activation="swiglu", row_scale=scale)
    reference = testing.linear_reference(x, qw, None, "swiglu", np.float16, row_scale=scale)
    ref, low, _ = reference
    testing.assert_within_bound(y, ref, low, name="y")


@pytest.mark.parametrize("group", [64, "channel"])
def test_deterministic_bits_do_not_depend_on_schedule_or_rows(group):
    rng = np.random.default_rng(9)
    k, n = 1024, 64
    qw = tw.quantize(
        rng.standard_normal((n, k)), "u4", layout="nk", group_size=group, activations="int8"
    )
    x = rng.integers(-128, 128, (40, k)).astype(np.int8)
    run = {"out_dtype": "f32", "deterministic": True, "device": "emulated:a100"}
    whole = tw.linear(x, qw, **run)
    for rows in (1, 8, 17):
        np.testing.assert_array_equal(tw.linear(x[:rows], qw, **run), whole[:rows])
    split = SPLIT.replace("{", "{chunk_k=128, ")
    np.testing.assert_array_equal(tw.linear(x, qw, **run, schedule=split), whole)


# ===- Packing --------------------------------------------------------------------------===


@pytest.mark.parametrize("format", INTEGERS)
@pytest.mark.parametrize("zero", [None, True, "float"])
def test_weights_come_back_from_either_packing(format, zero):
    rng = np.random.default_rng(3)
    w = rng.standard_normal((33, 130)).astype(np.float32)
    if format[0] == "u" and zero is None:
        w = np.abs(w)
    for_halves = tw.quantize(w, format, layout="nk", group_size=64, zero_point=zero)
    for_bytes = for_halves.for_activations("int8")
    assert (for_halves.activations, for_bytes.activations) == ("16-bit", "8-bit")
    assert for_bytes.for_activations("int8") is for_bytes
    assert for_bytes.nbytes == for_halves.nbytes
    np.testing.assert_array_equal(for_bytes.codes(), for_halves.codes())
    np.testing.assert_array_equal(for_bytes.dequantize(), for_halves.dequantize())
    if zero:
        np.testing.assert_array_equal(for_bytes.zeros(), for_halves.zeros())
    back = for_bytes.for_activations("bfloat16")
    np.testing.assert_array_equal(back.words(), for_halves.words())
    directly = tw.quantize(
        w, format, layout="nk", group_size=64, zero_point=zero, activations="int8"
    )
    np.testing.assert_array_equal(directly.words(), for_bytes.words())


def test_files_carry_the_class(tmp_path):
    w = np.random.default_rng(0).standard_normal((32, 128))
    halves = tw.quantize(w, "ternary", layout="nk")
    for weights in (halves, halves.for_activations("int8")):
        weights.save(tmp_path / "w")
        loaded = tw.QuantizedTensor.load(tmp_path / "w")
        assert loaded.activations == weights.activations
        np.testing.assert_array_equal(loaded.codes(), weights.codes())
        assert ("for 8-bit activations" in repr(loaded)) == (weights.activations == "8-bit")


def test_files_of_16_bit_weights_stay_readable_by_older_builds(tmp_path):
    w = np.random.default_rng(0).standard_normal((32, 128))
    for activations, version in (("float16", b'"version":3'), ("int8", b'"version":4')):
        tw.quantize(w, "i4", layout="nk", activations=activations).save(tmp_path / "w")
        assert version in (tmp_path / "w").read_bytes().replace(b"\\", b"")


# ===- Errors ---------------------------------------------------------------------------===


class TestRefusals:
    w = np.ones((32, 96), np.float32)

    def test_activations_of_the_other_class(self):
        x = np.ones((2, 96))
        halves = tw.quantize(self.w, "i4", layout="nk", group_size=32)
        with pytest.raises(
            tw.UnsupportedError,
            match=r"x is int8, but weights are packed for 16-bit activations; "
            r"weights.for_activations\('int8'\)",
        ):
            tw.linear(x.astype(np.int8), halves)
        with pytest.raises(
            tw.UnsupportedError, match=r"x is float16, but weights are packed for 8-bit activations"
        ):
            tw.linear(x.astype(np.float16), halves.for_activations("int8"))

    @pytest.mark.parametrize("format", ["f4e2m1", "e4m3", "nf4"])
    def test_weights_that_are_no_integers(self, format):
        with pytest.raises(tw.UnsupportedError, match=r"activations is 'int8' with format"):
            tw.quantize(self.w, format, layout="nk", activations="int8")

    @pytest.mark.parametrize(("group", "nearest"), [(16, 32), (48, 64), ((16, 8), 32)])
    def test_groups_that_share_an_instruction(self, group, nearest):
        with pytest.raises(tw.UnsupportedError, match=rf"the nearest is {nearest}"):
            tw.quantize(self.w, "i4", layout="nk", group_size=group, activations="int8")

    def test_unknown_activations(self):
        with pytest.raises(tw.UnsupportedError, match=r"activations is 'int4'; supported: 'float"):
            tw.quantize(self.w, "i4", layout="nk", activations="int4")

    def test_a_bias_of_bytes(self):
        qw = tw.quantize(self.w, "i4", layout="nk", group_size=32, activations="int8")
        with pytest.raises(tw.UnsupportedError, match="dtype of bias is float16"):
            tw.linear(np.ones((1, 96), np.int8), qw, np.ones(32, np.float16))


# ===- Activations ----------------------------------------------------------------------===


class TestQuantizeActivations:
    @pytest.mark.parametrize("dtype", FLOATS.values())
    def test_rounds_each_row_to_its_nearest_codes(self, dtype):
        x = np.random.default_rng(1).standard_normal((3, 5, 64)).astype(dtype)
        x[0, 0] = 0
        codes, scale = tw.quantize_activations(x)
        assert (codes.dtype, scale.dtype) == (np.int8, np.float32)
        assert (codes.shape, scale.shape) == (x.shape, (3, 5))
        wide = x.astype(np.float64)
        largest = np.abs(wide).max(axis=-1)
        np.testing.assert_allclose(scale, largest / 127, rtol=2**-23)
        assert scale[0, 0] == 0 and not codes[0, 0].any()
        assert (np.abs(codes.astype(int)).max(axis=-1)[largest > 0] == 127).all()
        error = np.abs(codes * scale[..., None].astype(np.float64) - wide)
        assert (error <= scale[..., None] * 0.5 + largest[..., None] * 2**-22).all()

    def test_one_scale_for_all(self):
        x = np.array([[1, -2], [4, 3]], np.float32)
        codes, scale = tw.quantize_activations(x, "tensor")
        np.testing.assert_array_equal(scale, np.float32([4, 4]) / np.float32(127))
        np.testing.assert_array_equal(codes, [[32, -64], [127, 95]])

    def test_the_smallest_numbers_have_a_scale(self):
        tiny = np.full((1, 4), np.nextafter(np.float32(0), np.float32(1)))
        codes, scale = tw.quantize_activations(tiny)
        assert scale[0] > 0
        np.testing.assert_array_equal(codes * scale[0], tiny)

    def test_nothing_is_nothing(self):
        codes, scale = tw.quantize_activations(np.zeros((0, 8), np.float16), "tensor")
        assert (codes.shape, scale.shape) == ((0, 8), (0,))

    def test_refusals(self):
        x = np.ones((2, 3), np.float32)
        with pytest.raises(tw.UnsupportedError, match="scale is 'column'; supported: 'token'"):
            tw.quantize_activations(x, "column")
        with pytest.raises(tw.UnsupportedError, match="dtype of x is int8"):
            tw.quantize_activations(x.astype(np.int8))
        x[1, 2] = np.inf
        with pytest.raises(tw.ArgumentError, match=r"x\[1, 2\] is inf; expects finite"):
            tw.quantize_activations(x)
