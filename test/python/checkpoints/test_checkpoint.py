"""Checkpoint: which tensors make a weight, and what configurations say about them."""

import json

import numpy as np
import pytest
import tilewright as tw
from safetensors.numpy import save_file
from scalar import assert_same_bits, random_scales, random_words

RNG = np.random.default_rng(7)
AWQ = {
    "qweight": random_words(RNG, (160, 5)),
    "qzeros": random_words(RNG, (3, 5)),
    "scales": random_scales(RNG, (3, 40), np.float16),
}
PACKED = {
    "weight_packed": random_words(RNG, (40, 20)),
    "weight_scale": random_scales(RNG, (40, 3), np.float16),
    "weight_shape": np.array([40, 160]),
}
BYTES = {
    "weight": RNG.integers(-128, 128, (40, 64)).astype(np.int8),
    "weight_scale": random_scales(RNG, (40, 1), np.float16),
}


def write(folder, layer, config=None, name="config.json", **others):
    save_file({**{f"h.{part}": a for part, a in layer.items()}, **others}, folder / "m.safetensors")
    if config is not None:
        (folder / name).write_text(json.dumps(config))
    return folder


def groups(**weights):
    return {"group_0": {"targets": ["Linear"], "weights": {"type": "int", **weights}}}


@pytest.mark.parametrize(
    ("config", "name"),
    [
        ({"quantization_config": {"quant_method": "awq", "bits": 4, "group_size": 64}},
         "config.json"),
        ({"quantization_config": {"w_bit": 4, "q_group_size": 64, "version": "GEMM"}},
         "config.json"),
        ({"w_bit": 4, "q_group_size": 64}, "quantize_config.json"),
    ],
)  # fmt: skip
def test_awq(tmp_path, config, name):
    model = tw.Checkpoint(write(tmp_path, AWQ, config, name), "awq")
    assert list(model) == ["h.weight"]
    assert model["h.weight"].group_size == 64
    assert_same_bits(tw.to_awq(model["h.weight"]), AWQ)


def test_arguments_take_precedence(tmp_path):
    config = {"quantization_config": {"quant_method": "awq", "group_size": 128}}
    path = write(tmp_path, AWQ, config)
    with pytest.raises(tw.ArgumentError, match=r"'h\.weight': group_size is 128; 160 inputs"):
        tw.Checkpoint(path, "awq")["h.weight"]
    assert tw.Checkpoint(path, "awq", group_size=64)["h.weight"].group_size == 64


def test_packed_compressed_tensors(tmp_path):
    config = {
        "quant_method": "compressed-tensors",
        "format": "pack-quantized",
        "config_groups": groups(num_bits=4, group_size=64, strategy="group"),
    }
    norm = np.ones(3, np.float32)
    write(tmp_path, PACKED, {"quantization_config": config}, **{"norm.weight": norm})
    with tw.Checkpoint(tmp_path, "compressed-tensors") as model:
        assert dict.fromkeys(model) == {"h.weight": None, "norm.weight": None}
        assert model.layers == ["h.weight"]
        assert model.nbytes("h.weight") == sum(array.nbytes for array in PACKED.values())
        assert_same_bits(tw.to_compressed_tensors(model["h.weight"]), PACKED)
        np.testing.assert_array_equal(model["norm.weight"], norm)
        with pytest.raises(KeyError):
            model["h.weight_scale"]


def test_bytes_beside_layers_that_are_not_quantised(tmp_path):
    config = {"format": "int-quantized", "config_groups": groups(num_bits=8, group_size=None)}
    plain = {"lm_head.weight": np.ones((2, 3), np.float16)}
    write(tmp_path, BYTES, {"quantization_config": config}, **plain)
    model = tw.Checkpoint(tmp_path, "compressed-tensors")
    assert model.layers == ["h.weight"]
    assert isinstance(model["lm_head.weight"], np.ndarray)
    assert_same_bits(tw.to_compressed_tensors(model["h.weight"], packed=False), BYTES)


@pytest.mark.parametrize(
    ("scheme", "config", "message"),
    [
        ("awq", {"quant_method": "gptq"}, "quantised by 'gptq', not by 'awq'"),
        ("awq", {"version": "gemv"}, "version is 'gemv'"),
        ("awq", {"w_bit": 3}, "with 3 bits"),
        ("compressed-tensors", {"format": "marlin-24", "config_groups": groups(num_bits=4)},
         "format 'marlin-24'; supported: int in pack"),
        ("compressed-tensors",
         {"config_groups": {"a": {"weights": {"num_bits": 4}}, "b": {"weights": {"num_bits": 8}}}},
         "config_groups have 2 kinds"),
        ("compressed-tensors", {}, "config_groups have 0 kinds"),
    ],
)  # fmt: skip
def test_configurations_that_no_reader_handles(tmp_path, scheme, config, message):
    layer = AWQ if scheme == "awq" else PACKED
    write(tmp_path, layer, {"quantization_config": config})
    with pytest.raises(tw.ArgumentError, match=message):
        tw.Checkpoint(tmp_path, scheme)


def test_without_a_configuration(tmp_path):
    write(tmp_path, PACKED)
    with pytest.raises(tw.UnsupportedError, match="bits is None; expects 1 to 8"):
        tw.Checkpoint(tmp_path, "compressed-tensors")["h.weight"]
    model = tw.Checkpoint(tmp_path, "compressed-tensors", bits=4, group_size=64)
    assert model["h.weight"].bits == 4


def test_schemes(tmp_path):
    write(tmp_path, PACKED)
    with pytest.raises(tw.UnsupportedError, match="scheme is 'gptk'; did you mean 'gptq'"):
        tw.Checkpoint(tmp_path, "gptk")
    with pytest.raises(tw.ArgumentError, match="has no layer with 'qweight' and 'qzeros'"):
        tw.Checkpoint(tmp_path, "gptq")
    assert set(tw.Checkpoint(tmp_path)) == {f"h.{part}" for part in PACKED}
