// Warp-level idioms: every shuffle, votes, matches, reductions, aggregated atomics, a
// sort in registers, tiles of lanes that meet at __syncwarp.

extern "C" __global__ void shuffles(const int *in, int *out) {
  int lane = threadIdx.x % 32, base = blockIdx.x * blockDim.x + threadIdx.x;
  int value = in[base];
  int *row = out + base * 8;
  row[0] = __shfl_sync(~0u, value, 5);
  row[1] = __shfl_sync(~0u, value, lane * 3 % 8, 8); // within eight lanes
  row[2] = __shfl_up_sync(~0u, value, 1);
  row[3] = __shfl_down_sync(~0u, value, 2, 16);
  row[4] = __shfl_xor_sync(~0u, value, 21);
  unsigned mask = 0x0000ffff;
#ifdef BUG_4 // a mask that names lanes which do not come
  mask = ~0u;
#endif
  row[5] = lane < 16 ? __shfl_xor_sync(mask, value, 8) : -1;
  double wide = __shfl_down_sync(~0u, (double)value * 0.5, 1);
  row[6] = (int)(wide * 2.0);
  long long pair = __shfl_up_sync(~0u, (long long)value << 32 | lane, 3, 32);
  row[7] = (int)(pair >> 32) + (int)pair;
}

extern "C" __global__ void votes(const int *in, unsigned *out) {
  int i = threadIdx.x, value = in[i];
  unsigned *row = out + i * 8;
  row[0] = __ballot_sync(~0u, value & 1);
  row[1] = __all_sync(~0u, value >= 0);
  row[2] = __any_sync(~0u, value > 90);
  row[3] = __match_any_sync(~0u, value % 5);
  int same = 0;
  row[4] = __match_all_sync(~0u, value < 1000, &same) + same;
  row[5] = __match_any_sync(~0u, (unsigned long long)(value % 3) << 40);
  // Lanes that took the branch, asked for before it.
  unsigned odd = __ballot_sync(~0u, value & 1);
  row[6] = 0;
  if (value & 1)
    row[6] = __ballot_sync(odd, value > 50);
  __syncwarp();
  row[7] = __activemask() == ~0u;
}

extern "C" __global__ void warpReductions(const int *in, int *out) {
  int value = in[threadIdx.x];
  int *row = out + threadIdx.x * 8;
  row[0] = __reduce_add_sync(~0u, value);
  row[1] = __reduce_min_sync(~0u, value);
  row[2] = __reduce_max_sync(~0u, value);
  row[3] = __reduce_and_sync(~0u, (unsigned)value);
  row[4] = __reduce_or_sync(~0u, (unsigned)value);
  row[5] = __reduce_xor_sync(~0u, (unsigned)value);
  unsigned low = __ballot_sync(~0u, value < 50);
  row[6] = value < 50 ? __reduce_add_sync(low, (unsigned)value) : 0;
  row[7] = value < 50 ? 0 : __reduce_max_sync(~low, (unsigned)value);
}

// One atomic for all lanes that have something to add, in the order of the lanes.
extern "C" __global__ void aggregatedPush(const int *in, int n, int *queue, int *size) {
  for (int start = 0; start < n; start += blockDim.x) {
    int i = start + threadIdx.x;
    if (i < n && in[i] % 3 == 0) {
      unsigned active = __activemask();
      int lane = threadIdx.x % 32, leader = __ffs(active) - 1, base = 0;
      if (lane == leader)
        base = atomicAdd(size, __popc(active));
      base = __shfl_sync(active, base, leader);
      queue[base + __popc(active & ((1u << lane) - 1))] = in[i];
    }
  }
}

// 32 keys of a warp in order, by compare and exchange over shuffles.
extern "C" __global__ void warpBitonicSort(int *data) {
  int lane = threadIdx.x % 32, at = blockIdx.x * blockDim.x + threadIdx.x;
  int value = data[at];
  for (int size = 2; size <= 32; size *= 2)
    for (int stride = size / 2; stride > 0; stride /= 2) {
      int other = __shfl_xor_sync(~0u, value, stride);
      bool lower = (lane & stride) == 0, ascending = (lane & size) == 0;
      value = lower == ascending ? min(value, other) : max(value, other);
    }
  data[at] = value;
}

// A warp reverses its 32 words through shared memory, tile after tile: two __syncwarp a
// turn, one before reading and one before the words are overwritten.
extern "C" __global__ void reverseTiles(const int *in, int *out, int tiles) {
  __shared__ int words[4][32];
  int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  int *mine = words[warp];
  for (int tile = warp; tile < tiles; tile += 4) {
    mine[lane] = in[tile * 32 + lane];
#ifndef BUG_1 // read before the others wrote
    __syncwarp();
#endif
    out[tile * 32 + lane] = mine[31 - lane];
#ifndef BUG_2 // overwritten before the others read
    __syncwarp();
#endif
  }
}

// Half warps that go different ways, each with its own mask.
extern "C" __global__ void halfWarps(const int *in, int *out) {
  __shared__ int words[32];
  int lane = threadIdx.x;
  unsigned mask = lane < 16 ? 0x0000ffffu : 0xffff0000u;
  words[lane] = in[lane];
  if (lane < 16) {
    for (int d = 8; d > 0; d /= 2) {
      __syncwarp(mask);
      int other = lane < d ? words[lane + d] : 0;
      __syncwarp(mask);
      if (lane < d)
        words[lane] += other;
    }
  } else {
    for (int d = 8; d > 0; d /= 2) {
      __syncwarp(mask);
      int other = words[16 + ((lane - 16) ^ d)];
      __syncwarp(mask);
      words[lane] = max(words[lane], other);
    }
  }
#ifdef BUG_3 // the halves meet without a barrier
#else
  __syncwarp();
#endif
  out[lane] = words[31 - lane];
}
