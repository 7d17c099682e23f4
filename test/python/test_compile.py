"""tw.compile and tw.devices: kernels to look at, for GPUs that need not be here."""

import shutil
import subprocess

import numpy as np
import pytest
import tilewright as tw

TARGETS = ["sm_80", "sm_86", "sm_89", "sm_90a", "sm_100a", "sm_120a"]
FORMATS = ["u4", "i4", "u8", "i8", "u6", "u3"]


def weights(format="u4", n=96, k=384, **options):
    w = np.random.default_rng(1).standard_normal((n, k)).astype(np.float32)
    return tw.quantize(w, format, layout="nk", **options)


@pytest.mark.parametrize("target", TARGETS)
def test_every_target_gets_its_own_ptx(target):
    kernel = tw.compile("linear", weights(), target=target)
    assert kernel.target == target
    assert f".target {target}" in kernel.ptx
    assert f".entry {kernel.name}" in kernel.ptx


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("format", FORMATS)
def test_ptxas_takes_it_without_spills(format, target, tmp_path):
    ptxas = shutil.which("ptxas")
    if ptxas is None:
        pytest.skip("no ptxas on PATH")
    kernel = tw.compile("linear", weights(format), bias_dtype="f32", target=target)
    source = tmp_path / "kernel.ptx"
    source.write_text(kernel.ptx)
    result = subprocess.run(
        [ptxas, f"-arch={target}", "-v", "-o", tmp_path / "kernel.cubin", source],
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    assert "0 bytes spill stores, 0 bytes spill loads" in result.stderr, result.stderr


def test_the_ir_after_each_phase():
    kernel = tw.compile("linear", weights(), target="a100")
    assert "nn.quant_matmul" in kernel.ir("nn")
    assert "tile." in kernel.ir("expand")
    with pytest.raises(tw.UnsupportedError, match=r"phase is 'none'; this kernel has 'nn'"):
        kernel.ir("none")


def test_its_schedule_can_be_pinned():
    qw = weights()
    schedule = tw.compile("linear", qw, target="a100", m=64).schedule
    assert tw.compile("linear", qw, target="a100", m=1, schedule=schedule).schedule == schedule


def test_the_metadata_says_how_to_launch_it():
    metadata = tw.compile("linear", weights(), target="a100").metadata
    names = [parameter["name"] for parameter in metadata["parameters"]]
    assert {"x", "w", "scales", "zeros", "y"} <= set(names)
    assert metadata["problem"]["op"] == "quant_matmul"


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"target": "sm_12"}, tw.UnsupportedError, "unknown target 'sm_12'"),
        ({"target": "emulated:x"}, tw.DeviceError, "x"),
        ({"x_dtype": "f32"}, tw.UnsupportedError, "x_dtype is"),
        ({"out_dtype": "f64"}, tw.UnsupportedError, "out_dtype is"),
        ({"bias_dtype": "bf16"}, tw.UnsupportedError, "bias_dtype is"),
        ({"activation": "tanh"}, tw.UnsupportedError, "activation is 'tanh'"),
        ({"m": 0}, tw.UnsupportedError, "m is 0"),
    ],
)
def test_bad_options_are_refused(options, error, message):
    with pytest.raises(error, match=message):
        tw.compile("linear", weights(), **options)


def test_unknown_op_is_refused():
    with pytest.raises(tw.UnsupportedError, match=r"op is 'conv'"):
        tw.compile("conv", weights())


def test_the_default_device_is_a_gpu_or_the_emulated_a100():
    gpus = [d for d in tw.devices() if not d.is_emulated]
    expected = gpus[0].name if gpus else "emulated:a100"
    assert tw.device().name == expected
    if not gpus:
        assert tw.device_problems()


def test_devices_describe_themselves():
    a100 = tw.device("emulated:a100")
    assert a100 in tw.devices()
    assert (a100.target, a100.sm_count, a100.is_emulated) == ("sm_80", 108, True)
    assert str(a100) == "emulated:a100"
    assert tw.device(a100) is a100
