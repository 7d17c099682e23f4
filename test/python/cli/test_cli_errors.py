"""Bad input: status 2, one line with a hint on stderr, and no traceback."""

import subprocess
import sys

import pytest
from tilewright.cli import make_parser

SMALL = ("--op", "quant_matmul", "-n", "64", "-k", "256")
HUGE = "quant_matmul{split_k=1, stages=8, tile_k=1024, tile_m=16, tile_n=512, warps_m=1, warps_n=4}"

# What is asked, and what the line must name.
BAD = [
    (["complie"], ["complie", "compile"]),
    (["compile"], ["FILE", "--op"]),
    (["compile", "--bogus"], ["--bogus"]),
    (["compile", *SMALL, "--target", "sm_81"], ["sm_81", "sm_80", "sm_86", "tw devices"]),
    (["compile", *SMALL, "--target", "a1000"], ["a1000", "a100"]),
    (["compile", *SMALL, "--target", "t4"], ["sm_75", "sm_80"]),
    (["compile", *SMALL, "--format", "u9"], ["u9", "u1..u8"]),
    (["compile", *SMALL, "--format", "int4"], ["int4", "u1..u8"]),
    (["compile", *SMALL, "--group", "40"], ["40", "multiple of 16", "nearest is 48"]),
    (["compile", *SMALL, "--group", "128x12"], ["12", "multiple of 8", "nearest is 16"]),
    (["compile", *SMALL, "--group", "row"], ["'row'", "'128x128'", "'channel'", "'tensor'"]),
    (["compile", *SMALL, "--dtype", "f64"], ["f64", "bf16"]),
    (["compile", "--op", "convolution"], ["convolution", "quant_matmul"]),
    (["compile", "--op", "quant_matmul", "-n", "-64", "-k", "64"], ["-n", "-64"]),
    (["compile", "--op", "quant_matmul", "-n", "64", "-k", "0"], ["-k", "0"]),
    (["compile", "--op", "quant_matmul", "-n", "x", "-k", "64"], ["-n", "'x'"]),
    (["compile", "--op", "quant_matmul", "-n", str(1 << 40), "-k", "1"], [str(1 << 40)]),
    (["compile", "--op", "quant_matmul", "-n", "64"], ["-k"]),
    (["compile", *SMALL, "--schedule", HUGE], ["shared memory", "166912", "2441216"]),
    (["compile", *SMALL, "--schedule", "fast"], ["fast"]),
    (["compile", *SMALL, "--schedule", "fast{a=1}"], ["fast", "quant_matmul"]),
    (["compile", *SMALL, "--schedule", "quant_matmul{tile_m=16}"], ["tile_n"]),
    (["compile", *SMALL, "--emit", "ir", "--phase", "fly"], ["fly", "layout"]),
    (["compile", *SMALL, "--phase", "layout"], ["--emit ir"]),
    (["compile", "missing.mlir"], ["missing.mlir", "No such file"]),
    (["compile", "/"], ["/", "directory"]),
    (["compile", "missing.mlir", "--format", "u4"], ["--format", "missing.mlir"]),
    (["compile", *SMALL, "-o", "/nowhere/kernel.ptx"], ["/nowhere/kernel.ptx"]),
    (["run"], ["ARTIFACT", "--op"]),
    (["run", *SMALL, "--device", "emulated:a1000"], ["a1000", "a100"]),
    (["run", *SMALL, "--device", "tpu"], ["tpu"]),
    (["run", *SMALL, "--device", "cuda:x"], ["cuda:x"]),
    (["run", *SMALL, "--input", "z=a.npy"], ["z=a.npy", "bias"]),
    (["run", *SMALL, "--input", "x=missing.npy"], ["missing.npy"]),
    (["run", "missing.ptx"], ["missing.ptx"]),
]


def check_one_line(result, named):
    assert result.status == 2
    assert result.err.count("\n") == 1, result.err
    assert result.err.startswith("tw: error: ")
    assert "(hint: " in result.err
    assert "Traceback" not in result.err
    for word in named:
        assert word in result.err, result.err


@pytest.mark.parametrize(("arguments", "named"), BAD, ids=lambda value: " ".join(value)[:60])
def test_bad_input_is_one_line(tw, arguments, named):
    result = tw(*arguments)
    check_one_line(result, named)
    assert result.out == ""


@pytest.mark.parametrize(("arguments", "named"), BAD, ids=lambda value: " ".join(value)[:60])
def test_bad_input_is_an_object_with_json(tw, arguments, named):
    result = tw(*arguments, "--json")
    check_one_line(result, named)
    error = result.json["error"]
    assert set(error) == {"kind", "message", "hint", "status"}
    assert error["status"] == 2
    assert error["hint"]


def test_a_type_error_in_a_program_has_its_place(tw, tmp_path):
    path = tmp_path / "layer.mlir"
    text = tw("compile", *SMALL, "--emit", "ir", "--phase", "nn").out
    path.write_text(text.replace("tensor<?x256xf16>", "tensor<?x255xf16>"))
    result = tw("compile", path)
    line = 1 + next(i for i, line in enumerate(text.splitlines()) if "nn.quant_matmul " in line)
    check_one_line(result, [f"{path}:{line}:", "K = 256", "255"])
    assert "current operation" not in result.err


def test_a_syntax_error_in_a_program_has_its_place(tw, tmp_path):
    path = tmp_path / "layer.mlir"
    path.write_text("func.func @f(\n  %x: tensor<4xf33>) { return }\n")
    check_one_line(tw("compile", path), [f"{path}:2:16:"])


def test_text_that_is_no_program(tw, tmp_path):
    empty, binary = tmp_path / "empty.mlir", tmp_path / "binary.mlir"
    empty.write_text("")
    binary.write_bytes(b"\xff\xfe\x00")
    check_one_line(tw("compile", empty), [])
    check_one_line(tw("compile", binary), [str(binary), "UTF-8"])


def test_help_lists_what_the_documentation_names(tw, docs):
    for command in ("compile", "run", "devices", "doctor"):
        result = tw(command, "--help")
        assert result.status == 0
        assert "--json" in result.out
        assert f"`tw {command}`" in docs


def test_every_option_in_the_documentation_exists(docs):
    known = {"--help"}
    for action in make_parser()._actions:
        known |= set(action.option_strings)
        for parser in getattr(action, "choices", None) or {}:
            known |= set(action.choices[parser]._option_string_actions)
    words = docs.replace("`", " ").replace(",", " ").split()
    used = {word for word in words if word.startswith("--") and word[2:3].isalpha()}
    assert used <= known


def run_process(*arguments, **settings):
    return subprocess.run(
        [sys.executable, "-m", "tilewright", *arguments],
        capture_output=True, text=True, timeout=120, **settings,
    )  # fmt: skip


def test_as_a_process():
    assert run_process("--version").stdout.startswith("tw ")
    result = run_process("compile", *SMALL, "--target", "sm_81")
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.count("\n") == 1


def test_a_reader_that_leaves_early_is_no_error():
    command = f"{sys.executable} -m tilewright compile {' '.join(SMALL)} --emit ir | head -n 1"
    result = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True, timeout=120
    )
    assert result.stdout == "// after nn\n"
    assert (result.returncode, result.stderr) == (0, "")
