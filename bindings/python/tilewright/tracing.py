"""Score and mask functions of attention, from Python to the text of an IR region.

    def softcapped(score, batch, head, query, key):
        return 20 * np.tanh(score / 20)

    trace(softcapped).score

`score` is float32, the others int32: the batch entry, the query head, and the absolute
positions of query and key. The function runs once; `scalars.py` and
`scalar_functions.py` say what it may do with its arguments. Two functions that compute the
same have the same text, whatever they are called: kernels are cached by it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from . import scalar_functions  # noqa: F401 (fills the table of functions)
from .captures import Captures, reading_tensors, with_captures
from .errors import ArgumentError
from .scalars import POSITIONS, PYTHON_NAME, Scalar, Trace, Type, in_order


@dataclass(frozen=True)
class Traced:
    """Functions as a kernel computes them.

    Attributes:
        score, mask: the regions, None where there is no function: a line for the block and
            its arguments, a line for each op, and `nn.yield`. Values are numbered in the
            order of their first use.
        operands: the arrays that they read, by the number after `nn.element`.
    """

    score: str | None
    mask: str | None
    operands: tuple[np.ndarray, ...]


def trace(
    score_mod: Callable[..., Any] | None = None,
    mask_mod: Callable[..., Any] | None = None,
    extents: Mapping[str, int] | None = None,
) -> Traced:
    """Runs the functions once each.

    Args:
        score_mod: `(score, batch, head, query, key)` -> the score that counts, a number.
        mask_mod: `(batch, head, query, key)` -> whether the key is visible, a bool.
        extents: how many batches, heads, queries and keys there are; needed by functions
            that index arrays by what they compute.

    Raises:
        ArgumentError: one takes other arguments, or returns something else.
        UnsupportedError: one does what no kernel can.
    """
    captures = Captures(extents)
    recorded = []
    if score_mod is not None:
        recorded.append(record("score_mod", score_mod, captures))
    if mask_mod is not None:
        recorded.append(record("mask_mod", mask_mod, captures))
    # What was read to be an index only is no operand of the kernel.
    numbers: dict[int, int] = {}
    for function in recorded:
        for scalar in in_order(function.result):
            if scalar.op == "nn.element":
                numbers.setdefault(scalar.value, len(numbers))
    texts = {function.what: _render(function, numbers) for function in recorded}
    operands = tuple(captures.arrays[number] for number in numbers)
    return Traced(texts.get("score_mod"), texts.get("mask_mod"), operands)


@dataclass(frozen=True)
class Recorded:
    """A function as an expression of its arguments."""

    what: str
    arguments: list[Scalar]
    result: Scalar


def record(what: str, function: Callable[..., Any], captures: Captures) -> Recorded:
    """Runs `function`, which is the "score_mod" or the "mask_mod", once; raises as `trace`."""
    parameters: list[tuple[str, Type]] = [(name, "i32") for name in POSITIONS]
    wanted: Type = "i1"
    if what == "score_mod":
        parameters, wanted = [("score", "f32"), *parameters], "f32"
    names = ", ".join(name for name, _ in parameters)
    if not callable(function):
        raise ArgumentError(
            f"{what} is of type {type(function).__name__}; expects a function of {names}"
        )
    trace = Trace(what, captures)
    arguments = [trace.get(type_, "argument", (), name) for name, type_ in parameters]
    _check_arity(what, function, names, len(arguments))
    with reading_tensors():
        value = trace.lift(returned := with_captures(function)(*arguments))
    if value is None:
        raise ArgumentError(
            f"{what} returns {type(returned).__name__}; expects {PYTHON_NAME[wanted]}"
        )
    if wanted == "i1" and value.type != "i1":
        raise ArgumentError(
            f"{what} returns {PYTHON_NAME[value.type]}; expects bool, as of a comparison"
        )
    return Recorded(what, arguments, value.to(wanted))


def _check_arity(what: str, function: Callable[..., Any], names: str, count: int) -> None:
    import inspect  # 10 ms that only attention with a function needs

    try:
        inspect.signature(function).bind(*range(count))
    except TypeError as error:
        raise ArgumentError(f"{what} is called with ({names}), but {error}") from None
    except ValueError:  # a builtin without a signature
        pass


def _render(function: Recorded, numbers: Mapping[int, int]) -> str:
    arguments, result = function.arguments, function.result
    declared = ", ".join(f"%{a.value}: {a.type}" for a in arguments)
    names = {id(a): f"%{a.value}" for a in arguments}
    lines = [f"^bb0({declared}):"]
    for scalar in in_order(result):
        if id(scalar) in names:
            continue
        operands = [names[id(a)] for a in scalar.args]
        names[id(scalar)] = name = f"%{len(names) - len(arguments)}"
        if scalar.op == "nn.element":
            number = numbers[scalar.value]
            text = f"nn.element {number}[{', '.join(operands)}] : {scalar.type}"
        else:
            text = _render_op(scalar, operands)
        lines.append(f"  {name} = {text}")
    lines.append(f"  nn.yield {names[id(result)]} : {result.type}")
    return "\n".join(lines) + "\n"


def _render_op(scalar: Scalar, operands: list[str]) -> str:
    listed = ", ".join(operands)
    if scalar.op == "constant":
        return f"arith.constant {_render_constant(scalar)}"
    if scalar.op.startswith("arith.cmp"):
        return f"{scalar.op}, {listed} : {scalar.args[0].type}"
    if scalar.op in ("arith.uitofp", "arith.sitofp", "arith.extui"):
        return f"{scalar.op} {listed} : {scalar.args[0].type} to {scalar.type}"
    return f"{scalar.op} {listed} : {scalar.type}"


def _render_constant(scalar: Scalar) -> str:
    value = scalar.value
    if scalar.type == "i1":
        return "true" if value else "false"
    if scalar.type == "i32":
        return f"{value} : i32"
    if not math.isfinite(value):
        return f"0x{int(np.float32(value).view(np.uint32)):08X} : f32"
    # The shortest decimal of a float32 names it, also where it is read as a double first.
    text = np.format_float_scientific(np.float32(value), unique=True, trim="0")
    return f"{text} : f32"
