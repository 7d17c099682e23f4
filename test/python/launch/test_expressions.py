"""Expressions of launch specs: NumPy arithmetic, and nothing that could do harm."""

import contextlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tilewright.spec.expressions import FUNCTIONS, ExpressionError, evaluate

NAMES = {"x": np.arange(6, dtype=np.float32).reshape(2, 3), "n": np.arange(5, dtype=np.uint8)}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x * 2 + 1", NAMES["x"].astype(float) * 2 + 1),
        ("n * 100", np.arange(5) * 100),
        ("n // 2 % 2 == 1", np.arange(5) // 2 % 2 == 1),
        ("x[1, ::2]", NAMES["x"][1, ::2]),
        ("sum(x, axis=0)", NAMES["x"].sum(0)),
        ("x @ transpose(x)", NAMES["x"] @ NAMES["x"].T),
        ("where(x > 2, x, -x)", np.where(NAMES["x"] > 2, NAMES["x"], -NAMES["x"])),
        ("astype(x / 3, 'f16')", (NAMES["x"] / 3).astype(np.float16)),
        ("bincount(n % 3, minlength=4)", [2, 2, 1, 0]),
        ("tile(arange(1, 4), 2)", [1, 2, 3, 1, 2, 3]),
        ("concatenate((n, [9]))", [0, 1, 2, 3, 4, 9]),
        ("full((2, 2), pi)", np.full((2, 2), np.pi)),
        ("ones(3) @ ones((3, 2))", [3, 3]),
        ("dot(arange(3), arange(3))", 5),
        ("sum(matmul(ones((32768, 1, 1)), ones((32768, 1, 1))))", 32768),
        ("~n & 255 | 1 << 8", (~np.arange(5) & 255) | 256),
    ],
)
def test_expressions(text, expected):
    np.testing.assert_allclose(evaluate(text, NAMES), expected, rtol=1e-3)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x +", "no expression"),
        ("", "no expression"),
        ("y", "no array is called 'y'"),
        ("sqroot(x)", "no function is called 'sqroot'; did you mean 'sqrt'?"),
        ("x.dtype", "Attribute"),
        ("__import__('os')", "no function is called '__import__'"),
        ("x.tofile('a')", "no function is called 'x.tofile'"),
        ("(lambda: 1)()", "no function is called"),
        ("[i for i in x]", "ListComp"),
        ("'a' + 'b'", "no array"),
        ("x + n", "broadcast"),
        ("x[9]", "out of bounds"),
        ("sum(x, axis=7)", "axis"),
        ("sum(x, out=x)", "takes no 'out'"),
        ("zeros(1000000000000)", "elements"),
        ("zeros((1 << 20, 1 << 20))", "elements"),
        ("arange(0, 1e18)", "elements"),
        ("arange(1, 2, 0)", "elements"),
        ("tile(x, 1000000000)", "elements"),
        ("repeat(x, 1 << 60)", "elements"),
        ("outer(arange(1 << 20), arange(1 << 20))", "elements"),
        ("arange(1 << 20) + reshape(arange(1 << 20), (1 << 20, 1))", "elements"),
        ("maximum(arange(1 << 20), reshape(arange(1 << 20), (1 << 20, 1)))", "elements"),
        ("ones((1 << 20, 1)) @ ones((1, 1 << 20))", "elements"),
        ("dot(ones((1 << 20, 1)), ones((1, 1 << 20)))", "elements"),
        ("matmul(ones((9, 1 << 13, 1)), ones((1, 1 << 13)))", "elements"),
        ("bincount(n + (1 << 40))", "bins"),
        ("1 if x else 2", "IfExp"),
        ("1 < x < 2", "chain"),
        ("1 and 2", "BoolOp"),
        ("-" * 5000 + "1", "expression"),
        ("(" * 500 + "1" + ")" * 500, "expression"),
        ("1+" * 5000 + "1", "expression"),
        ("99999999999999999999999", "64 bits"),
        ("'text'", "no array of numbers"),
        ("9**9**9**9", "powers"),
        ("1j", "no number"),
        ("True", "no number"),
        ("arange()", "'arange()'"),
        ("max()", "'max()'"),
        ("astype(x, 'f33')", "astype to 'f33'; did you mean 'f32'?"),
        ("astype(x, x)", "astype"),
    ],
)
def test_expressions_that_are_refused(text, words):
    with pytest.raises(ExpressionError) as caught:
        evaluate(text, NAMES)
    assert words in str(caught.value)


SAFE_LETTERS = st.text("xn0123456789 .,:()[]+-*/%@<>=&|^~'e_", max_size=40)
CALLS = st.tuples(st.sampled_from(sorted(FUNCTIONS)), SAFE_LETTERS).map(lambda t: f"{t[0]}({t[1]})")


@settings(max_examples=300, deadline=None)
@given(st.one_of(SAFE_LETTERS, CALLS, st.text(max_size=20)))
def test_any_text_is_an_expression_or_refused(text):
    with contextlib.suppress(ExpressionError):
        evaluate(text, NAMES)
