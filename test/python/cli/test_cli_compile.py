"""`tw compile`: what it prints and writes, in text and JSON."""

import base64
import json
import shutil
import subprocess

import pytest

PROBLEM = ("--op", "quant_matmul", "-n", 64, "-k", 256)
needs_ptxas = pytest.mark.skipif(shutil.which("ptxas") is None, reason="no ptxas on PATH")


@pytest.fixture
def program(tw, tmp_path):
    """An nn program in a file."""
    path = tmp_path / "layer.mlir"
    path.write_text(tw("compile", *PROBLEM, "--emit", "ir", "--phase", "nn").out)
    return path


def test_summary_says_what_the_kernel_needs(tw):
    result = tw("compile", *PROBLEM)
    assert (result.status, result.err) == (0, "")
    assert "sm_80 (a100)" in result.out
    assert "quant_matmul{split_k=" in result.out
    assert "bytes of shared memory" in result.out


def test_json_has_the_documented_keys(tw, documented_keys):
    result = tw("compile", *PROBLEM, "-m", 200, "--json")
    assert result.status == 0
    summary = result.json
    assert set(summary) == documented_keys("## `tw compile --json`")
    assert set(summary["resources"]) == documented_keys("`resources`, of a block")
    assert summary["target"] == "sm_80"
    assert summary["resources"]["shared_limit"] == 163 * 1024
    launch = summary["launch"]
    assert launch["m"] == 200
    tile_m = int(summary["schedule"].partition("tile_m=")[2].partition(",")[0])
    assert -(-200 // tile_m) in launch["blocks"]


@needs_ptxas
def test_ptxas_says_registers(tw):
    used = tw("compile", *PROBLEM, "--json").json["resources"]
    assert 16 <= used["registers"] <= used["registers_limit"] == 255
    assert used["spill_bytes"] == 0
    assert used["ptxas"].count(".") == 2


def test_without_ptxas_registers_are_unknown_and_it_says_how_to_get_it(tw, monkeypatch):
    monkeypatch.setattr("tilewright.cli.nvidia.find_tool", lambda name: None)
    assert tw("compile", *PROBLEM, "--json").json["resources"]["registers"] is None
    assert "pip install nvidia-cuda-nvcc" in tw("compile", *PROBLEM).out
    result = tw("compile", *PROBLEM, "--emit", "cubin", "--json")
    assert result.status == 2
    assert "ptxas" in result.err


@pytest.mark.parametrize("name", ["h200", "H200", "sm_90a"])
def test_target_is_a_capability_or_a_gpu(tw, name):
    summary = tw("compile", *PROBLEM, "--target", name, "--json").json
    assert (summary["target"], summary["model"]) == ("sm_90a", "h200")


@pytest.mark.parametrize(("n", "k"), [(1 << 25, 128), (128, 1 << 25), (1 << 21, 1 << 20)])
def test_extents_whose_offsets_need_more_than_32_bits(tw, n, k):
    """Distances between rows go into addresses as constants."""
    result = tw("compile", "--op", "quant_matmul", "-m", 1, "-n", n, "-k", k, "--json")
    assert (result.status, result.err) == (0, "")


def test_schedule_that_was_printed_can_be_given_back(tw):
    summary = tw("compile", *PROBLEM, "--json").json
    changed = summary["schedule"].replace("tile_n=32", "tile_n=64")
    assert changed != summary["schedule"]
    again = tw("compile", *PROBLEM, "--schedule", changed, "--json").json
    assert again["schedule"] == changed


def test_a_file_compiles_as_the_problem_it_holds(tw, program):
    of_file = tw("compile", program, "--json").json
    of_problem = tw("compile", *PROBLEM, "--json").json
    for key in ("schedule", "problem", "resources"):
        assert of_file[key] == of_problem[key]


def test_a_program_from_stdin(tw, program, monkeypatch):
    with program.open() as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        assert tw("compile", "-").status == 0


def test_emit_ir_prints_every_phase_or_one(tw):
    every = tw("compile", *PROBLEM, "--emit", "ir").out
    titles = [line for line in every.splitlines() if line.startswith("// after ")]
    assert titles[0] == "// after nn"
    assert len(titles) >= 5
    layout = tw("compile", *PROBLEM, "--emit", "ir", "--phase", "layout").out
    assert layout.startswith("// after layout\n")
    assert layout in every
    phases = tw("compile", *PROBLEM, "--emit", "ir", "--json").json["ir"]
    assert [f"// after {name}" for name in phases] == titles


def test_emit_metadata(tw):
    metadata = json.loads(tw("compile", *PROBLEM, "--emit", "metadata").out)
    assert metadata["schema"] == 1
    assert metadata["parameters"][0]["name"] == "x"


def test_artifact_file_is_ptx_with_metadata_in_front(tw, tmp_path):
    path = tmp_path / "kernel.ptx"
    result = tw("compile", *PROBLEM, "-o", path)
    assert result.status == 0
    assert str(path) in result.out
    opening, _, rest = path.read_text().partition("\n")
    metadata = json.loads(opening.removeprefix("// tilewright: "))
    assert f".entry {metadata['kernel']}(" in rest
    assert path.read_text() == tw("compile", *PROBLEM, "--emit", "ptx").out


@needs_ptxas
def test_artifact_file_and_cubin_are_what_ptxas_takes_and_gives(tw, tmp_path):
    path, cubin = tmp_path / "kernel.ptx", tmp_path / "kernel.cubin"
    assert tw("compile", *PROBLEM, "--emit", "ptx", "-o", path).out == ""
    subprocess.run(["ptxas", "-arch=sm_80", "-o", "/dev/null", path], check=True)
    assert tw("compile", *PROBLEM, "--emit", "cubin", "-o", cubin).status == 0
    assert cubin.read_bytes().startswith(b"\x7fELF")
    encoded = tw("compile", *PROBLEM, "--emit", "cubin", "--json").json["cubin"]
    assert base64.b64decode(encoded).startswith(b"\x7fELF")


@needs_ptxas
def test_ptx_that_ptxas_refuses_is_a_failure(tw, monkeypatch):
    from tilewright.cli import compile

    broken = compile.nvidia.assemble
    monkeypatch.setattr(
        compile.nvidia, "assemble", lambda ptx, target: broken(ptx + "nonsense", target)
    )
    result = tw("compile", *PROBLEM)
    assert result.status == 1
    assert result.err.startswith("tw: error: ptxas ")
    assert result.err.count("\n") == 1
