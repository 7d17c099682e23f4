"""Anybody's PTX: load it on a device, launch its kernels, read its variables."""

from __future__ import annotations

import dataclasses
import json
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from . import profiling
from ._extension import native, runtime
from .device_array import Allocation, DeviceArray, device_dtype, device_shape
from .emulation import EmulatorOptions
from .errors import ArgumentError, CheckError, CompileError, DeviceError
from .hardware import Device
from .launch_arguments import ArgumentPacker, Parameter, Staged
from .reports import Report, read_report
from .suggest import nearest

#: Largest grid and block along each axis (CUDA C++ Programming Guide, "Technical
#: Specifications per Compute Capability").
_GRID_LIMIT = ((1 << 31) - 1, 65535, 65535)
_BLOCK_LIMIT = (1024, 1024, 64)


@dataclasses.dataclass(frozen=True)
class KernelSignature:
    """A kernel of a module."""

    #: As the PTX has it; C++ compilers mangle names.
    name: str
    parameters: tuple[Parameter, ...]
    #: Of the argument block.
    nbytes: int
    #: What a mangled name stands for: declaration, qualified name, plain name.
    aliases: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.name}({', '.join(map(str, self.parameters))})"


class Module:
    """PTX that is loaded on a device.

        module = tw.Module("kernels.ptx")
        report = module.launch("add", grid=8, block=128, args=[a, b, c, np.int32(1000)])

    On an emulated device each module has a device of its own: its memory is shared with no
    other, and its options are its own. Thread-safe; a launch runs without the GIL.

    Args:
        ptx: PTX text, or the path of a .ptx file.
        device: "emulated:h200", "cuda:0", or None for the emulated GPU of the code's
            `.target`.
        options: how the emulated device behaves; None for `EmulatorOptions()`.
        name: what errors call the text, instead of its path.

    Attributes:
        ptx: the text.
        path: the .ptx file it came from, or None.
        warnings: what NVRTC said of a module made by `from_cuda`.
        target: what it was compiled for: "sm_80".
        device: the name of the device.
        kernels: the kernels by name, each with its parameters.

    Raises:
        ArgumentError: the file cannot be read; options for a GPU.
        CompileError: the PTX is wrong or uses what the device does not know; the message
            has line and column.
        DeviceError: there is no such device.
    """

    def __init__(
        self,
        ptx: str | os.PathLike[str],
        device: str | Device | None = None,
        options: EmulatorOptions | None = None,
        *,
        name: str | None = None,
    ) -> None:
        self.ptx, self.path = read_ptx(ptx)
        self.target = _read_target(self.ptx)
        where = _choose_device(device, self.target)
        if not where.startswith("emulated:"):
            if options is not None:
                raise ArgumentError(f"options are for emulated devices; device is {where!r}")
            native_options = None
        else:
            native_options = (options or EmulatorOptions()).to_native()
        self.warnings = ""
        self.options = options
        try:
            self._native = native().PtxModule(runtime(), self.ptx, where, native_options)
        except CompileError as error:
            raise CompileError(place_in_file(str(error), name or self.path)) from None
        self.device: str = self._native.device_name
        self.kernels: Mapping[str, KernelSignature] = MappingProxyType(
            {raw["name"]: _read_signature(raw) for raw in self._native.kernels()}
        )

    @classmethod
    def from_cuda(
        cls,
        source: str | os.PathLike[str],
        target: str = "sm_80",
        device: str | Device | None = None,
        options: EmulatorOptions | None = None,
        *,
        nvrtc_options: Sequence[str] = (),
    ) -> Module:
        """Compiles CUDA C++ by NVRTC and loads it.

        Kernels are best declared `extern "C"`; others are found by their names in the
        source, too. The folder of a file and the toolkit's headers are on the include path.

        Args:
            source: CUDA C++ text, or the path of a .cu file.
            target: what to compile for.
            device, options: as for `Module`.
            nvrtc_options: further options of the compiler: `["-DN=4", "-std=c++20"]`.

        Raises:
            CompileError: errors in the source; the message is the compiler's.
            UnsupportedError: there is no NVRTC; the message says how to get it.
            ArgumentError: the file cannot be read, the target or an option is unknown.
        """
        from .cuda_source import compile_cuda, read_cuda

        ptx, log = compile_cuda(read_cuda(source), target, nvrtc_options)
        module = cls(ptx, device, options)
        module.warnings = log
        return module

    def kernel(self, name: str) -> KernelSignature:
        """The kernel called `name`: as the PTX has it, or unmangled ("add", "ns::add<float>").

        Raises:
            ArgumentError: there is none or more than one; the message lists them.
        """
        if name in self.kernels:
            return self.kernels[name]
        found = [kernel for kernel in self.kernels.values() if name in kernel.aliases]
        if len(found) == 1:
            return found[0]
        if found:
            listed = ", ".join(f"{kernel.name} ({kernel.aliases[0]})" for kernel in found)
            raise ArgumentError(f"{name!r} may be any of the kernels {listed}")
        names = [alias for kernel in self.kernels.values() for alias in kernel.aliases[-1:]]
        raise ArgumentError(f"no kernel {name!r}; " + nearest(name, [*self.kernels, *names]))

    def launch(
        self,
        kernel: str,
        grid: int | Sequence[int] = 1,
        block: int | Sequence[int] = 1,
        args: Sequence[Any] = (),
        *,
        dynamic_shared: int = 0,
        cluster: int | Sequence[int] = 1,
        allow_findings: bool = False,
    ) -> Report:
        """Runs a kernel and waits for it.

        Args:
            kernel: its name (see `kernel`).
            grid, block, cluster: extents in blocks, threads and blocks; up to three.
            args: a value a parameter, in order:

                - a NumPy array or CPU tensor (contiguous): a buffer of exactly its size. It
                  is copied to the device before the launch and, if it is writeable, back
                  after it. An array that is given twice is one buffer.
                - a `DeviceArray`: memory that stays on the device. None: the null address.
                - a NumPy scalar, a ctypes structure or bytes, of the parameter's size.
                - a Python int or float, where the parameter has 32 or 64 bits.
            dynamic_shared: bytes of dynamic shared memory.
            allow_findings: return the report of a launch with findings instead of raising.

        Returns:
            Counters, findings and what printf wrote.

        Raises:
            ArgumentError: arguments that do not fit the kernel's parameters, or a launch the
                device refuses.
            CheckError: a checker found a defect; `.report` is what would be returned, and
                arrays are copied back.
            DeviceError: the GPU failed.
        """
        signature = self.kernel(kernel)
        grid3 = _extents(grid, "grid", _GRID_LIMIT)
        block3 = _extents(block, "block", _BLOCK_LIMIT)
        cluster3 = _extents(cluster, "cluster", _GRID_LIMIT)
        if not isinstance(dynamic_shared, (int, np.integer)) or not 0 <= dynamic_shared < 1 << 31:
            raise ArgumentError(f"dynamic_shared is {dynamic_shared!r}; expects bytes, 0 or more")
        packer = ArgumentPacker(self._native, signature.name)
        block_of_arguments, staged = packer.pack(signature.parameters, args, signature.nbytes)
        outcome = self._native.launch(
            signature.name, grid3, block3, cluster3, int(dynamic_shared), block_of_arguments
        )
        if outcome["error"] and not outcome["is_finding"]:
            # The emulator refuses before it runs; a GPU may have failed while running.
            refused = self.device.startswith("emulated:")
            raise (ArgumentError if refused else DeviceError)(outcome["error"])
        for array, address in staged.arrays:
            if array.flags.writeable and array.nbytes:
                self._native.read(address, array.reshape(-1).view(np.uint8))
        report = self._make_report(signature.name, outcome, staged)
        self._note(report, grid3, block3)
        if report.findings and not allow_findings:
            more = len(report.findings) - 1
            raise CheckError(
                f"{report.findings[0]}" + f" (and {more} more findings)" * bool(more), report
            )
        return report

    def _make_report(self, kernel: str, outcome: dict[str, Any], staged: Staged) -> Report:
        seconds = outcome["seconds"]
        if outcome["report"] is None:
            return Report(kernel, self.device, seconds)
        return read_report(json.loads(outcome["report"]), self.device, seconds, staged.labels)

    def _note(self, report: Report, grid: tuple[int, ...], block: tuple[int, ...]) -> None:
        detail = profiling.detail()
        if not detail:
            return
        profiling.note(
            profiling.Launch(
                kernel=report.kernel,
                problem=f"grid {'x'.join(map(str, grid))}, block {'x'.join(map(str, block))}",
                device=self.device,
                compile_seconds=0.0,
                seconds=report.seconds,
                counters={k: v for k, v in report.counters.items() if v},
                report=report.raw if detail > 1 and report.raw else None,
                ptx=self.ptx,
            )
        )

    def empty(
        self, shape: int | tuple[int, ...], dtype: DTypeLike, *, name: str | None = None
    ) -> DeviceArray:
        """Memory that nobody has written: reading it is a finding.

        Args:
            shape, dtype: of the array; dtypes by NumPy's names or short ones ("bf16").
            name: what findings call it.
        """
        extents, resolved = device_shape(shape), device_dtype(dtype)
        nbytes = int(np.prod(extents, dtype=object)) * resolved.itemsize
        allocation = Allocation(self._native, self._native.allocate(nbytes), name=name)
        return DeviceArray(allocation, allocation.address, extents, resolved)

    def from_numpy(self, array: ArrayLike, *, name: str | None = None) -> DeviceArray:
        """A copy of an array in the device's memory; `name` as for `empty`."""
        host = np.asarray(array)
        result = self.empty(host.shape, host.dtype, name=name)
        result.write(host)
        return result

    def symbol(self, name: str, dtype: DTypeLike = np.uint8) -> DeviceArray:
        """A `.global` or `.const` variable, as an array that can be read and written.

        Args:
            name: as the PTX has it: `__device__` and `__constant__` variables outside of
                namespaces keep theirs.
            dtype: of its elements.

        Raises:
            ArgumentError: there is none; on an emulated device the message lists them.
        """
        address, nbytes = self._native.symbol(name)
        allocation = Allocation(self._native, address, owned=False)
        return DeviceArray(allocation, address, (nbytes,), np.dtype(np.uint8)).view(dtype)

    def __repr__(self) -> str:
        return f"Module({', '.join(self.kernels) or 'no kernels'} on {self.device})"


def place_in_file(message: str, path: str | None) -> str:
    """The message of an error about PTX, as compilers put it: "kernel.ptx:12:5: ..."."""
    place = re.compile(r"(?:kernel '\S*': )?ptx line (\d+), column (\d+): ")
    return place.sub(lambda found: f"{path or 'ptx'}:{found[1]}:{found[2]}: ", message, count=1)


def read_ptx(ptx: str | os.PathLike[str]) -> tuple[str, str | None]:
    """The text, and the path where `ptx` is one."""
    if isinstance(ptx, str) and ("\n" in ptx or ".version" in ptx):
        return ptx, None
    if not isinstance(ptx, (str, os.PathLike)):
        raise ArgumentError(f"ptx is a {type(ptx).__name__}; expects PTX text or a path")
    try:
        return Path(ptx).read_bytes().decode(), str(ptx)
    except OSError as error:
        raise ArgumentError(f"cannot read {ptx}: {os.strerror(error.errno or 0)}") from None
    except (UnicodeDecodeError, ValueError) as error:
        raise ArgumentError(f"{ptx} is no PTX text: {error}") from None


def _read_target(ptx: str) -> str:
    """The first of `.target`; empty where there is none."""
    found = re.search(r"^\s*\.target\s+(\w+)", ptx, re.MULTILINE)
    return found[1] if found else ""


def _choose_device(device: str | Device | None, target: str) -> str:
    """The device asked for, or the first model that runs code of this target."""
    if device is not None:
        return str(device)
    wanted = _capability(target)
    models = [(_capability(row["target"]), row["name"]) for row in native().gpu_models()]
    able = [pair for pair in models if pair[0] >= wanted > 0]
    return "emulated:" + (min(able, key=lambda pair: pair[0])[1] if able else "a100")


def _capability(target: str) -> int:
    """80 of "sm_80", 90 of "sm_90a"; 0 where it is none."""
    found = re.fullmatch(r"sm_(\d+)[af]?", target)
    return int(found[1]) if found else 0


def _read_signature(raw: dict[str, Any]) -> KernelSignature:
    parameters = tuple(Parameter(**parameter) for parameter in raw["parameters"])
    return KernelSignature(raw["name"], parameters, raw["argument_bytes"], tuple(raw["aliases"]))


def _extents(value: Any, name: str, limits: tuple[int, int, int]) -> tuple[int, int, int]:
    """One to three extents as three."""
    given = tuple(value) if isinstance(value, Sequence | np.ndarray) else (value,)
    valid = 1 <= len(given) <= 3 and all(
        isinstance(extent, (int, np.integer))
        and not isinstance(extent, bool)
        and 1 <= extent <= limit
        for extent, limit in zip(given, limits, strict=False)
    )
    if isinstance(value, str) or not valid:
        raise ArgumentError(f"{name} is {value!r}; expects up to three integers from 1 to {limits}")
    x, y, z = (*map(int, given), 1, 1)[:3]
    return x, y, z
