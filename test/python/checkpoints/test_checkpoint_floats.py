"""Checkpoint: layers of 8-bit and 4-bit floats, as DeepSeek and ModelOpt write them."""

import json

import ml_dtypes
import numpy as np
import pytest
import tilewright as tw
from scalar import assert_same_bits
from tilewright.tensor_file import TensorWriter

RNG = np.random.default_rng(8)
FINITE = [code for code in range(256) if code & 0x7F != 0x7F]


def floats(*shape):
    return RNG.choice(FINITE, shape).astype(np.uint8).view(ml_dtypes.float8_e4m3fn)


FP8 = {
    "weight": floats(150, 96),
    "weight_scale_inv": RNG.uniform(-1, 1, (2, 1)).astype(np.float32),
}
NVFP4 = {
    "weight": RNG.integers(0, 256, (40, 32), np.uint8),
    "weight_scale": floats(40, 4),
    "weight_scale_2": np.array(0.37, np.float32),
}


def write(folder, layer, config):
    tensors = {
        **{f"h.{part}": array for part, array in layer.items()},
        "h.input_scale": np.array(2, np.float32),
        "lm_head.weight": np.ones((2, 3), np.float16),
    }
    with TensorWriter(folder / "m.safetensors", header_room=2000) as writer:
        for name, array in tensors.items():
            writer.add(name, array)
        writer.finish({}).close()
        writer.commit()
    (folder / "config.json").write_text(json.dumps({"quantization_config": config}))


@pytest.mark.parametrize(
    ("scheme", "layer", "config", "export"),
    [
        ("fp8-block", FP8, {"quant_method": "fp8", "weight_block_size": [128, 128]},
         tw.to_fp8_block),
        ("fp8-block", FP8, {"quant_method": "fp8"}, tw.to_fp8_block),
        ("nvfp4", NVFP4, {"quant_method": "modelopt", "quant_algo": "NVFP4"}, tw.to_nvfp4),
    ],
)  # fmt: skip
def test_layers(tmp_path, scheme, layer, config, export):
    write(tmp_path, layer, config)
    with tw.Checkpoint(tmp_path, scheme) as model:
        assert model.layers == ["h.weight"]
        assert set(model) == {"h.weight", "h.input_scale", "lm_head.weight"}
        assert_same_bits(export(model["h.weight"]), layer)
        packed = dict(model)
    # And through a file of ours.
    tw.save_packed(tmp_path / "x", packed)
    assert_same_bits(export(tw.load_packed(tmp_path / "x")["h.weight"]), layer)
