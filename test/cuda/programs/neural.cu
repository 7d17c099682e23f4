// Layers of networks: softmax, layer and RMS norms, activations, rotary embeddings, an
// attention with mma and softmax as it goes, top-k, a cross-entropy.
#include <cstdint>
#include <cuda_bf16.h>
#include <cuda_fp16.h>

struct Sum {
  __device__ float operator()(float a, float b) const { return a + b; }
};
struct Max {
  __device__ float operator()(float a, float b) const { return fmaxf(a, b); }
};

// The result reaches every thread; `scratch` may be used again at once.
template <typename Op> __device__ float blockAll(float value, float *scratch, float empty, Op op) {
  for (int d = 16; d; d /= 2)
    value = op(value, __shfl_xor_sync(~0u, value, d));
  if (threadIdx.x % 32 == 0)
    scratch[threadIdx.x / 32] = value;
  __syncthreads();
  value = threadIdx.x % 32 < blockDim.x / 32 ? scratch[threadIdx.x % 32] : empty;
  for (int d = 16; d; d /= 2)
    value = op(value, __shfl_xor_sync(~0u, value, d));
#ifndef BUG_1 // the next use overwrites what others still read
  __syncthreads();
#endif
  return value;
}

extern "C" __global__ void softmax(const float *in, float *out, int columns) {
  __shared__ float scratch[32];
  const float *row = in + blockIdx.x * columns;
  float most = -INFINITY, sum = 0;
  for (int i = threadIdx.x; i < columns; i += blockDim.x)
    most = fmaxf(most, row[i]);
  most = blockAll(most, scratch, -INFINITY, Max());
  for (int i = threadIdx.x; i < columns; i += blockDim.x)
    sum += __expf(row[i] - most);
  sum = blockAll(sum, scratch, 0.0f, Sum());
  for (int i = threadIdx.x; i < columns; i += blockDim.x)
    out[blockIdx.x * columns + i] = __expf(row[i] - most) / sum;
}

extern "C" __global__ void layerNorm(const __half2 *in, const float2 *weight, const float2 *bias,
                                     __half2 *out, int pairs, float epsilon) {
  __shared__ float scratch[32];
  extern __shared__ float2 row[];
  float sum = 0;
  for (int i = threadIdx.x; i < pairs; i += blockDim.x) {
    float2 v = __half22float2(in[blockIdx.x * pairs + i]);
    row[i] = v; // read again by the same thread only
    sum += v.x + v.y;
  }
  float mean = blockAll(sum, scratch, 0.0f, Sum()) / (2 * pairs);
  float squares = 0;
  for (int i = threadIdx.x; i < pairs; i += blockDim.x) {
    float dx = row[i].x - mean, dy = row[i].y - mean;
    squares += dx * dx + dy * dy;
  }
  float scale = rsqrtf(blockAll(squares, scratch, 0.0f, Sum()) / (2 * pairs) + epsilon);
  for (int i = threadIdx.x; i < pairs; i += blockDim.x) {
    float2 w = weight[i], b = bias[i];
    out[blockIdx.x * pairs + i] = __floats2half2_rn((row[i].x - mean) * scale * w.x + b.x,
                                                    (row[i].y - mean) * scale * w.y + b.y);
  }
}

// Rotary embedding in place, pairs (i, i + half).
extern "C" __global__ void rotary(float *x, const int *positions, int heads, int size) {
  int token = blockIdx.x, half = size / 2;
  for (int i = threadIdx.x; i < heads * half; i += blockDim.x) {
    int head = i / half, k = i % half;
    float angle = positions[token] * powf(10000.0f, -2.0f * k / size), s, c;
    sincosf(angle, &s, &c);
    float *base = x + (token * heads + head) * size + k;
    float a = base[0], b = base[half];
    base[0] = a * c - b * s;
    base[half] = a * s + b * c;
  }
}

extern "C" __global__ void geluBias(const __nv_bfloat16 *in, const float *bias, __nv_bfloat16 *out,
                                    int columns, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= n)
    return;
  float x = __bfloat162float(in[i]) + bias[i % columns];
  float y = 0.5f * x * (1.0f + tanhf(0.7978845608f * (x + 0.044715f * x * x * x)));
  out[i] = __float2bfloat16(y);
}

// Mean loss over the rows, by one atomic a row; log-sum-exp in a warp.
extern "C" __global__ void crossEntropy(const float *logits, const int *labels, float *loss,
                                        int columns) {
  const float *row = logits + blockIdx.x * columns;
  float most = -INFINITY, sum = 0;
  for (int i = threadIdx.x; i < columns; i += 32) {
    float next = fmaxf(most, row[i]);
    sum = sum * expf(most - next) + expf(row[i] - next);
    most = next;
  }
  for (int d = 16; d; d /= 2) {
    float otherMost = __shfl_xor_sync(~0u, most, d), otherSum = __shfl_xor_sync(~0u, sum, d);
    float next = fmaxf(most, otherMost);
    sum = sum * expf(most - next) + otherSum * expf(otherMost - next);
    most = next;
  }
  if (threadIdx.x == 0)
    atomicAdd(loss, (most + logf(sum) - row[labels[blockIdx.x]]) / gridDim.x);
}

// The largest four of a row with their places, a warp a row, taking the best away each time.
extern "C" __global__ void top4(const float *in, float *values, int *places, int columns) {
  int lane = threadIdx.x;
  const float *row = in + blockIdx.x * columns;
  unsigned taken = 0; // a bit for each of the lane's up to 32 values
  for (int k = 0; k < 4; ++k) {
    float best = -INFINITY;
    int place = columns;
    for (int i = lane, slot = 0; i < columns; i += 32, ++slot)
      if (!(taken >> slot & 1) && row[i] > best) {
        best = row[i];
        place = i;
      }
    for (int d = 16; d; d /= 2) {
      float other = __shfl_xor_sync(~0u, best, d);
      int otherPlace = __shfl_xor_sync(~0u, place, d);
      if (other > best || (other == best && otherPlace < place)) {
        best = other;
        place = otherPlace;
      }
    }
    if (place % 32 == lane)
      taken |= 1u << place / 32;
    if (lane == 0) {
      values[blockIdx.x * 4 + k] = best;
      places[blockIdx.x * 4 + k] = place;
    }
  }
}

__device__ void mma16816(float (&d)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
  asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 "
               "{%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};\n"
               : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}
__device__ uint32_t packHalves(float x, float y) {
  __half2 h = __floats2half2_rn(x, y);
  return *reinterpret_cast<uint32_t *>(&h);
}

// Attention forward, head size 32: a warp takes 16 queries; keys and values come in
// tiles of 16 through shared memory; running maxima and sums. Causal.
extern "C" __global__ void attention(const __half *q, const __half *k, const __half *v, float *out,
                                     int length, float scale) {
  constexpr int kSize = 32, kPad = kSize + 8;
  __shared__ __half sk[16][kPad], sv[16][kPad];
  int lane = threadIdx.x % 32, warp = threadIdx.x / 32, group = lane / 4, member = lane % 4;
  int head = blockIdx.y, first = (blockIdx.x * (blockDim.x / 32) + warp) * 16;
  q += head * length * kSize;
  k += head * length * kSize;
  v += head * length * kSize;
  uint32_t fq[2][4];
  for (int c = 0; c < 2; ++c)
    for (int i = 0; i < 4; ++i)
      fq[c][i] = *reinterpret_cast<const uint32_t *>(q + (first + group + i % 2 * 8) * kSize +
                                                     c * 16 + member * 2 + i / 2 * 8);
  float acc[4][4] = {}, most[2] = {-INFINITY, -INFINITY}, sum[2] = {0, 0};
  int last = (blockIdx.x + 1) * (blockDim.x / 32) * 16; // of the block
  for (int start = 0; start < last; start += 16) {
#ifndef BUG_2 // the tile is overwritten while other warps read it
    __syncthreads();
#endif
    for (int i = threadIdx.x; i < 16 * kSize / 8; i += blockDim.x) {
      int r = i / (kSize / 8), c = i % (kSize / 8) * 8;
      *reinterpret_cast<uint4 *>(&sk[r][c]) =
          *reinterpret_cast<const uint4 *>(k + (start + r) * kSize + c);
      *reinterpret_cast<uint4 *>(&sv[r][c]) =
          *reinterpret_cast<const uint4 *>(v + (start + r) * kSize + c);
    }
    __syncthreads();
    if (start > first + 15)
      continue;
    float s[2][4] = {};
    for (int j = 0; j < 2; ++j)
      for (int c = 0; c < 2; ++c) {
        uint32_t b0 = *reinterpret_cast<uint32_t *>(&sk[j * 8 + group][c * 16 + member * 2]);
        uint32_t b1 = *reinterpret_cast<uint32_t *>(&sk[j * 8 + group][c * 16 + member * 2 + 8]);
        mma16816(s[j], fq[c], b0, b1);
      }
    float next[2] = {most[0], most[1]};
    for (int j = 0; j < 2; ++j)
      for (int i = 0; i < 4; ++i) {
        int row = first + group + i / 2 * 8, column = start + j * 8 + member * 2 + i % 2;
        s[j][i] = column <= row ? s[j][i] * scale : -INFINITY;
        next[i / 2] = fmaxf(next[i / 2], s[j][i]);
      }
    for (int h = 0; h < 2; ++h) {
      next[h] = fmaxf(next[h], __shfl_xor_sync(~0u, next[h], 1));
      next[h] = fmaxf(next[h], __shfl_xor_sync(~0u, next[h], 2));
      float shrink = exp2f((most[h] - next[h]) * 1.4426950409f);
      most[h] = next[h];
      sum[h] *= shrink;
      for (int n = 0; n < 4; ++n) {
        acc[n][2 * h] *= shrink;
        acc[n][2 * h + 1] *= shrink;
      }
    }
    for (int j = 0; j < 2; ++j)
      for (int i = 0; i < 4; ++i) {
        s[j][i] = exp2f((s[j][i] - most[i / 2]) * 1.4426950409f);
        sum[i / 2] += s[j][i];
      }
    uint32_t p[4] = {packHalves(s[0][0], s[0][1]), packHalves(s[0][2], s[0][3]),
                     packHalves(s[1][0], s[1][1]), packHalves(s[1][2], s[1][3])};
    for (int n = 0; n < 4; ++n) {
      uint32_t b0, b1;
      uint32_t row = static_cast<uint32_t>(__cvta_generic_to_shared(&sv[lane % 16][n * 8]));
      asm volatile("ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%0,%1}, [%2];"
                   : "=r"(b0), "=r"(b1)
                   : "r"(row)
                   : "memory");
      mma16816(acc[n], p, b0, b1);
    }
  }
  for (int h = 0; h < 2; ++h) {
    sum[h] += __shfl_xor_sync(~0u, sum[h], 1);
    sum[h] += __shfl_xor_sync(~0u, sum[h], 2);
    for (int n = 0; n < 4; ++n) {
      float *to = out + (head * length + first + group + h * 8) * kSize + n * 8 + member * 2;
      *reinterpret_cast<float2 *>(to) =
          make_float2(acc[n][2 * h] / sum[h], acc[n][2 * h + 1] / sum[h]);
    }
  }
}
