"""Files with anybody's kernels: PTX, and CUDA C++ that NVRTC compiles."""

from __future__ import annotations

import dataclasses
import os

from . import hardware
from .cuda_source import compile_cuda, read_cuda
from .emulation import EmulatorOptions
from .errors import ArgumentError
from .module import Module, read_ptx
from .spec import LaunchSpec


@dataclasses.dataclass(frozen=True)
class Kernels:
    """The kernels of a file, ready to be loaded as often as there are options."""

    ptx: str
    #: What errors and findings call the PTX.
    ptx_name: str
    device: str | None
    #: Of the compiler, for CUDA C++.
    warnings: str = ""

    def load(self, options: EmulatorOptions) -> Module:
        """A module with memory of its own.

        Raises:
            CompileError: the PTX is wrong, with its place.
        """
        return Module(self.ptx, self.device, options, name=self.ptx_name)


def read_kernels(
    file: str | os.PathLike[str], spec: LaunchSpec, device: str | None = None
) -> Kernels:
    """The kernels of a file, for the device that a spec says.

    Args:
        file: the path of a .ptx or .cu file, or PTX text.
        spec: says device, target and options of NVRTC.
        device: instead of the spec's.

    Raises:
        ArgumentError: the file cannot be read; the device is no emulated one.
        CompileError: CUDA C++ that does not compile.
        UnsupportedError: there is no NVRTC.
    """
    wanted = device or spec.device
    if wanted is not None and not wanted.startswith("emulated:"):
        raise ArgumentError(f"device is {wanted!r}; only emulated devices check")
    if not os.fspath(file).endswith(".cu"):
        ptx, path = read_ptx(file)
        return Kernels(ptx, path or "ptx", wanted)
    target = spec.target or (hardware.device(wanted).target if wanted else "sm_80")
    ptx, log = compile_cuda(read_cuda(file), target, spec.nvrtc_options)
    return Kernels(ptx, f"{os.fspath(file)}.ptx", wanted, log)
