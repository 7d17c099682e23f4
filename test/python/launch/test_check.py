"""tilewright.check: kernels by spec, calls of the package, seeds."""

import numpy as np
import pytest
import tilewright as tw
from launch_ptx import ADD, EARLY
from tilewright._extension import runtime
from tilewright.checking import variants

SPEC = {
    "buffers": {
        "a": {"dtype": "f32", "shape": [64], "init": "random"},
        "c": {"dtype": "f32", "shape": [64], "expect": "2 * a"},
    },
    "launch": {"block": 64, "args": ["a", "a", "c", 64]},
}
EARLY_SPEC = {
    "buffers": {
        "x": {"dtype": "i32", "shape": [4], "init": "ones"},
        "y": {"dtype": "i32", "shape": [1]},
    },
    "launch": {"args": ["x", "y"]},
}


def test_a_clean_kernel_returns_what_came_of_it(tmp_path):
    path = tmp_path / "add.ptx"
    path.write_text(ADD)
    outcome = tw.check(path, launch=SPEC, seeds=4)
    assert outcome.is_clean
    np.testing.assert_array_equal(outcome.arrays["c"], 2 * outcome.arrays["a"])
    assert outcome.reports[0].device == "emulated:a100"
    assert tw.check(ADD, launch=SPEC, device="emulated:h200").reports[0].device == "emulated:h200"


def test_findings_raise():
    with pytest.raises(tw.CheckError, match="async-read-early") as caught:
        tw.check(EARLY, launch=EARLY_SPEC)
    assert caught.value.report.findings[0].kind == "async-read-early"
    quiet = tw.EmulatorOptions(landing="eager").without("async", "races", "initialisation")
    assert tw.check(EARLY, launch=EARLY_SPEC, options=quiet).is_clean


def test_wrong_results_raise():
    spec = {**SPEC, "buffers": {**SPEC["buffers"]}}
    spec["buffers"]["c"] = {**spec["buffers"]["c"], "expect": "3 * a"}
    with pytest.raises(tw.CheckError, match=r"c\[0\] is .*\(64 of 64 elements differ"):
        tw.check(ADD, launch=spec)


def test_what_does_not_fit():
    with pytest.raises(tw.ArgumentError, match="launch="):
        tw.check(ADD)
    with pytest.raises(tw.ArgumentError, match="seeds is 0"):
        tw.check(ADD, launch=SPEC, seeds=0)
    with pytest.raises(tw.ArgumentError, match="only emulated devices"):
        tw.check(ADD, launch=SPEC, device="cuda:0")
    with pytest.raises(tw.ArgumentError, match="launch is for kernels"):
        tw.check(tw.linear, launch=SPEC)


def test_variants_differ():
    chosen = list(variants(tw.EmulatorOptions(), 7))
    assert chosen[0] == tw.EmulatorOptions()
    assert len(set(chosen)) == 7
    assert {options.landing for options in chosen} == {"late", "eager", "random"}


def weights(k=128):
    rng = np.random.default_rng(11)
    return tw.quantize(rng.standard_normal((64, k), np.float32), "u4", layout="nk")


def test_a_call_of_the_package():
    x = np.random.default_rng(12).standard_normal((8, 128)).astype(np.float16)
    qw = weights()
    expected = tw.linear(x, qw, device="emulated:a100")
    np.testing.assert_array_equal(tw.check(tw.linear, x, qw, seeds=3), expected)
    with pytest.raises(tw.ArgumentError, match="only emulated devices"):
        tw.check(tw.linear, x, qw, device="cuda")


def test_a_failing_call_has_its_report_and_leaves_the_device_as_it_was():
    x, qw = np.ones((8, 2048), np.float16), weights(2048)
    with pytest.raises(tw.CheckError, match="instruction-budget") as caught:
        tw.check(tw.linear, x, qw, options=tw.EmulatorOptions(instruction_budget=10))
    report = caught.value.report
    assert report.findings[0].kind == "instruction-budget"
    assert report.device == "emulated:a100"
    tw.linear(x, qw, device="emulated:a100")


def test_options_of_unknown_devices_are_refused():
    with pytest.raises(tw.DeviceError, match="a1"):
        runtime().set_emulator_options("emulated:a1", tw.EmulatorOptions().to_native())
