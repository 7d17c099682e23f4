"""`tw compile`: what it prints and writes, in text and JSON."""

import base64
import json
import math
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


ATTENTION = ("--op", "attention", "--heads", "8/2", "--head-size", "64/32")


def test_attention(tw, documented_keys):
    summary = tw("compile", *ATTENTION, "--causal", "-m", 4096, "--target", "h200", "--json").json
    assert set(summary) == documented_keys("## `tw compile --json`")
    extents = {d["name"]: d.get("extent") for d in summary["problem"]["dimensions"]}
    assert extents == {"B": None, "Sq": None, "Sk": None, "Hq": 8, "Hkv": 2, "D": 64, "Dv": 32}
    assert summary["problem"]["attributes"]["causal"] == "true"
    tile_q = int(summary["schedule"].partition("tile_q=")[2].partition(",")[0])
    assert math.prod(summary["launch"]["blocks"]) * tile_q == 4096 * 8


def test_every_option_of_attention_is_compiled(tw):
    plain = tw("compile", *ATTENTION, "--json").json["problem"]
    of_plain = [operand["name"] for operand in plain["operands"]]
    for options, changed in {
        ("--window=64,-1",): {"window": "64,-1"},
        ("--softcap", 30): {"softcap": "30.0"},
        ("--scale", 0.5): {"scale": "0.5"},
        ("--alibi",): "alibi_slopes",
        ("--sinks",): "sinks",
        ("--lse",): "lse",
        ("--varlen",): "q_starts",
    }.items():
        problem = tw("compile", *ATTENTION, *options, "--json").json["problem"]
        if isinstance(changed, dict):
            assert problem["attributes"] == plain["attributes"] | changed
        else:
            names = [operand["name"] for operand in problem["operands"]]
            assert changed in names and changed not in of_plain
    for options, text in ((("--dtype", "bf16"), "bf16"), (("--layout", "bhsd"), "null")):
        problem = tw("compile", *ATTENTION, *options, "--json").json["problem"]
        assert problem != plain and text in json.dumps(problem["operands"])


def test_merge_attention(tw):
    merge = ("--op", "merge_attention", "--heads", 4, "--head-size", 64, "--parts", 3)
    summary = tw("compile", *merge, "--out-dtype", "f32", "-m", 100, "--json").json
    names = [operand["name"] for operand in summary["problem"]["operands"]]
    assert names == ["o0", "o1", "o2", "lse0", "lse1", "lse2", "lse", "o"]
    assert summary["problem"]["operands"][-1]["dtype"] == "f32"
    assert tw("compile", *merge, "--emit", "ptx").out.count(".entry merge_attention(") == 1


def test_attention_from_a_file(tw, tmp_path):
    program = tmp_path / "attend.mlir"
    program.write_text(tw("compile", *ATTENTION, "--emit", "ir", "--phase", "nn").out)
    of_file = tw("compile", program, "-m", 16, "--json").json
    of_problem = tw("compile", *ATTENTION, "--json").json
    for key in ("schedule", "resources"):
        assert of_file[key] == of_problem[key]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--op", "attention"), "expects --heads and --head-size for attention"),
        ((*ATTENTION[:4],), "expects --head-size for attention"),
        ((*ATTENTION, "-n", 5), "-n is no option of --op attention"),
        ((*ATTENTION, "--parts", 2), "--parts is no option of --op attention"),
        ((*PROBLEM, "--causal"), "--causal is no option of --op quant_matmul"),
        ((*ATTENTION, "--window", "3"), "--window is 3; expects LEFT,RIGHT"),
        ((*ATTENTION, "--dtype", "i8"), "dtype of an array is int8"),
        ((*ATTENTION, "--softcap", "-3"), "softcap is -3.0"),
        (
            ("--op", "attention", "--heads", "3/2", "--head-size", 64),
            "q has 3 heads and k 2; expects a multiple",
        ),
        (
            ("--op", "attention", "--heads", "8/x", "--head-size", 64),
            "--heads is 8/x: expects a positive integer",
        ),
        (
            ("--op", "merge_attention", "--heads", 8, "--head-size", 64, "--parts", 17),
            "--parts is 17; a launch reads at most 16",
        ),
    ],
)
def test_what_attention_cannot_be_is_one_line(tw, options, message):
    result = tw("compile", *options)
    assert result.status == 2
    assert message in result.err
    assert result.err.count("\n") == 1
