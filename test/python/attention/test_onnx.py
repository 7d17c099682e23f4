"""Attention against ONNX's Attention operator, over combinations of its features.

The operator has conventions of its own: heads before rows, causal masks that start at the
first key (or behind the past), boolean and additive masks by row of q. Each is said in
terms of `tw.attention` here.
"""

import ml_dtypes
import numpy as np
import pytest
import tilewright as tw
from covering import covering_array
from onnx_attention import onnx_attention

BATCH, QUERIES, KEYS, PAST = 2, 5, 9, 6
FACTORS = {
    "heads": [(4, 4), (6, 2), (3, 1)],
    "sizes": [(16, 16), (8, 24), (72, 40)],
    "dtype": [np.float16, ml_dtypes.bfloat16],
    "rank": [3, 4],
    "keys_before": ["none", "past", "cache"],
    "mask": ["none", "bool", "bool_short", "float", "float_heads", "float_all"],
    "is_causal": [False, True],
    "softcap": [0.0, 2.5],
    "scale": [None, 0.3],
}


@pytest.mark.parametrize("case", covering_array(FACTORS, seed=23), ids=str)
def test_attention(case):
    rng = np.random.default_rng(sum(map(ord, str(case))))
    node = make_node(rng, case)
    want = onnx_attention(**node)
    spread = onnx_attention(**node | {"v": abs(node["v"])} | past_of(node, abs))
    got = run(node, case["dtype"])
    half = 2.0 ** (-11 if case["dtype"] == np.float16 else -8)
    # The weights are rounded to the dtype of v, and the result; all else is float32.
    bound = 2 * half * np.abs(spread) + half * np.abs(want) + 1e-6
    assert got.shape == want.shape
    worst = np.max(np.abs(got.astype(np.float64) - want) / bound)
    assert worst <= 1, f"{worst} of the bound"


def past_of(node, function):
    return {"past_value": function(node["past_value"])} if "past_value" in node else {}


def make_node(rng, case):
    """Inputs and attributes of the operator; values are of the dtype, held as float64."""

    def normal(*shape):
        return rng.standard_normal(shape).astype(case["dtype"]).astype(np.float64)

    (heads, key_heads), (size, value_size) = case["heads"], case["sizes"]
    node = {
        "q": normal(BATCH, heads, QUERIES, size),
        "k": normal(BATCH, key_heads, KEYS, size),
        "v": normal(BATCH, key_heads, KEYS, value_size),
        "is_causal": case["is_causal"],
        "scale": case["scale"],
        "softcap": case["softcap"],
    }
    keys = KEYS
    if case["keys_before"] == "past":
        keys += PAST
        node["past_key"] = normal(BATCH, key_heads, PAST, size)
        node["past_value"] = normal(BATCH, key_heads, PAST, value_size)
    elif case["keys_before"] == "cache":
        node["nonpad_kv_seqlen"] = np.array([KEYS, KEYS - 3])
    if case["mask"] != "none":
        node["attn_mask"] = make_mask(rng, case["mask"], heads, keys)
    if case["rank"] == 3:
        for name in "qkv":
            node[name] = node[name].transpose(0, 2, 1, 3).reshape(BATCH, node[name].shape[2], -1)
        node |= {"q_num_heads": heads, "kv_num_heads": key_heads}
    return node


def make_mask(rng, kind, heads, keys):
    shape = {
        "bool": (QUERIES, keys),
        "bool_short": (BATCH, 1, QUERIES, keys - 2),
        "float": (QUERIES, keys),
        "float_heads": (heads, QUERIES, keys),
        "float_all": (BATCH, heads, QUERIES, keys),
    }[kind]
    if kind.startswith("bool"):
        mask = rng.random(shape) < 0.7
        mask[..., 1, :] = False  # a row that sees nothing
        return mask
    mask = rng.standard_normal(shape).astype(np.float32)
    mask[rng.random(shape) < 0.2] = -np.inf
    return mask


def run(node, dtype):
    """The operator by `tw.attention`."""
    q, k, v = (split(node[name], node.get(heads)) for name, heads in
               (("q", "q_num_heads"), ("k", "kv_num_heads"), ("v", "kv_num_heads")))  # fmt: skip
    past = 0
    if "past_key" in node:
        past = node["past_key"].shape[2]
        k = np.concatenate([node["past_key"], k], 2)
        v = np.concatenate([node["past_value"], v], 2)
    keys = k.shape[2]
    lengths = node.get("nonpad_kv_seqlen", np.full(BATCH, keys))
    first = lengths - QUERIES if "nonpad_kv_seqlen" in node else np.full(BATCH, past)
    score_mod, mask_mod = make_functions(node, q.shape[1], keys, first, lengths)
    y = tw.attention(
        *(x.astype(dtype) for x in (q, k, v)),
        scale=node["scale"],
        causal=node["is_causal"],
        softcap=node["softcap"],
        score_mod=score_mod,
        mask_mod=mask_mod,
        # Row i has the position i + first, not i + keys - QUERIES.
        q_offset=(first - (keys - QUERIES)).astype(np.int32),
        layout="bhsd",
    )
    if "q_num_heads" in node:
        return y.transpose(0, 2, 1, 3).reshape(BATCH, QUERIES, -1)
    return y


def split(x, heads):
    return x if x.ndim == 4 else x.reshape(*x.shape[:2], heads, -1).transpose(0, 2, 1, 3)


def make_functions(node, heads, keys, first, lengths):
    """score_mod and mask_mod, None where there is nothing to do."""
    count = tw.operand(lengths.astype(np.int32))
    mask = node.get("attn_mask")
    is_padded = "nonpad_kv_seqlen" in node
    if mask is None:
        return None, (lambda b, h, q, k: k < count[b]) if is_padded else None
    is_boolean = mask.dtype == np.bool_
    whole = np.zeros((BATCH, heads, first.max() + QUERIES, keys), mask.dtype)
    if not is_boolean:
        whole[:] = -np.inf
    for b, start in enumerate(first):
        rows = np.broadcast_to(mask, (BATCH, heads, QUERIES, mask.shape[-1]))[b]
        whole[b, :, start : start + QUERIES, : mask.shape[-1]] = rows
    by_row = tw.operand(whole)
    if is_boolean:
        return None, lambda b, h, q, k: by_row[b, h, q, k] & (k < count[b])
    return (
        lambda s, b, h, q, k: s + by_row[b, h, q, k],
        (lambda b, h, q, k: k < count[b]) if is_padded else None,
    )
