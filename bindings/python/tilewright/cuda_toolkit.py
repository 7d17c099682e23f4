"""The CUDA toolkit: where its tools, libraries and headers are, and their versions.

A tool is looked for on PATH, in the CUDA toolkit ($CUDA_HOME, /usr/local/cuda) and in
the Python packages nvidia-*; libraries also where the system's loader looks.
"""

from __future__ import annotations

import ctypes
import functools
import glob
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

#: How to get what is missing, by what it is called.
HOW_TO_GET = {
    "ptxas": "install the CUDA toolkit, or: pip install nvidia-cuda-nvcc",
    "nvdisasm": "install the CUDA toolkit, or: pip install nvidia-cuda-nvdisasm",
    "nvrtc": "install the CUDA toolkit, or: pip install nvidia-cuda-nvrtc",
    "nvJitLink": "install the CUDA toolkit, or: pip install nvidia-nvjitlink",
}


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


def library_candidates(
    stem: str, *, majors: tuple[str, ...] = ("13", "12", "11.2"), searches_packages: bool = True
) -> list[str]:
    """Names and paths that a shared library such as "nvrtc" may be opened by, best first."""
    candidates = [f"lib{stem}.so.{major}" for major in majors]
    if searches_packages:
        for root in _roots():
            for folder in ("lib64", "lib"):
                found = glob.glob(f"{root}/{folder}/lib{stem}.so.[0-9]*")
                candidates += sorted(found, reverse=True)
    return candidates


def load_library(
    stem: str, *, majors: tuple[str, ...] = ("13", "12", "11.2"), searches_packages: bool = True
) -> tuple[ctypes.CDLL, str] | None:
    """A shared library such as "nvrtc", and the name or path it was found under."""
    for name in library_candidates(stem, majors=majors, searches_packages=searches_packages):
        try:
            return ctypes.CDLL(name), name
        except OSError:
            continue
    return None


def include_folders() -> list[str]:
    """Folders with the toolkit's headers: the first that has any, with CCCL's beside."""
    for root in _roots():
        include = root / "include"
        if (include / "cuda_fp16.h").is_file():
            beside = [include / "cccl"] if (include / "cccl").is_dir() else []
            return [str(folder) for folder in (include, *beside)]
    return []
