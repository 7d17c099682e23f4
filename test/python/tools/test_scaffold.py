"""tools/scaffold/new_pass.py on a copy: what it makes is well formed, what is wrong is refused."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
SCRIPT = ROOT / "tools" / "scaffold" / "new_pass.py"


@pytest.fixture
def copy(tmp_path):
    shutil.copytree(ROOT / "passes", tmp_path / "passes")
    return tmp_path


def run(copy, *arguments):
    command = [sys.executable, SCRIPT, "--root", copy, *arguments]
    return subprocess.run(command, capture_output=True, text=True)


def snapshot(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def find_tool(name):
    found = shutil.which(f"{name}-22") or shutil.which(name)
    if found is None:
        pytest.skip(f"no {name}")
    return found


@pytest.mark.parametrize("phase", ["Expand", "Layout", "Memory"])
def test_every_phase_gets_a_pass(copy, phase):
    result = run(copy, phase, "HoistSlots", "take slots out of loops")
    assert result.returncode == 0, result.stderr
    folder = copy / "passes" / phase
    source = (folder / "HoistSlots.cpp").read_text()
    assert "#define GEN_PASS_DEF_HOISTSLOTS\n" in source
    assert len(source.splitlines()[0]) == 80
    sources = (folder / "CMakeLists.txt").read_text().split("SOURCES\n")[1].split("  LINK")[0]
    names = sources.split()
    assert "HoistSlots.cpp" in names
    assert names == sorted(names)
    test = (copy / "test" / "passes" / phase / "hoist-slots.mlir").read_text()
    assert "// RUN: %tw-opt %s -tw-hoist-slots -split-input-file | FileCheck %s\n" in test


@pytest.mark.parametrize("phase", ["Expand", "Layout", "Memory"])
def test_tablegen_reads_the_definition(copy, phase):
    tablegen, config = find_tool("mlir-tblgen"), find_tool("llvm-config")
    includes = subprocess.run([config, "--includedir"], capture_output=True, text=True).stdout
    run(copy, phase, "HoistSlots", "take slots out of loops")
    td = copy / "passes" / phase / "Passes.td"
    command = [tablegen, "-gen-pass-decls", f"-name={phase}", "-I", includes.strip(), td]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert '"tw-hoist-slots"' in result.stdout
    # The passes that were there are still there.
    old = (ROOT / "passes" / phase / "Passes.td").read_text()
    assert td.read_text().startswith(old.rpartition("#endif")[0].rstrip())


def test_the_source_is_formatted(copy):
    formatter = find_tool("clang-format")
    run(copy, "Layout", "HoistSlots", "take slots out of loops")
    shutil.copy(ROOT / ".clang-format", copy)
    source = copy / "passes" / "Layout" / "HoistSlots.cpp"
    result = subprocess.run([formatter, "--dry-run", "-Werror", source], capture_output=True)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("Layuot", "HoistSlots", "take slots out"), "no phase 'Layuot'; there are Expand, "),
        (("Layout", "hoistSlots", "take slots out"), "expects a verb and an object in CamelCase"),
        (("Layout", "Hoist", "take slots out"), "expects a verb and an object in CamelCase"),
        (("Layout", "HoistSlots", "Take slots out."), "expects a lower-case summary"),
        (("Layout", "AssignLayouts", "give layouts"), "already has AssignLayouts"),
    ],
)
def test_what_is_wrong_changes_nothing(copy, arguments, message):
    before = snapshot(copy)
    result = run(copy, *arguments)
    assert result.returncode == 2
    assert message in result.stderr
    assert snapshot(copy) == before


def test_twice_is_refused(copy):
    run(copy, "Memory", "HoistSlots", "take slots out of loops")
    before = snapshot(copy)
    assert run(copy, "Memory", "HoistSlots", "take slots out of loops").returncode == 2
    assert snapshot(copy) == before
