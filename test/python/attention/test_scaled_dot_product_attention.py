"""tw.scaled_dot_product_attention: torch's semantics, against NumPy and against torch."""

import ml_dtypes
import numpy as np
import pytest
import tilewright as tw
from tilewright import testing

F16, BF16, F32 = np.float16, ml_dtypes.bfloat16, np.float32
Q, KV = (2, 3, 40, 32), (2, 3, 70, 32)


def definition(q, k, v, mask=None, is_causal=False, scale=None, enable_gqa=False, dtype=np.float64):
    """The equivalent code of torch's documentation, in `dtype`; rows without keys are 0."""
    size, rounds = q.shape[-1], v.dtype
    q, k, v = (a.astype(dtype) for a in (q, k, v))
    if enable_gqa:
        k, v = (np.repeat(a, q.shape[-3] // a.shape[-3], axis=-3) for a in (k, v))
    s = q @ k.swapaxes(-1, -2) * dtype(size**-0.5 if scale is None else scale)
    bias = np.zeros(s.shape[-2:], dtype)
    if is_causal:
        bias = np.where(np.tril(np.ones(bias.shape, bool)), bias, -np.inf)
    if mask is not None and mask.dtype == np.bool_:
        bias = np.where(mask, bias, -np.inf)
    elif mask is not None:
        bias = bias + mask.astype(dtype)
    s = s + bias
    top = s.max(-1, keepdims=True, initial=-np.inf)
    e = np.exp(s - np.where(np.isneginf(top), 0, top))
    total = e.sum(-1, keepdims=True)
    if dtype is F32:
        e = e.astype(rounds).astype(dtype)
    return e @ v / np.where(total == 0, 1, total)


def arrays(q=Q, k=KV, v=None, dtype=F16, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.standard_normal(shape).astype(dtype) for shape in (q, k, v or k)]


def boolean(*shape):
    mask = np.random.default_rng(1).random(shape) < 0.6
    if shape[-2] > 3:
        mask[..., 3, :] = False  # a row that sees nothing
    return mask


def additive(*shape, dtype=F32):
    mask = np.random.default_rng(2).standard_normal(shape)
    mask[..., shape[-1] // 2 :] = -np.inf
    if shape[-2] > 3:
        mask[..., 3, :] = -np.inf
    return mask.astype(dtype)


#: Name, query, key and value, other arguments.
CASES = [
    ("plain", arrays(), {}),
    ("bf16, values of another size", arrays(v=(2, 3, 70, 48), dtype=BF16), {}),
    ("scale", arrays(), {"scale": 0.4}),
    ("negative scale", arrays(), {"scale": -0.4}),
    ("scale of zero", arrays(), {"scale": 0.0}),
    ("causal, more keys", arrays(), {"is_causal": True}),
    ("causal, more rows", arrays(KV, Q), {"is_causal": True}),
    ("causal, as many", arrays(Q, Q), {"is_causal": True}),
    ("groups", arrays((2, 6, 40, 32), KV), {"enable_gqa": True, "is_causal": True}),
    ("one head of keys", arrays(Q, (2, 1, 70, 32)), {}),
    ("one head of values", arrays(Q, KV, (2, 1, 70, 32)), {}),
    ("one head of queries", arrays((2, 1, 40, 32), KV), {}),
    ("one batch of keys", arrays(Q, (1, 3, 70, 32), (3, 70, 32)), {}),
    ("one batch of queries", arrays((3, 40, 32), KV), {}),
    ("rank 2", arrays(Q[2:], KV[2:]), {"is_causal": True}),
    ("rank 3", arrays((4, 40, 32), (4, 70, 32)), {"attn_mask": boolean(4, 40, 70)}),
    ("rank 3, groups", arrays((6, 40, 32), (3, 70, 32)), {"enable_gqa": True}),
    (
        "rank 5",
        arrays((2, 2, 3, 40, 32), (2, 1, 3, 70, 32)),
        {"attn_mask": boolean(1, 2, 1, 1, 70)},
    ),
    ("no keys", arrays(k=(2, 3, 0, 32)), {}),
    ("no keys, a mask", arrays(k=(2, 3, 0, 32)), {"attn_mask": boolean(40, 0)}),
    ("no rows", arrays((2, 3, 0, 32)), {"attn_mask": boolean(0, 70)}),
    ("one row", arrays((2, 3, 1, 32)), {"attn_mask": boolean(2, 1, 1, 70)}),
    ("mask of 1", arrays(), {"attn_mask": np.zeros((1, 1), bool)}),
    ("mask of rows", arrays(), {"attn_mask": boolean(40, 1)}),
    ("mask of keys", arrays(), {"attn_mask": boolean(1, 70)}),
    ("mask of rows and keys", arrays(), {"attn_mask": boolean(40, 70)}),
    ("mask of heads", arrays(), {"attn_mask": boolean(3, 40, 70)}),
    ("mask of heads and keys", arrays(), {"attn_mask": boolean(3, 1, 70)}),
    ("padding", arrays(), {"attn_mask": boolean(2, 1, 1, 70)}),
    ("mask of everything", arrays(), {"attn_mask": boolean(2, 3, 40, 70)}),
    ("strided mask", arrays(), {"attn_mask": boolean(70, 2, 40).transpose(1, 2, 0)[:, None]}),
    ("float mask", arrays(), {"attn_mask": additive(40, 70), "scale": -0.3}),
    ("float mask of heads and rows", arrays(), {"attn_mask": additive(1, 3, 40, 1)}),
    ("float16 mask of batches", arrays(), {"attn_mask": additive(2, 1, 40, 70, dtype=F16)}),
    (
        "bfloat16 mask",
        arrays(dtype=BF16),
        {"attn_mask": additive(2, 3, 40, 70, dtype=BF16)},
    ),
    ("causal and a mask", arrays(), {"attn_mask": boolean(2, 3, 40, 70), "is_causal": True}),
]
IDS = [name for name, _, _ in CASES]


def check(q, k, v, options, ref=None):
    out = tw.scaled_dot_product_attention(q, k, v, **options)
    named = {"mask" if name == "attn_mask" else name: value for name, value in options.items()}
    low = definition(q, k, v, **named, dtype=F32).astype(q.dtype)
    if ref is None:
        ref = definition(q, k, v, **named)
    testing.assert_within_bound(out, ref, low)
    assert out.dtype == q.dtype


@pytest.mark.parametrize(("name", "qkv", "options"), CASES, ids=IDS)
def test_definition(name, qkv, options):
    check(*qkv, options)


@pytest.mark.parametrize(("name", "qkv", "options"), CASES, ids=IDS)
def test_torch(name, qkv, options):
    """What torch computes in float64, of numbers that the dtype holds."""
    torch = pytest.importorskip("torch", reason="torch is not installed: pip install torch")

    def double(array):
        array = np.ascontiguousarray(array)
        return torch.from_numpy(array if array.dtype == np.bool_ else array.astype(np.float64))

    given = dict(options)
    if "attn_mask" in given:
        given["attn_mask"] = double(given["attn_mask"])
    ref = torch.nn.functional.scaled_dot_product_attention(*map(double, qkv), **given).numpy()
    check(*qkv, options, ref)


@pytest.mark.parametrize("name", ["float16", "bfloat16"])
def test_tensors_of_torch_in_and_out(name):
    torch = pytest.importorskip("torch", reason="torch is not installed: pip install torch")
    dtype = getattr(torch, name)
    q, k, v = (torch.from_numpy(a).to(dtype) for a in arrays(dtype=F32))
    mask = torch.from_numpy(boolean(2, 1, 40, 70))
    out = tw.scaled_dot_product_attention(q, k, v, mask)
    assert (out.dtype, tuple(out.shape)) == (dtype, Q)
    numbers = (a.to(torch.float64).numpy().astype(DTYPES[name]) for a in (q, k, v))
    want = tw.scaled_dot_product_attention(*numbers, mask.numpy())
    assert (out.to(torch.float64).numpy() == want.astype(np.float64)).all()


DTYPES = {"float16": F16, "bfloat16": BF16}


def test_hidden_keys_may_be_no_numbers():
    q, k, v = arrays()
    mask = boolean(1, 70)
    broken = np.where(mask.reshape(-1, 1), k, F16(np.nan))
    want = tw.scaled_dot_product_attention(q, k, v, mask)
    np.testing.assert_array_equal(tw.scaled_dot_product_attention(q, broken, v, mask), want)


def test_masks_of_any_contents_share_a_kernel():
    """Only which dimensions a mask has is compiled."""
    with tw.profile() as profile:
        for rows, keys, batch in ((20, 36, 2), (25, 12, 3)):
            q, k, v = arrays((batch, 5, rows, 16), (batch, 5, keys, 16))
            tw.scaled_dot_product_attention(q, k, v, boolean(batch, 1, 1, keys))
    assert len(profile.launches) == 2
    assert len(profile.compiled) <= 1


def test_broadcast_masks_are_not_stored():
    """What the kernel reads has the dimensions that differ, and no others."""
    q, k, v = arrays((2, 5, 16, 16), (2, 5, 16, 16))
    for shape, rank in (((2, 5, 16, 16), 4), ((1, 5, 1, 16), 2), ((16, 1), 1)):
        with tw.profile() as profile:
            tw.scaled_dot_product_attention(q, k, v, boolean(*shape))
        problem = profile.launches[0].problem
        assert [f"c0d{axis}=" in problem for axis in range(4)] == [axis < rank for axis in range(4)]


BAD = [
    ({"dropout_p": 0.1}, "dropout_p is 0.1; supported: 0.0, kernels drop nothing"),
    ({"scale": float("nan")}, "scale is nan; expects a finite number"),
    ({"scale": "1"}, "scale is '1'; expects a finite number"),
    ({"attn_mask": np.ones(70, bool)}, r"attn_mask has shape \(70,\); expects at least two"),
    ({"attn_mask": np.ones((40, 71), bool)}, r"broadcast to the scores \(2, 3, 40, 70\)"),
    ({"attn_mask": np.ones((1, 2, 3, 40, 70), bool)}, "expects at least two dimensions that"),
    (
        {"attn_mask": np.ones((40, 70), np.uint8)},
        "attn_mask is of uint8; supported: bool, float32, float16",
    ),
]


@pytest.mark.parametrize(("options", "message"), BAD, ids=[m[:24] for _, m in BAD])
def test_bad_arguments_are_named(options, message):
    with pytest.raises(tw.ArgumentError, match=message):
        tw.scaled_dot_product_attention(*arrays(), **options)


BAD_SHAPES = [
    (arrays((32,), KV), r"query has shape \(32,\); expects \[\.\.\., rows, size\]"),
    (arrays(k=(2, 3, 70, 40)), "key has shape .*; expects the head size of query"),
    (arrays(v=(2, 3, 71, 32)), "value has shape .*; expects the rows of key"),
    (arrays(k=(2, 2, 70, 32)), "3, 2 and 2 heads; expects 3 or 1 of key, or enable_gqa=True"),
    (arrays(k=(3, 3, 70, 32)), "expects leading dimensions that broadcast"),
    (arrays((2, 3, 40, 12), (2, 3, 70, 12)), "head size of query is 12; .* the nearest is 16"),
    (arrays(dtype=F32), "dtype of query is float32; supported: float16, bfloat16"),
    ([*arrays()[:2], arrays(dtype=BF16)[2]], "value is bfloat16 and query float16"),
]


@pytest.mark.parametrize(("qkv", "message"), BAD_SHAPES, ids=[m[:24] for _, m in BAD_SHAPES])
def test_bad_shapes_are_named(qkv, message):
    with pytest.raises(tw.ArgumentError, match=message):
        tw.scaled_dot_product_attention(*qkv)


def test_groups_must_divide():
    for shape, message in [
        ((2, 2, 70, 32), "query has 3 heads and key 2; expects a multiple"),
        ((2, 0, 70, 32), "query has 3 heads and key 0; expects a multiple"),
    ]:
        with pytest.raises(tw.ShapeError, match=message):
            tw.scaled_dot_product_attention(*arrays(k=shape), enable_gqa=True)
    with pytest.raises(tw.ShapeError, match="key has 3 heads and value 1; expects as many"):
        tw.scaled_dot_product_attention(*arrays(v=(2, 1, 70, 32)), enable_gqa=True)
