"""`tw run`: results that are checked, artifacts that are run again, bad kernels."""

import functools
import json
import re

import numpy as np
import pytest
from tilewright.formats import NF4

SMALL = ("--op", "quant_matmul", "-m", 5, "-n", 64, "-k", 256)
EMULATED = ("--device", "emulated:a100")


@pytest.fixture
def kernel(tw, tmp_path):
    """An artifact file."""
    path = tmp_path / "kernel.ptx"
    assert tw("compile", *SMALL, "-o", path).status == 0
    return path


def test_report_for_people(tw):
    result = tw("run", *SMALL, *EMULATED)
    assert (result.status, result.err) == (0, "")
    assert "within the bound" in result.out
    assert "random (x, w), seed 0" in result.out
    assert "y[5,64] f16 = x[5,256] f16 * w[256,64] u4" in result.out


def test_json_has_the_documented_keys(tw, documented_keys):
    result = tw("run", *SMALL, *EMULATED, "--json")
    assert (result.status, result.err) == (0, "")
    report = result.json
    assert set(report) == documented_keys("## `tw run --json`")
    assert set(report["accuracy"]) == documented_keys("`accuracy`:")
    assert 0 < report["accuracy"]["of_bound"] <= 1
    assert report["seconds"] > 0
    assert report["counters"]
    assert all(isinstance(value, int) for value in report["counters"].values())


@pytest.mark.parametrize(
    "options",
    [
        ("--format", "i8", "--group", "channel", "--out-dtype", "f32"),
        ("--format", "u3", "--group", "32", "--dtype", "bf16"),
        ("--format", "u5", "--out-dtype", "e4m3"),
        ("--format", "f6e3m2", "--group", "64"),
        ("--format", "lut4", "--dtype", "bf16"),
        ("--format", "nf4", "--dtype", "bf16"),
        ("--format", "ternary", "--group", "64"),
        ("--format", "nested8.3", "--zero-point", "offset"),
        ("--format", "stack", "--dtype", "bf16"),
        ("--format", "i8", "--group", "128x64", "--scale-dtype", "f32", "--tensor-scale"),
        ("--format", "u4", "--group", "48", "--scale-dtype", "e4m3", "--zero-point", "offset"),
        ("--format", "u4", "--zero-point", "none", "--bias", "f32", "--activation", "gelu"),
        ("--format", "i4", "--dtype", "i8", "--out-dtype", "f32"),
        ("--format", "u5", "--dtype", "e5m2", "--bias", "f32"),
        ("--format", "u6", "--scale-dtype", "f16", "--bias", "f16", "--activation", "relu"),
    ],
    ids=" ".join,
)
def test_options_reach_the_kernel(tw, options):
    result = tw("run", *SMALL, *EMULATED, *options, "--json")
    assert result.status == 0
    text = result.json["problem"]
    for word in options[1::2]:
        assert (word in text) == (word not in ("channel", "none")), text


@pytest.mark.parametrize(
    ("preset", "numbers"), [("nf4", np.float32(np.float16(NF4))), ("ternary", [-1, 0, 1])]
)
def test_a_preset_rounds_to_its_numbers(tw, tmp_path, preset, numbers):
    """x selects weights one by one: with one scale, y holds multiples of the preset's numbers."""
    w = np.random.default_rng(1).standard_normal((64, 64)).astype(np.float32)
    for name, array in (("x", np.eye(64)), ("w", w)):
        np.save(tmp_path / f"{name}.npy", np.float32(array))
    inputs = [f"--input={name}={tmp_path / name}.npy" for name in "xw"]
    options = ["--op", "quant_matmul", "--format", preset, "--group", "tensor", "--out-dtype=f32"]
    result = tw("run", *options, *inputs, "-o", tmp_path / "y.npy", *EMULATED)
    assert (result.status, result.err) == (0, "")
    assert f"w[64,64] {preset}, one scale" in result.out
    found = np.unique(np.load(tmp_path / "y.npy"))
    np.testing.assert_allclose(found / np.abs(found).max(), numbers, rtol=1e-6)


def test_another_gpu_is_emulated(tw):
    report = tw("run", *SMALL, "--device", "emulated:h200", "--json").json
    assert (report["device"], report["target"]) == ("emulated:h200", "sm_90a")


def test_an_artifact_is_run_as_the_problem_it_was_compiled_from(tw, kernel, tmp_path):
    of_file, of_options = tmp_path / "file.npy", tmp_path / "options.npy"
    assert tw("run", kernel, "-m", 5, *EMULATED, "--seed", 3, "-o", of_file).status == 0
    assert tw("run", *SMALL, *EMULATED, "--seed", 3, "-o", of_options).status == 0
    assert np.load(of_file).shape == (5, 64)
    assert np.array_equal(np.load(of_file), np.load(of_options))
    assert tw("run", kernel, "-m", 33, *EMULATED).status == 0


def test_given_inputs_say_the_extents(tw, tmp_path):
    x, w, bias, y = (tmp_path / f"{name}.npy" for name in ("x", "w", "bias", "y"))
    np.save(x, np.ones((3, 128), np.float32))
    np.save(w, np.tile(np.arange(32.0), (128, 1)).T)
    np.save(bias, np.full(32, 0.5, np.float32))
    inputs = [f"--input={name}={path}" for name, path in (("x", x), ("w", w), ("bias", bias))]
    result = tw("run", "--op", "quant_matmul", "--format", "u8", *inputs, "-o", y, "--json")
    assert result.status == 0
    assert (result.json["random"], result.json["seed"]) == ([], None)
    expected = np.tile(128 * np.arange(32.0) + 0.5, (3, 1))
    assert np.allclose(np.load(y), expected, rtol=2e-3)


def test_results_beyond_the_dtype_are_infinite_and_right(tw, tmp_path):
    w = tmp_path / "w.npy"
    np.save(w, np.full((64, 256), 60000.0, np.float32))
    result = tw("run", *SMALL, "--input", f"w={w}", *EMULATED, "--json")
    assert result.status == 0
    assert "Infinity" not in result.out
    assert "NaN" not in result.out


def test_seeds_differ_and_repeat(tw):
    def error(seed):
        options = ("run", *SMALL, *EMULATED, "--seed", seed, "--json")
        return tw(*options).json["accuracy"]["max_error"]

    assert error(1) == error(1) != error(2)


def test_a_wrong_kernel_is_status_1(tw, kernel):
    text = kernel.read_text()
    # Store each result's neighbour's low half: wrong numbers, nothing a checker minds.
    changed = re.sub(r"(mma\.sync\S+\s+\{)(%\S+), (%\S+),", r"\1\3, \2,", text, count=1)
    assert changed != text
    kernel.write_text(changed)
    result = tw("run", kernel, *EMULATED)
    assert result.status == 1
    assert "OUTSIDE the bound: " in result.out
    report = tw("run", kernel, *EMULATED, "--json")
    assert report.status == 1
    assert report.json["accuracy"]["within_bound"] is False
    assert "bound" in report.json["accuracy"]["message"]


def check_refused(result, *named):
    assert result.status == 2
    assert result.err.count("\n") == 1, result.err
    assert "(hint: " in result.err
    for word in named:
        assert word in result.err, result.err


def test_an_unknown_instruction_has_its_place(tw, kernel):
    text = kernel.read_text()
    line = 1 + next(i for i, line in enumerate(text.splitlines()) if "mma.sync" in line)
    kernel.write_text(text.replace("mma.sync", "frobnicate.sync", 1))
    check_refused(tw("run", kernel, *EMULATED), "frobnicate", f":{line}:")


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("", ["// tilewright: "]),
        (".version 8.0\n", ["// tilewright: "]),
        ("// tilewright: {\n", ["JSON"]),
        ("// tilewright: []\n", ["object"]),
        ("// tilewright: {}\n", ["target"]),
        ('// tilewright: {"target": "sm_80"}\n', [":1: ", "schema"]),
    ],
    ids=range(6),
)
def test_files_that_are_no_artifacts(tw, tmp_path, text, named):
    path = tmp_path / "kernel.ptx"
    path.write_text(text)
    check_refused(tw("run", path, *EMULATED), str(path), *named)


def test_an_artifact_of_another_op(tw, kernel):
    text = kernel.read_text()
    kernel.write_text(text.replace('"op": "quant_matmul"', '"op": "conv"', 1))
    check_refused(tw("run", kernel, *EMULATED), "conv", "quant_matmul")


def test_an_artifact_for_other_silicon(tw, tmp_path):
    path = tmp_path / "kernel.ptx"
    assert tw("compile", *SMALL, "--target", "h200", "-o", path).status == 0
    check_refused(tw("run", path, *EMULATED), "sm_90a", "--target sm_80")
    assert tw("compile", *SMALL, "--target", "sm_80", "-o", path).status == 0
    assert tw("run", path, "--device", "emulated:h200").status == 0


def test_options_that_an_artifact_leaves_no_room_for(tw, kernel):
    check_refused(tw("run", kernel, "--format", "u4", *EMULATED), "--format")
    check_refused(tw("run", kernel, "--schedule", "a{}", *EMULATED), "--schedule")


@pytest.mark.parametrize(
    ("name", "array", "named"),
    [
        ("x", np.ones((5, 255)), ["(5, 255)", "(5, 256)"]),
        ("x", np.ones(256), ["(256,)", "2 dimensions"]),
        ("w", np.full((64, 256), np.nan), ["nan"]),
        ("w", np.array([["a"]]), ["real numbers"]),
        ("bias", np.ones(64), ["--bias"]),
    ],
)
def test_inputs_that_do_not_fit(tw, kernel, tmp_path, name, array, named):
    path = tmp_path / "input.npy"
    np.save(path, array)
    check_refused(tw("run", kernel, "-m", 5, "--input", f"{name}={path}", *EMULATED), *named)


def test_deterministic_kernels(tw, tmp_path):
    """The option reaches the schedule, the report and the file."""
    path = tmp_path / "kernel.ptx"
    result = tw("run", *SMALL, *EMULATED, "--deterministic", "--json")
    assert result.status == 0
    assert "chunk_k=128" in result.json["schedule"]
    assert result.json["problem"].endswith("deterministic")
    assert tw("compile", *SMALL, "--deterministic", "-o", path).status == 0
    again = tw("run", path, "-m", 5, *EMULATED, "--json")
    assert again.status == 0
    assert again.json["problem"] == result.json["problem"]
    check_refused(tw("run", path, "--deterministic"), "--deterministic")


def test_a_file_that_is_no_array(tw, kernel):
    check_refused(tw("run", kernel, "--input", f"x={kernel}", *EMULATED), "kernel.ptx")


@pytest.mark.parametrize("part", [(), ("problem",), ("problem", "attributes"), ("schedule",)])
def test_damaged_metadata(tw, kernel, part):
    """Whatever is left out or of another type, it is said in one line."""
    opening, _, ptx = kernel.read_text().partition("\n")
    whole = json.loads(opening.removeprefix("// tilewright: "))
    optional = {"registers", "spill_bytes", "activation", "scale", "zero"}
    for key in sorted(functools.reduce(dict.get, part, whole)):
        for damage in (lambda parent, key=key: parent.pop(key), _retype(key)):
            metadata = json.loads(json.dumps(whole))
            damage(functools.reduce(dict.get, part, metadata))
            kernel.write_text(f"// tilewright: {json.dumps(metadata)}\n{ptx}")
            result = tw("run", kernel, *EMULATED)
            assert result.status == 2 or key in optional, (key, result)
            assert "Traceback" not in result.err
            assert result.err.count("\n") == (result.status == 2)


def _retype(key):
    def damage(parent):
        parent[key] = {"no": ["such", 1]}

    return damage


def test_a_problem_that_no_memory_holds(tw):
    result = tw("run", "--op", "quant_matmul", "-m", 1, "-n", 2**25, "-k", 2**20, *EMULATED)
    check_refused(result, "llocate")
