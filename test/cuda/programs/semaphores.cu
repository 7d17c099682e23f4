// Latches, semaphores and waiting on atomics, as cuda:: has them: all are polled.
#include <cuda/atomic>
#include <cuda/latch>
#include <cuda/semaphore>

using Latch = cuda::latch<cuda::thread_scope_block>;
using Semaphore = cuda::counting_semaphore<cuda::thread_scope_block, 64>;

// One warp loads, counts down; the others wait for the latch.
extern "C" __global__ void latch(const int *in, int *out) {
  __shared__ alignas(Latch) char memory[sizeof(Latch)];
  __shared__ int words[32];
  Latch *ready = reinterpret_cast<Latch *>(memory);
  int t = threadIdx.x;
  if (t == 0)
    new (ready) Latch(32);
  __syncthreads();
  if (t < 32) {
#ifdef BUG_1 // counts before it has written
    ready->count_down();
    words[t] = in[t] * 3;
#else
    words[t] = in[t] * 3;
    ready->count_down();
#endif
  } else {
#ifdef BUG_2 // does not wait
    (void)ready;
#else
    ready->wait();
#endif
    out[t - 32] = words[63 - t];
  }
}

// A semaphore of one: a lock for the first lane of each warp.
extern "C" __global__ void critical(int *total, int *log) {
  __shared__ alignas(Semaphore) char memory[sizeof(Semaphore)];
  __shared__ int count, sum;
  Semaphore *lock = reinterpret_cast<Semaphore *>(memory);
  if (threadIdx.x == 0) {
    new (lock) Semaphore(1);
    count = sum = 0;
  }
  __syncthreads();
  if (threadIdx.x % 32 == 0) {
#ifndef BUG_3 // nobody asks for the lock
    lock->acquire();
#endif
    sum += threadIdx.x;
    log[count++] = sum;
#ifndef BUG_3
    lock->release();
#endif
  }
  __syncthreads();
  if (threadIdx.x == 0)
    *total = sum + 1000 * count;
}

// Blocks in turn: each waits until the number is its own, then tells the next one.
extern "C" __global__ void inTurn(unsigned *turn, int *data, int n) {
  cuda::atomic_ref<unsigned, cuda::thread_scope_device> now(*turn);
  if (threadIdx.x == 0)
    for (unsigned seen = now.load(cuda::memory_order_acquire); seen != blockIdx.x;
         seen = now.load(cuda::memory_order_acquire))
      now.wait(seen, cuda::memory_order_acquire);
  __syncthreads();
  for (int i = threadIdx.x; i < n; i += blockDim.x)
    data[i] = data[i] * 2 + blockIdx.x;
  __syncthreads();
  if (threadIdx.x == 0) {
    now.store(blockIdx.x + 1, cuda::memory_order_release);
    now.notify_all();
  }
}
