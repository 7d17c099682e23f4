// Barriers beside __syncthreads: named ones with counts of threads, for warps that
// produce and warps that consume; arrive without waiting; barriers that count.

__device__ void barrierSync(int id, int threads) {
  asm volatile("bar.sync %0, %1;" ::"r"(id), "r"(threads) : "memory");
}
__device__ void barrierArrive(int id, int threads) {
  asm volatile("bar.arrive %0, %1;" ::"r"(id), "r"(threads) : "memory");
}

// Two buffers. Barriers 1, 2: full; 3, 4: empty. Warps 0 and 1 fill, 2 and 3 add up.
extern "C" __global__ void producerConsumer(const int *in, int *out, int rounds) {
  __shared__ int buffer[2][64];
  int t = threadIdx.x;
  if (t < 64) {
    for (int r = 0; r < rounds; ++r) {
      int slot = r % 2;
      if (r >= 2)
#ifdef BUG_1 // does not wait until the buffer is empty
        barrierArrive(3 + slot, 128);
#else
        barrierSync(3 + slot, 128);
#endif
      buffer[slot][t] = in[r * 64 + t];
#ifndef BUG_2 // never tells that it is full
      barrierArrive(1 + slot, 128);
#endif
    }
  } else {
    int c = t - 64, sum = 0;
    for (int r = 0; r < rounds; ++r) {
      int slot = r % 2;
#ifdef BUG_3 // a count that does not fit the producers'
      barrierSync(1 + slot, 96);
#else
      barrierSync(1 + slot, 128);
#endif
      sum = sum * 3 + buffer[slot][63 - c];
      if (r + 2 < rounds)
        barrierArrive(3 + slot, 128);
    }
    out[c] = sum;
  }
}

// Each pair of warps has a barrier of its own and sorts apart from the others.
extern "C" __global__ void groupsOfTwoWarps(int *data) {
  __shared__ int words[4][64];
  int group = threadIdx.x / 64, t = threadIdx.x % 64;
  int *mine = words[group];
  mine[t] = data[group * 64 + t];
  for (int round = 0; round < 64; ++round) { // odd-even transposition
    barrierSync(1 + group, 64);
    int low = 2 * t + round % 2;
    if (low + 1 < 64) {
      int a = mine[low], b = mine[low + 1];
      mine[low] = min(a, b);
      mine[low + 1] = max(a, b);
    }
  }
  barrierSync(1 + group, 64);
  data[group * 64 + t] = mine[t];
}

extern "C" __global__ void countingBarriers(const int *in, int *out) {
  int value = in[threadIdx.x];
  int odd = __syncthreads_count(value & 1);
  int all = __syncthreads_and(value < 1000);
  int any = __syncthreads_or(value > 95);
  if (threadIdx.x == 0) {
    out[0] = odd;
    out[1] = all != 0;
    out[2] = any != 0;
  }
}

// Rounds until no thread changes anything: connected labels on a line.
extern "C" __global__ void untilStable(const int *linked, int *labels, int *rounds) {
  __shared__ int label[128];
  int t = threadIdx.x, n = blockDim.x, count = 0;
  label[t] = t;
  __syncthreads();
  bool changed;
  do {
    int best = label[t];
    if (t > 0 && linked[t - 1])
      best = min(best, label[t - 1]);
    if (t + 1 < n && linked[t])
      best = min(best, label[t + 1]);
    changed = best != label[t];
    __syncthreads();
    label[t] = best;
    ++count;
  } while (__syncthreads_or(changed));
  labels[t] = label[t];
  if (t == 0)
    *rounds = count;
}

// Threads that leave early do not count for __syncthreads any more.
extern "C" __global__ void earlyExit(const int *in, int *out, int n) {
  __shared__ int words[128];
  if (threadIdx.x >= n)
    return;
  words[threadIdx.x] = in[threadIdx.x];
#ifdef BUG_4 // a barrier that a part of a warp's threads goes around
  if (threadIdx.x < 48)
    __syncthreads();
#else
  __syncthreads();
#endif
  out[threadIdx.x] = words[n - 1 - threadIdx.x];
}
