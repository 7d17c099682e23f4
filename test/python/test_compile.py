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


def test_the_ir_of_each_level():
    kernel = tw.compile("linear", weights(), target="a100")
    for level, phase, op in (("tile", "simplify", "tile."), ("tilegpu", "memory", "tilegpu."),
                             ("llvm", "lower", "llvm.")):  # fmt: skip
        assert kernel.ir(level) == kernel.ir(phase)
        assert op in kernel.ir(level)


def test_resources_are_those_of_the_command_line():
    resources = tw.compile("linear", weights(), target="a100").resources
    assert resources["shared_limit"] == 163 * 1024
    assert 0 < resources["shared_bytes"] <= resources["shared_limit"]
    assert resources["threads"] % 32 == 0
    known = shutil.which("ptxas") is not None
    assert (resources["registers"] is not None, resources["ptxas"] is not None) == (known, known)


QKV = ["f16[2, 40, 4, 32]", "f16[2, 70, 2, 32]", "f16[2, 70, 2, 48]"]


def functions_of_arrays():
    """Calls, and those of `compile` that must find their kernels."""
    rng = np.random.default_rng(0)
    q, k, v = (rng.standard_normal(shape).astype(np.float16) for shape in
               ((2, 40, 4, 32), (2, 70, 2, 32), (2, 70, 2, 48)))  # fmt: skip
    heads_first = [a.transpose(0, 2, 1, 3) for a in (q, k, v)]
    table = rng.standard_normal((4, 70)).astype(np.float32)
    starts = np.array([0, 40], np.int32), np.array([0, 70], np.int32)
    out, lse = tw.attention(q, k, v, return_lse=True)

    def score(s, b, h, i, j):
        return s + table[h, j]

    return {
        "attention": ((q, k, v), {"causal": True, "window": (9, -1), "score_mod": score}),
        "attention_varlen": ((q[0], k[0], v[0], *starts), {"return_lse": True}),
        "attention_decode": ((q[:, :1], k, v), {"cache_seqlens": np.array([60, 9], np.int32)}),
        "merge_attention": (([out, out], [lse, lse]), {"out_dtype": "f32"}),
        "scaled_dot_product_attention": (heads_first, {"is_causal": True, "enable_gqa": True}),
        "flex_attention": ((*heads_first, score), {"enable_gqa": True}),
    }


@pytest.mark.parametrize(
    "name",
    [
        "attention",
        "attention_varlen",
        "attention_decode",
        "merge_attention",
        "scaled_dot_product_attention",
        "flex_attention",
    ],
)
def test_functions_of_arrays_compile_what_they_launch(name):
    arguments, options = functions_of_arrays()[name]
    with tw.profile() as profile:
        getattr(tw, name)(*arguments, **options, device="emulated:a100")
    with tw.profile() as nothing:
        kernel = tw.compile(name, *arguments, **options, target="a100")
    assert nothing.launches == []
    (launch,) = profile.launches
    problem = kernel.metadata["problem"]
    for text in (problem["op"], *(o["name"] + ":" + o["dtype"] for o in problem["operands"])):
        assert text in launch.problem
    for key in problem["attributes"]:
        assert f"{key}=" in launch.problem
    assert kernel.name == launch.kernel
    assert f".entry {kernel.name}" in kernel.ptx
    assert kernel.schedule.startswith(f"{problem['op']}{{")


@pytest.mark.parametrize("target", TARGETS)
def test_arrays_may_be_described(target):
    kernel = tw.compile("attention", *QKV, target=target)
    extents = {d["name"]: d.get("extent") for d in kernel.metadata["problem"]["dimensions"]}
    assert extents == {"B": None, "Sq": None, "Sk": None, "Hq": 4, "Hkv": 2, "D": 32, "Dv": 48}
    assert f".target {target}" in kernel.ptx


def test_the_rows_choose_the_schedule():
    few, many = (
        tw.compile("attention", *[f"f16[1, {rows}, 8, 64]"] * 3, target="a100").schedule
        for rows in (16, 4096)
    )
    assert few != many
    pinned = tw.compile("attention", *["f16[1, 16, 8, 64]"] * 3, target="a100", schedule=many)
    assert pinned.schedule == many


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
    with pytest.raises(tw.UnsupportedError, match=r"op is 'conv'; expects one of 'linear', 'att"):
        tw.compile("conv", weights())


@pytest.mark.parametrize(
    ("arguments", "options", "error", "message"),
    [
        ([*QKV[:2], "f16[2, 71, 2, 48]"], {}, tw.ShapeError, "expects batch, length and heads of"),
        (["f16 2x3"] * 3, {}, tw.ArgumentError, r"array is 'f16 2x3'; expects a text like 'f16\["),
        (["i8[2, 3]"] * 3, {}, tw.UnsupportedError, "dtype of an array is int8"),
        (["f16[1, 0, 2, 64]"] * 3, {}, tw.UnsupportedError, "attention of nothing launches no"),
        (QKV, {"scale": -1}, tw.ArgumentError, "scale is -1"),
        (QKV, {"colour": 1}, TypeError, "colour"),
        (QKV, {"schedule": "attention{stages=9, tile_k=64, tile_q=64, warps=4}"},
         tw.ResourceError, "stages to be 1..4"),
    ],
)  # fmt: skip
def test_bad_calls_are_refused(arguments, options, error, message):
    with pytest.raises(error, match=message):
        tw.compile("attention", *arguments, **options)


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
