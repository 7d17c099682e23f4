// Single-pass scan with decoupled look-back (Merrill and Garland): a block takes a tile
// by ticket, publishes its sum, then walks back over its predecessors' flags until one
// has published an inclusive prefix.
#include <cuda/atomic>

enum Status { kNothing = 0, kSum = 1, kPrefix = 2 };

struct Tiles {
  int *flags;    // of Status
  int *sums;     // of the tile alone
  int *prefixes; // of all up to and with the tile
};

__device__ int scanBlock(int value, int &total) {
  __shared__ int warps[33];
  int lane = threadIdx.x & 31, warp = threadIdx.x >> 5;
  for (int d = 1; d < 32; d *= 2) {
    int other = __shfl_up_sync(~0u, value, d);
    if (lane >= d)
      value += other;
  }
  if (lane == 31)
    warps[warp] = value;
  __syncthreads();
  if (threadIdx.x == 0) {
    int sum = 0;
    for (int w = 0; w < blockDim.x / 32; ++w) {
      int next = sum + warps[w];
      warps[w] = sum;
      sum = next;
    }
    warps[32] = sum;
  }
  __syncthreads();
  total = warps[32];
  return value + warps[warp];
}

// Flags apart from the values: volatile flags, __threadfence on both sides.
extern "C" __global__ void scanFlagsAndFences(const int *in, int *out, int n, Tiles tiles,
                                              unsigned *ticket) {
  __shared__ int tile, before;
  if (threadIdx.x == 0)
    tile = atomicAdd(ticket, 1);
  __syncthreads();
  int i = tile * blockDim.x + threadIdx.x, total;
  int value = scanBlock(i < n ? in[i] : 0, total);
  if (threadIdx.x == 0) {
    volatile int *flags = tiles.flags;
    int *sums = tiles.sums, *prefixes = tiles.prefixes;
    int sum = 0;
    if (tile > 0) {
      sums[tile] = total;
      __threadfence();
      flags[tile] = kSum;
      for (int back = tile - 1;; --back) {
        int status;
        while ((status = flags[back]) == kNothing)
          ;
#ifndef BUG_2 // the sum may be read before the flag
        __threadfence();
#endif
        sum += status == kPrefix ? prefixes[back] : sums[back];
        if (status == kPrefix)
          break;
      }
    }
    prefixes[tile] = sum + total;
#ifndef BUG_1 // the flag may be seen before the prefix
    __threadfence();
#endif
    flags[tile] = kPrefix;
    before = sum;
  }
  __syncthreads();
  if (i < n)
    out[i] = value + before;
}

// Flag and value in one word of 64 bits, so that neither is seen without the other; the
// order is only relaxed. A warp looks at 32 predecessors at once.
extern "C" __global__ void scanPackedWords(const int *in, int *out, int n,
                                           unsigned long long *words, unsigned *ticket) {
  __shared__ int tile, before;
  if (threadIdx.x == 0)
    tile = atomicAdd(ticket, 1);
  __syncthreads();
  int i = tile * blockDim.x + threadIdx.x, total;
  int value = scanBlock(i < n ? in[i] : 0, total);
  using Word = cuda::atomic_ref<unsigned long long, cuda::thread_scope_device>;
  auto pack = [](Status status, int sum) {
    return (unsigned long long)status << 32 | (unsigned)sum;
  };
  if (threadIdx.x < 32) {
    int lane = threadIdx.x, sum = 0;
    if (lane == 0)
      Word(words[tile]).store(pack(tile ? kSum : kPrefix, total), cuda::memory_order_relaxed);
    for (int back = tile - 1; back >= 0; back -= 32) {
      unsigned long long word = pack(kPrefix, 0);
      if (back - lane >= 0)
        while ((word = Word(words[back - lane]).load(cuda::memory_order_relaxed)) >> 32 == kNothing)
          __nanosleep(20);
      unsigned done = __ballot_sync(~0u, word >> 32 == kPrefix);
      int last = done ? __ffs(done) - 1 : 31;
      sum += __reduce_add_sync(~0u, lane <= last ? (int)word : 0);
      if (done)
        break;
    }
    if (lane == 0) {
      if (tile)
        Word(words[tile]).store(pack(kPrefix, sum + total), cuda::memory_order_relaxed);
      before = sum;
    }
  }
  __syncthreads();
  if (i < n)
    out[i] = value + before;
}

// A chain: every block waits for the prefix of the block before it, with acquire and
// release.
extern "C" __global__ void scanChained(const int *in, int *out, int n, int *prefixes, int *flags,
                                       unsigned *ticket) {
  __shared__ int tile, before;
  if (threadIdx.x == 0)
    tile = atomicAdd(ticket, 1);
  __syncthreads();
  int i = tile * blockDim.x + threadIdx.x, total;
  int value = scanBlock(i < n ? in[i] : 0, total);
  if (threadIdx.x == 0) {
    using Flag = cuda::atomic_ref<int, cuda::thread_scope_device>;
    int sum = 0;
    if (tile > 0) {
#ifdef BUG_3 // does not acquire what came before the flag
      while (!Flag(flags[tile - 1]).load(cuda::memory_order_relaxed))
#else
      while (!Flag(flags[tile - 1]).load(cuda::memory_order_acquire))
#endif
        ;
      sum = prefixes[tile - 1];
    }
    prefixes[tile] = sum + total;
    Flag(flags[tile]).store(1, cuda::memory_order_release);
    before = sum;
  }
  __syncthreads();
  if (i < n)
    out[i] = value + before;
}
