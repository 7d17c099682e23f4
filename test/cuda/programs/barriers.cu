// cuda::barrier: arrive and wait apart, phases, threads that drop out, completion
// functions, producers and consumers over four barriers.
#include <cuda/barrier>

using Barrier = cuda::barrier<cuda::thread_scope_block>;

extern "C" __global__ void arriveThenWait(const int *in, int *out, int rounds) {
  __shared__ Barrier barrier;
  __shared__ int words[2][64];
  int t = threadIdx.x, other = 0;
  if (t == 0)
#ifdef BUG_1 // expects one thread more than there is
    init(&barrier, blockDim.x + 1);
#elif defined(BUG_2) // and half of them
    init(&barrier, blockDim.x / 2);
#else
    init(&barrier, blockDim.x);
#endif
  __syncthreads();
  for (int r = 0; r < rounds; ++r) {
    words[r % 2][t] = in[t] + other;
    Barrier::arrival_token token = barrier.arrive();
    int own = in[t] * r; // does not depend on the others
#ifdef BUG_3             // arrives but never waits
    (void)token;
#else
    barrier.wait(std::move(token));
#endif
    other = words[r % 2][63 - t] + own;
  }
  out[t] = other;
}

// Producers wait for "empty", fill, arrive at "full"; consumers the other way round.
extern "C" __global__ void producersConsumers(const int *in, int *out, int rounds) {
  __shared__ Barrier full[2], empty[2];
  __shared__ int slots[2][32];
  int t = threadIdx.x;
  if (t < 4)
    init(t < 2 ? &full[t] : &empty[t - 2], 64);
  __syncthreads();
  if (t < 32) {
    for (int r = 0; r < rounds; ++r) {
      empty[r % 2].arrive_and_wait();
      slots[r % 2][t] = in[r * 32 + t] * 2;
#ifdef BUG_4 // says so before it is done
      Barrier::arrival_token token = full[r % 2].arrive();
      slots[r % 2][t] += 1;
#else
      slots[r % 2][t] += 1;
      Barrier::arrival_token token = full[r % 2].arrive();
#endif
    }
  } else {
    Barrier::arrival_token first = empty[0].arrive(), second = empty[1].arrive();
    int sum = 0;
    for (int r = 0; r < rounds; ++r) {
      full[r % 2].arrive_and_wait();
      sum = sum * 3 + slots[r % 2][63 - t];
      Barrier::arrival_token token = empty[r % 2].arrive();
    }
    out[t - 32] = sum;
  }
}

// Threads leave one by one; the others need not wait for them any more.
extern "C" __global__ void dropOut(int *out) {
  __shared__ Barrier barrier;
  __shared__ int turns[64];
  int t = threadIdx.x;
  if (t == 0)
    init(&barrier, blockDim.x);
  turns[t] = 0;
  __syncthreads();
  for (int r = 0; r < 8; ++r) {
    if (r == t % 8) {
      barrier.arrive_and_drop();
      break;
    }
    turns[(t + 8 * r) % 64] += 1;
    barrier.arrive_and_wait();
  }
  out[t] = t % 8;
  __syncthreads();
  out[64 + t] = turns[t];
}

struct Completion {
  int *count;
  __device__ void operator()() noexcept { *count += 1; }
};

// The last to arrive runs a function before the others go on.
extern "C" __global__ void completion(int *out, int rounds) {
  __shared__ int count;
  __shared__ cuda::barrier<cuda::thread_scope_block, Completion> *barrier;
  __shared__ alignas(cuda::barrier<cuda::thread_scope_block, Completion>) char
      memory[sizeof(cuda::barrier<cuda::thread_scope_block, Completion>)];
  if (threadIdx.x == 0) {
    count = 0;
    barrier = new (memory)
        cuda::barrier<cuda::thread_scope_block, Completion>(blockDim.x, Completion{&count});
  }
  __syncthreads();
  int seen = 0;
  for (int r = 0; r < rounds; ++r) {
    barrier->arrive_and_wait();
    seen = seen * 2 + count;
    barrier->arrive_and_wait();
  }
  out[threadIdx.x] = seen;
}

// Waiting by parity: no token.
extern "C" __global__ void byParity(const int *in, int *out, int rounds) {
  __shared__ Barrier barrier;
  __shared__ int word;
  int t = threadIdx.x, sum = 0;
  if (t == 0)
    init(&barrier, 1);
  __syncthreads();
  for (int r = 0; r < rounds; ++r) {
    if (t == 0) {
      word = in[r];
      (void)barrier.arrive();
    }
    barrier.wait_parity(r % 2);
    sum = sum * 3 + word;
    __syncthreads();
  }
  out[t] = sum;
}
