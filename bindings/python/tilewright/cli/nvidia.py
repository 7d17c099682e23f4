"""ptxas at work; where it and the rest of the CUDA toolkit are says tilewright.cuda_toolkit."""

from __future__ import annotations

import dataclasses
import re
import subprocess
import tempfile
from pathlib import Path

from ..cuda_toolkit import HOW_TO_GET, find_tool, load_library, tool_version
from .failures import Failure

__all__ = ["HOW_TO_GET", "Assembly", "assemble", "find_tool", "load_library", "tool_version"]

_ASSEMBLER_SECONDS = 300


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
