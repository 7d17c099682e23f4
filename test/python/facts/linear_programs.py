"""Linear layers as MLIR programs, and their kernels by default schedule."""

import dataclasses
import functools
import json
import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
TARGETS = ("sm_80", "sm_86", "sm_89", "sm_90a", "sm_100a", "sm_120a")


@dataclasses.dataclass(frozen=True)
class Linear:
    """y[M,N] = x[M,K] * w[K,N]. Where `dynamic`, `m` is only what the schedule is chosen for."""

    weight: str = "u4"
    x: str = "f16"
    group: str = "128"
    zero: str = "none"  # as #nn.qformat says it
    tensor_scale: bool = False
    m: int = 16
    dynamic: bool = False
    k: int = 1024
    n: int = 1024
    scale: str | None = None  # as x, f16 where that has 8 bits
    y: str | None = None  # the same
    activation: str = "none"
    bias: bool = False

    @property
    def bits(self) -> int:
        """Bits of a weight."""
        if self.weight == "stack":
            return 1
        if self.weight.startswith("nested"):
            return int(self.weight[-1])
        return 8 if self.weight[0] == "e" else int(self.weight.removeprefix("lut").lstrip("uif")[0])

    @property
    def half(self) -> str:
        """What scales, y and the bias are where nothing is said."""
        return "f16" if self.x == "i8" or self.x.startswith("f8") else self.x

    @property
    def name(self) -> str:
        """Short and unique, for test ids."""
        y, scale = self.y or self.half, self.scale or self.half
        words = [self.weight, self.x, f"g{self.group}", scale, y, f"m{self.m}"]
        words += ["dynamic"] * self.dynamic + ["bias"] * self.bias
        words += [f"zero-{self.zero}".replace(" : ", "-")] * (self.zero != "none")
        words += ["tensor"] * self.tensor_scale
        words += [f"{self.k}x{self.n}", *[self.activation] * (self.activation != "none")]
        return "-".join(words)

    @property
    def program(self) -> str:
        """The MLIR text."""
        x = f"tensor<{'?' if self.dynamic else self.m}x{self.k}x{self.x}>"
        y = f"tensor<{'?' if self.dynamic else self.m}x{self.n}x{self.y or self.half}>"
        zero = "" if self.zero == "none" else f", zero = {self.zero}"
        zero += ", tensor_scale" * self.tensor_scale
        scale = self.scale or self.half
        w = (
            f"!nn.quantized<{self.k}x{self.n}, "
            f"#nn.qformat<{self.weight}, group = {self.group}, scale = {scale}{zero}>>"
        )
        b = f"tensor<{self.n}x{self.x if self.x == self.half else 'f32'}>"
        activation = f" {{activation = #nn.activation<{self.activation}>}}"
        return (
            f"func.func @linear(%x: {x}, %w: {w}{f', %b: {b}' if self.bias else ''}) -> {y} {{\n"
            f"  %y = nn.quant_matmul %x, %w{' bias %b' if self.bias else ''}"
            f"{activation if self.activation != 'none' else ''}"
            f" : {x}, {w}{f', {b}' if self.bias else ''} -> {y}\n"
            f"  return %y : {y}\n"
            "}\n"
        )


@dataclasses.dataclass(frozen=True)
class Compiled:
    """PTX and what the main loop of its default schedule holds."""

    ptx: str
    metadata: dict

    @property
    def schedule(self) -> dict[str, int]:
        """The parameters of the schedule."""
        return self.metadata["schedule"]["parameters"]

    @property
    def warp_rows(self) -> int:
        """Rows of y that a warp computes."""
        return self.schedule["tile_m"] // self.schedule["warps_m"]

    @property
    def warp_columns(self) -> int:
        """Columns of y that a warp computes."""
        return self.schedule["tile_n"] // self.schedule["warps_n"]

    @property
    def weights(self) -> int:
        """Weights that a thread unpacks in one turn of the loop."""
        return self.warp_columns * self.schedule["tile_k"] // 32

    @property
    def mmas(self) -> int:
        """m16n8k16 (of bytes m16n8k32) products that a warp has to issue in one turn."""
        (x,) = (o for o in self.metadata["problem"]["operands"] if o["name"] == "x")
        depth = 32 if x["dtype"] == "i8" else 16
        return self.warp_rows * self.warp_columns // (16 * 8) * self.schedule["tile_k"] // depth


def find_compiler() -> Path | None:
    """tw-compile beside the package that pytest was given, else in build/."""
    folders = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    for build in [*(Path(f).parent for f in folders if f), ROOT / "build"]:
        tool = build / "bin" / "tw-compile"
        if tool.exists():
            return tool
    return None


@functools.cache
def compile_linear(linear: Linear, target: str) -> Compiled:
    """Compiles for `sm_XX` or a GPU model with the default schedule."""
    tool = find_compiler()
    if tool is None:
        pytest.skip("no tw-compile: the compiler is not part of this build")
    command = [tool, "-", "--target", target, "--emit", "artifact", "--expected-m", str(linear.m)]
    run = subprocess.run(command, input=linear.program, capture_output=True, text=True)
    assert run.returncode == 0, f"{run.stderr}\n{linear.program}"
    artifact = json.loads(run.stdout)
    return Compiled(artifact["ptx"], artifact["metadata"])
