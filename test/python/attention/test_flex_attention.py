"""tw.flex_attention and tw.create_block_mask: against NumPy and against torch."""

import itertools

import ml_dtypes
import numpy as np
import pytest
import tilewright as tw
from tilewright import block_mask, testing

F16, BF16, F32 = np.float16, ml_dtypes.bfloat16, np.float32
Q, KV = (2, 4, 70, 16), (2, 4, 100, 16)


def definition(q, k, v, score_mod=None, mask_mod=None, scale=None, dtype=np.float64):
    """Result and logarithms of the documentation's definition, in `dtype`."""
    ratio, rounds = q.shape[1] // k.shape[1], v.dtype
    k, v = (np.repeat(np.broadcast_to(a, (len(q), *a.shape[1:])), ratio, 1) for a in (k, v))
    s = q.astype(dtype) @ k.astype(dtype).swapaxes(2, 3)
    s = s * dtype(q.shape[-1] ** -0.5 if scale is None else scale)
    positions = np.meshgrid(*map(np.arange, s.shape), indexing="ij", sparse=True)
    if score_mod is not None:
        s = np.asarray(score_mod(s, *positions), dtype)
    if mask_mod is not None:
        s = np.where(mask_mod(*positions), s, -np.inf)
    top = s.max(-1, keepdims=True, initial=-np.inf)
    shift = np.where(np.isneginf(top), 0, top)
    e = np.exp(s - shift)
    total = e.sum(-1, keepdims=True)
    with np.errstate(divide="ignore"):
        lse = (shift + np.log(total))[..., 0]
    if dtype is F32:
        e = e.astype(rounds).astype(dtype)
    return e @ v.astype(dtype) / np.where(total == 0, 1, total), lse


# Functions as the documentation of flex attention writes them. `xp` is numpy or torch, `array`
# makes what they read an array of it.


def causal(xp, array):
    return None, lambda b, h, q, k: q >= k


def sliding_window(xp, array):
    return None, lambda b, h, q, k: (q >= k) & (q - k <= 20)


def prefix(xp, array):
    lengths = array(np.array([30, 7]))
    return None, lambda b, h, q, k: (q >= k) | (k < lengths[b])


def documents(xp, array):
    numbers = array(np.sort(np.random.default_rng(1).integers(0, 5, 100)))
    return None, lambda b, h, q, k: (numbers[q] == numbers[k]) & (q >= k)


def both(xp, array):
    """Masks put together, as and_masks does."""
    parts = [causal(xp, array)[1], prefix(xp, array)[1]]

    def every(b, h, q, k):
        result = parts[0](b, h, q, k)
        for part in parts[1:]:
            result = result & part(b, h, q, k)
        return result

    return None, every


def relative(xp, array):
    return lambda s, b, h, q, k: s + (q - k) * 0.1, None


def alibi(xp, array):
    slopes = array(2.0 ** -np.arange(1, 5))
    return lambda s, b, h, q, k: s + slopes[h] * (k - q), lambda b, h, q, k: q >= k


def softcap(xp, array):
    return lambda s, b, h, q, k: 2 * xp.tanh(s / 2), None


def bias(xp, array):
    table = array(np.random.default_rng(2).standard_normal((4, 70, 100)))
    return lambda s, b, h, q, k: s + table[h, q, k], None


def transposed_bias(xp, array):
    table = array(np.random.default_rng(2).standard_normal((100, 4, 70)))
    return lambda s, b, h, q, k: s * table[k, h, q] + table[3, h, q], None


def distances(xp, array):
    """Relative positions, learned for each head."""
    table = array(np.random.default_rng(3).standard_normal((4, 170)))
    return lambda s, b, h, q, k: s + table[h, q - k + 99], None


def positions_in_documents(xp, array):
    """Rows count from the start of their document."""
    numbers = array(np.sort(np.random.default_rng(4).integers(0, 4, 100)))
    starts = array(np.array([0, 20, 50, 80]))

    def score(s, b, h, q, k):
        return s - 0.05 * (q - starts[numbers[q]])

    return score, lambda b, h, q, k: numbers[q] == numbers[k]


def dilated(xp, array):
    return None, lambda b, h, q, k: ((q - k) % (h + 2) == 0) & (q < 60)


def where(xp, array):
    return lambda s, b, h, q, k: xp.where(q >= k, s, xp.exp2(s * 0) * -1e4), None


def nothing(xp, array):
    return None, None


FUNCTIONS = [
    causal, sliding_window, prefix, documents, both, relative, alibi, softcap, bias,
    transposed_bias, distances, positions_in_documents, dilated, where, nothing,
]  # fmt: skip


def arrays(q=Q, k=KV, v=None, dtype=F16):
    rng = np.random.default_rng(0)
    return [rng.standard_normal(shape).astype(dtype) for shape in (q, k, v or k)]


def run(qkv, score_mod, mask_mod, options, shape=(None, None)):
    (_, _, rows, _), keys = qkv[0].shape, qkv[1].shape[2]
    mask = None
    if mask_mod is not None:
        mask = tw.create_block_mask(mask_mod, *shape, rows, keys, BLOCK_SIZE=32)
    return tw.flex_attention(*qkv, score_mod, mask, **options, return_lse=True)


def check(qkv, functions, options, got, want=None):
    """Within the bound of the definition, or of `want` from elsewhere."""
    named = {name: value for name, value in options.items() if name != "enable_gqa"}
    ref, low = (definition(*qkv, *functions, **named, dtype=t) for t in (np.float64, F32))
    ref = want or ref
    testing.assert_within_bound(got[0], ref[0], low[0].astype(qkv[0].dtype))
    q, k = (np.abs(a.astype(F32)).max(initial=0) for a in qkv[:2])
    size = np.full(ref[1].shape, q * k * qkv[0].shape[-1] ** 0.5, F32)
    testing.assert_within_bound(
        got[1], ref[1], low[1], magnitude=size, k=qkv[0].shape[-1], name="lse"
    )


@pytest.mark.parametrize("make", FUNCTIONS, ids=lambda make: make.__name__)
@pytest.mark.parametrize("lengths", [(70, 100), (70, 70)], ids=str)
def test_definition(make, lengths):
    functions = make(np, np.asarray)
    rows, keys = lengths
    qkv = arrays((*Q[:2], rows, 16), (*KV[:2], keys, 16))
    if make in (bias, transposed_bias):
        qkv = arrays()
    check(qkv, functions, {}, run(qkv, *functions, {}, Q[:2]))


SHAPES = [
    ("bf16, values of another size", arrays(v=(2, 4, 100, 24), dtype=BF16), {}),
    ("groups", arrays(k=(2, 2, 100, 16)), {"enable_gqa": True}),
    ("one batch of keys", arrays(k=(1, 4, 100, 16)), {}),
    ("more rows", arrays(KV, (2, 4, 70, 16)), {}),
    ("scale", arrays(), {"scale": 0.5}),
    ("negative scale", arrays(), {"scale": -0.5}),
    ("scale of zero", arrays(), {"scale": 0.0}),
]


@pytest.mark.parametrize(("name", "qkv", "options"), SHAPES, ids=[name for name, *_ in SHAPES])
def test_shapes(name, qkv, options):
    functions = alibi(np, np.asarray)
    check(qkv, functions, options, run(qkv, *functions, options))


@pytest.fixture(scope="module")
def torch_flex():
    """torch's module, which is told not to ask for torch.compile."""
    torch = pytest.importorskip("torch", reason="torch is not installed: pip install torch")
    import torch.nn.attention.flex_attention as flex

    return torch, flex


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("make", FUNCTIONS, ids=lambda make: make.__name__)
def test_torch(make, torch_flex):
    """The same functions over torch's tensors, by torch in float64 and by a kernel."""
    torch, flex = torch_flex
    functions = make(torch, torch.from_numpy)
    qkv = arrays()
    tensors = [torch.from_numpy(a.astype(np.float64)) for a in qkv]
    score_mod, mask_mod = functions
    mask = None
    if mask_mod is not None:
        mask = flex.create_block_mask(mask_mod, 2, 4, 70, 100, device="cpu", BLOCK_SIZE=32)
        ours = tw.create_block_mask(mask_mod, 2, 4, 70, 100, device="cpu", BLOCK_SIZE=32)
        same_blocks(ours, mask)
    out, lse = flex.flex_attention(*tensors, score_mod, mask, return_lse=True)
    got = tw.flex_attention(
        *(torch.from_numpy(a) for a in qkv),
        score_mod,
        ours if mask else None,
        return_lse=True,
    )
    assert isinstance(got[0], torch.Tensor) and got[0].dtype == torch.float16
    want = out.numpy(), lse.numpy()
    check(qkv, make(np, np.asarray), {}, [a.numpy() for a in got], want)


def same_blocks(ours, theirs):
    for name in ("kv_num_blocks", "kv_indices", "full_kv_num_blocks", "full_kv_indices"):
        np.testing.assert_array_equal(getattr(ours, name), getattr(theirs, name).numpy())
    assert (ours.shape, ours.BLOCK_SIZE) == (tuple(theirs.shape), theirs.BLOCK_SIZE)
    np.testing.assert_array_equal(ours.to_dense(), theirs.to_dense().numpy())
    assert ours.sparsity() == pytest.approx(theirs.sparsity())


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("lengths", [(64, 96), (300, 500), (1, 40), (129, 128)])
@pytest.mark.parametrize("block", [32, 128, (16, 64)], ids=str)
def test_blocks_of_torch(lengths, block, torch_flex):
    def mask(b, h, q, k):
        return (q >= k) & (q - k < 100 - 20 * h) & ((k > 3) | (b > 0))

    ours = tw.create_block_mask(mask, 2, 3, *lengths, BLOCK_SIZE=block)
    same_blocks(
        ours,
        torch_flex[1].create_block_mask(mask, 2, 3, *lengths, device="cpu", BLOCK_SIZE=block),
    )


@pytest.mark.parametrize("block", [(16, 16), (16, 32), (50, 7)], ids=str)
def test_blocks_by_counting(block):
    """Every block of every batch and head, one score at a time."""
    table = np.random.default_rng(5).random((2, 50)) < 0.3

    def mask(b, h, q, k):
        # One score less than the whole block.
        return ((q >= k + 5 * h) | table[b, k]) & ((q != 17) | (k != 3) | (h > 0))

    made = tw.create_block_mask(mask, 2, 2, 50, 41, BLOCK_SIZE=block)
    for b, h, i in np.ndindex(made.kv_num_blocks.shape):
        partial, full = [], []
        for j in range(-(-41 // block[1])):
            rows = range(i * block[0], (i + 1) * block[0])
            keys = range(j * block[1], (j + 1) * block[1])
            seen = [
                q < 50 and k < 41 and bool(mask(b, h, q, k))
                for q, k in itertools.product(rows, keys)
            ]
            if any(seen):
                (full if all(seen) else partial).append(j)
        for name, want in (("kv", partial), ("full_kv", full)):
            count = getattr(made, f"{name}_num_blocks")[b, h, i]
            assert getattr(made, f"{name}_indices")[b, h, i, :count].tolist() == want
    assert made.kv_indices.dtype == made.kv_num_blocks.dtype == np.int32


def test_a_mask_is_evaluated_for_what_it_depends_on(monkeypatch):
    calls = []
    evaluate = block_mask.evaluate
    monkeypatch.setattr(block_mask, "evaluate", lambda *a: calls.append(1) or evaluate(*a))
    made = tw.create_block_mask(lambda b, h, q, k: q >= k + h, 64, 3, 4, 4, BLOCK_SIZE=2)
    assert len(calls) == 3 * 2
    assert made.shape == (64, 3, 4, 4)
    assert made.kv_indices.flags.c_contiguous
    np.testing.assert_array_equal(made.kv_num_blocks[63], made.kv_num_blocks[0])


def test_empty_lengths():
    for rows, keys in ((0, 40), (40, 0), (0, 0)):
        made = tw.create_block_mask(lambda b, h, q, k: q >= k, 1, 1, rows, keys, BLOCK_SIZE=32)
        assert made.kv_indices.shape == (1, 1, -(-rows // 32), -(-keys // 32))
        qkv = arrays((1, 2, rows, 16), (1, 2, keys, 16))
        out = tw.flex_attention(*qkv, block_mask=made)
        assert out.shape == (1, 2, rows, 16)
        assert (out == 0).all()


def mask_for(*shape):
    return tw.create_block_mask(lower, *shape)


def lower(b, h, q, k):
    return q >= k


BAD = [
    (arrays(), {"block_mask": mask_for(1, 1, 70, 99)}, r"for \(1, 1, 70, 99\) .* \(2, 4, 70, 1"),
    (arrays(), {"block_mask": mask_for(2, 2, 70, 100)}, r"for \(2, 2, 70, 100\) .* \(2, 4, 70"),
    (arrays(), {"block_mask": lower}, "of type function; supported: what tw.create_block"),
    (arrays(k=(2, 2, 100, 16)), {}, "have 4, 2 and 2 heads; expects 4 or 1 of key, or enable_gqa"),
    (arrays(k=(2, 1, 100, 16)), {}, "query has 4 heads and key 1; expects as many, or enable_gqa"),
    (arrays((1, *Q[1:])), {}, "query has a batch of 1 and key 2; expects as many, or 1 of key"),
    (arrays(Q[1:], KV[1:]), {}, r"query has shape \(4, 70, 16\); expects \[B, H, S, D\]"),
    (arrays(), {"scale": float("inf")}, "scale is inf; expects a finite number"),
    (arrays(), {"score_mod": lower}, "score_mod is called with"),
]


@pytest.mark.parametrize(("qkv", "options", "message"), BAD, ids=[m[:20] for *_, m in BAD])
def test_bad_arguments_are_named(qkv, options, message):
    with pytest.raises(tw.ArgumentError, match=message):
        tw.flex_attention(*qkv, **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"device": "cuda"}, "device is 'cuda'; supported: None, 'cpu'"),
        ({"BLOCK_SIZE": 0}, "BLOCK_SIZE is 0; expects a whole number, at least 1"),
        ({"BLOCK_SIZE": (1, 2, 3)}, r"BLOCK_SIZE is \(1, 2, 3\); expects a number, or two"),
        ({"Q_LEN": -1}, "Q_LEN is -1; expects a whole number, at least 0"),
        ({"B": 1.5}, "B is 1.5; expects a whole number"),
        ({"mask_mod": lambda b, h, q, k: q - k}, "mask_mod returns int32; expects bool"),
        ({"mask_mod": lambda b, h, q, k: q >= k if q > 0 else k > 0}, r"py:\d+: `if`, `and`"),
    ],
)
def test_bad_block_masks_are_named(options, message):
    given = {"mask_mod": lambda b, h, q, k: q >= k, "B": 1, "H": 1, "Q_LEN": 8, "KV_LEN": 8}
    with pytest.raises(tw.ArgumentError, match=message):
        tw.create_block_mask(**given | options)
