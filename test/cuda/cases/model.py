"""What a case is: a program, its launches, its inputs and what must come out.

Nothing here knows who runs a case: the tests on the emulated device, the
mutation proof and a run on a GPU all read the same description.

A case is a function of a seeded NumPy generator to a `Problem`; `register`
makes a `Case` of it:

    @case("reduce", mutants=[Mutant("BUG_1", "race")])
    def tree(rng):
        x = rng.integers(-9, 9, 1000, dtype=np.int32)
        return Problem(
            buffers={"x": x, "sum": Empty(1, np.int32)},
            launches=[Launch("reduceTree", 1, 256, ["x", "sum", np.int32(x.size)])],
            expected={"sum": exact(x.sum())},
        )
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

Shape = int | tuple[int, ...]
Argument = Any  # a buffer's name, a NumPy scalar, bytes, `Struct`, `Offset`, None: null


@dataclass(frozen=True)
class Empty:
    """Device memory that nobody writes before the kernels do."""

    shape: Shape
    dtype: Any

    @property
    def nbytes(self) -> int:
        return int(np.prod(self.shape)) * np.dtype(self.dtype).itemsize


@dataclass(frozen=True)
class Offset:
    """The address of a buffer's byte as an argument."""

    buffer: str
    nbytes: int


@dataclass(frozen=True)
class Struct:
    """A structure passed by value; a `str` field is the address of that buffer.

    Fields lie at multiples of their own size, as C++ lays out numbers and pointers.
    """

    fields: tuple[Any, ...]

    def pack(self, address: Callable[[str], int]) -> bytes:
        raw, widest = bytearray(), 1
        for value in self.fields:
            scalar = np.uint64(address(value)) if isinstance(value, str) else value
            size = scalar.dtype.itemsize
            widest = max(widest, size)
            raw += bytes(-len(raw) % size) + scalar.tobytes()
        return bytes(raw) + bytes(-len(raw) % widest)


@dataclass(frozen=True)
class Launch:
    """One launch. A `str` argument names a buffer and passes its address."""

    kernel: str
    grid: Shape
    block: Shape
    args: Sequence[Argument]
    shared: int = 0  # bytes of dynamic shared memory
    cooperative: bool = False  # all blocks are resident at once


@dataclass(frozen=True)
class Expected:
    """A reference and how far a result may be from it: `bound` is absolute.

    Without a bound the results are the same bytes, except that every NaN is
    like any other.
    """

    value: np.ndarray
    bound: np.ndarray | None = None


@dataclass
class Problem:
    """Inputs, launches in order, and the buffers that are compared at the end."""

    buffers: dict[str, np.ndarray | Empty]
    launches: list[Launch]
    expected: dict[str, Expected]
    symbols: dict[str, np.ndarray] = field(default_factory=dict)  # written before
    symbols_expected: dict[str, Expected] = field(default_factory=dict)
    output: str | None = None  # of printf, lines in any order


@dataclass(frozen=True)
class Mutant:
    """A bug compiled in by a macro, and the kinds of findings that tell of it.

    One of `kinds` must be reported; a run that ends with none is a miss.
    """

    macro: str
    kinds: tuple[str, ...]

    def __init__(self, macro: str, *kinds: str) -> None:
        object.__setattr__(self, "macro", macro)
        object.__setattr__(self, "kinds", kinds)


@dataclass(frozen=True)
class Case:
    """A problem of a program; `name` is `program.function`."""

    program: str
    name: str
    build: Callable[[np.random.Generator], Problem]
    targets: tuple[str, ...]
    mutants: tuple[Mutant, ...]

    def problem(self, seed: int = 0) -> Problem:
        """The problem of `seed`; every case and seed has its own numbers."""
        return self.build(np.random.default_rng([zlib.crc32(self.name.encode()), seed]))


CASES: dict[str, Case] = {}


def case(
    program: str,
    *,
    targets: Iterable[str] = ("sm_80", "sm_90"),
    mutants: Iterable[Mutant] = (),
) -> Callable[[Callable[[np.random.Generator], Problem]], Callable]:
    """Registers the function below it as a case of `program`."""

    def register(build: Callable[[np.random.Generator], Problem]) -> Callable:
        name = f"{program}.{build.__name__}"
        if name in CASES:
            raise ValueError(f"case {name} is there already")
        CASES[name] = Case(program, name, build, tuple(targets), tuple(mutants))
        return build

    return register


def exact(value: Any, dtype: Any = None) -> Expected:
    """The same bytes as `value`."""
    return Expected(np.atleast_1d(np.asarray(value, dtype)))


def within(value: Any, bound: Any) -> Expected:
    """At most `bound` from `value`, element by element; both in float64."""
    value = np.atleast_1d(np.asarray(value, np.float64))
    return Expected(value, np.broadcast_to(np.asarray(bound, np.float64), value.shape))


def within_ulp(value: Any, ulps: float, dtype: Any = np.float32) -> Expected:
    """At most `ulps` units in the last place of the reference, in `dtype`."""
    value = np.atleast_1d(np.asarray(value, np.float64))
    with np.errstate(over="ignore", invalid="ignore"):
        unit = np.spacing(np.abs(value).astype(dtype)).astype(np.float64)
    return Expected(value, np.where(np.isfinite(unit), unit, 0) * ulps)


def sum_bound(terms: np.ndarray, axis: Any = None, unit: float = 2.0**-24) -> np.ndarray:
    """Rounding error of a sum of `terms` in any order: (n + 2) u sum |t|.

    The two more cover a rounded product and a rounded result.
    """
    terms = np.abs(np.asarray(terms, np.float64))
    count = terms.size if axis is None else terms.shape[axis]
    return (count + 2) * unit * terms.sum(axis)


def product_bound(a: np.ndarray, b: np.ndarray, unit: float = 2.0**-24) -> np.ndarray:
    """The same for the inner products of a matrix product `a @ b`."""
    a, b = np.abs(a.astype(np.float64)), np.abs(b.astype(np.float64))
    return (a.shape[-1] + 2) * unit * (a @ b)


def differences(name: str, got: np.ndarray, expected: Expected) -> str | None:
    """What is wrong with `got`, in a line, or None."""
    want = expected.value.reshape(got.shape)
    if expected.bound is None:
        if got.dtype.kind in "iub" or got.dtype != want.dtype:
            wrong = got.astype(want.dtype) != want if got.dtype != want.dtype else got != want
        else:
            bits = np.dtype(f"u{got.dtype.itemsize}")
            same = np.ascontiguousarray(got).view(bits) == np.ascontiguousarray(want).view(bits)
            wrong = ~(same | (np.isnan(got) & np.isnan(want)))
    else:
        bound = expected.bound.reshape(got.shape)
        have = got.astype(np.float64)
        with np.errstate(invalid="ignore"):
            close = np.abs(have - want) <= bound
        wrong = ~(close | (have == want) | (np.isnan(have) & np.isnan(want)))
    count = int(np.count_nonzero(wrong))
    if not count:
        return None
    first = tuple(int(i) for i in np.argwhere(wrong)[0])
    rule = "" if expected.bound is None else f" within {bound[first]:g}"
    return (
        f"{name}: {count} of {got.size} differ, first at {list(first)}: "
        f"got {got[first]!r}, expected {want[first]!r}{rule}"
    )
