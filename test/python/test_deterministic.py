"""linear(deterministic=True): the same bits whatever the schedule and the other rows."""

import random

import numpy as np
import pytest
import tilewright as tw
from tilewright import testing

K, N = 2176, 96  # 17 tiles of 128: chunks of two, the last of one, at most 9 splits
SEED = 20250


def make(format="u4", k=K, n=N, rows=160, **options):
    print(f"seed {SEED}")
    rng = np.random.default_rng(SEED)
    qw = tw.quantize(rng.standard_normal((n, k)).astype(np.float32), format, layout="nk", **options)
    # Of many magnitudes, so that sums in another order have other bits.
    x = rng.standard_normal((rows, k)) * np.exp2(rng.integers(-6, 3, (rows, k)))
    return qw, x.astype(np.float16)


def run(x, qw, **options):
    return tw.linear(x, qw, out_dtype="f32", device="emulated:a100", **options).view(np.uint32)


CASES = {
    "u4": {"group_size": 128, "zero_point": True},
    "i8": {"group_size": "channel"},
    "u3": {"group_size": 32},
}


@pytest.fixture(scope="module", params=CASES)
def product(request):
    qw, x = make(request.param, **CASES[request.param])
    return qw, x, run(x, qw, deterministic=True)


@pytest.mark.parametrize("m", [1, 7, 9, 24, 65])
def test_a_row_has_the_same_bits_in_every_batch(product, m):
    """Each number of rows has a schedule of its own, of the three families."""
    qw, x, whole = product
    start = 160 - m
    np.testing.assert_array_equal(run(x[start:], qw, deterministic=True), whole[start:])
    for row in range(min(m, 2)):
        got = run(x[row : row + 1], qw, deterministic=True)
        np.testing.assert_array_equal(got[0], whole[row])


def sample_schedules(count):
    """Texts of schedules for K; not all fit the rows or the device."""
    rng = random.Random(SEED)
    for _ in range(count):
        tile_m = rng.choice([8, 16, 32, 64, 128])
        warps_m = rng.choice([w for w in (1, 2, 4) if w == 1 or 16 * w <= tile_m])
        warps_n = rng.choice([1, 2])
        tile_n = 32 * warps_n * rng.choice([1, 2])
        split, stages = rng.choice([1, 2, 3, 4, 5, 8, 9]), rng.randint(2, 6)
        yield (
            f"quant_matmul{{chunk_k=256, split_k={split}, stages={stages}, tile_k=128, "
            f"tile_m={tile_m}, tile_n={tile_n}, warps_m={warps_m}, warps_n={warps_n}}}"
        )


def test_all_schedules_give_the_same_bits(product):
    qw, x, whole = product
    rows = 40
    tried = 0
    for schedule in sample_schedules(60):
        if tried == 8:
            break
        try:
            got = run(x[:rows], qw, deterministic=True, schedule=schedule)
        except tw.ResourceError as error:
            resources = ("registers", "accumulators", "shared memory")
            assert any(name in str(error) for name in resources), schedule
            continue
        tried += 1
        np.testing.assert_array_equal(got, whole[:rows], err_msg=schedule)
    assert tried == 8


def test_runs_in_any_order_give_the_same_bits():
    qw, x = make(group_size=128)
    split = next(s for s in sample_schedules(20) if "split_k=1," not in s and "tile_m=8" in s)
    once = run(x[:3], qw, deterministic=True, schedule=split)
    for seed in range(1, 5):
        options = tw.EmulatorOptions(
            warp_order_seed=seed, preemption_seed=seed, landing="random", landing_seed=seed
        )
        again = tw.check(
            tw.linear, x[:3], qw, out_dtype="f32", deterministic=True, schedule=split,
            device="emulated:a100", options=options,
        )  # fmt: skip
        np.testing.assert_array_equal(again.view(np.uint32), once)


def test_without_it_schedules_differ():
    """So the tests above can fail."""
    qw, x = make(group_size=128)
    texts = [s.replace("chunk_k=256, ", "") for s in sample_schedules(20)]
    one = next(s for s in texts if "split_k=1," in s)
    many = next(s for s in texts if "split_k=8," in s)
    assert (run(x[:8], qw, schedule=one) != run(x[:8], qw, schedule=many)).any()


def test_it_is_as_exact():
    qw, x = make(group_size=128)
    y = tw.linear(x[:4], qw, out_dtype="f32", deterministic=True, device="emulated:a100")
    ref, low, magnitude = testing.linear_reference(x[:4], qw, out_dtype=np.float32)
    testing.assert_within_bound(y, ref, low, magnitude=magnitude, k=K, name="y")


def test_a_schedule_of_other_chunks_is_refused():
    qw, x = make(group_size=128)
    schedule = next(sample_schedules(1)).replace("chunk_k=256", "chunk_k=128")
    with pytest.raises(tw.ResourceError, match=r"chunk_k .* but got 128; the nearest is 256"):
        run(x[:1], qw, deterministic=True, schedule=schedule)
    with pytest.raises(tw.ResourceError, match=r"chunk_k .* but got 128; the nearest is 0"):
        run(x[:1], qw, schedule=schedule)


def test_its_kernel_is_another():
    qw, _ = make(group_size=128)
    plain = tw.compile("linear", qw, target="a100", m=8)
    chunked = tw.compile("linear", qw, target="a100", m=8, deterministic=True)
    assert "chunk_k" not in plain.schedule and "chunk_k=256" in chunked.schedule
    assert chunked.metadata["problem"]["attributes"]["deterministic"] == "true"
    assert "deterministic" not in plain.metadata["problem"]["attributes"]
