"""NVIDIA's tools and libraries: where they are, their versions, and ptxas at work.

A tool is looked for on PATH, in the CUDA toolkit ($CUDA_HOME, /usr/local/cuda) and in
the Python packages nvidia-*; libraries also where the system's loader looks.
"""

from __future__ import annotations

import ctypes
import dataclasses
import functools
import glob
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

from .failures import Failure

#: How to get what is missing, by what it is called.
HOW_TO_GET = {
    "ptxas": "install the CUDA toolkit, or: pip install nvidia-cuda-nvcc",
    "nvdisasm": "install the CUDA toolkit, or: pip install nvidia-cuda-nvdisasm",
    "nvrtc": "install the CUDA toolkit, or: pip install nvidia-cuda-nvrtc",
    "nvJitLink": "install the CUDA toolkit, or: pip install nvidia-nvjitlink",
}
_ASSEMBLER_SECONDS = 300


def _roots() -> list[Path]:
    """Folders that hold bin/ and lib/ of a toolkit."""
    named = [Path(os.environ[name]) for name in ("CUDA_HOME", "CUDA_PATH") if os.environ.get(name)]
    packages = Path(sysconfig.get_path("purelib"), "nvidia")
    return [*named, Path("/usr/local/cuda"), *sorted(packages.glob("*"), reverse=True)]


@functools.cache
def find_tool(name: str) -> str | None:
    """The path of an executable of the CUDA toolkit."""
    beside = Path(sys.executable).parent
    folders = [str(beside), *(str(root / "bin") for root in _roots())]
    return shutil.which(name) or shutil.which(name, path=os.pathsep.join(folders))


@functools.cache
def tool_version(path: str) -> str:
    """What `path --version` says: 13.0.88; empty when it says nothing of the kind."""
    try:
        text = subprocess.run(
            [path, "--version"], capture_output=True, text=True, timeout=30
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return ""
    found = re.search(r"\bV(\d+(?:\.\d+)+)", text) or re.search(r"release (\d+\.\d+)", text)
    return found[1] if found else ""


def load_library(
    stem: str, *, majors: tuple[str, ...] = ("13", "12", "11.2"), searches_packages: bool = True
) -> tuple[ctypes.CDLL, str] | None:
    """A shared library such as "nvrtc", and the name or path it was found under."""
    candidates = [f"lib{stem}.so.{major}" for major in majors]
    if searches_packages:
        for root in _roots():
            for folder in ("lib64", "lib"):
                found = glob.glob(f"{root}/{folder}/lib{stem}.so.[0-9]*")
                candidates += sorted(found, reverse=True)
    for name in candidates:
        try:
            return ctypes.CDLL(name), name
        except OSError:
            continue
    return None


@dataclasses.dataclass(frozen=True)
class Assembly:
    """What ptxas made of a kernel."""

    cubin: bytes
    registers: int
    #: Bytes stored to and loaded from local memory because registers ran out.
    spill_bytes: int
    version: str


def assemble(ptx: str, target: str) -> Assembly | None:
    """Assembles PTX of one kernel with ptxas; None where there is no ptxas.

    Raises:
        Failure: ptxas refuses the PTX or takes too long.
    """
    path = find_tool("ptxas")
    if path is None:
        return None
    version = tool_version(path)
    with tempfile.TemporaryDirectory(prefix="tilewright-") as folder:
        source, binary = Path(folder, "kernel.ptx"), Path(folder, "kernel.cubin")
        source.write_text(ptx)
        command = [path, "-v", f"-arch={target}", "-o", str(binary), str(source)]
        try:
            result = subprocess.run(
                command, capture_output=True, text=True, timeout=_ASSEMBLER_SECONDS
            )
        except (OSError, subprocess.SubprocessError) as error:
            raise Failure(f"{path} could not be run: {error}") from None
        log = result.stdout + result.stderr
        if result.returncode != 0:
            lines = [line for line in log.splitlines() if "error" in line or "fatal" in line]
            reason = (lines or log.splitlines() or [f"status {result.returncode}"])[0]
            raise Failure(
                f"ptxas {version} refuses the kernel: {reason.replace(str(source), 'kernel.ptx')}",
                f"a newer CUDA toolkit may know {target}; otherwise this is a defect of tilewright",
            )
        return Assembly(binary.read_bytes(), *_read_usage(log), version)


def _read_usage(log: str) -> tuple[int, int]:
    """Registers and spilled bytes from the log of `ptxas -v`."""

    def numbers(pattern: str) -> list[int]:
        return [int(number) for number in re.findall(pattern, log)]

    spills = sum(numbers(r"(\d+) bytes spill stores") + numbers(r"(\d+) bytes spill loads"))
    return (
        max(numbers(r"Used (\d+) registers"), default=0),
        spills,
    )
