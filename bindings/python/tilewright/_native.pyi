"""The compiled half of the package (bindings/python/Module.cpp). Private."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

#: Version of the storage layout that this build packs and reads.
PACKING_VERSION: int

def checksum(data: NDArray[np.uint8]) -> str:
    """XXH3 (64 bits) of the bytes, as 16 hexadecimal digits."""

def pack_codes(
    codes: NDArray[np.uint8], bits: int, storage: str = "words", activations: str = "16-bit"
) -> NDArray[np.uint32]:
    """Packs stored codes [N, K], any strides, into words for "16-bit" or "8-bit" activations.

    `storage`: "words", "nested" or "stack", where the top bit of a code is the first plane's.
    """

def unpack_codes(
    words: NDArray[np.uint32],
    bits: int,
    n: int,
    k: int,
    storage: str = "words",
    activations: str = "16-bit",
) -> NDArray[np.uint8]:
    """The stored codes [N, K] of packed words."""

def pack_scales(
    scales: NDArray, k: int, n: int, group: str, zero_bits: int | None = None
) -> NDArray:
    """Numbers of groups [groups along N, groups along K], as bits, in packed order.

    `zero_bits`: they are stored integer zero points of codes of that many bits.
    """

def unpack_scales(
    packed: NDArray, k: int, n: int, group: str, zero_bits: int | None = None
) -> NDArray:
    """The inverse of pack_scales."""

_Refusal = tuple[str, int, int, float]

def quantize(
    *,
    w: NDArray,
    dtype: str,
    format: str,
    codebook: NDArray[np.float32],
    ternary: bool,
    group: str,
    scale: str,
    zero: str,
    zero_format: str,
    search: bool,
    tensor_scale: float,
) -> tuple[NDArray[np.uint8], NDArray[np.uint32], NDArray[np.uint32], _Refusal | None]:
    """Weights [N, K] as stored codes [N, K] and the bits of scales and zero points
    [groups along N, groups along K]; why not: what, column, row, number."""

def largest_scale(
    *,
    w: NDArray,
    dtype: str,
    format: str,
    codebook: NDArray[np.float32],
    ternary: bool,
    group: str,
    scale: str,
    zero: str,
) -> tuple[float, _Refusal | None]:
    """The largest scale that a group of weights [N, K] needs."""

class PackedWeights:
    """Packed weights, kept alive with the copies that devices have of them."""

    def __init__(
        self,
        words: NDArray[np.uint32],
        scales: NDArray,
        zeros: NDArray | None,
        tensor_scale: NDArray[np.float32] | None,
        codebook: NDArray[np.uint32] | None,
        *,
        batch: int,
        k: int,
        n: int,
        format: str,
        group: str,
        scale: str,
        zero: str,
        zero_dtype: str,
        activations: str,
    ) -> None: ...
    def take_planes(
        self, planes: int, scales: NDArray | None = None, zeros: NDArray | None = None
    ) -> PackedWeights:
        """The first planes of nested codes or of a stack, with the same copies on devices."""

class Runtime:
    """The devices and compiled kernels of a process."""

    def device_names(self) -> list[str]:
        """Every GPU, then every model that can be emulated."""

    def device_problems(self) -> list[str]:
        """Why there are no GPUs, or fewer than the driver lists."""

    def default_device(self) -> str:
        """Where arrays in host memory are computed on."""

    def set_emulator_options(self, device: str, options: dict[str, Any]) -> None:
        """Those of the process's emulated device, for the launches to come."""

    def describe_device(self, name: str) -> dict[str, Any]:
        """The fields of tilewright.Device."""

    def quant_matmul(
        self,
        x: NDArray,
        weights: PackedWeights,
        epilogue: dict[str, Any],
        y: NDArray,
        device: str,
        schedule: str | None,
        deterministic: bool,
        detail: int,
    ) -> dict[str, Any] | None:
        """Writes epilogue(x @ w) to y; with `detail`, what tilewright.Launch holds."""

    def matmul(
        self,
        x: NDArray,
        w: NDArray,
        transposed: bool,
        epilogue: dict[str, Any],
        y: NDArray,
        device: str,
        schedule: str | None,
        deterministic: bool,
        detail: int,
    ) -> dict[str, Any] | None:
        """The same for dense weights, [N, K] where transposed."""

    def attention(
        self,
        arrays: dict[str, Any],
        constants: dict[str, str],
        device: str,
        schedule: str | None,
        detail: int,
    ) -> dict[str, Any] | None:
        """Writes to o and lse of `arrays`: q, k, v, o [B, S, H, D], lse, q_starts, k_starts,
        q_offset, alibi_slopes, sinks (or None), captures (a list). `constants`: scale, softcap,
        causal, window, score, mask as texts.
        """

    def merge_attention(
        self,
        parts: list[NDArray],
        lses: list[NDArray],
        o: NDArray,
        lse: NDArray | None,
        device: str,
        schedule: str | None,
        detail: int,
    ) -> dict[str, Any] | None:
        """Writes to o [B, S, H, Dv] and lse [B, H, S]; `parts` and `lses` are as those."""

    def append_cache(
        self,
        arrays: dict[str, Any],
        constants: dict[str, str],
        device: str,
        schedule: str | None,
        detail: int,
    ) -> dict[str, Any] | None:
        """Writes to k_cache, v_cache, their scales and rotated of `arrays`: k, v, q
        [B, S, H, D], lengths, page_table, cos, sin; those that there are. `constants`: rotary,
        rotary_start as texts.
        """

    def pack(
        self,
        codes: NDArray[Any],
        words: NDArray[Any],
        constants: dict[str, Any],
        device: str,
        schedule: str | None,
        detail: int,
    ) -> dict[str, Any] | None:
        """Writes to words (uint32) from codes (uint8) [N, K], [K, N] with `along_n`.
        `constants`: bits, storage, activations, along_n."""

class CompiledKernel:
    """An artifact and how it came about."""

    @property
    def ptx(self) -> str: ...
    @property
    def metadata(self) -> str: ...
    @property
    def phases(self) -> list[tuple[str, str]]: ...
    @property
    def seconds(self) -> float: ...

def compile_quant_matmul(
    weights: PackedWeights,
    x: str,
    bias: str | None,
    out: str,
    activation: str,
    target: str,
    m: int,
    schedule: str | None,
    deterministic: bool,
) -> CompiledKernel:
    """Compiles the kernel of these dtypes for a target or GPU model."""

#: Versions of this package and of the LLVM it was built with.
VERSION: str
LLVM_VERSION: str

def quant_matmul_problem(
    *,
    m: int,
    n: int,
    k: int,
    format: str,
    group: str,
    scale: str,
    zero: str,
    zeros: str,
    tensor_scale: bool,
    x: str,
    y: str,
    bias: str | None,
    activation: str,
    deterministic: bool,
) -> str:
    """The problem that `linear` compiles for contiguous arrays like these, JSON."""

def attention_problem(arrays: dict[str, Any], constants: dict[str, str]) -> str:
    """The problem, JSON, of a call of Runtime.attention; only what arrays look like counts."""

def merge_attention_problem(
    parts: list[NDArray], lses: list[NDArray], o: NDArray, lse: NDArray | None
) -> str:
    """The same of Runtime.merge_attention."""

def choose_schedule(problem: str, model: str, schedule: str | None, expected_m: int) -> str:
    """The schedule of a problem: the one given, checked, or the default."""

def compile_problem(
    problem: str, model: str, schedule: str | None, expected_m: int, phases: bool
) -> dict[str, Any]:
    """{"ptx", "metadata" (JSON), "phases" [(name, IR)], "seconds"}."""

def compile_source(
    source: str, name: str, model: str, schedule: str | None, expected_m: int, phases: bool
) -> dict[str, Any]:
    """The same for an MLIR program; `name` is what diagnostics call it."""

def evaluate(expression: str, values: dict[str, int]) -> int:
    """The value of an expression of an artifact's metadata."""

def demangle(name: str) -> str:
    """What a C++ compiler mangled; other names as they are."""

class PtxModule:
    """PTX on a device; with `options` on an emulated one of its own."""

    def __init__(
        self, runtime: Runtime, ptx: str, device: str, options: dict[str, Any] | None
    ) -> None: ...
    @property
    def device_name(self) -> str: ...
    def kernels(self) -> list[dict[str, Any]]:
        """{"name", "aliases", "argument_bytes", "parameters": fields of Parameter}."""

    def allocate(self, bytes: int) -> int:
        """The address of device memory that nobody has written."""

    def release(self, address: int) -> None: ...
    def write(self, address: int, data: NDArray[np.uint8]) -> None: ...
    def read(self, address: int, data: NDArray[np.uint8]) -> None:
        """Copies from the device into `data`."""

    def symbol(self, name: str) -> tuple[int, int]:
        """Address and bytes of a variable."""

    def launch(
        self,
        kernel: str,
        grid: tuple[int, int, int],
        block: tuple[int, int, int],
        cluster: tuple[int, int, int],
        dynamic_shared: int,
        arguments: bytes,
    ) -> dict[str, Any]:
        """{"error", "is_finding", "seconds", "report" (JSON or None)}; raises for no finding."""

def default_emulator_options() -> dict[str, Any]:
    """What EmulatorOptions.to_native() gives where nothing is set."""

def compile_cuda(
    source: str, name: str, options: list[str], libraries: list[str]
) -> dict[str, Any]:
    """{"succeeded", "ptx", "log", "library", "version"}, by the first library that opens."""

class LoadedArtifact:
    """An artifact that was compiled before, on a device."""

    def __init__(self, runtime: Runtime, ptx: str, metadata: str, device: str) -> None: ...
    def quant_matmul(
        self,
        x: NDArray,
        weights: PackedWeights,
        bias: NDArray | None,
        y: NDArray,
        report: bool = False,
    ) -> dict[str, Any]:
        """Writes to y; {"seconds", "counters", "report"}: the emulated device's report as JSON
        where it is asked for, else None.
        """

def gpu_models() -> list[dict[str, Any]]:
    """The table of GPU models, with what their targets give a block."""

def find_model(name: str) -> dict[str, Any]:
    """The row of a GPU model, or of the one that stands for a target."""

def device_model(runtime: Runtime, device: str) -> dict[str, Any]:
    """The row of the model that a device is or imitates."""
