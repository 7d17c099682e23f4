"""Cases of arithmetic: integer intrinsics and the maths library."""

from __future__ import annotations

import math

import numpy as np

from .model import Empty, Launch, Problem, case, exact, within, within_ulp

I32, U32, I64, U64, F32, F64 = np.int32, np.uint32, np.int64, np.uint64, np.float32, np.float64
MASK = (1 << 32) - 1


def signed(value: int, bits: int = 32) -> int:
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> (bits - 1) else value


def byte_permute(a: int, b: int, selector: int) -> int:
    both = a | b << 32
    return sum((both >> 8 * (selector >> 4 * i & 7) & 255) << 8 * i for i in range(4))


def interesting(rng, count: int, bits: int) -> list[int]:
    """Random words of all sizes, and those at the ends of the range."""
    words = [
        int(w) >> int(s)
        for w, s in zip(rng.integers(0, 1 << 63, count), rng.integers(0, 63, count), strict=True)
    ]
    edges = [0, 1, (1 << bits) - 1, 1 << (bits - 1), (1 << (bits - 1)) - 1]
    return [
        w * 0x9E3779B97F4A7C15 & ((1 << bits) - 1) if i % 2 else w & ((1 << bits) - 1)
        for i, w in enumerate(words)
    ][: count - 5] + edges


@case("integer")
def bit_tricks(rng):
    first, second = interesting(rng, 256, 32), interesting(rng, 256, 32)
    second = second[100:] + second[:100]

    def row(a, b):
        bits, shift = f"{a:032b}", min(b & 63, 32)
        return [
            bits.count("1"),
            32 - a.bit_length(),
            (a & -a).bit_length(),
            int(bits[::-1], 2),
            byte_permute(a, b, 0x5140),
            (b << 32 | a) << (b & 31) >> 32,
            (b << 32 | a) >> shift,
            (a & b) | (~a & 0x0F0F0F0F) ^ b,
            a * b >> 32,
            signed(a) * signed(b) >> 32,
            abs(a - b) + 7,
            abs(signed(a) - signed(b)) + 9,
        ]

    want = [[w & MASK for w in row(a, b)] for a, b in zip(first, second, strict=True)]
    return Problem(
        {"a": np.array(first, U32), "b": np.array(second, U32), "out": Empty((256, 12), U32)},
        [Launch("bitTricks", 2, 128, ["a", "b", "out", I32(256)])],
        {"out": exact(np.array(want, U32))},
    )


@case("integer")
def divisions(rng):
    first = interesting(rng, 128, 64)
    second = [w or 3 for w in interesting(rng, 128, 64)]
    second = second[50:] + second[:50]

    def row(a, b):
        sa, sb = signed(a, 64), signed(b, 64)
        if sb == -1:
            sb, b = 5, 5  # the quotient of the least number would overflow
        quotient = abs(sa) // abs(sb) * (1 if (sa < 0) == (sb < 0) else -1)
        ia, ib = signed(a), signed(b) | 1
        small = abs(ia) // abs(ib) * (1 if (ia < 0) == (ib < 0) else -1)
        by7 = abs(sa) // 7 * (-1 if sa < 0 else 1)
        mod10 = abs(ia) % 10 * (-1 if ia < 0 else 1)
        return b, [
            quotient,
            sa - quotient * sb,
            a // b,
            a % b,
            small,
            (a & MASK) % ((b & MASK) | 1),
            a * b >> 64,
            by7 + mod10,
        ]

    rows = [row(a, b) for a, b in zip(first, second, strict=True)]
    want = [[w & (1 << 64) - 1 for w in values] for _, values in rows]
    # INT_MIN / -1 in the 32-bit division is left out: its result is undefined.
    keep = [
        i
        for i, (a, (b, _)) in enumerate(zip(first, rows, strict=True))
        if signed(b) | 1 != -1 or signed(a) != -(1 << 31)
    ]
    a = np.array([first[i] for i in keep], U64).view(I64)
    b = np.array([rows[i][0] for i in keep], U64).view(I64)
    return Problem(
        {"a": a, "b": b, "out": Empty((len(keep), 8), I64)},
        [Launch("divisions", 2, 64, ["a", "b", "out", I32(len(keep))])],
        {"out": exact(np.array([want[i] for i in keep], U64).view(I64))},
    )


@case("integer")
def bytes_in_words(rng):
    first, second = rng.integers(0, 1 << 32, (2, 256), U32)
    a, b = (
        first.view(np.uint8).reshape(-1, 4).astype(I32),
        second.view(np.uint8).reshape(-1, 4).astype(I32),
    )
    sa, sb = (
        first.view(np.int8).reshape(-1, 4).astype(I32),
        second.view(np.int8).reshape(-1, 4).astype(I32),
    )
    ha, hb = first.view(np.int16).reshape(-1, 2), second.view(np.int16).reshape(-1, 2)

    def word(values):
        return np.ascontiguousarray(values.astype(np.uint8)).view(U32)[:, 0]

    want = np.stack(
        [
            ((sa * sb).sum(1) + 1000).astype(U32),
            ((a * b).sum(1) + 5).astype(U32),
            (ha[:, 0].astype(I32) * sb[:, 0] + ha[:, 1].astype(I32) * sb[:, 1] - 3).astype(U32),
            word((a + b) & 255),
            word(abs(a - b)),
            np.ascontiguousarray(np.maximum(ha, hb)).view(U32)[:, 0],
            word(np.where(a > b, 255, 0)),
            word((a + b + 1) >> 1),
        ],
        1,
    )
    return Problem(
        {"a": first, "b": second, "out": Empty((256, 8), U32)},
        [Launch("bytesInWords", 2, 128, ["a", "b", "out", I32(256)])],
        {"out": exact(want)},
    )


@case("integer")
def wide_products(rng):
    first, second = interesting(rng, 128, 64), interesting(rng, 128, 64)[::-1]
    want = []
    for a, b in zip(first, second, strict=True):
        p = (a * b + (a << 64 | b)) & (1 << 128) - 1
        q = p >> (b & 127)
        want.append([w & (1 << 64) - 1 for w in (p, p >> 64, q, q >> 64)])
    return Problem(
        {"a": np.array(first, U64), "b": np.array(second, U64), "out": Empty((128, 4), U64)},
        [Launch("wideProducts", 1, 128, ["a", "b", "out", I32(128)])],
        {"out": exact(np.array(want, U64))},
    )


@case("integer")
def collatz(rng):
    values = rng.integers(1, 1 << 20, 96, U32)
    steps, digits = [], []
    for start in map(int, values):
        value, count, total = start, 0, 0
        while value != 1:
            value, count = (3 * value + 1 if value % 2 else value // 2), count + 1
        rest = start
        while rest:
            total = [
                total + 6, total ^ 2, total + 5, total * 5, total - 4,
                total | 5, total + rest, ~total, total << 1, (total & MASK) >> 1,
            ][rest % 10] & MASK  # fmt: skip
            rest //= 10
        steps.append(count)
        digits.append(total)
    return Problem(
        {"in": values, "steps": Empty(96, U32), "digits": Empty(96, U32)},
        [Launch("collatz", 3, 32, ["in", "steps", "digits", I32(96)])],
        {"steps": exact(np.array(steps, U32)), "digits": exact(np.array(digits, U32))},
    )


def table_of(function, x):
    return np.array([function(float(v)) for v in x])


@case("float_math")
def float_functions(rng):
    # Bounds: CUDA C++ Programming Guide, "Mathematical Functions", largest ulp error of
    # each function; half an ulp is added for the rounded reference.
    x = np.concatenate(
        [rng.standard_normal(100), rng.uniform(-40, 40, 24), [1, -1, 0.5, 1e-3]]
    ).astype(F32)
    functions = [
        (math.sin, 2), (math.cos, 2), (math.exp, 2), (lambda v: math.log(abs(v)), 1),
        (math.tanh, 2), (math.erf, 2), (lambda v: abs(v) ** float(F32(1.7)), 4),
        (lambda v: math.atan2(v, 1.5), 3), (math.cbrt, 1), (lambda v: math.log1p(abs(v)), 1),
        (lambda v: 2.0 ** (v * 0.25), 2),
    ]  # fmt: skip
    want = np.stack([table_of(f, x) for f, _ in functions], 1)
    bound = np.stack(
        [within_ulp(w, u + 0.5).bound for w, (_, u) in zip(want.T, functions, strict=True)], 1
    )
    # lgammaf: 6 ulp, but not near its zeros at 1 and 2.
    gamma = table_of(math.lgamma, (np.abs(x) + F32(0.5)).astype(F32))
    gamma_bound = np.maximum(within_ulp(gamma, 6.5).bound, 4e-7)
    want = np.concatenate([want, gamma[:, None]], 1)
    bound = np.concatenate([bound, gamma_bound[:, None]], 1)
    return Problem(
        {"x": x, "out": Empty((128, 12), F32)},
        [Launch("floatFunctions", 1, 128, ["x", "out", I32(128)])],
        {"out": within(want, bound)},
    )


@case("float_math")
def large_sines(rng):
    x = (rng.uniform(1, 2, 64) * 2.0 ** rng.integers(17, 127, 64)).astype(F32)
    want = np.stack([table_of(math.sin, x), table_of(math.cos, x)], 1)
    return Problem(
        {"x": x, "out": Empty((64, 2), F32)},
        [Launch("largeSines", 2, 32, ["x", "out", I32(64)])],
        {"out": within_ulp(want, 2.5)},
    )


def next_towards(value: np.ndarray, reference: np.ndarray, up: bool) -> np.ndarray:
    """`reference` (float64) rounded to float32 upwards or downwards."""
    rounded = value.astype(F64)
    step = np.nextafter(value, F32(np.inf if up else -np.inf))
    return np.where(rounded < reference if up else rounded > reference, step, value)


@case("float_math")
def ieee_operations(rng):
    x, y = (rng.standard_normal((2, 128)) * 2.0 ** rng.integers(-8, 8, (2, 128))).astype(F32)
    total, product = x.astype(F64) + y, x.astype(F64) * y  # both exact
    down = next_towards(total.astype(F32), total, False)
    up = next_towards(product.astype(F32), product, True)
    # x y + 1 in long integers: scaled by 2^100 it is whole.
    fused = []
    for p in product:
        whole = int(p * 2.0**60) + (1 << 60)
        drop = max(abs(whole).bit_length() - 24, 0)
        fused.append(math.copysign(abs(whole) >> drop << drop, whole) / 2.0**60)
    want = np.stack(
        [
            x / y,
            np.sqrt(abs(x)),
            down,
            up,
            np.array(fused, F32),
            F32(1) / y,
            np.fmod(x, y),
            np.rint(x) + np.trunc(y),
            np.minimum(x, y) + np.copysign(F32(2), x),
            x * 8 + np.where(np.signbit(y), F32(4), F32(0)),
        ],
        1,
    )
    return Problem(
        {"x": x, "y": y, "out": Empty((128, 10), F32)},
        [Launch("ieeeOperations", 2, 64, ["x", "y", "out", I32(128)])],
        {"out": exact(want)},
    )


@case("float_math")
def fast_functions(rng):
    x = rng.uniform(-3, 3, 128).astype(F32)
    wide = x.astype(F64)
    # Programming Guide, "Intrinsic Functions": __expf 2 + |1.173 x| ulp; __logf 2^-21.4
    # on [0.5, 2], else 3 ulp; __sinf 2^-21.4 on [-pi, pi]; __fdividef 2 ulp; rsqrtf 2 ulp.
    log_of = np.log((np.abs(x) + F32(1)).astype(F64))
    third, shifted = wide / 3, (np.abs(x) + F32(0.1)).astype(F64)
    columns = [
        (np.exp(wide), within_ulp(np.exp(wide), 1).bound * (2.5 + 1.173 * abs(wide))),
        (log_of, np.maximum(2.0**-21.4, within_ulp(log_of, 3.5).bound)),
        (np.sin(wide), 2.0**-21.4),
        (third, within_ulp(third, 2.5).bound),
        (1 / np.sqrt(shifted), within_ulp(1 / np.sqrt(shifted), 2.5).bound),
        (np.clip(wide, 0, 1), 0),
    ]
    want = np.stack([w for w, _ in columns], 1)
    bound = np.stack([np.broadcast_to(b, 128) for _, b in columns], 1)
    return Problem(
        {"x": x, "out": Empty((128, 6), F32)},
        [Launch("fastFunctions", 1, 128, ["x", "out", I32(128)])],
        {"out": within(want, bound)},
    )


@case("float_math")
def double_functions(rng):
    x = np.concatenate([rng.standard_normal(50), rng.uniform(-30, 30, 14)])
    fused = []
    for v in x:
        numerator, denominator = v.as_integer_ratio()
        fused.append(
            (numerator * numerator - denominator * denominator) / (denominator * denominator)
        )
    columns = [
        (np.sin(x), 3), (np.exp(x), 2), (np.log(abs(x)), 2), (np.sqrt(abs(x)), 0), (1 / x, 0),
        (np.array(fused), 0), (np.tanh(x), 3),
        (x.astype(F32).astype(F64) + np.floor(x) + np.floor(x), 0),
    ]  # fmt: skip
    want = np.stack([w for w, _ in columns], 1)
    bound = np.stack([within_ulp(w, u, F64).bound for w, u in columns], 1)
    return Problem(
        {"x": x, "out": Empty((64, 8), F64)},
        [Launch("doubleFunctions", 2, 32, ["x", "out", I32(64)])],
        {"out": within(want, bound)},
    )


@case("float_math")
def conversions(rng):
    x = np.concatenate(
        [rng.uniform(-300, 300, 100), [0.5, 1.5, -0.5, -2.5, 0, 3, 255, -127]]
    ).astype(F32)
    bits = x.view(I32)
    # int to float towards zero: cut to 24 bits.
    cut = []
    for b in map(int, bits):
        drop = max(abs(b).bit_length() - 24, 0)
        cut.append(math.copysign(abs(b) >> drop << drop, b))
    want = np.stack(
        [
            np.rint(x).astype(I32),
            np.ceil(x).astype(I32),
            np.trunc(x).astype(I32),
            np.floor(abs(x)).astype(I32),
            np.array(cut, F32).view(I32),
            np.trunc(x).astype(I32) & 255,
            (np.rint((x * F32(65536)).astype(F64)).astype(I64) >> 16).astype(I32),
            (bits.astype(np.int16)).astype(F32).view(I32),
        ],
        1,
    )
    n = x.size
    return Problem(
        {"x": x, "out": Empty((n, 8), I32)},
        [Launch("conversions", 2, 64, ["x", "out", I32(n)])],
        {"out": exact(want)},
    )
