"""Finds the tools of the CUDA toolkit: on PATH, else in its Python packages."""

from __future__ import annotations

import functools
import shutil
import subprocess
import sys
from pathlib import Path

from assembler.errors import AssemblerError

# The Python package that carries each tool.
PACKAGES = {"ptxas": "nvidia-cuda-nvcc", "nvdisasm": "nvidia-cuda-nvdisasm"}


@functools.cache
def find_tool(name: str) -> Path | None:
    """The path of `ptxas` or `nvdisasm`; None where it is not installed."""
    if found := shutil.which(name):
        return Path(found)
    for folder in sys.path:
        for tool in sorted(Path(folder).glob(f"nvidia/*/bin/{name}"), reverse=True):
            if shutil.which(tool):
                return tool
    return None


def explain_missing(name: str) -> str:
    """Why a check did not run, and what to do about it."""
    return (
        f"no {name}: it is neither on PATH nor in this Python; "
        f"the CUDA toolkit has it, or pip install {PACKAGES[name]}"
    )


def get_tool(name: str) -> Path:
    """The path of `ptxas` or `nvdisasm`, or an error that says how to get it."""
    tool = find_tool(name)
    if tool is None:
        raise AssemblerError(explain_missing(name))
    return tool


@functools.cache
def get_version(tool: Path) -> str:
    """The line of `tool --version` that tells builds apart."""
    run = subprocess.run([tool, "--version"], capture_output=True, text=True, check=True)
    return run.stdout.strip().splitlines()[-1]
