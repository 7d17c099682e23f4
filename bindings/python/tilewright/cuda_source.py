"""CUDA C++ to PTX, by NVRTC: the part of the CUDA toolkit that compiles at run time."""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Sequence
from pathlib import Path

from ._extension import native
from .cuda_toolkit import include_folders, library_candidates
from .errors import ArgumentError, CompileError


@dataclasses.dataclass(frozen=True)
class CudaSource:
    """CUDA C++ text and where it is from."""

    text: str
    #: The file's path, or "source.cu" for text.
    name: str
    #: The folder that `#include "..."` looks in first; None for text.
    folder: str | None


def read_cuda(source: str | os.PathLike[str]) -> CudaSource:
    """The text of a .cu file, or `source` itself where it has a line break or a brace."""
    if isinstance(source, str) and ("\n" in source or "{" in source):
        return CudaSource(source, "source.cu", None)
    if not isinstance(source, (str, os.PathLike)):
        raise ArgumentError(f"source is a {type(source).__name__}; expects CUDA C++ or a path")
    try:
        text = Path(source).read_bytes().decode()
    except OSError as error:
        raise ArgumentError(f"cannot read {source}: {os.strerror(error.errno or 0)}") from None
    except ValueError as error:
        raise ArgumentError(f"{source} is no text: {error}") from None
    return CudaSource(text, str(source), str(Path(source).resolve().parent))


def compile_cuda(source: CudaSource, target: str, options: Sequence[str] = ()) -> tuple[str, str]:
    """PTX with source lines, and the compiler's warnings.

    Args:
        source: what to compile.
        target: "sm_80".
        options: further options of NVRTC.

    Raises:
        CompileError: the compiler's messages, as they come.
        UnsupportedError: there is no NVRTC; the message says how to get it.
        ArgumentError: an option or target that NVRTC refuses.
    """
    capability = re.fullmatch(r"(?:sm|compute)_(\d+[af]?)", target)
    if not capability:
        raise ArgumentError(f"target is {target!r}; expects one such as 'sm_80'")
    folders = ([source.folder] if source.folder else []) + include_folders()
    words = [
        f"--gpu-architecture=compute_{capability[1]}",
        "--generate-line-info",
        *(f"--include-path={folder}" for folder in folders),
        *options,
    ]
    if "\0" in source.text:
        raise ArgumentError(f"{source.name} is no CUDA C++: it has a NUL in it")
    result = native().compile_cuda(source.text, source.name, words, library_candidates("nvrtc"))
    if not result["succeeded"]:
        raise CompileError(result["log"].strip() or f"{source.name} does not compile")
    return result["ptx"], result["log"]
