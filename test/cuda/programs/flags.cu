// Values handed from block to block and from warp to warp through flags: by fences and
// volatile, by acquire and release, by atomics; rings, chains, and a barrier of a grid
// made by hand.
#include <cuda/atomic>

// Block b waits for block b - 1. Data first, fence, then the flag.
extern "C" __global__ void chainVolatile(int *data, volatile int *flags, int perBlock) {
  int b = blockIdx.x, t = threadIdx.x;
  if (b > 0) {
    if (t == 0)
#ifdef BUG_8 // not volatile: the compiler reads the flag once
      while (const_cast<int *>(flags)[b - 1] == 0)
        ;
#else
      while (flags[b - 1] == 0)
        ;
#endif
#ifndef BUG_1 // reads may be satisfied before the flag was seen
    __threadfence();
#endif
    __syncthreads();
  }
  for (int i = t; i < perBlock; i += blockDim.x)
    data[b * perBlock + i] = b ? data[(b - 1) * perBlock + (i + 1) % perBlock] * 3 + b : i;
#ifdef BUG_7 // a fence among the threads of the block only
  __threadfence_block();
#elif !defined(BUG_2) // the flag may overtake the data
  __threadfence();
#endif
  __syncthreads();
  if (t == 0)
    flags[b] = 1;
}

// Every thread waits for itself, with acquire; the release is cumulative over the block's
// barrier.
extern "C" __global__ void chainAcquireRelease(int *data, int *flags, int perBlock) {
  int b = blockIdx.x, t = threadIdx.x;
  using Flag = cuda::atomic_ref<int, cuda::thread_scope_device>;
  if (b > 0)
#ifdef BUG_3 // scope of a block between two blocks
    while (cuda::atomic_ref<int, cuda::thread_scope_block>(flags[b - 1])
               .load(cuda::memory_order_acquire) == 0)
#else
    while (Flag(flags[b - 1]).load(cuda::memory_order_acquire) == 0)
#endif
      ;
  for (int i = t; i < perBlock; i += blockDim.x)
    data[b * perBlock + i] = b ? data[(b - 1) * perBlock + (i + 1) % perBlock] * 5 + b : i;
#ifndef BUG_4 // the other threads' data are not behind the flag
  __syncthreads();
#endif
  if (t == 0)
    Flag(flags[b]).store(1, cuda::memory_order_release);
}

// Inline PTX: st.release and ld.acquire.
extern "C" __global__ void pingPong(int *ball, int *turn, int rounds) {
  if (threadIdx.x != 0)
    return;
  int me = blockIdx.x;
  for (int r = 0; r < rounds; ++r) {
    int now;
    do
      asm volatile("ld.acquire.gpu.global.b32 %0, [%1];" : "=r"(now) : "l"(turn) : "memory");
    while (now != 2 * r + me);
    *ball = *ball * 2 + me;
    asm volatile("st.release.gpu.global.b32 [%0], %1;" ::"l"(turn), "r"(now + 1) : "memory");
  }
}

// A ring of four slots between a block that fills it and one that empties it.
extern "C" __global__ void ring(const int *in, int *slots, unsigned *head, unsigned *tail, int *out,
                                int n) {
  if (threadIdx.x != 0)
    return;
  cuda::atomic_ref<unsigned, cuda::thread_scope_device> filled(*head), emptied(*tail);
  if (blockIdx.x == 0) {
    for (unsigned i = 0; i < n; ++i) {
      while (i - emptied.load(cuda::memory_order_acquire) >= 4)
        __nanosleep(50);
      slots[i % 4] = in[i];
#ifdef BUG_5 // relaxed: the slot may not be there yet
      filled.store(i + 1, cuda::memory_order_relaxed);
#else
      filled.store(i + 1, cuda::memory_order_release);
#endif
    }
  } else {
    int sum = 0;
    for (unsigned i = 0; i < n; ++i) {
      while (filled.load(cuda::memory_order_acquire) <= i)
        ;
      sum = sum * 7 + slots[i % 4];
      emptied.store(i + 1, cuda::memory_order_release);
    }
    *out = sum;
  }
}

// Warps of one block: warp w + 1 works on what warp w left in shared memory.
extern "C" __global__ void warpChain(const int *in, int *out) {
  __shared__ int words[32];
  __shared__ volatile int done;
  int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
  if (threadIdx.x == 0)
    done = 0;
  __syncthreads();
  if (warp > 0) {
    while (done < warp)
      ;
    __threadfence_block();
  }
  int value = in[threadIdx.x] + (warp ? words[31 - lane] : 0);
  __syncwarp();
  words[lane] = value;
  __threadfence_block();
  __syncwarp();
  if (lane == 0)
    done = warp + 1;
  out[threadIdx.x] = value;
}

// A barrier over the grid: all blocks must be resident. The generation is the barrier's
// phase; the last to arrive opens it.
__device__ void gridBarrier(unsigned *arrived, volatile unsigned *generation) {
  __syncthreads();
  if (threadIdx.x == 0) {
    unsigned mine = *generation;
#ifndef BUG_6 // what the block wrote may become visible after its arrival
    __threadfence();
#endif
    if (atomicAdd(arrived, 1) == gridDim.x - 1) {
      atomicExch(arrived, 0);
      __threadfence();
      *generation = mine + 1;
    } else {
      while (*generation == mine)
        ;
    }
    __threadfence();
  }
  __syncthreads();
}

extern "C" __global__ void diffuse(float *a, float *b, int n, int steps, unsigned *arrived,
                                   unsigned *generation) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  for (int s = 0; s < steps; ++s) {
    const float *from = s % 2 ? b : a;
    float *to = s % 2 ? a : b;
    if (i < n)
      to[i] = 0.5f * from[i] + 0.25f * (from[(i + n - 1) % n] + from[(i + 1) % n]);
    gridBarrier(arrived, generation);
  }
}
