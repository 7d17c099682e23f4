"""Kernels as things to look at: PTX, IR, schedule, resources."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from ._extension import native, runtime, stand_in
from .activation_classes import check_packing
from .attention import attention, attention_varlen
from .attention_decode import attention_decode
from .epilogue import Activation, activation_name
from .errors import ArgumentError, CompileError, UnsupportedError
from .flex_attention import flex_attention
from .formats import FLOATS, OPERANDS, RESULTS, float_name
from .hardware import Device, device
from .merge_attention import merge_attention
from .quantized_tensor import QuantizedTensor
from .scaled_dot_product_attention import scaled_dot_product_attention
from .suggest import nearest

#: The last phase that leaves a level of the compiler.
_LAST_PHASES = {"tile": "simplify", "tilegpu": "memory", "llvm": "lower"}


class Kernel:
    """A compiled kernel; made by `compile`.

    Attributes:
        ptx: the PTX text, what a GPU and the emulated device both run.
        metadata: how to launch it: parameters, grid, shared memory, problem, versions.
        compile_seconds: wall time of compiling it.
    """

    def __init__(
        self,
        ptx: str,
        metadata: str,
        phases: list[tuple[str, str]],
        seconds: float,
        model: dict[str, Any],
    ) -> None:
        self.ptx = ptx
        self.metadata: dict[str, Any] = json.loads(metadata)
        self.compile_seconds = seconds
        self._phases = dict(phases)
        self._model = model

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

    @functools.cached_property
    def resources(self) -> dict[str, Any]:
        """What a block uses and may use, as `tw compile --json` says it: "registers" of a
        thread, "spill_bytes", "shared_bytes", "threads", and "registers_limit",
        "shared_limit", "threads_limit". Registers and spills are what ptxas says, None
        without it.

        Raises:
            CompileError: ptxas refuses the kernel.
        """
        from .cli import nvidia
        from .cli.artifact import Artifact
        from .cli.compile import resources
        from .cli.failures import Failure

        artifact = Artifact(self.ptx, self.metadata)
        try:
            assembly = nvidia.assemble(self.ptx, self.target)
        except Failure as failure:
            raise CompileError(str(failure)) from None
        return resources(artifact.with_assembly(assembly) if assembly else artifact, self._model)

    def ir(self, phase: str) -> str:
        """The IR after a phase of the compiler: "nn", "expand", "simplify", "layout",
        "memory", "lower"; or the last of a level: "tile", "tilegpu", "llvm"."""
        try:
            return self._phases[_LAST_PHASES.get(phase, phase)]
        except KeyError:
            known = ", ".join(map(repr, self._phases))
            raise UnsupportedError(f"phase is {phase!r}; this kernel has {known}") from None

    def __repr__(self) -> str:
        return f"Kernel({self.name} for {self.target}, {self.schedule})"


#: Functions of which `compile` makes what they would launch.
_FUNCTIONS: dict[str, Callable[..., Any]] = {
    function.__name__: function
    for function in (
        attention,
        attention_varlen,
        attention_decode,
        merge_attention,
        scaled_dot_product_attention,
        flex_attention,
    )
}


def compile(
    op: str,
    *arguments: Any,
    target: str | Device | None = None,
    schedule: str | None = None,
    **options: Any,
) -> Kernel:
    """Compiles the kernel that a function of this package would launch, to look at it.

        tw.compile("linear", weights, m=16, activation="gelu", target="h200")
        tw.compile("attention", *["f16[1, 4096, 32, 128]"] * 3, causal=True, target="sm_90a")

    Args:
        op: "linear", "attention", "attention_varlen", "attention_decode",
            "merge_attention", "scaled_dot_product_attention" or "flex_attention".
        arguments: those of the function that say what is computed: of "linear" the weights
            alone. Only shapes, dtypes and strides of arrays matter, but for lengths, so a text
            will do: "bf16[2, 100, 8, 64]".
        target: "sm_90a", a GPU model such as "a100", or a device; None for the default
            device. The GPU need not be there.
        schedule: as for the function.
        options: those of the function. Of "linear" they are `activation`, `deterministic`,
            `out_dtype` as of the function, `x_dtype` (None for float16, or int8 where weights
            are packed for that), `bias_dtype` (None for no bias), and `m`, the rows to
            choose the default schedule for.

    Raises:
        UnsupportedError: an unknown op, dtype or target; the function launches nothing.
        ShapeError, ArgumentError: as the function.
        ResourceError: `schedule` does not fit the target.
        CompileError: the compiler failed; the message holds its diagnostics.
        TypeError: the function has no such argument.
    """
    if op != "linear" and op not in _FUNCTIONS:
        raise UnsupportedError(f"op is {op!r}; {nearest(op, ['linear', *_FUNCTIONS])}")
    if target is None or isinstance(target, Device) or ":" in target:
        target = device(target).model
    model = native().find_model(target)
    if op == "linear":
        return _compile_linear(model, schedule, *arguments, **options)
    return _compile_launch(_FUNCTIONS[op], model, schedule, arguments, options)


def _compile_linear(
    model: dict[str, Any],
    schedule: str | None,
    weights: QuantizedTensor,
    *,
    x_dtype: DTypeLike | None = None,
    bias_dtype: DTypeLike | None = None,
    out_dtype: DTypeLike | None = None,
    activation: Activation | None = None,
    m: int = 16,
    deterministic: bool = False,
) -> Kernel:
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
    compiled = native().compile_quant_matmul(
        weights.packed(standard),
        x_name,
        bias,
        out,
        function,
        model["name"],
        m,
        schedule,
        deterministic,
    )
    return Kernel(compiled.ptx, compiled.metadata, compiled.phases, compiled.seconds, model)


class _WouldLaunch(Exception):
    """A function came as far as its first launch."""

    def __init__(self, problem: str, rows: int) -> None:
        super().__init__(problem)
        self.problem, self.rows = problem, rows


class _NoLaunches:
    """A runtime that says what it would launch."""

    def __init__(self, runtime: Any) -> None:
        self._runtime = runtime

    def __getattr__(self, name: str) -> Any:
        return getattr(self._runtime, name)

    def attention(self, arrays: dict[str, Any], constants: dict[str, str], *_: Any) -> None:
        """In place of Runtime.attention."""
        raise _WouldLaunch(native().attention_problem(arrays, constants), arrays["q"].shape[1])

    def merge_attention(self, parts: list[Any], lses: list[Any], o: Any, lse: Any, *_: Any) -> None:
        """In place of Runtime.merge_attention."""
        raise _WouldLaunch(native().merge_attention_problem(parts, lses, o, lse), parts[0].shape[1])


def problem_of(
    function: Callable[..., Any], arguments: tuple, options: dict[str, Any]
) -> tuple[str, int]:
    """The problem, JSON, of the first kernel that `function` would launch, and the rows that
    its default schedule is chosen for. Arrays may be texts, as for `compile`."""
    try:
        with stand_in(_NoLaunches(runtime())):
            function(*map(_array, arguments), **options)
    except _WouldLaunch as call:
        return call.problem, call.rows
    raise UnsupportedError(f"{function.__name__} of nothing launches no kernel")


def _compile_launch(
    function: Callable[..., Any],
    model: dict[str, Any],
    schedule: str | None,
    arguments: tuple,
    options: dict[str, Any],
) -> Kernel:
    problem, rows = problem_of(function, arguments, options)
    # So that a schedule that does not fit is no failure of the compiler.
    native().choose_schedule(problem, model["name"], schedule, rows)
    compiled = native().compile_problem(problem, model["name"], schedule, rows, True)
    return Kernel(**compiled, model=model)


def _array(value: Any) -> Any:
    """An array; one that nobody has filled for "f16[2, 64]"."""
    if isinstance(value, list):
        return [_array(part) for part in value]
    if not isinstance(value, str):
        return value
    match = re.fullmatch(r"(\w+)\[([\d, ]*)\]", value)
    if match is None:
        raise ArgumentError(f"array is {value!r}; expects a text like 'f16[1, 4096, 8, 64]'")
    dtype = OPERANDS[float_name(match[1], "dtype of an array", ("f16", "bf16", "f32"))]
    shape = tuple(int(extent) for extent in match[2].replace(" ", "").split(",") if extent)
    return np.empty(shape, dtype)
