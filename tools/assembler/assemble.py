"""Assembles PTX with ptxas and says what the machine code costs.

Every line that ptxas prints is either one of the few that are known, and read,
or a warning: unknown lines are never dropped. So `Advisory: ... setmaxnreg
ignored` (C7508) and the performance hints that come as "info" are warnings too.
"""

from __future__ import annotations

import dataclasses
import json
import re
import subprocess
import tempfile
from pathlib import Path

from assembler import sass
from assembler.cache import Cache
from assembler.errors import AssemblerError
from assembler.locate import get_tool, get_version


@dataclasses.dataclass(frozen=True)
class Resources:
    """What one kernel takes; bytes but for `registers` (a thread) and `barriers`."""

    registers: int = 0
    stack: int = 0
    spill_stores: int = 0
    spill_loads: int = 0
    shared: int = 0  # static; what the launch adds is not in it
    local: int = 0
    barriers: int = 0


@dataclasses.dataclass(frozen=True)
class Assembly:
    """The machine code of a PTX module for its target."""

    target: str
    cubin: bytes = dataclasses.field(repr=False)
    kernels: dict[str, Resources]
    warnings: tuple[str, ...]

    @property
    def kernel(self) -> Resources:
        """The resources of the only kernel."""
        if len(self.kernels) != 1:
            raise AssemblerError(f"expects one kernel, but got {sorted(self.kernels)}")
        return next(iter(self.kernels.values()))

    @property
    def defects(self) -> list[str]:
        """What no kernel of ours may have: spills, stack, local memory, warnings."""
        found = list(self.warnings)
        for name, resources in self.kernels.items():
            found += [
                f"kernel '{name}' has {value} bytes of {field.replace('_', ' ')}"
                for field in ("stack", "spill_stores", "spill_loads", "local")
                if (value := getattr(resources, field))
            ]
        return found


def get_target(ptx: str) -> str:
    """The target that a PTX module names."""
    found = re.search(r"^\s*\.target\s+(\w+)", ptx, re.MULTILINE)
    if not found:
        raise AssemblerError("the PTX has no .target")
    return found[1]


def assemble(ptx: str, flags: tuple[str, ...] = (), cache: Cache | None = None) -> Assembly:
    """Assembles a module for its own target; raises with ptxas's words if it refuses."""
    ptxas, cache, target = get_tool("ptxas"), cache or Cache(), get_target(ptx)
    command = ["-v", f"-arch={target}", *flags]

    def run() -> bytes:
        with tempfile.TemporaryDirectory() as folder:
            source, out = Path(folder, "kernel.ptx"), Path(folder, "kernel.cubin")
            source.write_text(ptx)
            done = subprocess.run(
                [ptxas, *command, source, "-o", out], capture_output=True, text=True
            )
            said = (done.stdout + done.stderr).replace(folder + "/", "")
            if done.returncode != 0 or not out.exists():
                raise AssemblerError(f"ptxas refuses the PTX for {target}:\n{said.strip()}")
            return json.dumps({"said": said}).encode() + b"\n" + out.read_bytes()

    parts = ("ptxas", get_version(ptxas), *command, ptx)
    header, _, cubin = cache.get(parts, "cubin", run).partition(b"\n")
    kernels, warnings = parse_report(json.loads(header)["said"])
    if not kernels:
        raise AssemblerError("ptxas reported no kernel")
    return Assembly(target, cubin, kernels, warnings)


def disassemble(assembly: Assembly, cache: Cache | None = None) -> dict[str, sass.Kernel]:
    """The machine code, kernel by kernel."""
    nvdisasm, cache = get_tool("nvdisasm"), cache or Cache()

    def run() -> bytes:
        with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
            file.write(assembly.cubin)
            file.flush()
            done = subprocess.run([nvdisasm, "-c", file.name], capture_output=True)
        if done.returncode != 0:
            raise AssemblerError(f"nvdisasm failed: {done.stderr.decode().strip()}")
        return done.stdout

    parts = ("nvdisasm", get_version(nvdisasm), assembly.cubin)
    return sass.parse(cache.get(parts, "sass", run).decode())


_ENTRY = re.compile(r"Compiling entry function '(.+?)' for '\w+'$")
_PROPERTIES = re.compile(r"Function properties for (\S+)$")
_FRAME = re.compile(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads$")
_USED = re.compile(r"Used (\d+) registers(.*)$")
_IGNORED = re.compile(r"(\d+ bytes gmem.*|Compile time = .*|.*\bcumulative stack size\b.*)$")


def parse_report(said: str) -> tuple[dict[str, Resources], tuple[str, ...]]:
    """The kernels and the warnings in what `ptxas -v` printed."""
    kernels: dict[str, Resources] = {}
    warnings: list[str] = []
    current = ""

    def note(**values: int) -> None:
        kernels[current] = dataclasses.replace(kernels[current], **values)

    for line in said.splitlines():
        text = re.sub(r"^ptxas info\s*: ", "", line).strip()
        if found := _ENTRY.match(text):
            current = found[1]
            kernels[current] = Resources()
        elif found := _PROPERTIES.match(text):
            # Of a kernel, or of a device function that was not inlined.
            current = found[1]
            kernels.setdefault(current, Resources())
        elif found := _FRAME.match(text):
            note(stack=int(found[1]), spill_stores=int(found[2]), spill_loads=int(found[3]))
        elif found := _USED.match(text):
            note(registers=int(found[1]), **_parse_used(found[2]))
        elif text and not _IGNORED.match(text):
            warnings.append(text)
    return kernels, tuple(warnings)


def _parse_used(rest: str) -> dict[str, int]:
    values: dict[str, int] = {}
    for pattern, field in (
        (r"used (\d+) barriers", "barriers"),
        (r"(\d+)(?:\+\d+)? bytes smem", "shared"),
        (r"(\d+)(?:\+\d+)? bytes lmem", "local"),
    ):
        if found := re.search(pattern, rest):
            values[field] = int(found[1])
    return values
