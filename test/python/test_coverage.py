"""What the covering arrays cover, counted without the code that makes them.

Each array must have every two values of every two of its options, and its products. And
the arrays of quantised products together must have what products of packed weights are
to be tested with, whatever the options of an array are called or become: every format
there is with every tail, stride and special value. Run with `-s` to see the counts.
"""

import itertools

import numpy as np
import pytest
import test_codebooks
import test_float_weights
import test_linear
import test_scales
from covering import Combinations, covering_array, full_product
from tilewright import formats
from tilewright.scale_formats import SCALE_FORMATS

ARRAYS = {
    "integers and scales": test_scales,
    "integers and endings": test_linear,
    "floats": test_float_weights,
    "codebooks": test_codebooks,
}
TAILS = (1, 17, 63, 65, 127)
STRIDES = (
    "plain",
    "column-major",
    "rows reversed",
    "columns reversed",
    "every third row",
    "misaligned",
    "broadcast",
)
INTEGERS = [f"{sign}{bits}" for sign in "ui" for bits in range(1, 9)]
FLOATS = list(formats._FLOAT_CODES)
CODEBOOKS = ["lut2", "lut3", "lut4", "nf4"]
#: With every format: values of one option, or of two.
WITH_EVERY_FORMAT = {
    "activation dtype": {"x": ("f16", "bf16")},
    "group inside a tile": {"group": (32, 64)},
    "group across tiles": {"group": (48,)},
    "group of a tile, channel": {"group": (128, "channel")},
    "tails in M": {"m": TAILS},
    "tails in N": {"n": TAILS},
    "tails in K": {"k": TAILS},
    "strides": {"stride": STRIDES},
    "NaN and infinity": {"special": (np.nan, np.inf, -np.inf)},
    "scales of 0, the smallest": {"scale_values": ("zero", "smallest")},
}
#: Beside formats.
TOGETHER = {
    "tails in M, N": {"m": TAILS, "n": TAILS},
    "tails in M, K": {"m": TAILS, "k": TAILS},
    "tails in N, K": {"n": TAILS, "k": TAILS},
    "special values in tails of K": {"special": (np.nan, np.inf), "k": TAILS},
    "strides in tails of K": {"stride": ("plain", "broadcast", "misaligned"), "k": TAILS},
}
OF_INTEGERS = {
    "widths, signs, 3 groups, zeros": {
        "format": INTEGERS,
        "group": (32, 128, "channel"),
        "zero": (None, "integer", "subtract", "add"),
    },
    "widths, signs, zeros, dtypes": {
        "format": INTEGERS,
        "zero": (None, "integer", "subtract", "add"),
        "x": ("f16", "bf16"),
    },
    "widths, signs, scale formats": {"format": INTEGERS, "scale": tuple(SCALE_FORMATS)},
}


def key(case, names):
    return tuple(repr(case.get(name)) for name in names)


def demands():
    """What is wanted: a title, which cases may have it, and the values by option."""
    kinds = {"integers": INTEGERS, "floats": FLOATS, "codebooks": CODEBOOKS}
    for title, values in WITH_EVERY_FORMAT.items():
        for kind, names in kinds.items():
            yield f"{kind}: {title}", {"format": names, **values}
    for title, values in TOGETHER.items():
        for kind in kinds:
            yield f"{kind}: {title}", {"kind": [kind], **values}
    for title, values in OF_INTEGERS.items():
        yield title, values
    yield "floats: scale formats", {"format": FLOATS, "scale": tuple(SCALE_FORMATS)}


def every_case():
    """The cases of all arrays, each with what kind of codes it has."""
    kinds = {"u": "integers", "i": "integers", "l": "codebooks", "n": "codebooks"}
    for array in ARRAYS.values():
        for case in array.CASES:
            yield {"kind": kinds.get(case["format"][0], "floats"), **case}


def test_the_formats_are_all_there_are():
    """So that a new one is missed here."""
    for name in [*INTEGERS, *FLOATS, *CODEBOOKS[:3]]:
        assert formats.parse_weight_format(name).name == name
    assert set(FLOATS) == set(test_float_weights.SPLITS)


@pytest.mark.parametrize("name", ARRAYS)
def test_each_array_has_every_pair_of_its_options(name):
    array = ARRAYS[name]
    products = getattr(array, "TRIPLES", ())
    wanted = Combinations(array.OPTIONS, products, getattr(array, "allows", lambda part: True))
    print(f"{name}: {len(array.CASES)} cases, {wanted.count()} combinations of their options")
    assert wanted.missing(array.CASES) == {}
    assert all(array.allows(case) for case in array.CASES if hasattr(array, "allows"))


def test_the_arrays_have_what_is_wanted():
    cases = list(every_case())
    lacking = {}
    for title, values in demands():
        wanted = set(itertools.product(*([repr(v) for v in part] for part in values.values())))
        met = {key(case, values) for case in cases} & wanted
        print(f"{title:48} {len(met):4} of {len(wanted):4}")
        if met != wanted:
            lacking[title] = sorted(wanted - met)[:5]
    assert lacking == {}


SMALL = {"a": [1, 2, 3], "b": ["x", "y"], "c": [None, True, float("nan")], "d": [0, 1]}


class TestCovering:
    """The maker of arrays, by enumeration."""

    def test_pairs(self):
        rows = covering_array(SMALL, seed=1)
        assert len(rows) < 3 * 2 * 3 * 2 / 2
        for (a, xs), (b, ys) in itertools.combinations(SMALL.items(), 2):
            met = {(repr(row[a]), repr(row[b])) for row in rows}
            assert met == {(repr(x), repr(y)) for x in xs for y in ys}

    def test_products(self):
        product = {"a": [1, 3], "b": ["x", "y"], "c": [True]}
        rows = covering_array(SMALL, seed=1, products=[product])
        met = {(row["a"], row["b"]) for row in rows if row["c"] is True}
        assert met >= set(itertools.product([1, 3], "xy"))

    def test_what_is_not_allowed_is_neither_made_nor_missed(self):
        def allows(part):
            return (part.get("a"), part.get("b")) != (1, "x")

        rows = covering_array(SMALL, seed=1, allows=allows)
        assert all(allows(row) for row in rows)
        wanted = Combinations(SMALL, allows=allows)
        assert wanted.missing(rows) == {}
        assert wanted.count() == Combinations(SMALL).count() - 1

    def test_missing_combinations_are_named(self):
        rows = covering_array(SMALL, seed=1)
        kept = [row for row in rows if not (row["a"] == 2 and row["d"] == 1)]
        assert Combinations(SMALL).missing(kept)["a", "d"] == {("2", "1")}

    def test_the_full_product(self):
        def allows(part):
            return (part.get("a"), part.get("b")) != (1, "x") and part.get("c") == part.get("c")

        rows = full_product(SMALL, ("a", "b"), 1, allows)
        pairs = [(row["a"], row["b"]) for row in rows]
        assert pairs == [pair for pair in itertools.product([1, 2, 3], "xy") if pair != (1, "x")]
        assert all(list(row) == list(SMALL) and allows(row) for row in rows)
        parts = [full_product(SMALL, ("a", "b"), 1, allows, (i, 2)) for i in range(2)]
        assert (parts[0], parts[1]) == (rows[0::2], rows[1::2])

    def test_an_impossible_demand_is_an_error(self):
        with pytest.raises(ValueError, match=r"expects a row with .*'a'"):
            covering_array(SMALL, seed=1, allows=lambda part: len(part) < 3)
