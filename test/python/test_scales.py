"""Scales and zero points of every kind, end to end, against float64.

A covering array of formats, granularities, scale and zero point dtypes, rules, shapes,
strides and special values runs on the emulated device with its checkers on: every two
values meet, and every three of formats, three group sizes, zero points and activation
dtypes. Half of its rows hold small integers and powers of two, of which every partial sum
is exact: those must agree bit for bit. `make test-scales-full`
runs the full product of formats, granularities, scale formats, zero points and
activation dtypes instead. What must meet is counted and printed by test_coverage.py.
"""

import itertools

import ml_dtypes
import numpy as np
import pytest
import tilewright as tw
from covering import FULL, covering_array, full_product
from hypothesis import given, settings
from hypothesis import strategies as st
from operands import (
    DEVICE,
    SCALE_VALUES,
    SPECIAL,
    STRIDES,
    TAILS,
    make_x,
    multiply_special,
    special_scale,
)
from tilewright import testing
from tilewright.granularity import Granularity
from tilewright.scale_formats import SCALE_FORMATS

FLOATS = {"f16": np.float16, "bf16": ml_dtypes.bfloat16, "f32": np.float32}
DEEP = "quant_matmul{split_k=1, stages=2, tile_k=384, tile_m=16, tile_n=64, warps_m=1, warps_n=2}"
SPLIT = "quant_matmul{split_k=2, stages=3, tile_k=128, tile_m=32, tile_n=64, warps_m=2, warps_n=2}"
SEED = 12

OPTIONS = {
    "format": [f"{sign}{bits}" for bits in range(1, 9) for sign in "ui"],
    "group": [16, 32, 48, 64, 96, 128, 256, "channel", "tensor", (128, 128), (64, 8), (48, 24)],
    "scale": list(SCALE_FORMATS),
    "scale_values": SCALE_VALUES,
    "zero": [None, "integer", "subtract", "add"],
    "zero_dtype": list(FLOATS),
    "x": ["f16", "bf16"],
    "m": TAILS,
    "k": [*TAILS, 300, 520],
    "n": TAILS,
    "stride": list(STRIDES),
    "special": SPECIAL,
    "tensor_scale": [None, 0.375],
    "schedule": [None, DEEP, SPLIT],
    "exact": [True, False],
}
#: Every three of these meet.
CENTRE = {name: OPTIONS[name] for name in ("format", "zero", "x")} | {"group": [32, 128, "channel"]}
TRIPLES = [{name: CENTRE[name] for name in names} for names in itertools.combinations(CENTRE, 3)]
#: What the full product is of; the other options are drawn at random.
PRODUCT = ("format", "group", "scale", "zero", "x")


def allows(part):
    """Whether a case, or part of one, makes sense."""
    refused = (
        # A split has at least a tile; 24 groups in a tile take more registers than there are.
        part.get("schedule") == SPLIT and part.get("k", 520) <= 128,
        part.get("schedule") == DEEP and part.get("group") == 16,
        # There is no zero, and 2^-127 beside 1 is not exact.
        part.get("scale") == "e8m0" and part.get("scale_values") == "zero",
        # The offset is of the size of x, the scaled sum far below: not exact in f32.
        part.get("zero") == "add" and part.get("scale_values") == "smallest" and part.get("exact"),
    )
    return not any(refused)


CASES = (
    full_product(OPTIONS, PRODUCT, SEED, allows, FULL)
    if FULL
    else covering_array(OPTIONS, SEED, TRIPLES, allows)
)


def case_name(case):
    return "-".join(str(value).split("{")[0] for value in case.values()).replace(" ", "")


def draw_scales(rng, format, grid, case):
    """Scales of a format: powers of two if exact, else any; some or all zero or the smallest."""
    exact, values = case["exact"], case["scale_values"]
    if exact:
        scales = np.exp2(rng.integers(-2, 1, grid)).astype(format.dtype)
    else:
        scales = format.round_up(rng.uniform(0.01, 1, grid))
    if values != "ordinary":
        # Sums are exact if all their terms are of a size.
        where = np.ones(grid, bool) if exact and values == "smallest" else rng.random(grid) < 0.5
        scales[where] = special_scale(case["scale"], values)
    return scales


def make_weights(case, rng):
    integer = tw.formats.parse_weight_format(case["format"])
    n, k = case["n"], case["k"]
    grid = Granularity.of(case["group"]).grid(n, k)
    codes = rng.integers(integer.min_code, integer.max_code + 1, (n, k))
    rule = case["zero"]
    zeros = None
    if rule == "integer" or (rule and case["exact"]):
        zeros = rng.integers(integer.min_code, integer.max_code + 1, grid)
    elif rule:
        zeros = rng.uniform(integer.min_code, integer.max_code + 1, grid)
    if rule in ("subtract", "add"):
        zeros = zeros.astype(FLOATS[case["zero_dtype"]])
    return tw.QuantizedTensor.from_codes(
        codes,
        draw_scales(rng, SCALE_FORMATS[case["scale"]], grid, case),
        zeros,
        format=case["format"],
        layout="nk",
        group_size=case["group"],
        scale_dtype=case["scale"],
        zero_rule=rule if rule == "add" else "subtract",
        tensor_scale=case["tensor_scale"],
    )


def check(case, seed):
    rng = np.random.default_rng(seed)
    weights = make_weights(case, rng)
    dtype, stride = FLOATS[case["x"]], case["stride"]
    x = make_x(rng, case["m"], case["k"], dtype, exact=case["exact"], stride=stride)

    def multiply(x):
        schedule = case["schedule"]
        return tw.linear(x, weights, out_dtype="f32", device=DEVICE, schedule=schedule)

    y = multiply(x)
    assert y.shape == (case["m"], case["n"])
    ref, low, magnitude = testing.linear_reference(x, weights, out_dtype=np.float32)
    if case["exact"]:
        assert magnitude.max(initial=0) < 2**20  # 22 bits with scales of a quarter
        # Only a scale of the tensor may leave more bits than the smallest scale has.
        np.testing.assert_array_equal(y, ref.astype(np.float32))
    else:
        testing.assert_within_bound(y, ref, low, magnitude=magnitude, k=case["k"], name="y")
    x, y = multiply_special(rng, x, y, multiply, stride=stride, special=case["special"])
    if case["zero"] in ("subtract", "add"):  # infinity minus infinity, as documented
        assert not np.isfinite(y).any()
    else:
        with np.errstate(invalid="ignore"):
            expected = testing.linear_reference(x, weights, out_dtype=np.float32)[0]
        np.testing.assert_array_equal(y.astype(np.float64), expected)


@pytest.mark.parametrize("case", CASES, ids=case_name)
def test_every_pair_of_options(case):
    check(case, seed=SEED + CASES.index(case))


def decode(name, code):
    """The number of a code, from the definition of the format."""
    if name == "e8m0":
        return float("nan") if code == 255 else 2.0 ** (code - 127)
    exponent_bits, bias = (4, 7) if name == "e4m3" else (5, 15)
    is_nan = code & 0x7F == 0x7F if name == "e4m3" else code == 0xFF
    if is_nan:
        return float("nan")
    exponent, mantissa = code >> 3 & (2**exponent_bits - 1), code & 7
    sign = -1 if name == "e4m3" and code >> 7 else 1
    if exponent == 0:
        return sign * mantissa / 8 * 2.0 ** (1 - bias)
    return sign * (1 + mantissa / 8) * 2.0 ** (exponent - bias)


@pytest.mark.parametrize("name", ["e8m0", "e4m3", "ue5m3"])
@pytest.mark.parametrize("group", [16, "channel"])
@pytest.mark.parametrize("dtype", ["f16", "bf16"])
def test_every_8_bit_scale_is_decoded_exactly(name, group, dtype):
    """Column n has scale n; x selects one weight of 1, within the loop and after it."""
    expected = np.array([decode(name, code) for code in range(256)])
    groups = 2 if group == 16 else 1
    scales = np.repeat(expected[:, None], groups, axis=1).astype(np.float32)
    weights = tw.QuantizedTensor.from_codes(
        np.ones((256, 32), np.int16),
        scales,
        None,
        format="u2",
        layout="nk",
        group_size=group,
        scale_dtype=name,
    )
    x = np.zeros((1, 32), FLOATS[dtype])
    x[0, 20] = 1
    y = tw.linear(x, weights, out_dtype="f32")
    np.testing.assert_array_equal(y[0].astype(np.float64), expected)
    np.testing.assert_array_equal(weights.scales()[:, 0].astype(np.float64), expected)


@pytest.mark.parametrize("name", list(SCALE_FORMATS))
def test_zero_and_the_smallest_scale(name):
    """They neither vanish nor grow, with either activation dtype, next to ordinary ones."""
    format = SCALE_FORMATS[name]
    smallest = format.from_bits(np.array([0, 1, 0], format.bits_dtype))
    smallest[2] = format.round_up(np.array([1.0]))[0]
    scales = np.tile(smallest, (40, 1))
    weights = tw.QuantizedTensor.from_codes(
        np.full((40, 48), 3), scales, None, format="i4", layout="nk", group_size=16,
        scale_dtype=name,
    )  # fmt: skip
    for dtype in FLOATS["f16"], FLOATS["bf16"]:
        x = np.zeros((3, 48), dtype)
        x[np.arange(3), np.arange(3) * 16 + 5] = 2
        y = tw.linear(x, weights, out_dtype="f32")
        expected = np.repeat(6 * smallest.astype(np.float64)[:, None], 40, axis=1)
        np.testing.assert_array_equal(y.astype(np.float64), expected)


@pytest.mark.parametrize("group", [32, "channel", (32, 16)])
@pytest.mark.parametrize("rule", [None, "integer", "subtract", "add"])
def test_nan_and_infinity_stay_in_their_row(group, rule):
    case = {
        "format": "u4", "group": group, "scale": "f16", "zero": rule, "zero_dtype": "f16",
        "n": 40, "k": 100, "tensor_scale": None, "exact": False, "scale_values": "ordinary",
    }  # fmt: skip
    weights = make_weights(case, np.random.default_rng(3))
    x = np.random.default_rng(4).standard_normal((5, 100)).astype(np.float16)
    clean = tw.linear(x, weights)
    x[1, 50], x[3, 99] = np.nan, np.inf
    y = tw.linear(x, weights)
    np.testing.assert_array_equal(y[[0, 2, 4]], clean[[0, 2, 4]])
    assert np.isnan(y[1]).all()
    if rule in (None, "integer"):
        with np.errstate(invalid="ignore"):
            expected = x[3:4].astype(np.float64) @ weights.dequantize(np.float64).T
        np.testing.assert_array_equal(y[3], expected[0].astype(np.float16))
    else:  # infinity minus infinity, as documented
        assert not np.isfinite(y[3]).any()


@pytest.mark.parametrize(
    ("rule", "ours"),
    [("subtract", lambda q, s, z: (q - z) * s), ("add", lambda q, s, z: q * s + z)],
)
def test_the_rules_of_zero_points_are_those_documented(rule, ours):
    rng = np.random.default_rng(8)
    codes = rng.integers(0, 16, (20, 64))
    scales, zeros = rng.standard_normal((2, 20, 2)).astype(np.float16)
    weights = tw.QuantizedTensor.from_codes(
        codes, scales, zeros, format="u4", layout="nk", group_size=32, zero_rule=rule
    )
    wide = [np.repeat(a.astype(np.float64), 32, axis=1) for a in (scales, zeros)]
    np.testing.assert_array_equal(weights.dequantize(np.float64), ours(codes, *wide))
    assert weights.zero_rule == rule
    assert weights.zeros().dtype == np.float16


@settings(max_examples=60, deadline=None)
@given(
    n=st.integers(0, 70),
    k=st.integers(0, 300),
    format=st.sampled_from(OPTIONS["format"]),
    group=st.one_of(
        st.sampled_from(["channel", "tensor"]),
        st.integers(1, 20).map(lambda rows: 16 * rows),
        st.tuples(st.integers(1, 20), st.integers(1, 9)).map(lambda g: (16 * g[0], 8 * g[1])),
    ),
    scale=st.sampled_from(list(SCALE_FORMATS)),
    zero=st.sampled_from(OPTIONS["zero"]),
    zero_dtype=st.sampled_from(list(FLOATS)),
    tensor_scale=st.sampled_from([None, 0.1]),
    seed=st.integers(0, 2**32 - 1),
)
def test_packing_and_files_give_everything_back(tmp_path_factory, seed, **case):
    rng = np.random.default_rng(seed)
    integer = tw.formats.parse_weight_format(case["format"])
    grid = Granularity.of(case["group"]).grid(case["n"], case["k"])
    codes = rng.integers(integer.min_code, integer.max_code + 1, (case["n"], case["k"]))
    format = SCALE_FORMATS[case["scale"]]
    bits = rng.integers(0, 256**format.bits_dtype.itemsize, grid).astype(format.bits_dtype)
    zeros = None
    if case["zero"] == "integer":
        zeros = rng.integers(integer.min_code, integer.max_code + 1, grid)
    elif case["zero"]:
        zeros = rng.standard_normal(grid).astype(FLOATS[case["zero_dtype"]])
    q = tw.QuantizedTensor.from_codes(
        codes, format.from_bits(bits), zeros, format=case["format"], layout="nk",
        group_size=case["group"], scale_dtype=case["scale"],
        zero_rule="add" if case["zero"] == "add" else "subtract",
        tensor_scale=case["tensor_scale"],
    )  # fmt: skip
    path = tmp_path_factory.mktemp("packed") / "w.safetensors"
    q.save(path)
    for weights in q, tw.QuantizedTensor.load(path):
        assert repr(weights) == repr(q)
        assert weights.zero_rule == (
            case["zero"] and ("add" if case["zero"] == "add" else "subtract")
        )
        np.testing.assert_array_equal(weights.codes(), codes)
        np.testing.assert_array_equal(format.to_bits(weights.scales()), bits)
        if zeros is None:
            assert weights.zeros() is None
        else:
            np.testing.assert_array_equal(weights.zeros(), zeros)


def test_files_of_version_1_say_nothing_of_scales():
    rng = np.random.default_rng(6)
    codes, zeros = rng.integers(0, 8, (40, 200)), rng.integers(0, 8, (40, 4))
    q = tw.QuantizedTensor.from_codes(
        codes, np.ones((40, 4), np.float16), zeros, format="u3", layout="nk", group_size=64
    )
    description, parts = q.description(), q.parts()
    for key in "scale", "zero", "zero_packing":
        del description[key]
    # Zero points were bytes: column 8j + g of 32 at 4g + j.
    columns = np.zeros((64, 4), np.uint8)
    columns[:40] = zeros
    old = columns.reshape(2, 4, 8, 4).transpose(3, 0, 2, 1)
    parts["zeros"] = np.ascontiguousarray(old).reshape(4, 64)
    r = tw.QuantizedTensor.from_parts({**description, "group_size": 64}, parts)
    np.testing.assert_array_equal(r.zeros(), zeros)
    np.testing.assert_array_equal(r.dequantize(), q.dequantize())


@pytest.mark.parametrize("bits", range(1, 9))
@pytest.mark.parametrize("group", [32, 64, 128, 256])
def test_stored_bytes_are_few_more_than_needed(bits, group):
    """Weights, scales and zero points of 2048 x 2048; needed: bits for each code and zero."""
    k = n = 2048
    groups = k // group * n
    q = tw.QuantizedTensor.from_codes(
        np.zeros((n, k), np.int16), np.zeros((n, k // group), np.float16),
        np.zeros((n, k // group), int), format=f"u{bits}", layout="nk", group_size=group,
    )  # fmt: skip
    needed = (n * k + groups) * bits / 8 + groups * 2
    assert 1 <= q.nbytes / needed <= 1.03
    blocks = tw.quantize(np.ones((n, k), np.float32), f"i{bits}", layout="nk",
                         group_size=(128, 128), scale_dtype="f32")  # fmt: skip
    assert blocks.nbytes / (n * k * bits / 8 + (k // 128) * (n // 128) * 4) <= 1.04


@pytest.mark.parametrize("scale", ["bf16", "f32", "e8m0", "ue5m3"])
def test_stored_scales_are_of_the_dtype_that_is_said(scale):
    q = tw.quantize(np.ones((32, 64), np.float32), "u4", layout="nk")
    with pytest.raises(ValueError, match=f"{scale} numbers are stored as .*, not float16"):
        tw.QuantizedTensor.from_parts({**q.description(), "scale": scale}, q.parts())
