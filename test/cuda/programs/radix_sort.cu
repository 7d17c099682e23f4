// Radix sort of 32-bit keys with values, least significant digit first, four bits a
// pass: counts of each block, a scan over all, then a stable scatter.

constexpr int kDigits = 16, kThreads = 128;

extern "C" __global__ void countDigits(const unsigned *keys, unsigned *counts, int n, int shift) {
  __shared__ unsigned local[kDigits];
  if (threadIdx.x < kDigits)
    local[threadIdx.x] = 0;
  __syncthreads();
  int i = blockIdx.x * kThreads + threadIdx.x;
  if (i < n)
    atomicAdd(&local[(keys[i] >> shift) & (kDigits - 1)], 1);
  __syncthreads();
  if (threadIdx.x < kDigits) // by digit, then by block
    counts[threadIdx.x * gridDim.x + blockIdx.x] = local[threadIdx.x];
}

// One block; each thread takes a run of the counts.
extern "C" __global__ void scanCounts(unsigned *counts, int n) {
  __shared__ unsigned sums[kThreads];
  int t = threadIdx.x, run = (n + kThreads - 1) / kThreads, begin = t * run,
      end = min(begin + run, n);
  unsigned sum = 0;
  for (int i = begin; i < end; ++i)
    sum += counts[i];
  sums[t] = sum;
  __syncthreads();
  for (int d = 1; d < kThreads; d *= 2) {
    unsigned other = t >= d ? sums[t - d] : 0;
#ifndef BUG_1 // written while others still read
    __syncthreads();
#endif
    sums[t] += other;
    __syncthreads();
  }
  unsigned before = t ? sums[t - 1] : 0;
  for (int i = begin; i < end; ++i) {
    unsigned count = counts[i];
    counts[i] = before;
    before += count;
  }
}

// The rank of a key among the block's keys of the same digit: __match within the warp,
// counts of the warps before it in shared memory.
extern "C" __global__ void scatterDigits(const unsigned *keys, const unsigned *values,
                                         unsigned *sortedKeys, unsigned *sortedValues,
                                         const unsigned *offsets, int n, int shift) {
  __shared__ unsigned warpCounts[kThreads / 32][kDigits];
  int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  int i = blockIdx.x * kThreads + threadIdx.x;
  if (lane < kDigits)
    warpCounts[warp][lane] = 0;
  __syncwarp();
  unsigned digit = i < n ? (keys[i] >> shift) & (kDigits - 1) : kDigits;
  unsigned peers = __match_any_sync(~0u, digit);
  unsigned rank = __popc(peers & ((1u << lane) - 1));
  if (rank == 0 && digit < kDigits)
    warpCounts[warp][digit] = __popc(peers);
  __syncthreads();
  if (i >= n)
    return;
  unsigned place = offsets[digit * gridDim.x + blockIdx.x] + rank;
  for (int w = 0; w < warp; ++w)
    place += warpCounts[w][digit];
  sortedKeys[place] = keys[i];
  sortedValues[place] = values[i];
}

// Bitonic sort of one block in shared memory.
extern "C" __global__ void bitonicSort(int *data, int n) {
  extern __shared__ int shared[];
  for (int i = threadIdx.x; i < n; i += blockDim.x)
    shared[i] = data[i];
  __syncthreads();
  for (int size = 2; size <= n; size *= 2)
    for (int stride = size / 2; stride > 0; stride /= 2) {
      for (int t = threadIdx.x; t < n / 2; t += blockDim.x) {
        int low = 2 * t - (t & (stride - 1)), high = low + stride;
        bool ascending = (low & size) == 0;
        int a = shared[low], b = shared[high];
        if ((a > b) == ascending) {
          shared[low] = b;
          shared[high] = a;
        }
      }
#ifdef BUG_2 // only for long strides: as if warps ran in step
      if (stride >= 32)
#endif
        __syncthreads();
    }
  for (int i = threadIdx.x; i < n; i += blockDim.x)
    data[i] = shared[i];
}

// Merges two sorted runs: each thread finds its diagonal by bisection (merge path).
extern "C" __global__ void mergePath(const int *a, int na, const int *b, int nb, int *out,
                                     int perThread) {
  int diagonal = (blockIdx.x * blockDim.x + threadIdx.x) * perThread;
  if (diagonal >= na + nb)
    return;
  int low = max(0, diagonal - nb), high = min(diagonal, na);
  while (low < high) {
    int middle = (low + high) / 2;
    if (a[middle] <= b[diagonal - 1 - middle])
      low = middle + 1;
    else
      high = middle;
  }
  int i = low, j = diagonal - low;
  for (int k = diagonal; k < min(diagonal + perThread, na + nb); ++k)
    out[k] = j >= nb || (i < na && a[i] <= b[j]) ? a[i++] : b[j++];
}
