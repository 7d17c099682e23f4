"""tw.attention over the lengths, head sizes and ratios it is accepted by, with its features.

A covering array: every two values of every two options meet in a case, and every three of the
options that say which keys a row sees. `TILEWRIGHT_ATTENTION_FULL=0/8` (`make
test-attention-full`) runs a part of the full product of shapes, the other options drawn at
random.
"""

import itertools
import os
import zlib

import ml_dtypes
import numpy as np
import pytest
import tilewright as tw
from covering import Combinations, covering_array, full_product, read_part
from tilewright import testing
from tilewright.attention_reference import attention_reference

#: What the design names.
LENGTHS = [(1, 147), (113, 203), (128, 217), (113, 211), (108, 256), (1, 1), (0, 9)]
HEAD_SIZES = [32, 64, 72, 96, 128, 192, 256]
RATIOS = [1, 2, 5, 7, 8]
OPTIONS = {
    "lengths": [*LENGTHS, (65, 0), (203, 113)],
    "d": HEAD_SIZES,
    "dv": ["d", 64],
    "ratio": RATIOS,
    "form": ["bshd", "bhsd", "strided", "varlen"],
    "dtype": ["f16", "bf16"],
    "causal": [False, True],
    "window": [(-1, -1), (40, 0), (16, 30), (-1, 5)],
    "q_offset": [None, 13, "batches"],
    "softcap": [0.0, 4.0],
    "alibi": [None, "heads", "batches"],
    "sinks": [False, True],
    "score_mod": [None, "distances", "table"],
    "mask_mod": [None, "stripes", "documents"],
    "scale": [None, 0.3],
    "lse": [False, True],
}
SEEN = ("causal", "window", "q_offset", "mask_mod")
PRODUCTS = [{name: OPTIONS[name] for name in three} for three in itertools.combinations(SEEN, 3)]
SHAPES = ("lengths", "d", "ratio", "form", "dtype", "causal")
FULL = read_part(os.environ.get("TILEWRIGHT_ATTENTION_FULL"))
PLAIN = {name: values[0] for name, values in OPTIONS.items()}
#: Lengths that take seconds, each with other features.
LONG = [
    PLAIN | {"lengths": (512, 512), "d": 64, "ratio": 2, "causal": True, "lse": True},
    PLAIN | {"lengths": (512, 1024), "d": 128, "dtype": "bf16", "mask_mod": "documents"},
    PLAIN | {"lengths": (1024, 1024), "d": 32, "form": "varlen", "causal": True},
    PLAIN | {"lengths": (2048, 2048), "d": 64, "window": (40, 0), "form": "bhsd", "sinks": True},
]
CASES = (
    full_product(OPTIONS, SHAPES, seed=1, part_of=FULL)
    if FULL
    else covering_array(OPTIONS, seed=5, products=PRODUCTS) + LONG
)
DTYPES = {"f16": np.float16, "bf16": ml_dtypes.bfloat16}


class Inputs:
    """Arrays of a case; sequences are batches that lie behind each other."""

    def __init__(self, case):
        self.case = case
        self.rng = np.random.default_rng(zlib.crc32(str(case).encode()))
        self.is_long = max(case["lengths"]) >= 512
        self.key_heads = 1 if self.is_long or case["ratio"] > 2 else 2
        self.heads = self.key_heads * case["ratio"]
        lengths = case["lengths"]
        if case["form"] == "varlen":
            # Two short ones, of which one is empty, beside the one that is asked for.
            self.lengths = [(3, 20), lengths, (0, 5)]
        else:
            self.lengths = [lengths] * (1 if self.is_long else 2)
        dv = case["d"] if case["dv"] == "d" else case["dv"]
        sides = (
            (0, self.heads, case["d"]),
            (1, self.key_heads, case["d"]),
            (1, self.key_heads, dv),
        )
        #: q, k and v of each batch, [S, H, D].
        self.parts = [
            [self.normal(pair[side], heads, size) for side, heads, size in sides]
            for pair in self.lengths
        ]

    def normal(self, *shape):
        return self.rng.standard_normal(shape).astype(DTYPES[self.case["dtype"]])

    def arguments(self):
        """Those of `tw.attention`; lists have an entry for each batch."""
        case, batch = self.case, len(self.lengths)
        arguments = {name: case[name] for name in ("causal", "window", "softcap", "scale")}
        if case["q_offset"] is not None:
            offsets = self.rng.integers(-60, 60, batch).astype(np.int32)
            arguments["q_offset"] = offsets if case["q_offset"] == "batches" else case["q_offset"]
        if case["alibi"]:
            shape = (self.heads,) if case["alibi"] == "heads" else (batch, self.heads)
            arguments["alibi_slopes"] = self.rng.random(shape).astype(np.float32) / 4
        if case["sinks"]:
            arguments["sinks"] = self.rng.standard_normal(self.heads).astype(np.float32)
        return arguments | self.functions()

    def functions(self):
        keys = max(pair[1] for pair in self.lengths)
        table = self.rng.standard_normal((self.heads, max(keys, 1))).astype(np.float16)
        numbers = np.sort(self.rng.integers(0, 4, max(keys, 1)))
        functions = {
            None: None,
            "distances": lambda s, b, h, q, k: s - (q - k) * (h + b + 1) / 64,
            "table": lambda s, b, h, q, k: s * 0.5 + table[h, k],
            "stripes": lambda b, h, q, k: (q + k) % 3 != b,
            "documents": lambda b, h, q, k: numbers[np.clip(q, 0, len(numbers) - 1)] == numbers[k],
        }
        return {name: functions[self.case[name]] for name in ("score_mod", "mask_mod")}


def run(inputs, arguments):
    """Results [S, H, D] and logarithms [H, S] of each batch, None where there are none."""
    case, count = inputs.case, len(inputs.lengths)
    if case["form"] == "varlen":
        q, k, v = (np.concatenate([part[i] for part in inputs.parts]) for i in range(3))
        starts = [
            np.cumsum([0, *side]).astype(np.int32) for side in zip(*inputs.lengths, strict=True)
        ]
        got = tw.attention_varlen(q, k, v, *starts, **arguments, return_lse=case["lse"])
        out, lse = got if case["lse"] else (got, None)
        rows = [slice(*starts[0][n : n + 2]) for n in range(count)]
        return [out[r] for r in rows], [None if lse is None else lse[:, r] for r in rows]
    q, k, v = (np.stack([part[i] for part in inputs.parts]) for i in range(3))
    if case["form"] == "strided":
        q, k, v = (pad(array) for array in (q, k, v))
    is_torch_order = case["form"] == "bhsd"
    if is_torch_order:
        q, k, v = (np.ascontiguousarray(a.transpose(0, 2, 1, 3)) for a in (q, k, v))
    layout = "bhsd" if is_torch_order else "bshd"
    got = tw.attention(q, k, v, **arguments, layout=layout, return_lse=case["lse"])
    out, lse = got if case["lse"] else (got, None)
    if is_torch_order:
        out = out.transpose(0, 2, 1, 3)
    return list(out), [None] * count if lse is None else list(lse)


def pad(array):
    """The same with room between rows, heads and batches."""
    batch, rows, heads, size = array.shape
    room = np.full((batch, rows + 1, heads + 1, size + 8), np.nan, array.dtype)
    room[:, :rows, :heads, :size] = array
    return room[:, :rows, :heads, :size]


@pytest.mark.parametrize("case", CASES, ids=lambda case: "-".join(map(str, case.values())))
def test_attention(case):
    inputs = Inputs(case)
    arguments = inputs.arguments()
    for n, (out, lse) in enumerate(zip(*run(inputs, arguments), strict=True)):
        check(inputs.parts[n], of_batch(arguments, n), out, lse)


def of_batch(arguments, n):
    """The arguments of the n-th batch alone, whose functions still get its number."""
    own = dict(arguments)
    for name, rank in (("q_offset", 1), ("alibi_slopes", 2)):
        if np.ndim(own.get(name)) == rank:
            own[name] = own[name][n]
    score_mod, mask_mod = own["score_mod"], own["mask_mod"]
    if score_mod:
        own["score_mod"] = lambda s, b, h, q, k: score_mod(s, n, h, q, k)
    if mask_mod:
        own["mask_mod"] = lambda b, h, q, k: mask_mod(n, h, q, k)
    return own


def check(qkv, arguments, out, lse):
    q, k, v = (array[None] for array in qkv)
    reference = attention_reference(q, k, v, **arguments)
    testing.assert_within_bound(out[None], reference.ref, reference.low)
    hidden = ~reference.visible.any(3)[0]
    assert (out.transpose(1, 0, 2)[hidden] == 0).all()
    if lse is None:
        return
    # A row's logarithm is off by as much as its scores, sums of D products.
    most = [np.abs(array.astype(np.float32)).max(initial=0) for array in (q, k)]
    scale = arguments["scale"] or q.shape[-1] ** -0.5
    size = np.full(reference.lse.shape, most[0] * most[1] * q.shape[-1] * scale, np.float32)
    testing.assert_within_bound(
        lse[None], reference.lse, reference.lse_low, magnitude=size, k=q.shape[-1], name="lse"
    )
    assert np.isneginf(lse[hidden]).all()


class TestCoverage:
    """What the cases have, counted without the code that makes them."""

    @pytest.fixture(autouse=True)
    def covering(self):
        if FULL:
            pytest.skip("a part of the full product")

    def test_every_pair_of_options(self):
        wanted = Combinations(OPTIONS, PRODUCTS)
        print(f"{len(CASES)} cases, {wanted.count()} combinations of their options")
        assert wanted.missing(CASES) == {}

    def test_shapes_of_the_design(self):
        """Each length, head size and ratio with each feature, on or off."""
        features = {
            "causal": lambda c: c["causal"],
            "window": lambda c: c["window"] != (-1, -1),
            "soft cap": lambda c: c["softcap"] > 0,
            "ALiBi": lambda c: c["alibi"] is not None,
            "sinks": lambda c: c["sinks"],
            "score_mod": lambda c: c["score_mod"] is not None,
            "mask_mod": lambda c: c["mask_mod"] is not None,
            "q_offset": lambda c: c["q_offset"] is not None,
            "varlen": lambda c: c["form"] == "varlen",
            "logarithms": lambda c: c["lse"],
            "bf16": lambda c: c["dtype"] == "bf16",
            "torch's layout": lambda c: c["form"] == "bhsd",
            "strides": lambda c: c["form"] == "strided",
            "values of another size": lambda c: c["dv"] != "d",
        }
        shapes = {"lengths": LENGTHS, "d": HEAD_SIZES, "ratio": RATIOS}
        for option, values in shapes.items():
            for name, has in features.items():
                for is_on in (False, True):
                    met = {repr(c[option]) for c in CASES if bool(has(c)) == is_on}
                    assert set(map(repr, values)) <= met, (option, name, is_on)
        for (one, a), (other, b) in itertools.combinations(shapes.items(), 2):
            met = {(repr(c[one]), repr(c[other])) for c in CASES}
            assert {(repr(x), repr(y)) for x in a for y in b} <= met
        assert {max(c["lengths"]) for c in LONG} == {512, 1024, 2048}
