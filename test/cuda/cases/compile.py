"""PTX of the programs: compiled by nvcc, or as it is kept beside them.

`ptx/` keeps what one release of nvcc made of each program, so that machines
without nvcc run the same tests. Where nvcc is present, its own PTX is what runs:
of another release it is compiled at the first use and cached by a hash of all
that goes in; of the release that made the kept files it would be the same text
again, which `test_kept_ptx.py` proves on a sample each time and on all of them
with TILEWRIGHT_CUDA_FULL=1.

A file of sm_90 is kept only where it differs from that of sm_80 in more than its
`.target`. The file of a mutant holds only the kernels that its cases launch.
"""

from __future__ import annotations

import functools
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

CUDA = Path(__file__).resolve().parent.parent
PROGRAMS = CUDA / "programs"
KEPT = CUDA / "ptx"
FLAGS = ("-ptx", "-O3", "-lineinfo", "-std=c++17", "-w")
ENTRY = re.compile(r"^(?:\.\w+ )*\.entry (\w+)\(", re.MULTILINE)


@functools.cache
def find_nvcc() -> tuple[str, str] | None:
    """The path of nvcc and its release ("13.0.88"), or None."""
    path = shutil.which("nvcc")
    if path is None:
        return None
    shown = subprocess.run([path, "--version"], capture_output=True, text=True).stdout
    found = re.search(r"release [\d.]+, V([\d.]+)", shown)
    return (path, found[1]) if found else None


def fingerprint(program: str) -> str:
    """A hash of the source and of how it is compiled."""
    text = (PROGRAMS / f"{program}.cu").read_bytes() + " ".join(FLAGS).encode()
    return hashlib.sha256(text).hexdigest()[:32]


def compile_program(program: str, target: str, macro: str | None = None) -> str:
    """What nvcc makes of a program, with the paths of this machine taken out.

    Raises:
        RuntimeError: there is no nvcc, or it refuses the program.
    """
    nvcc = find_nvcc()
    if nvcc is None:
        raise RuntimeError("there is no nvcc")
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out.ptx"
        command = [nvcc[0], *FLAGS, f"-arch={target}", *([f"-D{macro}"] if macro else [])]
        done = subprocess.run(
            [*command, f"{program}.cu", "-o", out], cwd=PROGRAMS, capture_output=True, text=True
        )
        if done.returncode:
            raise RuntimeError(f"nvcc refuses {program}.cu for {target}:\n{done.stderr}")
        return clean(out.read_text())


def clean(text: str) -> str:
    """The text without comments of its own and with short names of files."""

    def shorten(found: re.Match[str]) -> str:
        path = found[2]
        if "/programs/" in path:
            path = "programs/" + path.rsplit("/programs/", 1)[1]
        elif "/include/" in path:
            path = "cuda/" + path.split("/include/", 1)[1]
        return f'{found[1]}"{path}"'

    text = re.sub(r'^(\s*\.file\s+\d+\s+)"([^"]*)".*$', shorten, text, flags=re.MULTILINE)
    text = re.sub(r"^\s*//.*\n", "", text, flags=re.MULTILINE)
    text = re.sub(r"[ \t]+$", "", text, flags=re.MULTILINE)
    return re.sub(r"\n{2,}", "\n", text).lstrip("\n")


def keep_entries(text: str, kernels: set[str]) -> str:
    """The text without the kernels that are not in `kernels`."""
    parts, done = [], 0
    for found in ENTRY.finditer(text):
        if found[1] in kernels or found.start() < done:
            continue
        parts.append(text[done : found.start()])
        done = end_of_body(text, text.index("{", found.end()))
    return drop_unused_names("".join(parts) + text[done:])


def comparable(text: str) -> str:
    """The text without what nvcc derives from the program's folder and its own process."""
    text = re.sub(r"\.section\s+\.debug_str\s*{.*?}", "", text, flags=re.DOTALL)
    # _ZN43_INTERNAL_<hash>_12_cub_block_cu_..., _ZN50_INTERNAL_13_cub_device_cu_<hash>_<process>...
    place = r"(?:[0-9a-f]{8}_)?\d+_(\w+?)_cu_(?:[0-9a-f]{8}[_0-9]*)?"
    return re.sub(r"\d+(_INTERNAL_|_GLOBAL__N__)" + place, r"\1\2_", text)


def drop_unused_names(text: str) -> str:
    """The text without the names of inlined functions that no `.loc` refers to."""
    used = set(re.findall(r"function_name (\S+?),", text))
    name = re.compile(r"^(\$L__info_string\d+):\n(?:\.b8 .*\n)+", re.MULTILINE)
    return name.sub(lambda found: found[0] if found[1] in used else "", text)


def end_of_body(text: str, brace: int) -> int:
    """Where the line ends on which the brace at `brace` is closed."""
    depth = 0
    for found in re.compile("[{}]").finditer(text, brace):
        depth += 1 if found[0] == "{" else -1
        if depth == 0:
            return text.index("\n", found.end()) + 1
    raise ValueError("a brace is not closed")


def cache_folder() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "tilewright" / "test-ptx"


def kept_path(program: str, target: str, macro: str | None = None) -> Path:
    return KEPT / (".".join(filter(None, [program, macro, target])) + ".ptx")


def read_kept(program: str, target: str, macro: str | None = None) -> tuple[str, str, str] | None:
    """Text, fingerprint and nvcc's release of a kept file, or None."""
    path = kept_path(program, target, macro)
    if not path.exists() and target == "sm_90":
        kept = read_kept(program, "sm_80", macro)
        return kept and (kept[0].replace(".target sm_80", ".target sm_90", 1), *kept[1:])
    if not path.exists():
        return None
    head, text = path.read_text().split("\n", 1)
    found = re.fullmatch(r"// (\S+) by nvcc (\S+)", head)
    if found is None:
        raise ValueError(f"{path}: expects '// <hash> by nvcc <release>', but got {head!r}")
    return text, found[1], found[2]


def write_kept(program: str, target: str, text: str, macro: str | None = None) -> bool:
    """Keeps a text unless sm_80's says the same; whether there is a file now."""
    path = kept_path(program, target, macro)
    path.unlink(missing_ok=True)
    kept = read_kept(program, target, macro)
    if kept and kept[0] == text and kept[1] == fingerprint(program):
        return False
    nvcc = find_nvcc()
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"// {fingerprint(program)} by nvcc {nvcc and nvcc[1]}\n{text}")
    return True


@functools.cache
def load(program: str, target: str, macro: str | None = None) -> str:
    """The PTX to run: of the nvcc at hand, else as it is kept.

    Raises:
        FileNotFoundError: there is neither nvcc nor a kept file of this source.
    """
    nvcc, kept, hash_of_source = (
        find_nvcc(),
        read_kept(program, target, macro),
        fingerprint(program),
    )
    if kept and kept[1] != hash_of_source:
        kept = None
    if kept and (nvcc is None or kept[2] == nvcc[1]):
        return kept[0]
    if nvcc is None:
        raise FileNotFoundError(
            f"{kept_path(program, target, macro).name} is missing or older than {program}.cu: "
            "run tools/keep_ptx.py where nvcc is"
        )
    name = hashlib.sha256(f"{hash_of_source} {nvcc[1]} {target} {macro}".encode()).hexdigest()[:32]
    cached = cache_folder() / f"{program}-{name}.ptx"
    if not cached.exists():
        print(f"  nvcc {program}.cu for {target} {macro or ''}", flush=True)
        text = compile_program(program, target, macro)
        cached.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=cached.parent, delete=False) as file:
            file.write(text)
        os.replace(file.name, cached)
    return cached.read_text()
