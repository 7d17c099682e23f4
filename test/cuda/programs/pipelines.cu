// Asynchronous copies to shared memory: the __pipeline_ functions, cuda::pipeline of a
// thread and of a block, cuda::memcpy_async with a cuda::barrier, and cp.async with
// fewer bytes than a chunk.
#include <cooperative_groups.h>
#include <cuda/barrier>
#include <cuda/pipeline>
#include <cuda_pipeline.h>

constexpr int kThreads = 128;

// Four stages, each thread on its own words: no barrier at all is needed.
extern "C" __global__ void ownWords(const int4 *in, int4 *out, int rounds) {
  __shared__ int4 ring[4][kThreads];
  int t = threadIdx.x;
  const int4 *mine = in + blockIdx.x * rounds * kThreads + t;
  for (int s = 0; s < 3; ++s) {
    if (s < rounds)
      __pipeline_memcpy_async(&ring[s][t], mine + s * kThreads, 16);
    __pipeline_commit();
  }
  int4 sum = {0, 0, 0, 0};
  for (int r = 0; r < rounds; ++r) {
    if (r + 3 < rounds)
      __pipeline_memcpy_async(&ring[(r + 3) % 4][t], mine + (r + 3) * kThreads, 16);
#ifndef BUG_1 // the copies belong to no group when they are waited for
    __pipeline_commit();
#endif
#ifdef BUG_2 // one more may be in flight than there should
    __pipeline_wait_prior(4);
#else
    __pipeline_wait_prior(3);
#endif
    int4 value = ring[r % 4][t];
    sum.x += value.x;
    sum.y ^= value.y;
    sum.z = max(sum.z, value.z);
    sum.w = sum.w * 3 + value.w;
  }
  out[blockIdx.x * kThreads + t] = sum;
}

// Two stages read by all: a barrier after the wait and one before the next copy.
extern "C" __global__ void sharedWords(const int *in, int *out, int rounds) {
  __shared__ int ring[2][kThreads];
  int t = threadIdx.x, sum = 0;
  __pipeline_memcpy_async(&ring[0][t], in + t, 4);
  __pipeline_commit();
  for (int r = 0; r < rounds; ++r) {
    if (r + 1 < rounds)
      __pipeline_memcpy_async(&ring[(r + 1) % 2][t], in + (r + 1) * kThreads + t, 4);
    __pipeline_commit();
    __pipeline_wait_prior(1);
#ifndef BUG_3 // others' copies have not been waited for by this thread
    __syncthreads();
#endif
    sum = sum * 5 + ring[r % 2][kThreads - 1 - t];
#ifndef BUG_4 // the next copy overwrites what others still read
    __syncthreads();
#endif
  }
  out[t] = sum;
}

// Padding: the last chunk is shorter, the rest becomes nought.
extern "C" __global__ void zeroFill(const int *in, int *out, int n) {
  __shared__ int4 words[kThreads];
  int t = threadIdx.x, first = t * 4, valid = min(max(n - first, 0), 4);
  __pipeline_memcpy_async(&words[t], reinterpret_cast<const int4 *>(in) + (valid ? t : 0), 16,
                          16 - valid * 4);
#ifdef BUG_7 // written while the copy to it is under way
  words[t].w = 7;
#endif
  __pipeline_commit();
  __pipeline_wait_prior(0);
  reinterpret_cast<int4 *>(out)[t] = words[t];
}

// In place: what was copied to shared memory is overwritten where it came from.
extern "C" __global__ void reverseInPlace(int *data) {
  __shared__ int words[kThreads];
  int t = threadIdx.x;
  __pipeline_memcpy_async(&words[t], data + t, 4);
  __pipeline_commit();
#ifdef BUG_8 // the copy may not have read it yet
  data[t] = 0;
#endif
  __pipeline_wait_prior(0);
  __syncthreads();
  data[t] = words[kThreads - 1 - t];
}

// cuda::pipeline of one thread.
extern "C" __global__ void threadPipeline(const double *in, double *out, int rounds) {
  __shared__ double ring[3][kThreads];
  auto pipe = cuda::make_pipeline();
  int t = threadIdx.x, fetched = 0;
  double sum = 0;
  for (int r = 0; r < rounds; ++r) {
    for (; fetched < rounds && fetched < r + 3; ++fetched) {
      pipe.producer_acquire();
      cuda::memcpy_async(&ring[fetched % 3][t], in + fetched * kThreads + t, sizeof(double), pipe);
      pipe.producer_commit();
    }
#ifndef BUG_5 // nobody waited for the stage
    pipe.consumer_wait();
#endif
    sum += ring[r % 3][t] * (r + 1);
    pipe.consumer_release();
  }
  out[t] = sum;
}

// cuda::pipeline of the block: its barriers order the stages between the threads.
extern "C" __global__ void blockPipeline(const int *in, int *out, int rounds) {
  constexpr int kStages = 2;
  __shared__ cuda::pipeline_shared_state<cuda::thread_scope_block, kStages> state;
  __shared__ int ring[kStages][kThreads];
  auto block = cooperative_groups::this_thread_block();
  auto pipe = cuda::make_pipeline(block, &state);
  int t = threadIdx.x, fetched = 0, sum = 0;
  for (int r = 0; r < rounds; ++r) {
    for (; fetched < rounds && fetched < r + kStages; ++fetched) {
      pipe.producer_acquire();
      cuda::memcpy_async(block, ring[fetched % kStages], in + fetched * kThreads,
                         sizeof(int) * kThreads, pipe);
      pipe.producer_commit();
    }
    pipe.consumer_wait();
    sum = sum * 3 + ring[r % kStages][kThreads - 1 - t];
    pipe.consumer_release();
  }
  out[t] = sum;
}

// Producers and consumers are different warps.
extern "C" __global__ void partitionedPipeline(const int *in, int *out, int rounds) {
  constexpr int kStages = 2, kWords = 64;
  __shared__ cuda::pipeline_shared_state<cuda::thread_scope_block, kStages> state;
  __shared__ int ring[kStages][kWords];
  auto block = cooperative_groups::this_thread_block();
  bool producer = threadIdx.x < kWords;
  auto pipe = cuda::make_pipeline(
      block, &state, producer ? cuda::pipeline_role::producer : cuda::pipeline_role::consumer);
  int t = threadIdx.x % kWords, sum = 0;
  for (int r = 0; r < rounds; ++r) {
    if (producer) {
      pipe.producer_acquire();
      cuda::memcpy_async(&ring[r % kStages][t], in + r * kWords + t, sizeof(int), pipe);
      pipe.producer_commit();
    } else {
      pipe.consumer_wait();
      sum = sum * 3 + ring[r % kStages][kWords - 1 - t];
      pipe.consumer_release();
    }
  }
  if (!producer)
    out[t] = sum;
}

// A barrier that waits for the block's copies as well as for its threads.
extern "C" __global__ void barrierCopies(const int *in, int *out, int rounds) {
  __shared__ cuda::barrier<cuda::thread_scope_block> barrier;
  __shared__ int words[kThreads];
  auto block = cooperative_groups::this_thread_block();
  if (threadIdx.x == 0)
    init(&barrier, kThreads);
#ifndef BUG_6 // used before it is initialised
  block.sync();
#endif
  int sum = 0;
  for (int r = 0; r < rounds; ++r) {
    cuda::memcpy_async(block, words, in + r * kThreads, sizeof(int) * kThreads, barrier);
    barrier.arrive_and_wait();
    sum += words[kThreads - 1 - threadIdx.x] * (r + 1);
    barrier.arrive_and_wait();
  }
  out[threadIdx.x] = sum;
}
