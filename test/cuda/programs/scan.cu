// Prefix sums: within a block (double-buffered, work-efficient with padded banks, by
// warps), and over several blocks in three launches.

// Hillis and Steele, two buffers in turn.
extern "C" __global__ void scanDoubleBuffered(const int *in, int *out, int n) {
  extern __shared__ int buffers[];
  int t = threadIdx.x, from = 1, to = 0;
  buffers[to * n + t] = t > 0 ? in[t - 1] : 0; // exclusive
  __syncthreads();
  for (int offset = 1; offset < n; offset *= 2) {
    to = 1 - to;
    from = 1 - to;
    if (t >= offset)
      buffers[to * n + t] = buffers[from * n + t] + buffers[from * n + t - offset];
    else
      buffers[to * n + t] = buffers[from * n + t];
#ifndef BUG_1 // no barrier between the steps
    __syncthreads();
#endif
  }
  out[t] = buffers[to * n + t];
}

// Blelloch: up the tree, down the tree; an unused word after every 32.
#define PADDED(i) ((i) + ((i) >> 5))
extern "C" __global__ void scanWorkEfficient(const int *in, int *out, int n) {
  __shared__ int data[512 + 512 / 32];
  int t = threadIdx.x;
  data[PADDED(2 * t)] = in[2 * t];
  data[PADDED(2 * t + 1)] = in[2 * t + 1];
  int offset = 1;
  for (int d = n >> 1; d > 0; d >>= 1) {
    __syncthreads();
    if (t < d)
      data[PADDED(offset * (2 * t + 2) - 1)] += data[PADDED(offset * (2 * t + 1) - 1)];
    offset *= 2;
  }
#ifndef BUG_2 // the root is cleared while others still climb
  if (t == 0)
    data[PADDED(n - 1)] = 0;
#else
  if (t == n / 2 - 1)
    data[PADDED(n - 1)] = 0;
#endif
  for (int d = 1; d < n; d *= 2) {
    offset >>= 1;
    __syncthreads();
    if (t < d) {
      int left = PADDED(offset * (2 * t + 1) - 1), right = PADDED(offset * (2 * t + 2) - 1);
      int value = data[left];
      data[left] = data[right];
      data[right] += value;
    }
  }
  __syncthreads();
  out[2 * t] = data[PADDED(2 * t)];
  out[2 * t + 1] = data[PADDED(2 * t + 1)];
}

__device__ int warpInclusive(int value) {
  int lane = threadIdx.x & 31;
  for (int d = 1; d < 32; d *= 2) {
    int other = __shfl_up_sync(~0u, value, d);
    if (lane >= d)
      value += other;
  }
  return value;
}

// Inclusive scan of one block by warps; leaves the block's sum.
extern "C" __global__ void scanBlocks(const int *in, int *out, int *sums, int n) {
  __shared__ int warpSums[32];
  int i = blockIdx.x * blockDim.x + threadIdx.x, lane = threadIdx.x & 31, warp = threadIdx.x >> 5;
  int value = warpInclusive(i < n ? in[i] : 0);
  if (lane == 31)
    warpSums[warp] = value;
  __syncthreads();
  if (warp == 0) {
    int warps = blockDim.x / 32;
    int sum = warpInclusive(lane < warps ? warpSums[lane] : 0);
    if (lane < warps)
      warpSums[lane] = sum;
  }
  __syncthreads();
  if (warp > 0)
    value += warpSums[warp - 1];
  if (i < n)
    out[i] = value;
  if (threadIdx.x == blockDim.x - 1)
#ifdef BUG_3 // one past the last warp's sum: a word nobody wrote
    sums[blockIdx.x] = warpSums[blockDim.x / 32];
#else
    sums[blockIdx.x] = value;
#endif
}

extern "C" __global__ void addOffsets(int *data, const int *sums, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (blockIdx.x > 0 && i < n)
    data[i] += sums[blockIdx.x - 1];
}

// Stream compaction: ballots give places within a warp, an atomic one between warps.
extern "C" __global__ void compactEven(const int *in, int *out, int *count, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x, lane = threadIdx.x & 31;
  bool keep = i < n && in[i] % 2 == 0;
  unsigned kept = __ballot_sync(~0u, keep);
  int base = 0;
  if (lane == 0 && kept)
    base = atomicAdd(count, __popc(kept));
  base = __shfl_sync(~0u, base, 0);
  if (keep)
    out[base + __popc(kept & ((1u << lane) - 1))] = in[i];
}
