// Atomics: all operations and types, scopes, orders through cuda::atomic_ref, loops of
// compare and swap, a lock, a hash table, and vectors of halves.
#include <cuda/atomic>
#include <cuda_bf16.h>
#include <cuda_fp16.h>

extern "C" __global__ void allOperations(const int *in, int *out, unsigned *wrapping) {
  int i = blockIdx.x * blockDim.x + threadIdx.x, value = in[i];
#ifdef BUG_4 // atomic within a block, for a sum of two blocks
  atomicAdd_block(out + 0, value);
#else
  atomicAdd(out + 0, value);
#endif
  atomicSub(out + 1, value);
  atomicMin(out + 2, value);
  atomicMax(out + 3, value);
  atomicAnd(out + 4, value | 0xff00);
  atomicOr(out + 5, value);
  atomicXor(out + 6, value);
  atomicMax((unsigned *)out + 7, (unsigned)value);
  atomicAdd_block(out + 8 + blockIdx.x, 1);
  atomicAdd_system(out + 7 + 8, value);
  atomicInc(wrapping, 6);
  atomicDec(wrapping + 1, 9);
}

extern "C" __global__ void wideAndFloat(const int *in, unsigned long long *wide,
                                        long long *signedWide, float *floats, double *doubles) {
  int value = in[blockIdx.x * blockDim.x + threadIdx.x];
  atomicAdd(wide, (unsigned long long)value << 20);
  atomicMax(wide + 1, (unsigned long long)value << 33);
  atomicOr(wide + 2, 1ull << (value & 63));
  atomicMin(signedWide, -(long long)value << 30);
  atomicAdd(floats, (float)value);
  atomicAdd(doubles, 0.25 * value);
  __shared__ float inBlock;
  if (threadIdx.x == 0)
    inBlock = 0.0f;
  __syncthreads();
  atomicAdd(&inBlock, (float)value);
  __syncthreads();
  if (threadIdx.x == 0)
    atomicAdd(floats + 1, inBlock);
}

// Two halves at once; sums small enough to be exact.
extern "C" __global__ void halves(const int *in, __half2 *sums, __nv_bfloat162 *bsums,
                                  __half *single) {
  int value = in[threadIdx.x];
  atomicAdd(sums, __floats2half2_rn(value, -value));
  atomicAdd(bsums, __floats2bfloat162_rn(1.0f, 2.0f));
  atomicAdd(single, __float2half(1.0f));
}

// What the hardware lacks is made of compare and swap.
__device__ float atomicMaxFloat(float *address, float value) {
  // Volatile: whoever finds a larger value leaves without an atomic that would check it.
  int *bits = (int *)address, old = *(volatile int *)bits, assumed;
  do {
    assumed = old;
    if (__int_as_float(assumed) >= value)
      break;
    old = atomicCAS(bits, assumed, __float_as_int(value));
  } while (assumed != old);
  return __int_as_float(old);
}
__device__ void atomicMultiply(unsigned long long *address, unsigned long long factor) {
  cuda::atomic_ref<unsigned long long, cuda::thread_scope_device> ref(*address);
  unsigned long long old = ref.load(cuda::memory_order_relaxed);
  while (!ref.compare_exchange_weak(old, old * factor, cuda::memory_order_relaxed))
    ;
}
extern "C" __global__ void compareAndSwap(const float *in, float *largest,
                                          unsigned long long *product, unsigned short *shorts) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  __shared__ float most;
  if (threadIdx.x == 0)
    most = -1e30f;
  __syncthreads();
  atomicMaxFloat(&most, in[i]);
  __syncthreads();
  if (threadIdx.x == 0)
    atomicMaxFloat(largest, most);
  atomicMultiply(product, 2 * i + 1);
  atomicCAS(shorts + (i & 3), (unsigned short)0, (unsigned short)((i & 3) + 10));
}

// A lock that one lane of a block holds at a time; what it guards is plain memory.
extern "C" __global__ void spinLock(int *lock, int *guarded, int rounds) {
  if (threadIdx.x != 0)
    return;
  for (int r = 0; r < rounds; ++r) {
    while (atomicCAS(lock, 0, 1) != 0)
      ;
#ifndef BUG_1 // what the last holder wrote may not be visible yet
    __threadfence();
#endif
    guarded[0] += 1;
    guarded[1] = guarded[1] * 3 + 1;
#ifndef BUG_2 // the lock may open before the writes are visible
    __threadfence();
#endif
    atomicExch(lock, 0);
  }
}

// The same with acquire and release; all lanes of a warp want it.
extern "C" __global__ void lockPerLane(int *lock, int *guarded) {
  cuda::atomic_ref<int, cuda::thread_scope_device> ref(*lock);
  bool done = false;
  while (!done) {
    int expected = 0;
#ifdef BUG_3 // takes the lock without acquiring
    if (ref.compare_exchange_strong(expected, 1, cuda::memory_order_relaxed)) {
#else
    if (ref.compare_exchange_strong(expected, 1, cuda::memory_order_acquire)) {
#endif
      *guarded += threadIdx.x;
      ref.store(0, cuda::memory_order_release);
      done = true;
    }
  }
}

// Open addressing: keys by compare and swap, values added up.
extern "C" __global__ void hashInsert(const unsigned *keys, unsigned *tableKeys,
                                      unsigned *tableCounts, int n, unsigned mask) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= n)
    return;
  unsigned key = keys[i], slot = key * 2654435761u & mask;
  for (;;) {
    unsigned before = atomicCAS(&tableKeys[slot], 0xffffffffu, key);
    if (before == 0xffffffffu || before == key) {
      atomicAdd(&tableCounts[slot], 1);
      return;
    }
    slot = (slot + 1) & mask;
  }
}
extern "C" __global__ void hashFind(const unsigned *keys, const unsigned *tableKeys,
                                    const unsigned *tableCounts, unsigned *found, int n,
                                    unsigned mask) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= n)
    return;
  unsigned slot = keys[i] * 2654435761u & mask;
  while (tableKeys[slot] != keys[i] && tableKeys[slot] != 0xffffffffu)
    slot = (slot + 1) & mask;
  found[i] = tableKeys[slot] == keys[i] ? tableCounts[slot] : 0;
}

// All orders, all scopes, all operations of cuda::atomic_ref, on shared and global memory.
extern "C" __global__ void atomicRefs(const int *in, int *global, long long *wide) {
  __shared__ int shared[4];
  if (threadIdx.x < 4)
    shared[threadIdx.x] = 0;
  __syncthreads();
  int value = in[threadIdx.x];
  using Block = cuda::atomic_ref<int, cuda::thread_scope_block>;
  using Device = cuda::atomic_ref<int, cuda::thread_scope_device>;
  using System = cuda::atomic_ref<int, cuda::thread_scope_system>;
  Block(shared[0]).fetch_add(value, cuda::memory_order_relaxed);
  Block(shared[1]).fetch_max(value, cuda::memory_order_acq_rel);
  Block(shared[2]).fetch_xor(value, cuda::memory_order_seq_cst);
  Block(shared[3]).fetch_sub(1, cuda::memory_order_release);
  Device(global[0]).fetch_add(value);
  Device(global[1]).fetch_and(value | 15, cuda::memory_order_acquire);
  Device(global[2]).fetch_min(value, cuda::memory_order_relaxed);
  System(global[3]).fetch_or(value, cuda::memory_order_seq_cst);
  System(global[4])++;
  cuda::atomic_ref<long long, cuda::thread_scope_device>(*wide).fetch_add(
      (long long)value << 21, cuda::memory_order_relaxed);
  __syncthreads();
  if (threadIdx.x < 4)
    global[5 + threadIdx.x] = Block(shared[threadIdx.x]).load(cuda::memory_order_acquire);
  if (threadIdx.x == 5)
    global[9] = System(global[9]).exchange(17, cuda::memory_order_acq_rel) + 1;
}
