"""Tile programs written by hand: compiled, and launched on an emulated device.

A program is MLIR text of one kernel. Every checker of the device is on, so a test
that gets numbers back has also shown that there is no race, no access out of bounds
and no use of memory that nobody wrote.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence

import numpy as np
import tilewright as tw
from tilewright._extension import native


@dataclasses.dataclass(frozen=True)
class Program:
    ptx: str
    metadata: dict
    phases: Mapping[str, str]

    @property
    def module(self) -> tw.Module:
        return tw.Module(self.ptx)

    def launch(self, args: Sequence, dimensions: Mapping[str, int] | None = None, **options):
        """Runs it over its own grid; returns the report. Arrays are written in place."""
        module = tw.Module(self.ptx, options=tw.EmulatorOptions(**options))
        grid = [native().evaluate(e, dict(dimensions or {})) for e in self.metadata["grid"]]
        return module.launch(
            self.metadata["kernel"],
            grid,
            self.metadata["block"],
            args,
            dynamic_shared=self.metadata["dynamic_shared_bytes"],
        )


def compile_program(source: str, target: str = "a100") -> Program:
    raw = native().compile_source(source, "program", target, None, 16, True)
    return Program(raw["ptx"], json.loads(raw["metadata"]), dict(raw["phases"]))


def pointer(name: str, dtype: str, written: bool = False) -> str:
    """The declaration of a pointer parameter `%name`."""
    mark = ", written" if written else ""
    return (
        f"%{name}: !tile.ptr {{tile.parameter = "
        f'#tile.parameter<pointer "{name}", dtype = "{dtype}", align = 16{mark}>}}'
    )


def dimension(name: str) -> str:
    """The declaration of an i32 parameter `%name`."""
    return f'%{name}: i32 {{tile.parameter = #tile.parameter<dimension "{name}">}}'


def kernel(name: str, parameters: Sequence[str], body: str, *, warps: Sequence[int] = (1, 1),
           grid: Sequence[str] = ("1", "1", "1")) -> str:  # fmt: skip
    """A kernel whose products are shared out over `warps` rows and columns of warps."""
    quoted = ", ".join(f'"{axis}"' for axis in grid)
    return (
        f"func.func @{name}({', '.join(parameters)}) attributes {{"
        f"tile.kernel = #tile.kernel<grid = [{quoted}], warps = {warps[0] * warps[1]}>, "
        f"tile.warps = array<i64: {warps[0]}, {warps[1]}>}} {{\n"
        f"  %c0 = arith.constant 0 : i32\n{body}\n  return\n}}\n"
    )


def view(shape: Sequence[int | str], dtype: str, strides: Sequence[int | str] | None = None,
         align: int = 16) -> str:  # fmt: skip
    """The type of a view; row-major where no strides are given."""
    if strides is None:
        strides = [int(np.prod([1, *shape[i + 1 :]])) for i in range(len(shape))]
    return (
        f"!tile.view<{'x'.join(map(str, shape))}x{dtype}, "
        f"strides = [{', '.join(map(str, strides))}], align = {align}>"
    )


def tensor(shape: Sequence[int], dtype: str) -> str:
    return f"tensor<{'x'.join(map(str, shape))}x{dtype}>"
