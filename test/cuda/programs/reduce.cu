// Sums of a block, in the order in which people improve them: interleaved, sequential,
// with a warp at the end on volatile memory, with shuffles, over a template's block size.

extern "C" __global__ void reduceInterleaved(const int *in, int *out, int n) {
  extern __shared__ int data[];
  unsigned t = threadIdx.x, i = blockIdx.x * blockDim.x + t;
  data[t] = i < n ? in[i] : 0;
  __syncthreads();
  for (unsigned s = 1; s < blockDim.x; s *= 2) {
    if (t % (2 * s) == 0)
      data[t] += data[t + s];
#ifndef BUG_1 // no barrier between the steps
    __syncthreads();
#endif
  }
  if (t == 0)
    out[blockIdx.x] = data[0];
}

extern "C" __global__ void reduceSequential(const int *in, int *out, int n) {
  extern __shared__ int data[];
  unsigned t = threadIdx.x, i = blockIdx.x * blockDim.x * 2 + t;
  int sum = i < n ? in[i] : 0;
  if (i + blockDim.x < n)
    sum += in[i + blockDim.x];
  data[t] = sum;
#ifndef BUG_2 // no barrier before the others are read
  __syncthreads();
#endif
  for (unsigned s = blockDim.x / 2; s > 0; s >>= 1) {
    if (t < s)
      data[t] += data[t + s];
    __syncthreads();
  }
  if (t == 0)
    out[blockIdx.x] = data[0];
}

// The last warp works on volatile shared memory. Since Volta its lanes need
// __syncwarp between the steps.
__device__ void warpReduce(volatile int *data, unsigned t) {
  for (int offset = 32; offset > 0; offset >>= 1) {
    int other = data[t + offset];
    __syncwarp();
    data[t] += other;
    __syncwarp();
  }
}

extern "C" __global__ void reduceVolatileWarp(const int *in, int *out, int n) {
  __shared__ int data[256];
  unsigned t = threadIdx.x;
  int sum = 0;
  for (unsigned i = blockIdx.x * 256 + t; i < n; i += gridDim.x * 256)
    sum += in[i];
  data[t] = sum;
  __syncthreads();
  for (unsigned s = 128; s > 32; s >>= 1) {
    if (t < s)
      data[t] += data[t + s];
    __syncthreads();
  }
  if (t < 32)
    warpReduce(data, t);
  if (t == 0)
    out[blockIdx.x] = data[0];
}

// Plain shared memory, a tile of 64 words a warp; __syncwarp orders the lanes.
extern "C" __global__ void reduceSyncwarp(const int *in, int *out) {
  __shared__ int data[4][64];
  int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  int base = (blockIdx.x * 4 + warp) * 64;
  int *mine = data[warp];
  mine[lane] = in[base + lane];
  mine[lane + 32] = in[base + lane + 32];
#pragma unroll
  for (int offset = 32; offset > 0; offset >>= 1) {
#ifndef BUG_3 // lanes in step by assumption, as before Volta
    __syncwarp();
#endif
    if (lane < offset)
      mine[lane] += mine[lane + offset];
  }
  if (lane == 0)
    out[blockIdx.x * 4 + warp] = mine[0];
}

template <typename T> __device__ T warpSum(T value) {
  for (int offset = 16; offset > 0; offset /= 2)
    value += __shfl_down_sync(0xffffffff, value, offset);
  return value;
}

// Shuffles within warps, one word a warp between them; atomics between blocks.
template <int kBlock> __device__ void reduceShuffle(const float *in, float *out, int n) {
  __shared__ float partial[kBlock / 32];
  int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  float sum = 0;
  for (int i = blockIdx.x * kBlock + threadIdx.x; i < n; i += gridDim.x * kBlock)
    sum += in[i];
  sum = warpSum(sum);
  if (lane == 0)
    partial[warp] = sum;
  __syncthreads();
  if (warp == 0) {
    sum = warpSum(lane < kBlock / 32 ? partial[lane] : 0.0f);
    if (lane == 0)
      atomicAdd(out, sum);
  }
}
extern "C" __global__ void reduceShuffle128(const float *in, float *out, int n) {
  reduceShuffle<128>(in, out, n);
}
extern "C" __global__ void reduceShuffle512(const float *in, float *out, int n) {
  reduceShuffle<512>(in, out, n);
}

// Kahan's compensated sum, a lane each, four values a load; the largest and its place.
extern "C" __global__ void sumAndArgmax(const float4 *in, int quads, float *sum, float *largest,
                                        int *where) {
  float total = 0, lost = 0, best = -INFINITY;
  int place = 0;
  for (int i = threadIdx.x; i < quads; i += blockDim.x) {
    float4 v = in[i];
    const float values[4] = {v.x, v.y, v.z, v.w};
#pragma unroll
    for (int k = 0; k < 4; ++k) {
      float y = __fsub_rn(values[k], lost), t = __fadd_rn(total, y);
      lost = __fsub_rn(__fsub_rn(t, total), y);
      total = t;
      if (values[k] > best) {
        best = values[k];
        place = 4 * i + k;
      }
    }
  }
  for (int offset = 16; offset; offset >>= 1) {
    total += __shfl_xor_sync(~0u, total, offset);
    float theirs = __shfl_xor_sync(~0u, best, offset);
    int theirPlace = __shfl_xor_sync(~0u, place, offset);
    if (theirs > best || (theirs == best && theirPlace < place)) {
      best = theirs;
      place = theirPlace;
    }
  }
  if (threadIdx.x == 0) {
    *sum = total;
    *largest = best;
    *where = place;
  }
}
