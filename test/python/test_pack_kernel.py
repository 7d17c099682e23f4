"""Packing by a kernel: the bytes of the host's packer, for every format and shape.

The host's packer is tested by itself (test/unit/runtime/Pack), against the definition of
the storage layout. Runs on a GPU where there is one, else on the emulated device with its
checkers.
"""

import itertools

import ml_dtypes
import numpy as np
import pytest
import tilewright as tw
from tilewright import formats
from tilewright._extension import native
from tilewright.code_packing import pack_codes

#: Every way in which codes are stored: bits, storage, activations.
FORMS = [
    *((bits, "words", kind) for bits in range(1, 9) for kind in ("16-bit", "8-bit")),
    *((bits, storage, "16-bit") for bits in range(1, 9) for storage in ("nested", "stack")),
]
#: N, K: less than a block, blocks, tails in one, the other and both, several tiles.
SHAPES = [(1, 1), (32, 128), (33, 129), (64, 100), (127, 256), (17, 384), (130, 300), (300, 272)]
DEVICE = "emulated:a100"


def random_codes(n, k, bits, seed=0):
    return np.random.default_rng([n, k, bits, seed]).integers(0, 2**bits, (n, k)).astype(np.uint8)


def in_order(codes, order):
    """The same codes, elsewhere in memory."""
    if order == "kn":
        return np.ascontiguousarray(codes.T).T
    if order == "reversed":
        return np.ascontiguousarray(codes[::-1, ::-1])[::-1, ::-1]
    if order == "spaced":
        wide = np.zeros((codes.shape[0], 2 * codes.shape[1] + 3), np.uint8)
        wide[:, 3 : 3 + codes.shape[1]] = codes
        return wide[:, 3 : 3 + codes.shape[1]]
    return codes


ORDERS = ["nk", "kn", "reversed", "spaced"]


@pytest.mark.parametrize("form", FORMS, ids=lambda form: "-".join(map(str, form)))
def test_bytes_are_those_of_the_host(form):
    # Each form with two shapes and orders; all forms together with all of them.
    index = FORMS.index(form)
    for step in (0, 3):
        (n, k), order = SHAPES[(index + step) % 8], ORDERS[(index // 3 + step) % 4]
        codes = random_codes(n, k, form[0])
        words = pack_codes(in_order(codes, order), *form, DEVICE)
        np.testing.assert_array_equal(words, native().pack_codes(codes, *form))


#: Each shape in two orders, each order with four shapes.
PLACED = [
    (shape, order)
    for (i, shape), (j, order) in itertools.product(enumerate(SHAPES), enumerate(ORDERS))
    if (i + j + i // 4) % 2 == 0
]


@pytest.mark.parametrize(("shape", "order"), PLACED, ids=str)
def test_shapes_and_orders(shape, order):
    codes = random_codes(*shape, 5)
    words = pack_codes(in_order(codes, order), 5, "words", "16-bit", DEVICE)
    np.testing.assert_array_equal(words, native().pack_codes(codes, 5, "words", "16-bit"))


@pytest.mark.parametrize(
    "schedule",
    ["tile_k=128, tile_n=32, warps=1", "tile_k=256, tile_n=64, warps=2",
     "tile_k=128, tile_n=256, warps=8", "tile_k=256, tile_n=128, warps=4"],
)  # fmt: skip
def test_schedules_make_no_difference(schedule):
    codes = random_codes(200, 500, 3)
    words = pack_codes(codes, 3, "words", "16-bit", DEVICE, f"pack{{{schedule}}}")
    np.testing.assert_array_equal(words, native().pack_codes(codes, 3, "words", "16-bit"))


def test_bits_above_those_of_a_code_are_ignored():
    codes = random_codes(40, 140, 3)
    noise = codes | np.random.default_rng(1).integers(0, 32, codes.shape).astype(np.uint8) << 3
    words = pack_codes(noise, 3, "nested", "16-bit", DEVICE)
    np.testing.assert_array_equal(words, native().pack_codes(codes, 3, "nested", "16-bit"))


WEIGHTS = [f"{sign}{bits}" for sign in "ui" for bits in range(1, 9)] + list(formats._FLOAT_CODES)


@pytest.mark.parametrize("format", [*WEIGHTS, "lut2", "lut3", "lut4", "nested8", "nested3"])
def test_tensors_of_every_format(format):
    weight = formats.parse_weight_format(format)
    rng = np.random.default_rng(2)
    low = -(2 ** (weight.bits - 1)) if format[0] == "i" else 0
    codes = rng.integers(low, low + 2**weight.bits, (48, 200))
    if format in ("e4m3", "e5m2") or format.startswith("f7e5"):
        codes %= 2**weight.bits // 2 - 2 ** (2 if format != "e4m3" else 1)  # finite numbers
    options = {"format": format, "layout": "kn", "group_size": 32}
    if weight.is_index:
        options["codebook"] = np.arange(2**weight.bits, dtype=np.float32)
    scales = np.ones((48, 7), np.float16)
    host = tw.QuantizedTensor.from_codes(codes, scales, None, **options)
    kernel = tw.QuantizedTensor.from_codes(codes, scales, None, device=DEVICE, **options)
    for name, part in host.parts().items():
        np.testing.assert_array_equal(kernel.parts()[name], part)


@pytest.mark.parametrize("activations", ["float16", "int8"])
def test_a_product_of_what_was_packed(activations):
    rng = np.random.default_rng(3)
    codes = rng.integers(0, 16, (2, 64, 256))
    qw = tw.QuantizedTensor.from_codes(
        codes, np.ones((2, 64, 2), np.float16), None, format="u4", layout="nk", group_size=128,
        activations=activations, device=DEVICE,
    )  # fmt: skip
    x = rng.integers(-3, 4, (2, 5, 256)).astype(activations)
    y = tw.linear(x, qw, out_dtype=np.float32, device=DEVICE)
    np.testing.assert_array_equal(y, np.einsum("bmk,bnk->bmn", x.astype(float), codes))


@pytest.mark.parametrize("order", ["nk", "kn"])
@pytest.mark.parametrize("activations", ["16-bit", "8-bit"])
def test_each_code_is_read_once_and_each_word_written_once(order, activations):
    codes = in_order(random_codes(256, 512, 4), order)
    with tw.profile() as profile:
        pack_codes(codes, 4, "words", activations, DEVICE)
    assert profile.total("globalSectors") * 32 == codes.size + codes.size // 2
    # No bank conflicts on the way through shared memory, but where single bytes change rows.
    ideal = profile.total("sharedIdealWavefronts")
    most = 2 * ideal if (order, activations) == ("kn", "8-bit") else ideal
    assert 0 < profile.total("sharedWavefronts") <= most


def test_no_codes_launch_nothing():
    with tw.profile() as profile:
        words = pack_codes(np.empty((0, 128), np.uint8), 4, "words", "16-bit", DEVICE)
    assert words.size == 0 and not profile.launches


class TestErrors:
    """Bad input is refused before anything is compiled, naming the argument."""

    codes = np.zeros((32, 128), np.uint8)

    def refuse(
        self, message, error=tw.Error, bits=4, storage="words", activations="16-bit", **rest
    ):
        with pytest.raises(error, match=message):
            pack_codes(self.codes, bits, storage, activations, DEVICE, **rest)

    def test_forms(self):
        self.refuse(r"packed weights have 1 to 8 bits, but got 9", bits=9)
        self.refuse(r"unknown storage 'wrods'; the nearest .*'words'", storage="wrods")
        self.refuse(r"planes are packed for 16-bit", storage="stack", activations="8-bit")

    def test_schedules(self):
        for text, message in [
            ("tile_k=128, tile_n=32, warps=4", r"tile_n to be one of 128, 256, but got 32"),
            ("tile_k=64, tile_n=128, warps=4", r"tile_k to be one of 128, 256, but got 64"),
            ("tile_k=256, tile_n=256, warps=4", r"tile_n to be at most 128 .* got 256; .* 128"),
            ("tile_k=128, tile_n=128, warps=3", r"warps to be one of 1, 2, 4, 8, but got 3"),
        ]:
            self.refuse(message, schedule=f"pack{{{text}}}")

    def test_device(self):
        with pytest.raises(tw.DeviceError, match=r"unknown GPU model 'a1000'"):
            tw.QuantizedTensor.from_codes(
                self.codes, np.ones((32, 1), np.float16), None, format="u4", layout="nk",
                group_size=128, device="emulated:a1000",
            )  # fmt: skip


def test_e4m3_arrays_are_packed_as_their_bits():
    numbers = np.arange(32 * 128).astype(np.uint8).reshape(32, 128) % 0x7F
    floats = numbers.view(ml_dtypes.float8_e4m3fn)
    options = {"format": "e4m3", "layout": "nk", "group_size": 128, "device": DEVICE}
    qw = tw.QuantizedTensor.from_codes(floats, np.ones((32, 1), np.float16), None, **options)
    np.testing.assert_array_equal(qw.codes(), numbers)
