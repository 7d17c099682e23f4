"""Arrays that score and mask functions read: how they are indexed, and where they are found."""

import functools
import re

import numpy as np
import pytest
from tilewright.captures import Captures, Operand
from tilewright.errors import UnsupportedError
from tilewright.scalar_evaluation import evaluate
from tilewright.tracing import record, trace

F32, I32 = np.float32, np.int32
NAMES = ("score", "batch", "head", "query", "key")


def refuses(message, function):
    with pytest.raises(UnsupportedError, match=message) as caught:
        trace(function)
    assert re.search(r"^score_mod at .*test_captures\.py:\d+: ", str(caught.value))


def test_operands():
    """Numbered in the order of their first use, shared by both functions."""
    rng = np.random.default_rng(3)
    bias, documents = rng.standard_normal((4, 9)).astype(F32), rng.integers(0, 3, (2, 9), I32)
    shown = rng.random((2, 4)) < 0.5
    b, d, s = Operand(bias), Operand(documents), Operand(shown)
    traced = trace(
        lambda score, batch, head, query, key: score + b[head, key],
        lambda batch, head, query, key: (d[batch, query] == d[batch, key]) & s[batch, head],
    )
    assert [o.dtype.name for o in traced.operands] == ["float32", "int32", "int32"]
    assert traced.operands[0] is bias and traced.operands[1] is documents
    assert "  %0 = nn.element 0[%head, %key] : f32\n" in traced.score
    assert re.findall(r"nn\.element (\d\[.*)", traced.mask) == [
        "1[%batch, %query] : i32", "1[%batch, %key] : i32", "2[%batch, %head] : i32",
    ]  # fmt: skip
    # The same functions serve a reference on whole arrays.
    batch, key = np.arange(2)[:, None], np.arange(9)[None]
    np.testing.assert_array_equal(d[batch, key], documents)
    assert s[batch, np.arange(4)[None]].dtype == np.bool_


def test_order_of_indices():
    """Kernels read arrays by batch, head, query and key, in this order."""
    table = np.arange(60, dtype=F32).reshape(3, 4, 5)
    o = Operand(table)
    for function, want in [
        (lambda s, b, h, q, k: s + o[h, q, k], table),
        (lambda s, b, h, q, k: s + o[k, h, q], table.transpose(1, 2, 0)),
        (lambda s, b, h, q, k: s + o[2, k, q], table[2].T),
        (lambda s, b, h, q, k: s + o[k][np.int64(-1)][q], table[:, -1].T),
    ]:
        (array,) = trace(function).operands
        np.testing.assert_array_equal(array, want)
        assert np.shares_memory(array, table)
    text = trace(lambda s, b, h, q, k: s + o[k, h, q]).score
    assert "nn.element 0[%head, %query, %key] : f32" in text


def test_indices_that_turn_out_to_be_known():
    o = Operand(np.array([2.5, 7], F32))
    text = trace(lambda s, b, h, q, k: s + o[np.where(True, 1, h)]).score
    assert "7.0e+00" in text and "nn.element" not in text


def test_one_array_by_rows_and_by_columns():
    """The same array read twice is one operand, in another order it is another."""
    o = Operand(np.zeros((4, 4), F32))
    assert len(trace(lambda s, b, h, q, k: s + o[q, k] * o[b, h]).operands) == 1
    assert len(trace(lambda s, b, h, q, k: s + o[q, k] * o[k, q]).operands) == 2


EXTENTS = {"batch": 2, "head": 3, "query": 5, "key": 7}


def lookups():
    """Functions of arrays that indices are computed for; NumPy evaluates them as they are."""
    rng = np.random.default_rng(8)
    distances = rng.standard_normal((3, 12)).astype(F32)
    documents, starts = rng.integers(0, 4, (2, 7)), rng.integers(0, 9, 4)
    blocks, square = rng.random((2, 4)) < 0.5, rng.standard_normal((7, 7)).astype(F32)
    return {
        "distances": lambda s, b, h, q, k: s + distances[h, q - k + 6],
        "from the end": lambda s, b, h, q, k: s + distances[-1 - h, k - q],
        "blocks": lambda s, b, h, q, k: np.where(blocks[q // 4, k // 2], s, 0.5),
        "an array of an array": lambda s, b, h, q, k: s + (q - starts[documents[b, q]]),
        "twice": lambda s, b, h, q, k: s + square[k, k] * square[q, q],
        "clipped": lambda s, b, h, q, k: s + square[np.minimum(q, 3), np.clip(k - q, 0, 6)],
    }


@pytest.mark.parametrize("name", lookups())
def test_computed_indices(name):
    """Looked up for all positions, of which the kernel then reads one."""
    function = lookups()[name]
    traced = trace(function, extents=EXTENTS)
    ranges = [np.arange(n, dtype=I32) for n in EXTENTS.values()]
    grid = np.meshgrid(*ranges, indexing="ij", sparse=True)
    want = np.broadcast_to(function(F32(0.25), *grid), tuple(EXTENTS.values()))
    recorded = record("score_mod", function, captures := Captures(EXTENTS))
    arguments = dict(zip(NAMES, [F32(0.25), *grid], strict=True))
    got = evaluate(recorded.result, arguments, captures.arrays)
    np.testing.assert_allclose(np.broadcast_to(got, want.shape), want, rtol=1e-6)
    # Only what is in the text is an operand.
    used = {int(n) for n in re.findall(r"nn\.element (\d+)", traced.score)}
    assert used == set(range(len(traced.operands)))


@pytest.mark.parametrize(
    "message, function",
    [
        ("2 indices of an array of 1 dim", lambda o, s, b, h, q, k: s + o[h, k]),
        ("computed, for which the lengths must be", lambda o, s, b, h, q, k: s + o[q - k]),
        ("indexed by a float32; expects integers", lambda o, s, b, h, q, k: s + o[s]),
        ("indexed by a bool; expects integers", lambda o, s, b, h, q, k: s + o[q > k]),
        ("depends on the score", lambda o, s, b, h, q, k: s + o[np.where(s > 0, q, k)]),
    ],
)
def test_operand_refusals(message, function):
    operand = Operand(np.zeros(4, F32))
    refuses(message, lambda *a: function(operand, *a))


def test_bad_indices():
    operand = Operand(np.zeros((4, 4), F32))
    message = "the index 4 of 4 elements; expects -4 to 3"
    refuses(message, lambda s, b, h, q, k: s + operand[4, k])
    refuses("indexed by slice; expects", lambda s, b, h, q, k: s + operand[q, :])
    refuses("add of a Part; expects", lambda s, b, h, q, k: s + operand[k])
    table = operand.array
    refuses(r"add of an array of shape \(4, 4\); expects", lambda s, b, h, q, k: s + table)
    huge = {"batch": 1, "head": 1, "query": 1 << 15, "key": 1 << 14}
    with pytest.raises(UnsupportedError, match="query x key = 32768 x 16384 positions"):
        trace(lambda s, b, h, q, k: s + operand[q - k, 0], extents=huge)


def test_dtypes_of_operands():
    small = [True, False], np.uint8([3, 4]), np.int64([-5, 2**31 - 1]), [0.1, 1e300]
    arrays = [Operand(np.asarray(values)).array for values in small]
    assert [a.dtype.name for a in arrays] == ["int32", "int32", "int32", "float32"]
    assert arrays[2].tolist() == [-5, 2**31 - 1]
    with pytest.raises(UnsupportedError, match="operand holds 2147483648, which does not fit"):
        Operand(np.array([2**31]))
    with pytest.raises(UnsupportedError, match="operand is complex64; expects bool, integers"):
        Operand(np.zeros(3, np.complex64))
    with pytest.raises(UnsupportedError, match="has 5 dimensions; expects 1 to 4"):
        Operand(np.zeros((1,) * 5, F32))


BIAS = np.arange(12, dtype=F32).reshape(3, 4)


def by_head(h, q):
    return BIAS[h, q]


class TestVariables:
    """Arrays that the function finds in its variables are read as operands are."""

    def reads(self, function, count=1):
        traced = trace(function, extents=EXTENTS)
        assert len(traced.operands) == count
        assert all(np.shares_memory(array, BIAS) for array in traced.operands)
        return traced

    def test_closures(self):
        bias = BIAS[:2]
        self.reads(lambda s, b, h, q, k: s + bias[h, q])

    def test_globals(self):
        self.reads(lambda s, b, h, q, k: s + BIAS[h, q])
        assert type(BIAS) is np.ndarray

    def test_functions_that_are_called(self):
        self.reads(lambda s, b, h, q, k: s + by_head(h, q))

    def test_defaults(self):
        self.reads(lambda s, b, h, q, k, bias=BIAS: s + bias[h, q])
        self.reads(lambda s, b, h, q, k, *, bias=BIAS: s + bias[h, q])

    def test_partial_functions(self):
        def add(bias, s, b, h, q, k):
            return s + bias[h, q]

        self.reads(functools.partial(add, BIAS))

    def test_functions_in_lists(self):
        masks = [lambda b, h, q, k: q >= k, lambda b, h, q, k: BIAS[h, q] > 3]

        def every(b, h, q, k):
            return masks[0](b, h, q, k) & masks[1](b, h, q, k)

        assert len(trace(mask_mod=every).operands) == 1

    def test_dictionaries_and_inner_functions(self):
        tables = {"bias": BIAS}

        def outer(s, b, h, q, k):
            def inner():
                return tables["bias"][h, q]

            return s + inner()

        self.reads(outer)

    def test_functions_that_call_themselves(self):
        def power(n, h, q):
            return BIAS[h, q] * power(n - 1, h, q) if n else 1.0

        self.reads(lambda s, b, h, q, k: s * power(2, h, q))

    def test_attributes_are_no_variables(self):
        with pytest.raises(UnsupportedError, match="must be variables of the function, or tw"):
            trace(lambda s, b, h, q, k: s * Table().rows[h, q])
        self.reads(lambda s, b, h, q, k: s * Table().read(h, q))

    def test_what_only_the_host_knows_stays_numpy(self):
        """Shapes, sums and elements at known places."""
        traced = trace(lambda s, b, h, q, k: s * BIAS.sum() + BIAS.shape[1] + BIAS[2, 3])
        assert "6.6e+01" in traced.score
        assert not traced.operands

    def test_variables_are_not_changed(self):
        seen = []
        trace(lambda s, b, h, q, k: seen.append(1) or s)
        assert seen == [1]


class Table:
    """An object whose arrays are no variables."""

    def __init__(self):
        self.rows = BIAS

    def read(self, h, q):
        return Operand(self.rows)[h, q]


class TestTorch:
    """Tensors are read wherever they lie, also as attributes."""

    @pytest.fixture
    def torch(self):
        return pytest.importorskip("torch", reason="torch is not installed: pip install torch")

    def test_tensors(self, torch):
        bias = torch.arange(12, dtype=torch.bfloat16).reshape(3, 4)

        class Module:
            documents = torch.tensor([[0, 0, 1], [0, 1, 1]])

            def mask(self, b, h, q, k):
                return (self.documents[b, q] == self.documents[b, k]) & (q >= k)

        traced = trace(lambda s, b, h, q, k: s + bias[h][q] * bias[2, 3], Module().mask)
        assert [a.dtype.name for a in traced.operands] == ["bfloat16", "int32"]
        np.testing.assert_array_equal(traced.operands[0].astype(F32), bias.float().numpy())
        assert "1.1e+01" in traced.score
        assert "nn.element 1[%batch, %key] : i32" in traced.mask

    def test_functions(self, torch):
        """The functions and methods that flex attention's examples use."""
        slope = torch.tensor(0.25)

        def function(s, b, h, q, k):
            s = torch.where(q >= k, s, -float("inf")) - slope * (q - k).abs()
            s = 20 * torch.tanh(s / 20) + torch.exp2(-((h + 1) * 8.0 / 4))
            return s + torch.clamp(q - k, min=-2, max=2).to(torch.float32)

        captures = Captures()
        got = evaluate(
            record("score_mod", function, captures).result,
            dict(zip(NAMES, (F32(1.5), I32(0), I32(1), I32(9), I32(2)), strict=True)),
            captures.arrays,
        )
        want = 20 * np.tanh((1.5 - 0.25 * 7) / 20) + 2.0**-4 + 2
        np.testing.assert_allclose(got, want, rtol=1e-6)

    def test_what_it_cannot_do_has_a_line(self, torch):
        table = torch.zeros(4, 4)
        refuses("depends on the score|by a float32", lambda s, b, h, q, k: s + table[s, q])
        refuses("no kernel computes erf", lambda s, b, h, q, k: torch.erf(s))
