"""Evaluates the text of a score or mask region with NumPy, op by op."""

from __future__ import annotations

import re

import numpy as np

TYPES = {"i1": np.bool_, "i32": np.int32, "f32": np.float32}


def _truncated(a, b):
    return np.sign(a) * np.sign(b) * (np.abs(a) // np.abs(b))


OPS = {
    "arith.addi": np.add, "arith.addf": np.add, "arith.subi": np.subtract,
    "arith.subf": np.subtract, "arith.muli": np.multiply, "arith.mulf": np.multiply,
    "arith.divf": np.divide, "arith.negf": np.negative, "arith.minsi": np.minimum,
    "arith.maxsi": np.maximum, "arith.minimumf": np.minimum, "arith.maximumf": np.maximum,
    "arith.andi": np.bitwise_and, "arith.ori": np.bitwise_or, "arith.xori": np.bitwise_xor,
    "arith.shli": np.left_shift, "arith.shrsi": np.right_shift, "arith.divsi": _truncated,
    "arith.remsi": lambda a, b: a - b * _truncated(a, b),
    "arith.select": lambda c, a, b: a if c else b,
    "math.exp2": np.exp2, "math.log2": np.log2, "math.tanh": np.tanh, "math.sqrt": np.sqrt,
    "math.absf": np.abs, "math.floor": np.floor, "math.sin": np.sin, "math.cos": np.cos,
    "arith.uitofp": lambda a: a, "arith.sitofp": lambda a: a, "arith.extui": lambda a: a,
}  # fmt: skip
COMPARE = {
    "eq": np.equal, "ne": np.not_equal, "slt": np.less, "sle": np.less_equal,
    "sgt": np.greater, "sge": np.greater_equal, "oeq": np.equal, "une": np.not_equal,
    "olt": np.less, "ole": np.less_equal, "ogt": np.greater, "oge": np.greater_equal,
}  # fmt: skip


def evaluate(text: str, **arguments):
    """What the region yields for `arguments`, named as its own."""
    head, *lines = text.splitlines()
    types = dict(re.findall(r"%(\w+): (\w+)", head))
    assert types.keys() == arguments.keys(), (types, arguments)
    values = {f"%{name}": TYPES[types[name]](value) for name, value in arguments.items()}
    for line in lines:
        if yielded := re.fullmatch(r"  nn\.yield (%\w+) : (\w+)", line):
            result = values[yielded[1]]
            assert type(result) is TYPES[yielded[2]]
            return result
        name, op, rest, type_ = re.fullmatch(
            r"  (%\d+) = (\S+?),? (.*?)(?: : (?:\w+ to )?(\w+))?", line
        ).groups()
        with np.errstate(all="ignore"):
            values[name] = _run(op, rest, type_, values)
    raise AssertionError(f"no nn.yield in\n{text}")


def _run(op: str, rest: str, type_: str, values: dict):
    if op == "arith.constant":
        if rest in ("true", "false"):
            return np.bool_(rest == "true")
        if rest.startswith("0x"):
            return np.uint32(int(rest, 16)).view(np.float32)
        return TYPES[type_](rest)
    words = rest.split(", ")
    if op in ("arith.cmpi", "arith.cmpf"):
        return np.bool_(COMPARE[words[0]](values[words[1]], values[words[2]]))
    operands = [values[word] for word in words]
    if op.startswith("arith.") and op not in ("arith.select",) and "to" not in op[6:]:
        assert len({type(o) for o in operands}) == 1, (op, operands)
    return TYPES[type_](OPS[op](*operands))
