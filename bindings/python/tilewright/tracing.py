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
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from . import scalar_functions  # noqa: F401 (fills the table of functions)
from .errors import ArgumentError
from .scalars import POSITIONS, PYTHON_NAME, Operand, Scalar, Trace, Type


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
    score_mod: Callable[..., Any] | None = None, mask_mod: Callable[..., Any] | None = None
) -> Traced:
    """Runs the functions once each.

    Args:
        score_mod: `(score, batch, head, query, key)` -> the score that counts, a number.
        mask_mod: `(batch, head, query, key)` -> whether the key is visible, a bool.

    Raises:
        ArgumentError: one takes other arguments, or returns something else.
        UnsupportedError: one does what no kernel can.
    """
    operands: list[Operand] = []
    score = mask = None
    if score_mod is not None:
        parameters = (("score", "f32"), *_positions())
        score = _trace("score_mod", score_mod, parameters, "f32", operands)
    if mask_mod is not None:
        mask = _trace("mask_mod", mask_mod, _positions(), "i1", operands)
    return Traced(score, mask, tuple(operand.array for operand in operands))


def _positions() -> tuple[tuple[str, Type], ...]:
    return tuple((name, "i32") for name in POSITIONS)


def _trace(
    what: str,
    function: Callable[..., Any],
    parameters: tuple[tuple[str, Type], ...],
    result: Type,
    operands: list[Operand],
) -> str:
    names = ", ".join(name for name, _ in parameters)
    if not callable(function):
        raise ArgumentError(
            f"{what} is of type {type(function).__name__}; expects a function of {names}"
        )
    trace = Trace(what, operands)
    arguments = [trace.get(type_, "argument", (), name) for name, type_ in parameters]
    _check_arity(what, function, names, len(arguments))
    value = trace.lift(returned := function(*arguments))
    if value is None:
        raise ArgumentError(
            f"{what} returns {type(returned).__name__}; expects {PYTHON_NAME[result]}"
        )
    if result == "i1" and value.type != "i1":
        raise ArgumentError(
            f"{what} returns {PYTHON_NAME[value.type]}; expects bool, as of a comparison"
        )
    return _render(arguments, value.to(result))


def _check_arity(what: str, function: Callable[..., Any], names: str, count: int) -> None:
    import inspect  # 10 ms that only attention with a function needs

    try:
        inspect.signature(function).bind(*range(count))
    except TypeError as error:
        raise ArgumentError(f"{what} is called with ({names}), but {error}") from None
    except ValueError:  # a builtin without a signature
        pass


def _render(arguments: list[Scalar], result: Scalar) -> str:
    declared = ", ".join(f"%{a.value}: {a.type}" for a in arguments)
    names = {id(a): f"%{a.value}" for a in arguments}
    lines = [f"^bb0({declared}):"]
    for scalar in _in_order(result):
        if id(scalar) in names:
            continue
        names[id(scalar)] = name = f"%{len(names) - len(arguments)}"
        lines.append(f"  {name} = {_render_op(scalar, [names[id(a)] for a in scalar.args])}")
    lines.append(f"  nn.yield {names[id(result)]} : {result.type}")
    return "\n".join(lines) + "\n"


def _in_order(result: Scalar) -> list[Scalar]:
    """What `result` is computed from, operands first, itself last. Depth may exceed the
    interpreter's recursion limit."""
    done: dict[int, Scalar] = {}
    pending: list[tuple[Scalar, bool]] = [(result, False)]
    while pending:
        scalar, has_operands = pending.pop()
        if id(scalar) in done:
            continue
        if has_operands:
            done[id(scalar)] = scalar
            continue
        pending.append((scalar, True))
        pending.extend((a, False) for a in reversed(scalar.args))
    return list(done.values())


def _render_op(scalar: Scalar, operands: list[str]) -> str:
    listed = ", ".join(operands)
    if scalar.op == "nn.element":
        return f"nn.element {scalar.value}[{listed}] : {scalar.type}"
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
