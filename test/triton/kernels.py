"""Kernels as Triton's users write them. Needs the `triton` package."""

import triton
import triton.language as tl


@triton.jit
def vector_add(x, y, out, n, BLOCK: tl.constexpr):
    index = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = index < n
    tl.store(out + index, tl.load(x + index, mask=mask) + tl.load(y + index, mask=mask), mask=mask)


@triton.jit
def softmax(out, x, stride, rows, columns, BLOCK: tl.constexpr):
    """Persistent programs: each takes every so many rows."""
    column = tl.arange(0, BLOCK)
    mask = column < columns
    for row in tl.range(tl.program_id(0), rows, tl.num_programs(0), num_stages=2):
        values = tl.load(x + row * stride + column, mask=mask, other=-float("inf"))
        powers = tl.exp(values - tl.max(values, axis=0))
        tl.store(out + row * stride + column, powers / tl.sum(powers, axis=0), mask=mask)


@triton.jit
def layer_norm(x, out, weight, bias, mean_out, scale_out, stride, n, eps, BLOCK: tl.constexpr):
    """One row a program, in blocks: mean, variance, then the result."""
    row = tl.program_id(0)
    x += row * stride
    out += row * stride
    total = tl.zeros([BLOCK], tl.float32)
    for start in range(0, n, BLOCK):
        index = start + tl.arange(0, BLOCK)
        total += tl.load(x + index, mask=index < n, other=0.0).to(tl.float32)
    mean = tl.sum(total, axis=0) / n
    squares = tl.zeros([BLOCK], tl.float32)
    for start in range(0, n, BLOCK):
        index = start + tl.arange(0, BLOCK)
        value = tl.load(x + index, mask=index < n, other=0.0).to(tl.float32)
        centred = tl.where(index < n, value - mean, 0.0)
        squares += centred * centred
    scale = 1 / tl.sqrt(tl.sum(squares, axis=0) / n + eps)
    tl.store(mean_out + row, mean)
    tl.store(scale_out + row, scale)
    for start in range(0, n, BLOCK):
        index = start + tl.arange(0, BLOCK)
        mask = index < n
        value = tl.load(x + index, mask=mask).to(tl.float32)
        w, b = tl.load(weight + index, mask=mask), tl.load(bias + index, mask=mask)
        tl.store(out + index, (value - mean) * scale * w + b, mask=mask)


@triton.jit
def leaky_relu(x):
    return tl.where(x >= 0, x, 0.01 * x)


@triton.jit
def matmul(
    a, b, c, m, n, k, stride_am, stride_bk, stride_cm,
    BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr, BLOCK_K: tl.constexpr, GROUP: tl.constexpr,
    ACTIVATION: tl.constexpr,
):  # fmt: skip
    """Tiles in groups of rows, for the cache; loads run stages ahead of the products."""
    pid = tl.program_id(0)
    tiles_m, tiles_n = tl.cdiv(m, BLOCK_M), tl.cdiv(n, BLOCK_N)
    in_group = GROUP * tiles_n
    first = pid // in_group * GROUP
    size = min(tiles_m - first, GROUP)
    tile_m = first + pid % in_group % size
    tile_n = pid % in_group // size
    row = (tile_m * BLOCK_M + tl.arange(0, BLOCK_M)) % m
    column = (tile_n * BLOCK_N + tl.arange(0, BLOCK_N)) % n
    inner = tl.arange(0, BLOCK_K)
    a_at = a + row[:, None] * stride_am + inner[None, :]
    b_at = b + inner[:, None] * stride_bk + column[None, :]
    total = tl.zeros((BLOCK_M, BLOCK_N), tl.float32)
    for step in range(tl.cdiv(k, BLOCK_K)):
        left = k - step * BLOCK_K
        left_tile = tl.load(a_at, mask=inner[None, :] < left, other=0.0)
        right_tile = tl.load(b_at, mask=inner[:, None] < left, other=0.0)
        total = tl.dot(left_tile, right_tile, total)
        a_at += BLOCK_K
        b_at += BLOCK_K * stride_bk
    if ACTIVATION:
        total = leaky_relu(total)
    row = tile_m * BLOCK_M + tl.arange(0, BLOCK_M)
    column = tile_n * BLOCK_N + tl.arange(0, BLOCK_N)
    mask = (row[:, None] < m) & (column[None, :] < n)
    tl.store(c + row[:, None] * stride_cm + column[None, :], total.to(tl.float16), mask=mask)


@triton.jit
def attention(
    q, k, v, out, scale, length,
    SIZE: tl.constexpr, BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr, CAUSAL: tl.constexpr,
):  # fmt: skip
    """Flash attention, forward: heads in the second grid dimension."""
    start_m, head = tl.program_id(0), tl.program_id(1)
    base = head * length * SIZE
    row = start_m * BLOCK_M + tl.arange(0, BLOCK_M)
    inner = tl.arange(0, SIZE)
    query = tl.load(q + base + row[:, None] * SIZE + inner[None, :])
    most = tl.full([BLOCK_M], -float("inf"), tl.float32)
    total = tl.zeros([BLOCK_M], tl.float32)
    acc = tl.zeros([BLOCK_M, SIZE], tl.float32)
    end = (start_m + 1) * BLOCK_M if CAUSAL else length
    factor = scale * 1.4426950408889634
    for start in range(0, end, BLOCK_N):
        column = start + tl.arange(0, BLOCK_N)
        key = tl.load(k + base + column[None, :] * SIZE + inner[:, None])
        scores = tl.dot(query, key) * factor
        if CAUSAL:
            scores = tl.where(row[:, None] >= column[None, :], scores, -1.0e6)
        new = tl.maximum(most, tl.max(scores, 1))
        p = tl.math.exp2(scores - new[:, None])
        shrink = tl.math.exp2(most - new)
        total = total * shrink + tl.sum(p, 1)
        value = tl.load(v + base + column[:, None] * SIZE + inner[None, :])
        acc = tl.dot(p.to(tl.float16), value, acc * shrink[:, None])
        most = new
    tl.store(out + base + row[:, None] * SIZE + inner[None, :], acc / total[:, None])


@triton.jit
def dropout(x, out, n, p, seed, BLOCK: tl.constexpr):
    index = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = index < n
    value = tl.load(x + index, mask=mask)
    keep = tl.rand(seed, index) > p
    tl.store(out + index, tl.where(keep, value / (1 - p), 0.0), mask=mask)


@triton.jit
def scan_rows(x, sums, sorted_, columns, BLOCK: tl.constexpr):
    """Running sums of a row, and the row in order."""
    row, column = tl.program_id(0), tl.arange(0, BLOCK)
    values = tl.load(x + row * columns + column)
    tl.store(sums + row * columns + column, tl.cumsum(values, 0))
    tl.store(sorted_ + row * columns + column, tl.sort(values))


@triton.jit
def count_values(x, bins, total, n, BLOCK: tl.constexpr, BINS: tl.constexpr):
    """A histogram, added up by atomics over the programs."""
    index = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = index < n
    values = tl.load(x + index, mask=mask, other=0)
    counts = tl.histogram(values, BINS, mask=mask)
    tl.atomic_add(bins + tl.arange(0, BINS), counts)
    tl.atomic_add(total, tl.sum(values, axis=0), sem="relaxed")


@triton.jit
def split_k(a, b, c, locks, k, BLOCK: tl.constexpr, BLOCK_K: tl.constexpr):
    """Parts of an inner product of blocks by several programs, added up under a lock."""
    part = tl.program_id(0)
    index, inner = tl.arange(0, BLOCK), part * BLOCK_K + tl.arange(0, BLOCK_K)
    left = tl.load(a + index[:, None] * k + inner[None, :])
    right = tl.load(b + inner[:, None] * BLOCK + index[None, :])
    product = tl.dot(left, right)
    at = c + index[:, None] * BLOCK + index[None, :]
    while tl.atomic_cas(locks, 0, 1) == 1:
        pass
    tl.store(at, tl.load(at) + product)
    tl.debug_barrier()
    tl.atomic_xchg(locks, 0)


@triton.jit
def byte_matmul(a, b, c, scale, k, BLOCK: tl.constexpr, BLOCK_K: tl.constexpr):
    """Bytes with sums in 32 bits, and scales by row at the end."""
    index, inner = tl.arange(0, BLOCK), tl.arange(0, BLOCK_K)
    total = tl.zeros((BLOCK, BLOCK), tl.int32)
    for start in range(0, k, BLOCK_K):
        left = tl.load(a + index[:, None] * k + start + inner[None, :])
        right = tl.load(b + index[None, :] * k + start + inner[:, None])
        total = tl.dot(left, right, total)
    scaled = total.to(tl.float32) * tl.load(scale + index)[:, None]
    tl.store(c + index[:, None] * BLOCK + index[None, :], scaled)


@triton.jit
def matmul_u4(
    x, w, scales, zeros, y, m, n, k,
    BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr, BLOCK_K: tl.constexpr, GROUP: tl.constexpr,
):  # fmt: skip
    """4-bit weights, eight codes of a column to a word: each word is read once, the codes are
    shifted out of it, converted, and scaled as the operand.
    """
    row = tl.program_id(1) * BLOCK_M + tl.arange(0, BLOCK_M)
    column = tl.program_id(0) * BLOCK_N + tl.arange(0, BLOCK_N)
    inner = tl.arange(0, BLOCK_K)
    shift = tl.arange(0, 8) * 4
    x_at = x + row[:, None] * k + inner[None, :]
    w_at = w + tl.arange(0, BLOCK_K // 8)[:, None] * n + column[None, :]
    total = tl.zeros((BLOCK_M, BLOCK_N), tl.float32)
    for start in range(0, k, BLOCK_K):
        left = tl.load(x_at, mask=row[:, None] < m, other=0.0)
        words = tl.load(w_at)
        group = start // GROUP * n + column
        scale, zero = tl.load(scales + group), tl.load(zeros + group)
        codes = (words[:, None, :] >> shift[None, :, None]) & 15
        codes = tl.reshape(codes, (BLOCK_K, BLOCK_N))
        right = (codes - zero[None, :].to(tl.int32)).to(tl.float16) * scale[None, :]
        total = tl.dot(left, right, total)
        x_at += BLOCK_K
        w_at += BLOCK_K // 8 * n
    tl.store(y + row[:, None] * n + column[None, :], total.to(tl.float16), mask=row[:, None] < m)


@triton.jit
def visit_keys(
    query, acc, most, total, k, v, begin, end, row, factor,
    SIZE: tl.constexpr, BLOCK_N: tl.constexpr, MASKED: tl.constexpr,
):  # fmt: skip
    """One loop over the keys of [begin, end), of `flash_attention`."""
    inner = tl.arange(0, SIZE)
    for start in tl.range(begin, end, BLOCK_N):
        start = tl.multiple_of(start, BLOCK_N)
        column = start + tl.arange(0, BLOCK_N)
        key = tl.load(k + column[None, :] * SIZE + inner[:, None])
        scores = tl.dot(query, key)
        if MASKED:
            scores = tl.where(row[:, None] >= column[None, :], scores, -float("inf"))
        new = tl.maximum(most, tl.max(scores, 1) * factor)
        p = tl.math.exp2(scores * factor - new[:, None])
        shrink = tl.math.exp2(most - new)
        total = total * shrink + tl.sum(p, 1)
        value = tl.load(v + column[:, None] * SIZE + inner[None, :])
        acc = tl.dot(p.to(tl.float16), value, acc * shrink[:, None])
        most = new
    return acc, most, total


@triton.jit
def flash_attention(
    q, k, v, out, scale, length,
    SIZE: tl.constexpr, BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr, CAUSAL: tl.constexpr,
):  # fmt: skip
    """As `attention`, as one would write it for speed: tiles without and with a mask in
    loops of their own, the scale folded into the exponent, half results.
    """
    start_m, head = tl.program_id(0), tl.program_id(1)
    base = head.to(tl.int64) * length * SIZE
    row = start_m * BLOCK_M + tl.arange(0, BLOCK_M)
    inner = tl.arange(0, SIZE)
    query = tl.load(q + base + row[:, None] * SIZE + inner[None, :])
    most = tl.full([BLOCK_M], -float("inf"), tl.float32)
    total = tl.zeros([BLOCK_M], tl.float32)
    acc = tl.zeros([BLOCK_M, SIZE], tl.float32)
    factor = scale * 1.4426950408889634
    full = start_m * BLOCK_M if CAUSAL else length
    acc, most, total = visit_keys(
        query, acc, most, total, k + base, v + base, 0, full, row, factor, SIZE, BLOCK_N, False
    )
    if CAUSAL:
        acc, most, total = visit_keys(
            query, acc, most, total, k + base, v + base, full, full + BLOCK_M, row, factor,
            SIZE, BLOCK_N, True,
        )  # fmt: skip
    result = acc / total[:, None]
    tl.store(out + base + row[:, None] * SIZE + inner[None, :], result.to(tl.float16))
