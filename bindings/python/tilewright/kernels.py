"""Kernels as things to look at: PTX, IR, schedule, resources."""

from __future__ import annotations

import json
from typing import Any, Literal

from numpy.typing import DTypeLike

from ._extension import native
from .activation_classes import check_packing
from .epilogue import Activation, activation_name
from .errors import UnsupportedError
from .formats import FLOATS, OPERANDS, RESULTS, float_name
from .hardware import Device, device
from .quantized_tensor import QuantizedTensor


class Kernel:
    """A compiled kernel; made by `compile`.

    Attributes:
        ptx: the PTX text, what a GPU and the emulated device both run.
        metadata: how to launch it: parameters, grid, shared memory, problem, versions.
        compile_seconds: wall time of compiling it.
    """

    def __init__(self, compiled: Any):
        self.ptx: str = compiled.ptx
        self.metadata: dict[str, Any] = json.loads(compiled.metadata)
        self.compile_seconds: float = compiled.seconds
        self._phases: dict[str, str] = dict(compiled.phases)

    @property
    def name(self) -> str:
        """The kernel's entry point."""
        return self.metadata["kernel"]

    @property
    def target(self) -> str:
        """What it was compiled for: "sm_80"."""
        return self.metadata["target"]

    @property
    def schedule(self) -> str:
        """Its schedule, as `linear` takes it."""
        chosen = self.metadata["schedule"]
        parameters = ", ".join(f"{k}={v}" for k, v in sorted(chosen["parameters"].items()))
        return f"{chosen['family']}{{{parameters}}}"

    @property
    def remarks(self) -> list[str]:
        """Fallbacks that were taken, a sentence each."""
        return self.metadata.get("remarks", [])

    def ir(self, phase: str) -> str:
        """The IR after a phase of the compiler: "nn", "expand", ..., "lower", in order."""
        try:
            return self._phases[phase]
        except KeyError:
            known = ", ".join(map(repr, self._phases))
            raise UnsupportedError(f"phase is {phase!r}; this kernel has {known}") from None

    def __repr__(self) -> str:
        return f"Kernel({self.name} for {self.target}, {self.schedule})"


def compile(
    op: Literal["linear"],
    weights: QuantizedTensor,
    *,
    x_dtype: DTypeLike | None = None,
    bias_dtype: DTypeLike | None = None,
    out_dtype: DTypeLike | None = None,
    activation: Activation | None = None,
    m: int = 16,
    target: str | Device | None = None,
    schedule: str | None = None,
    deterministic: bool = False,
) -> Kernel:
    """Compiles the kernel that `linear` would use, to look at it.

    Args:
        op: "linear".
        weights: as for `linear`; only shape and format matter.
        x_dtype: the dtype of `x`; None for float16, or int8 where weights are packed for
            that.
        out_dtype, activation: as for `linear`.
        bias_dtype: the dtype of the bias; None for no bias.
        m: how many rows to choose the default schedule for.
        target: "sm_90a", a GPU model such as "a100", or a device; None for the default
            device. The GPU need not be there.
        schedule, deterministic: as for `linear`.

    Raises:
        UnsupportedError: an unknown op, dtype or target.
        ResourceError: `schedule` does not fit the target.
        CompileError: the compiler failed; the message holds its diagnostics.
    """
    if op != "linear":
        raise UnsupportedError(f"op is {op!r}; supported: 'linear'")
    if m < 1:
        raise UnsupportedError(f"m is {m}; expects at least 1")
    if x_dtype is None:
        x_dtype = "i8" if weights.activations == "8-bit" else "f16"
    x_name = float_name(x_dtype, "x_dtype", ("f16", "bf16", "i8", "e4m3", "e5m2"))
    check_packing(OPERANDS[x_name], weights)
    biases = (x_name, "f32") if x_name in FLOATS else ("f32",)
    bias = None if bias_dtype is None else float_name(bias_dtype, "bias_dtype", biases)
    standard = x_name if x_name in FLOATS else "f16"
    out = standard if out_dtype is None else float_name(out_dtype, "out_dtype", tuple(RESULTS))
    function = activation_name(activation)
    if target is None or isinstance(target, Device) or ":" in target:
        target = device(target).model
    compiled = native().compile_quant_matmul(
        weights.packed(standard),
        x_name,
        bias,
        out,
        function,
        target,
        m,
        schedule,
        deterministic,
    )
    return Kernel(compiled)
