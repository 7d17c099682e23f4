"""`tw check`: diagnostics, summaries, status, JSON, and what it refuses."""

import itertools
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tilewright.cuda_toolkit import find_tool, load_library
from tilewright.spec import read_spec

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "launch"))
from launch_ptx import ADD, EARLY, ECHO, HEAD, MANGLED, READING, SPIN

needs_nvrtc = pytest.mark.skipif(load_library("nvrtc") is None, reason="there is no NVRTC")

SPEC = """
[buffers.a]
dtype = "f32"
shape = [100]
init = "random"

[buffers.b]
dtype = "f32"
shape = [100]
init = "ones"

[buffers.c]
dtype = "f32"
shape = [100]
expect = "a + b"

[launch]
block = 128
args = ["a", "b", "c", 100]
"""
EARLY_SPEC = """
[buffers.x]
dtype = "i32"
shape = [4]
init = "arange"

[buffers.y]
dtype = "i32"
shape = [1]

[launch]
args = ["x", "y"]
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with kernels and specs, as the current one."""
    monkeypatch.chdir(tmp_path)
    for name, text in (("add.ptx", ADD), ("early.ptx", EARLY), ("spin.ptx", SPIN)):
        Path(name).write_text(text)
    Path("add.toml").write_text(SPEC)
    Path("early.toml").write_text(EARLY_SPEC)
    Path("empty.toml").write_text("[launch]\n")
    return tmp_path


def line_of(text, statement):
    return 1 + text.splitlines().index(statement)


def test_a_clean_kernel(tw, folder):
    result = tw("check", "add.ptx", "--launch", "add.toml")
    assert (result.status, result.err) == (0, "")
    assert re.fullmatch(
        r"add.ptx: clean: 'add' on emulated:a100, 1 block, \d+ warp instructions in .*, seed 0\n",
        result.out,
    )


def test_a_finding_is_a_diagnostic(tw, folder):
    result = tw("check", "early.ptx", "--launch", "early.toml")
    statement = "  ld.shared.b32 %r1, [%r0];"
    line = line_of(EARLY, statement)
    assert result.status == 1
    assert result.err == ""
    shown = result.out.splitlines()
    assert shown[0].startswith(f"early.ptx:{line}:3: error: async-read-early: ")
    assert shown[0].endswith("in kernel 'early'")
    assert shown[1] == f"{line:>6} | {statement}"
    assert shown[2] == "       |   ^~~~~~~~~~~~~"
    assert shown[3].startswith("  note: at shared address 0x400 (tile + 0), by block (0,0,0)")
    copy = line_of(EARLY, "  cp.async.ca.shared.global [%r0], [%d0], 16;")
    assert shown[4].startswith(
        f"early.ptx:{copy}:3: note: being written by cp.async.ca.shared.global"
    )
    assert shown[4].endswith(", block (0,0,0), warp 0, lane 0")
    assert shown[7].startswith("  note: wait for the copy first (cp.async.wait_all, ")
    assert shown[-1].startswith("early.ptx: 1 finding: 'early' on emulated:a100")


def test_a_source_line_is_shown_first(tw, folder):
    source = "__global__ void early() {\n\tint v = tile[0];\n}\n"
    statement = "  ld.shared.b32 %r1, [%r0];"
    ptx = EARLY.replace(statement, f"  .loc 1 2 10\n{statement}") + '.file 1 "/gone/early.cu"\n'
    Path("early.ptx").write_text(ptx)
    where = ("check", "early.ptx", "--launch", "early.toml")
    shown = tw(*where).out.splitlines()
    assert shown[0].startswith("/gone/early.cu:2:10: error: async-read-early: ")
    assert shown[1].startswith("  note: in PTX: early.ptx:")
    # Beside the PTX it is found; tabs stay under tabs.
    Path("early.cu").write_text(source)
    shown = tw(*where).out.splitlines()
    assert shown[0].startswith("early.cu:2:10: error: ")
    assert shown[1:3] == ["     2 | \tint v = tile[0];", "       | \t        ^"]
    line = line_of(ptx, statement)
    assert shown[3] == f"  note: in PTX: early.ptx:{line}: ld.shared.b32 %r1, [%r0];"


def inline_chain(places):
    """.loc of functions that are inlined in one another, from the inside out."""
    lines = [f"  .loc {places[-1]}"]
    for inner, outer in reversed(list(itertools.pairwise(places))):
        lines.append(f"  .loc {inner}, function_name $name, inlined_at {outer}")
    return "\n".join(lines) + "\n"


def test_an_inlined_function_is_shown_with_its_callers(tw, folder):
    statement = "  ld.shared.b32 %r1, [%r0];"
    files = '.file 1 "/gone/read.h"\n.file 2 "/gone/early.cu"\n'
    chain = inline_chain(["1 1 40", "1 2 9", "2 3 5"])
    Path("early.ptx").write_text(EARLY.replace(statement, chain + statement) + files)
    Path("read.h").write_text("inline __device__ int read(int *p) {   return *p; }\n twice\n")
    Path("early.cu").write_text('#include "read.h"\nvoid early() {\nx = read(tile);\ny\n}\n')
    where = ("check", "early.ptx", "--launch", "early.toml")
    shown = tw(*where).out.splitlines()
    assert shown[0].startswith("read.h:1:40: error: async-read-early: ")
    assert shown[3:7] == [
        "read.h:2:9: note: inlined from here",
        "early.cu:3:5: note: inlined from here",
        "     3 | x = read(tile);",
        "       |     ^",
    ]
    site = {"file": "/gone/early.cu", "line": 3, "column": 5, "is_one_of_several": False}
    assert tw(*where, "--json").json["findings"][0]["place"]["inlined_at"][1] == site
    # The same function inlined at two places, and a template at itself.
    more = inline_chain(["1 1 40", "1 2 9", "2 4 1"]) + inline_chain(["1 1 40", "1 1 40"])
    Path("early.ptx").write_text(EARLY.replace(statement, more + chain + statement) + files)
    shown = [line for line in tw(*where).out.splitlines() if "inlined" in line]
    assert shown == [
        "read.h:2:9: note: inlined from here",
        "early.cu:4:1: note: inlined from here, or from another such place",
        "early.cu:3:5: note: inlined from here, or from another such place",
    ]


def test_a_buffer_out_of_bounds_is_named(tw, folder):
    Path("add.toml").write_text(SPEC.replace('"c", 100]', '"c", 101]'))
    result = tw("check", "add.ptx", "--launch", "add.toml")
    assert result.status == 1
    assert "(buffer 'a' of 400 bytes, offset 400), by block (0,0,0), warp 3, lane 4" in result.out


def test_a_wrong_result_fails(tw, folder):
    Path("add.toml").write_text(SPEC.replace('"a + b"', "{constant = 1, atol = 0.5}"))
    result = tw("check", "add.ptx", "--launch", "add.toml")
    assert result.status == 1
    assert re.match(r"error: c\[\d+\] is .*, expected 1.* elements differ", result.out)
    assert "add.ptx: 1 buffer not as expected" in result.out


def test_checkers_can_be_left_out(tw, folder):
    arguments = ("check", "early.ptx", "--launch", "early.toml")
    assert tw(*arguments).status == 1
    assert tw(*arguments, "--off", "async,races,initialisation").status == 0


def test_seeds_run_it_again(tw, folder):
    result = tw("check", "early.ptx", "--launch", "early.toml", "--seeds", "6", "--json")
    assert result.status == 1
    report = result.json
    assert report["runs"] == 6
    kinds = {finding["kind"]: finding["runs"] for finding in report["findings"]}
    assert kinds["async-read-early"][0] == 0
    assert len(kinds["async-read-early"]) > 1
    shown = tw("check", "early.ptx", "--launch", "early.toml", "--seeds", "6").out
    assert f"(in {len(kinds['async-read-early'])} of 6 runs)" in shown


def test_json(tw, folder, documented_keys):
    Path("add.toml").write_text(SPEC.replace('"c", 100]', '"c", 101]'))
    report = tw("check", "add.ptx", "--launch", "add.toml", "--seed", "5", "--json").json
    assert set(report) == documented_keys("## `tw check --json`")
    assert (report["clean"], report["seed"], report["device"]) == (False, 5, "emulated:a100")
    assert set(report["checks"]) == {"alignment", "async", "initialisation", "races"}
    finding = report["findings"][0]
    assert (finding["kind"], finding["kernel"], finding["space"]) == (
        "out-of-bounds", "add", "global",
    )  # fmt: skip
    assert finding["place"]["ptx_line"] == line_of(ADD, "  ld.global.f32 %f0, [%d0];")
    assert (finding["place"]["warp"], finding["place"]["lane"]) == (3, 4)
    assert report["launches"][0]["counters"]["issues"] > 0
    Path("add.toml").write_text(SPEC.replace('"a + b"', "7"))
    report = tw("check", "add.ptx", "--launch", "add.toml", "--json").json
    (mismatch,) = report["mismatches"]
    assert (mismatch["buffer"], mismatch["count"], mismatch["run"]) == ("c", 100, 0)


def test_what_was_not_checked_to_the_end_is_said(tw, folder):
    Path("read.ptx").write_text(READING)
    spec = {"launch": {"block": 32}, "options": {"race_record_limit": 1000}}
    Path("read.json").write_text(json.dumps(spec))
    result = tw("check", "read.ptx", "--launch", "read.json")
    assert result.status == 0
    assert result.out.startswith("note: in 'read': races are checked")
    (launch,) = tw("check", "read.ptx", "--launch", "read.json", "--json").json["launches"]
    assert len(launch["notes"]) == 1 and launch["notes"][0] in result.out


def test_a_template_is_a_spec_to_start_from(tw, folder):
    result = tw("check", "add.ptx", "--template")
    assert (result.status, result.err) == (0, "")
    assert 'args = ["a", "b", "c", {i32 = 1024}]' in result.out
    Path("new.toml").write_text(result.out)
    # One block of 128 of 1024 threads: nothing to complain about.
    assert tw("check", "add.ptx", "--launch", "new.toml").status == 0
    Path("many.ptx").write_text(MANGLED + ECHO.split(HEAD)[1])
    result = tw("check", "many.ptx", "--template")
    Path("many.toml").write_text(result.out)
    assert "# scale(float*)\n" in result.out
    steps = read_spec("many.toml").steps
    assert [step.kernel for step in steps][-1] == "echo"
    assert [a.kind for a in steps[-1].args] == [
        "buffer", "bytes", "bytes", "scalar", "scalar", "scalar",
    ]  # fmt: skip
    assert tw("check", "many.ptx", "--launch", "many.toml").status == 0
    result = tw("check", "add.ptx")
    assert (result.status, result.out) == (2, "")
    assert "'tw check add.ptx --template' prints one" in result.err


def test_what_the_kernel_prints_is_shown(tw, folder):
    if find_tool("nvcc") is None and load_library("nvrtc") is None:
        pytest.skip("neither nvcc nor NVRTC")
    source = '#include <cstdio>\nextern "C" __global__ void p() { printf("hello %d\\n", 5); }\n'
    Path("p.cu").write_text(source.replace("#include <cstdio>\n", ""))
    assert tw("check", "p.cu", "--launch", "empty.toml").out.startswith("hello 5\n")


REFUSED = [
    (["nothing.ptx", "--launch", "add.toml"], "cannot read nothing.ptx: No such file"),
    (["add.ptx", "--launch", "nothing.toml"], "cannot read nothing.toml: No such file"),
    (["add.ptx"], "--launch"),
    (["add.toml", "--launch", "add.toml"], "expects a .ptx or .cu file"),
    (["add.ptx", "--launch", "empty.toml"], "launch: kernel 'add' takes 4 arguments"),
    (["add.ptx", "--launch", "add.ptx"], "add.ptx:1:"),
    (["add.ptx", "--launch", "add.toml", "--off", "asinc"], "did you mean 'async'?"),
    (["add.ptx", "--launch", "add.toml", "--seeds", "0"], "--seeds: expects an integer from 1"),
    (["add.ptx", "--launch", "add.toml", "--seed", "-1"], "--seed"),
    (["add.ptx", "--launch", "add.toml", "--device", "emulated:a1"], "unknown GPU model 'a1'"),
    (["add.ptx", "--launch", "add.toml", "--device", "cuda:0"], "only emulated devices"),
    (["add.ptx", "--launch", "add.toml", "--ptx", "/nowhere/x"], "cannot write /nowhere/x"),
    (["gone.cu", "--launch", "add.toml"], "cannot read gone.cu"),
]


@pytest.mark.parametrize(("arguments", "words"), REFUSED, ids=lambda value: str(value)[:40])
def test_bad_input_is_one_line(tw, folder, arguments, words):
    result = tw("check", *arguments)
    assert (result.status, result.out) == (2, "")
    assert result.err.startswith("tw: error: ")
    assert result.err.count("\n") == 1
    assert words in result.err
    as_json = tw("check", *arguments, "--json")
    assert (as_json.status, as_json.json["error"]["status"]) == (2, 2)


def test_bad_ptx_has_its_line_and_a_caret(tw, folder):
    statement = "  add.sideways.f32 %f2, %f0, %f1;"
    Path("add.ptx").write_text(ADD.replace("  add.f32 %f2, %f0, %f1;", statement))
    result = tw("check", "add.ptx", "--launch", "add.toml")
    assert (result.status, result.out) == (2, "")
    shown = result.err.splitlines()
    found = re.match(r"add.ptx:(\d+):(\d+): error: (.*)", shown[0])
    line = line_of(ADD, "  add.f32 %f2, %f0, %f1;")
    assert int(found[1]) == line
    assert shown[1] == f"{line:>6} | {statement}"
    assert shown[2].index("^") == 9 + int(found[2]) - 1
    assert shown[3].startswith("tw: error: add.ptx does not load (hint: ")
    report = tw("check", "add.ptx", "--launch", "add.toml", "--json")
    assert report.json["error"]["message"].startswith(f"add.ptx:{line}:")


@needs_nvrtc
def test_cuda_is_compiled(tw, folder):
    Path("add.cu").write_text(
        'extern "C" __global__ void add(const float *a, const float *b, float *c, int n) {\n'
        "  int i = threadIdx.x;\n"
        "  if (i <= n)\n"
        "    c[i] = a[i] + b[i];\n"
        "}\n"
    )
    result = tw("check", "add.cu", "--launch", "add.toml", "--ptx", "kept.ptx")
    assert result.status == 1
    shown = result.out.splitlines()
    assert re.match(r"add.cu:4:\d+: error: out-of-bounds: ", shown[0])
    assert shown[1] == "     4 |     c[i] = a[i] + b[i];"
    assert shown[3].startswith("  note: in PTX: kept.ptx:")
    assert ".entry add(" in Path("kept.ptx").read_text()
    Path("add.cu").write_text("__global__ void add() { int x = }\n")
    result = tw("check", "add.cu", "--launch", "add.toml")
    assert (result.status, result.out) == (2, "")
    assert result.err.startswith("add.cu(1): error: expected an expression\n")
    assert "\ntw: error: add.cu does not compile (hint: " in result.err
    assert "add.cu(1): error" in tw("check", "add.cu", "--launch", "add.toml", "--json").out
    Path("add.toml").write_text('nvrtc_options = ["--bogus"]\n' + SPEC)
    assert "--bogus" in tw("check", "add.cu", "--launch", "add.toml").err


@needs_nvrtc
def test_host_headers_get_a_hint(tw, folder):
    Path("add.cu").write_text("#include <cstdio>\n__global__ void f() {}\n")
    result = tw("check", "add.cu", "--launch", "empty.toml")
    assert result.status == 2
    assert "#ifndef __CUDACC_RTC__" in result.err


def test_without_nvrtc_it_says_how_to_get_it(tw, folder, monkeypatch):
    monkeypatch.setattr("tilewright.cuda_source.library_candidates", lambda stem: ["libno.so"])
    Path("add.cu").write_text("__global__ void f() {}\n")
    result = tw("check", "add.cu", "--launch", "add.toml")
    assert result.status == 2
    assert "pip install nvidia-cuda-nvrtc" in result.err


def test_colours_are_for_terminals(folder):
    script = shutil.which("script")
    if script is None:
        pytest.skip("there is no script(1) to make a terminal with")
    command = f"{sys.executable} -m tilewright check early.ptx --launch early.toml"
    for prefix, has_colour in (("TERM=xterm ", True), ("NO_COLOR=1 TERM=xterm ", False)):
        run = subprocess.run(
            [script, "-qec", f"env -u NO_COLOR {prefix}{command}", "/dev/null"],
            capture_output=True, text=True, timeout=120,
        )  # fmt: skip
        assert "async-read-early" in run.stdout
        assert ("\x1b[1;31merror:\x1b[0m" in run.stdout) == has_colour
    plain = subprocess.run(command.split(), capture_output=True, text=True, timeout=120)
    assert (plain.returncode, "\x1b" in plain.stdout) == (1, False)


def test_npy_files_are_found_beside_the_spec(tw, folder):
    Path("data").mkdir()
    np.save("data/a.npy", np.arange(100, dtype=np.float32))
    spec = {
        "buffers": {
            "a": {"dtype": "f32", "init": {"file": "a.npy"}},
            "b": {"dtype": "f32", "shape": [100], "init": "ones"},
            "c": {"dtype": "f32", "shape": [100], "expect": {"arange": [1, 1]}},
        },
        "launch": {"block": 128, "args": ["a", "b", "c", 100]},
    }
    Path("data/add.json").write_text(json.dumps(spec))
    assert tw("check", "add.ptx", "--launch", "data/add.json").status == 0
