"""Score and mask functions traced to regions: what they compute, and what they refuse."""

import math
import re

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings
from region import evaluate
from tilewright.captures import Captures
from tilewright.errors import ArgumentError, UnsupportedError
from tilewright.scalar_evaluation import evaluate as evaluate_all
from tilewright.tracing import record, trace

F32, I32 = np.float32, np.int32
NAMES = ("score", "batch", "head", "query", "key")


def check(function, **arguments):
    """The region and the function itself, on NumPy's numbers, agree."""
    scalars = [F32(arguments["score"]), *(I32(arguments[name]) for name in NAMES[1:])]
    with np.errstate(all="ignore"):
        want = F32(function(*scalars))
    got = evaluate(trace(function).score, **arguments)
    np.testing.assert_allclose(got, want, rtol=3e-6, atol=1e-6, err_msg=trace(function).score)


FUNCTIONS = {
    "softcap": lambda s, b, h, q, k: 20 * np.tanh(s / 20),
    "alibi": lambda s, b, h, q, k: s - np.exp2(-(h + 1) * 0.5) * abs(q - k),
    "masked": lambda s, b, h, q, k: np.where((q >= k) & (q - k < 128), s, -np.inf),
    "floor": lambda s, b, h, q, k: s * ((q - 9) // 4) + (k - q) // -3 + (q - k) % 7 + (k - 5) % -5,
    "floats": lambda s, b, h, q, k: (s * 3) // 2 + (s * 5) % 3,
    "powers": lambda s, b, h, q, k: s**2 + (s * s + 1) ** 0.5 - q**3,
    "logs": lambda s, b, h, q, k: np.log(abs(s) + 1) + np.log2(k + 1.5) + np.exp(-abs(s)),
    "waves": lambda s, b, h, q, k: np.sin(s) + np.cos(q) + np.floor(s) + np.sqrt(k + 1.0),
    "extremes": lambda s, b, h, q, k: np.minimum(s, q) + np.maximum(k, b) + np.clip(s, -1, 1),
    "bits": lambda s, b, h, q, k: s + ((q ^ k) & 7 | (h << 2)) + (~q >> 1),
    "bools": lambda s, b, h, q, k: s + (q > k) * 2 + np.where(~(q == k) ^ (s != 0), 1, 2.5),
    "reversed": lambda s, b, h, q, k: 1 - s + 2 / (1 + abs(s)) - 7 // (k + 1) + 9 % (q + 1),
    "logic": lambda s, b, h, q, k: np.where(
        np.logical_and(s > 0, q) & np.logical_not(np.logical_or(k > 9, b)), s, -s
    ),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions(name):
    rng = np.random.default_rng(len(name))
    for _ in range(20):
        score, (batch, head, query, key) = rng.normal() * 8, rng.integers(0, 40, 4).tolist()
        check(FUNCTIONS[name], score=score, batch=batch, head=head, query=query, key=key)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_on_whole_arrays(name):
    """What block masks are computed with."""
    function, captures = FUNCTIONS[name], Captures()
    rng = np.random.default_rng(len(name))
    arguments = {n: rng.integers(0, 40, 50).astype(I32) for n in NAMES[1:]}
    arguments = {"score": (8 * rng.standard_normal(50)).astype(F32)} | arguments
    got = evaluate_all(record("score_mod", function, captures).result, arguments, [])
    with np.errstate(all="ignore"):
        want = [function(*(a[i] for a in arguments.values())) for i in range(50)]
    np.testing.assert_allclose(got, np.array(want, F32), rtol=3e-6, atol=1e-6)


def test_text():
    text = trace(lambda s, b, h, q, k: np.where(q >= k, s * 0.5, -np.inf)).score
    assert text.splitlines() == [
        "^bb0(%score: f32, %batch: i32, %head: i32, %query: i32, %key: i32):",
        "  %0 = arith.cmpi sge, %query, %key : i32",
        "  %1 = arith.constant 5.0e-01 : f32",
        "  %2 = arith.mulf %score, %1 : f32",
        "  %3 = arith.constant 0xFF800000 : f32",
        "  %4 = arith.select %0, %2, %3 : f32",
        "  nn.yield %4 : f32",
    ]


def test_mask():
    text = trace(mask_mod=lambda b, h, q, k: (q // 16 == k // 16) | (k < 4)).mask
    for query, key in ((17, 31), (17, 32), (99, 3)):
        want = query // 16 == key // 16 or key < 4
        assert evaluate(text, batch=0, head=0, query=query, key=key) == want


def test_same_computation_same_text():
    """Names, unused work and repeated expressions do not tell kernels apart."""

    def one(score, batch, head, query, key):
        np.tanh(score * 9)
        return (query - key) * score + (query - key)

    def other(s, b, h, q, k):
        distance = q - k
        return distance * s + distance

    assert trace(one) == trace(other)
    assert trace(one).score.count("arith.subi") == 1


def test_constants_fold_in_float32():
    text = trace(lambda s, b, h, q, k: s * (np.float64(0.1) + F32(0.2)) * 2).score
    (first, _) = re.findall(r"constant (\S+) : f32", text)
    assert F32(first) == F32(0.1 + np.float64(F32(0.2)))
    zeros = trace(lambda s, b, h, q, k: np.maximum(s, -0.0) + np.minimum(s, 0.0)).score
    assert "-0.0e+00" in zeros and " 0.0e+00" in zeros


@given(
    value=st.floats(width=32, allow_nan=False),
    integer=st.integers(-(2**31), 2**31 - 1),
)
@settings(max_examples=200, deadline=None)
def test_constants_are_exact(value, integer):
    text = trace(lambda s, b, h, q, k: np.where(k == integer, s, value)).score
    arguments = {"batch": 0, "head": 0, "query": 0}
    other = 0 if integer else 1
    got = evaluate(text, score=3, key=other, **arguments)
    assert got.tobytes() == F32(value).tobytes()
    assert evaluate(text, score=3, key=integer, **arguments) == 3


# With four leaves and small whole numbers every value but tanh is exact in float32 and int32.
LEAVES = st.sampled_from(["s", "q", "k", "h", "b", "2", "-3", "0.5", "7"])
INTEGERS = st.sampled_from(["q", "k", "h", "(q - k)", "(k * 2 - q)", "5"])
DIVISORS = st.sampled_from(["2", "3", "4", "-3", "-8"])
COMPARISONS = st.sampled_from(["<", "<=", ">", ">=", "==", "!="])


def joined(template, *parts):
    return st.builds(template.format, *parts)


EXPRESSIONS = st.recursive(
    LEAVES
    | joined("({} {} {})", INTEGERS, st.sampled_from(["//", "%"]), DIVISORS)
    | joined("({} {} {})", INTEGERS, st.sampled_from("&|^"), INTEGERS),
    lambda inner: (
        joined("({} {} {})", inner, st.sampled_from("+-*"), inner)
        | joined("np.where({} {} {}, {}, {})", inner, COMPARISONS, inner, inner, inner)
        | joined("np.{}({}, {})", st.sampled_from(["minimum", "maximum"]), inner, inner)
        | joined("np.tanh({})", inner)
        | joined("abs({})", inner)
    ),
    max_leaves=4,
)


@given(EXPRESSIONS, st.integers(-8, 8), st.lists(st.integers(0, 9), min_size=4, max_size=4))
@settings(max_examples=400, deadline=None)
def test_random_functions(source, score, positions):
    function = eval(f"lambda s, b, h, q, k: {source}", {"np": np})
    arguments = dict(zip(NAMES, [score, *positions], strict=True))
    want = float(function(np.float64(score), *(np.int64(p) for p in positions)))
    got = float(evaluate(trace(function).score, **arguments))
    if "np.tanh" not in source:
        assert got == want, source
    elif "np.where" not in source:  # rounding may turn a comparison over
        assert got == pytest.approx(want, rel=1e-5, abs=1e-3), source


def not_a_function_of(message, function, error=UnsupportedError):
    with pytest.raises(error, match=message) as caught:
        trace(function)
    return str(caught.value)


def test_refusals_name_the_line():
    message = not_a_function_of(
        r"use np\.where\(condition, a, b\)", lambda s, b, h, q, k: s if q > k else 0
    )
    assert re.search(r"^score_mod at .*test_tracing\.py:\d+: ", message)


@pytest.mark.parametrize(
    "message, function",
    [
        ("chained comparison", lambda s, b, h, q, k: s * (0 < q < k)),
        ("function of math needs", lambda s, b, h, q, k: math.tanh(s)),
        (r"int\(\) needs", lambda s, b, h, q, k: int(q)),
        ("an index", lambda s, b, h, q, k: [1, 2][h]),
        ("no .tan here; did you mean 'tanh'", lambda s, b, h, q, k: s.tan()),
        ("a float32 as an integer", lambda s, b, h, q, k: s.int()),
        ("a conversion to complex64", lambda s, b, h, q, k: s.to(np.complex64)),
        ("iteration", lambda s, b, h, q, k: sum(s)),
        ("no kernel computes arctan; did you mean 'tanh'", lambda s, b, h, q, k: np.arctan(s)),
        (r"np\.add\.reduce with", lambda s, b, h, q, k: np.add.reduce(s)),
        ("shli of a float32", lambda s, b, h, q, k: s << 2),
        ("a shift by 32; expects 0 to 31", lambda s, b, h, q, k: q << 32),
        ("does not fit int32; the nearest is 2147483647", lambda s, b, h, q, k: q + 2**40),
        (r"beyond float32; the nearest is 3\.4028", lambda s, b, h, q, k: s * 1e300),
        ("divided by zero", lambda s, b, h, q, k: s + q % 0),
        ("a power other than", lambda s, b, h, q, k: s**q),
        ("add of a str; expects a number", lambda s, b, h, q, k: s + "1"),
    ],
)
def test_refusals(message, function):
    not_a_function_of(message, function)


def test_bad_functions():
    not_a_function_of("is of type int; expects a function of score", 3, error=ArgumentError)
    not_a_function_of(
        r"called with \(score, batch, head, query, key\), but too many",
        lambda s, b, h, q: s,
        error=ArgumentError,
    )
    not_a_function_of("returns NoneType; expects float32", lambda *a: None, error=ArgumentError)
    with pytest.raises(ArgumentError, match="mask_mod returns int32; expects bool"):
        trace(mask_mod=lambda b, h, q, k: q)


def test_values_of_another_function():
    kept = []
    trace(lambda s, b, h, q, k: kept.append(s) or s)
    not_a_function_of("a value of another function", lambda s, b, h, q, k: s + kept[0])


class Tensor:
    """What torch does with an argument that is not its own."""

    @staticmethod
    def call(name, *args, **options):
        def function():
            pass

        function.__name__ = name
        return type(args[0]).__torch_function__(function, (), args, options)


def test_torch_functions():
    text = trace(
        lambda s, b, h, q, k: Tensor.call("clamp", Tensor.call("sigmoid", s), min=0.25, max=0.5)
    ).score
    for score in (-3.0, -0.5, 3.0):
        want = min(max(1 / (1 + math.exp(-score)), 0.25), 0.5)
        got = evaluate(text, score=score, batch=0, head=0, query=0, key=0)
        assert got == pytest.approx(want, rel=1e-6)


def test_methods():
    def function(s, b, h, q, k):
        return (q - k).abs().float().clamp(max=3).to(np.float32) + s.tanh() + (q > k).int()

    got = evaluate(trace(function).score, score=0.5, batch=0, head=0, query=9, key=2)
    assert got == pytest.approx(3 + math.tanh(0.5) + 1)


def test_deep_functions():
    def deep(s, b, h, q, k):
        for _ in range(3000):
            s = s + k
        return s

    got = evaluate(trace(deep).score, score=1, batch=0, head=0, query=0, key=2)
    assert got == 6001
