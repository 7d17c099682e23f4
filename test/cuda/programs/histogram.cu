// Histograms: atomics on shared memory, one copy a warp, bytes packed in words, atomics
// added up within a warp first, and floats by bisection.

extern "C" __global__ void histogramShared(const unsigned char *in, unsigned *bins, int n) {
  __shared__ unsigned local[256];
#ifndef BUG_1 // never set to nought
  for (int b = threadIdx.x; b < 256; b += blockDim.x)
    local[b] = 0;
#endif
#ifndef BUG_2 // counted while others still clear
  __syncthreads();
#endif
  for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x)
    atomicAdd(&local[in[i]], 1u);
  __syncthreads();
  for (int b = threadIdx.x; b < 256; b += blockDim.x)
    if (local[b])
      atomicAdd(&bins[b], local[b]);
}

// 64 bins, a copy for each warp; words of four bytes are read at once.
extern "C" __global__ void histogramPerWarp(const unsigned *in, unsigned *partial, int words) {
  __shared__ unsigned local[4][64];
  unsigned *mine = local[threadIdx.x / 32];
  for (int i = threadIdx.x; i < 4 * 64; i += blockDim.x)
    (&local[0][0])[i] = 0;
  __syncthreads();
  for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < words; i += gridDim.x * blockDim.x) {
    unsigned word = in[i];
    for (int k = 0; k < 4; ++k)
      atomicAdd(mine + ((word >> (8 * k + 2)) & 63), 1u);
  }
  __syncthreads();
  if (threadIdx.x < 64) {
    unsigned sum = 0;
    for (int w = 0; w < 4; ++w)
      sum += local[w][threadIdx.x];
    partial[blockIdx.x * 64 + threadIdx.x] = sum;
  }
}

extern "C" __global__ void mergeHistograms(const unsigned *partial, unsigned *bins, int count) {
  __shared__ unsigned sums[64];
  unsigned sum = 0;
  for (int i = threadIdx.x; i < count; i += blockDim.x)
    sum += partial[i * 64 + blockIdx.x];
  sums[threadIdx.x] = sum;
  for (unsigned stride = blockDim.x / 2; stride > 0; stride >>= 1) {
    __syncthreads();
    if (threadIdx.x < stride)
      sums[threadIdx.x] += sums[threadIdx.x + stride];
  }
  if (threadIdx.x == 0)
    bins[blockIdx.x] = sums[0];
}

// One atomic for all lanes that hit the same bin.
extern "C" __global__ void histogramAggregated(const int *in, unsigned *bins, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  unsigned active = __ballot_sync(~0u, i < n);
  if (i >= n)
    return;
  unsigned peers = __match_any_sync(active, in[i]);
  if ((threadIdx.x & 31) == __ffs(peers) - 1)
    atomicAdd(&bins[in[i]], __popc(peers));
}

// Private counts of 8 bits, a column of bytes for each thread; no atomics at all.
extern "C" __global__ void histogramBytes(const unsigned char *in, unsigned *bins, int perThread) {
  __shared__ unsigned char counts[16][64];
  for (int b = 0; b < 16; ++b)
    counts[b][threadIdx.x] = 0;
  for (int k = 0; k < perThread; ++k)
    ++counts[in[(blockIdx.x * perThread + k) * 64 + threadIdx.x] & 15][threadIdx.x];
  __syncthreads();
  if (threadIdx.x < 16) {
    unsigned sum = 0;
    for (int t = 0; t < 64; ++t)
      sum += counts[threadIdx.x][(t + threadIdx.x) % 64];
    atomicAdd(&bins[threadIdx.x], sum);
  }
}

// Bins between ascending levels.
extern "C" __global__ void histogramLevels(const float *in, const float *levels, int bins,
                                           unsigned long long *counts, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= n)
    return;
  float x = in[i];
  if (!(x >= levels[0] && x < levels[bins]))
    return;
  int low = 0, high = bins;
  while (high - low > 1) {
    int middle = (low + high) / 2;
    if (x >= levels[middle])
      low = middle;
    else
      high = middle;
  }
  atomicAdd(&counts[low], 1ull);
}
