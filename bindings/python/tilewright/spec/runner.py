"""Carries a launch spec out: fills buffers, launches, compares with what is expected."""

from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..device_array import DeviceArray
from ..errors import ArgumentError
from ..module import Module
from ..reports import Report
from .expressions import widen
from .fields import SpecError
from .reader import Argument, Buffer, LaunchSpec, Step
from .values import cast, fill


@dataclasses.dataclass(frozen=True)
class Mismatch:
    """A buffer that does not hold what it should."""

    buffer: str
    #: How many elements are wrong, of how many.
    count: int
    total: int
    #: The first of them.
    index: tuple[int, ...]
    actual: float | int | bool
    expected: float | int | bool
    #: The largest difference; None where one is not finite.
    max_error: float | None

    def __str__(self) -> str:
        place = f"{self.buffer}[{', '.join(map(str, self.index))}]"
        text = f"{place} is {self.actual}, expected {self.expected}"
        error = "" if self.max_error is None else f", largest difference {self.max_error:.6g}"
        return f"{text} ({self.count} of {self.total} elements differ{error})"


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What came of a spec."""

    #: One a launch; the last is the one that was stopped, if one was.
    reports: list[Report]
    mismatches: list[Mismatch]
    #: What the buffers held in the end.
    arrays: dict[str, NDArray]

    @property
    def is_clean(self) -> bool:
        """No findings, and everything as expected."""
        return not self.mismatches and not any(report.findings for report in self.reports)


def run_spec(spec: LaunchSpec, module: Module) -> Outcome:
    """Launches what the spec says, until a launch has findings.

    Raises:
        SpecError: values that cannot be made, arguments that do not fit the kernel, a launch
            that the device refuses.
    """
    _check_memory(spec)
    initial: dict[str, NDArray] = {}
    memory: dict[str, DeviceArray] = {}
    for buffer in spec.buffers.values():
        memory[buffer.name] = _make_buffer(spec, module, buffer, initial)
    reports: list[Report] = []
    for index, step in enumerate(spec.steps):
        place = f"launch[{index}]" if len(spec.steps) > 1 else "launch"
        reports.append(_launch(module, step, memory, place))
        if reports[-1].findings:
            break
    arrays = {name: array.to_numpy() for name, array in memory.items()}
    mismatches = []
    if not reports[-1].findings:
        for buffer in spec.buffers.values():
            mismatch = _compare(spec, buffer, arrays[buffer.name], initial)
            mismatches += [] if mismatch is None else [mismatch]
    return Outcome(reports, mismatches, arrays)


def _check_memory(spec: LaunchSpec) -> None:
    """Refuses what this machine cannot hold: filling it would end other programs."""
    has = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    needs = 0
    for buffer in spec.buffers.values():
        # On the device, as initial values and as final ones.
        needs += 3 * math.prod(buffer.shape or ()) * buffer.dtype.itemsize
        if needs > has:
            raise SpecError(
                f"{_table(buffer)}.shape is {list(buffer.shape or ())}: with those before it "
                f"buffers need {needs} bytes of this machine's {has}"
            )


def _table(buffer: Buffer) -> str:
    return f"{'symbols' if buffer.is_symbol else 'buffers'}.{buffer.name}"


def _make_buffer(
    spec: LaunchSpec, module: Module, buffer: Buffer, initial: dict[str, NDArray]
) -> DeviceArray:
    """Device memory with its first values, which are noted in `initial`."""
    try:
        symbol = module.symbol(buffer.name, buffer.dtype) if buffer.is_symbol else None
        if symbol is not None and buffer.shape is not None:
            symbol = symbol.view(buffer.dtype, buffer.shape)
    except ArgumentError as error:
        raise SpecError(f"{_table(buffer)}: {error}") from None
    if buffer.init is None:
        assert symbol is not None
        initial[buffer.name] = symbol.to_numpy()
        return symbol
    label = f"buffer '{buffer.name}'"
    try:
        if buffer.init.kind == "uninitialised":
            assert buffer.shape is not None
            return module.empty(buffer.shape, buffer.dtype, name=label)
        shape = symbol.shape if symbol is not None else buffer.shape
        values = fill(buffer.init, buffer.name, shape, buffer.dtype, spec.seed, initial)
        initial[buffer.name] = cast(values, buffer.dtype)
        if symbol is None:
            return module.from_numpy(initial[buffer.name], name=label)
    except MemoryError:
        raise SpecError(f"{_table(buffer)}: the host has no memory for it") from None
    except ArgumentError as error:
        raise SpecError(f"{_table(buffer)}.init: {error}") from None
    symbol.write(initial[buffer.name])
    return symbol


def _launch(module: Module, step: Step, memory: Mapping[str, DeviceArray], place: str) -> Report:
    names = list(module.kernels)
    if step.kernel is None and len(names) != 1:
        listed = ", ".join(names) or "none"
        raise SpecError(f"{place}.kernel is missing; the module has {listed}")
    try:
        kernel = module.kernel(step.kernel or names[0]).name
    except ArgumentError as error:
        raise SpecError(f"{place}.kernel: {error}") from None
    try:
        return module.launch(
            kernel,
            step.grid,
            step.block,
            [_value(argument, memory) for argument in step.args],
            dynamic_shared=step.dynamic_shared,
            cluster=step.cluster,
            allow_findings=True,
        )
    except ArgumentError as error:
        raise SpecError(f"{place}: {error}") from None


def _value(argument: Argument, memory: Mapping[str, DeviceArray]) -> Any:
    if argument.kind != "buffer":
        return argument.value
    array = memory[argument.value]
    return np.uint64(array.address + argument.offset) if argument.offset else array


def _compare(
    spec: LaunchSpec, buffer: Buffer, actual: NDArray, initial: Mapping[str, NDArray]
) -> Mismatch | None:
    """How a buffer differs from what it should hold; None where it does not."""
    expect = buffer.expect
    if expect is None:
        return None
    try:
        values = fill(expect.filling, buffer.name, actual.shape, buffer.dtype, spec.seed, initial)
    except ArgumentError as error:
        raise SpecError(f"{_table(buffer)}.expect: {error}") from None
    is_exact = expect.rtol == expect.atol == 0 or buffer.dtype.kind in "iub"
    if is_exact:
        values = cast(values, buffer.dtype)
    wide, wanted = widen(actual), widen(values)
    with np.errstate(all="ignore"):
        same = (wide == wanted) | (np.not_equal(wide, wide) & np.not_equal(wanted, wanted))
        errors = np.abs(wide.astype(np.float64) - wanted.astype(np.float64))
        if not is_exact:
            same |= errors <= expect.atol + expect.rtol * np.abs(wanted)
    if same.all():
        return None
    wrong = ~same
    first = tuple(int(i) for i in np.argwhere(wrong)[0])
    largest = float(errors[wrong].max())
    return Mismatch(
        buffer=buffer.name,
        count=int(np.count_nonzero(wrong)),
        total=actual.size,
        index=first,
        actual=wide[first].item(),
        expected=wanted[first].item(),
        max_error=largest if np.isfinite(largest) else None,
    )
