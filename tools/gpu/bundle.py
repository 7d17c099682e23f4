"""Packs what a machine with a GPU needs into one archive: `make gpu-bundle`.

The compiled half of the package is built for the Python of that machine (BUNDLE_PYTHON, by
default python3.12), with LLVM and the C++ runtime library inside, and stripped. With it go
the Python half, the tests that use a GPU with their kernels, pytest, and tools/gpu. There:

    tar xzf tilewright-gpu.tar.gz && python3 tilewright-gpu/tools/gpu/run.py

Needed there: Python of the same minor version, NumPy, a glibc that is no older; torch (and
Triton) for timing.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
NAME = "tilewright-gpu"
#: What the archive may have at most.
LIMIT = 64 << 20
#: Tracked files that go along, by where they go.
PARTS = {
    "bindings/python/tilewright": "python/tilewright",
    "tools/gpu": "tools/gpu",
    "test/python": "test/python",
    "test/cuda": "test/cuda",
    "test/triton": "test/triton",
    "benchmarks/results": "benchmarks/results",
    "pyproject.toml": "pyproject.toml",
    "LICENSE": "LICENSE",
}
#: What the tests need that such a machine may lack; without their own requirements.
PACKAGES = (
    "pytest", "iniconfig", "packaging", "pluggy", "pygments",
    "hypothesis", "sortedcontainers", "ml_dtypes",
)  # fmt: skip


class BundleError(Exception):
    """The bundle cannot be made; the message says what is missing."""


def find_python(wanted: str) -> tuple[Path, str]:
    """An interpreter that has headers, and its version ("3.12")."""
    code = (
        "import os, sys, sysconfig\n"
        "has = os.path.exists(os.path.join(sysconfig.get_path('include'), 'Python.h'))\n"
        "print(sys.executable, '%d.%d' % sys.version_info[:2], has, sep='\\n')"
    )
    try:
        run = subprocess.run([wanted, "-c", code], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise BundleError(
            f"BUNDLE_PYTHON is {wanted!r}, which does not run ({error}); "
            "expects an interpreter of the version that the GPU's machine has"
        ) from None
    path, version, has_headers = run.stdout.split("\n")[:3]
    if has_headers != "True":
        raise BundleError(f"BUNDLE_PYTHON is {path}, which has no Python.h; install its headers")
    return Path(path), version


def build_extension(build: Path, python: Path, version: str) -> Path:
    """The extension for another Python, built in `build` beside our own."""
    option = f"-DTILEWRIGHT_PORTABLE_PYTHON={python}"
    log = build / "portable-configure.log"
    with log.open("w") as out:
        command = ["cmake", "-S", str(ROOT), "-B", str(build), option]
        if subprocess.run(command, stdout=out, stderr=out).returncode:
            raise BundleError(f"cmake failed: see {log}")
    jobs = os.environ.get("JOBS", str(os.cpu_count() or 1))
    command = ["cmake", "--build", str(build), "--target", "TilewrightPortable", "-j", jobs]
    if subprocess.run(command).returncode:
        raise BundleError("the extension could not be built")
    pattern = f"_native.cpython-{version.replace('.', '')}-*.so"
    (extension,) = (build / "portable").glob(pattern)
    return extension


def tracked_files(part: str) -> list[Path]:
    """Files under `part` that git knows or would add."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", part]
    listing = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return [Path(line) for line in listing.stdout.splitlines() if (ROOT / line).is_file()]


def stage(folder: Path, extension: Path, about: dict[str, object]) -> None:
    """Fills an empty `folder` with all but the packages of others."""
    for part, place in PARTS.items():
        for file in tracked_files(part):
            target = folder / place / file.relative_to(part)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / file, target)
    target = folder / "python" / "tilewright" / extension.name
    strip = shutil.which("strip") or shutil.which("llvm-strip")
    if strip is None:
        raise BundleError("there is no strip; it is in binutils")
    subprocess.run([strip, "--strip-unneeded", "-o", target, extension], check=True)
    (folder / "BUNDLE.json").write_text(json.dumps(about, indent=1) + "\n")


def install_packages(folder: Path, version: str) -> str:
    """Packages of others for Python `version`; what went wrong, or nothing."""
    pinned = [f"{name}=={importlib.metadata.version(name)}" for name in PACKAGES]
    command = [sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    command += ["--no-deps", "--no-compile", "--only-binary=:all:", "--implementation", "cp"]
    command += ["--python-version", version, "--target", str(folder / "site"), *pinned]
    run = subprocess.run(command, capture_output=True, text=True)
    return "" if run.returncode == 0 else run.stderr.strip().splitlines()[-1]


def pack(folder: Path, archive: Path) -> int:
    """Writes `folder` as one archive; returns its bytes. BundleError if they are too many."""

    def anonymous(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
        member.uid = member.gid = member.mtime = 0
        member.uname = member.gname = ""
        return None if "__pycache__" in member.name else member

    with tarfile.open(archive, "w:gz", compresslevel=6) as out:
        out.add(folder, folder.name, filter=anonymous)
    nbytes = archive.stat().st_size
    if nbytes > LIMIT:
        archive.unlink()
        raise BundleError(f"the archive has {nbytes} bytes; expects at most {LIMIT}")
    return nbytes


def describe(version: str) -> dict[str, object]:
    """What the bundle was made from."""
    command = ["git", "describe", "--always", "--dirty"]
    commit = subprocess.run(command, cwd=ROOT, capture_output=True, text=True).stdout.strip()
    libc = os.confstr("CS_GNU_LIBC_VERSION") if hasattr(os, "confstr") else None
    return {"commit": commit, "python": version, "libc": libc}


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", type=Path, default=ROOT / "build")
    parser.add_argument("--python", default=os.environ.get("BUNDLE_PYTHON") or "python3.12")
    options = parser.parse_args()
    build = options.build.resolve()
    try:
        python, version = find_python(options.python)
        print(f"Building the extension for Python {version}", flush=True)
        extension = build_extension(build, python, version)
        folder = build / "gpu-bundle" / NAME
        shutil.rmtree(folder.parent, ignore_errors=True)
        folder.mkdir(parents=True)
        stage(folder, extension, describe(version))
        problem = install_packages(folder, version)
        if problem:
            print(f"Without pytest, which the other machine has to have: {problem}")
        archive = build / f"{NAME}.tar.gz"
        nbytes = pack(folder, archive)
    except BundleError as error:
        print(f"gpu-bundle: {error}", file=sys.stderr)
        return 1
    print(f"{archive}: {nbytes / 2**20:.1f} MiB, for Python {version}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
