// Block- and warp-wide primitives of CUB in small kernels: reduce, scan, sort, exchange,
// histogram, load and store in all manners, discontinuities, merges.
#define CUB_DISABLE_NAMESPACE_MAGIC // names without the version and the architecture
#define CUB_IGNORE_NAMESPACE_MAGIC_ERROR
#include <cub/block/block_adjacent_difference.cuh>
#include <cub/block/block_discontinuity.cuh>
#include <cub/block/block_exchange.cuh>
#include <cub/block/block_histogram.cuh>
#include <cub/block/block_load.cuh>
#include <cub/block/block_merge_sort.cuh>
#include <cub/block/block_radix_sort.cuh>
#include <cub/block/block_reduce.cuh>
#include <cub/block/block_scan.cuh>
#include <cub/block/block_shuffle.cuh>
#include <cub/block/block_store.cuh>
#include <cub/warp/warp_merge_sort.cuh>
#include <cub/warp/warp_reduce.cuh>
#include <cub/warp/warp_scan.cuh>

constexpr int kThreads = 128, kItems = 4;

// The three algorithms, one after another in the same storage.
extern "C" __global__ void blockReduce(const int *in, int *out, int valid) {
  using Warps = cub::BlockReduce<int, kThreads, cub::BLOCK_REDUCE_WARP_REDUCTIONS>;
  using Raking = cub::BlockReduce<int, kThreads, cub::BLOCK_REDUCE_RAKING>;
  using Commutative = cub::BlockReduce<int, kThreads, cub::BLOCK_REDUCE_RAKING_COMMUTATIVE_ONLY>;
  __shared__ union {
    typename Warps::TempStorage warps;
    typename Raking::TempStorage raking;
    typename Commutative::TempStorage commutative;
  } storage;
  int value = in[threadIdx.x];
  int sum = Warps(storage.warps).Sum(value);
#ifndef BUG_1 // the storage is used again at once
  __syncthreads();
#endif
  int most = Raking(storage.raking).Reduce(value, cuda::maximum<>{});
  __syncthreads();
  int other = Commutative(storage.commutative).Sum(value);
  __syncthreads();
  int part = Warps(storage.warps).Sum(value, valid);
  if (threadIdx.x == 0) {
    out[0] = sum;
    out[1] = most;
    out[2] = other;
    out[3] = part;
  }
}

template <cub::BlockScanAlgorithm kAlgorithm> __device__ void scanItems(const int *in, int *out) {
  using Scan = cub::BlockScan<int, kThreads, kAlgorithm>;
  __shared__ typename Scan::TempStorage storage;
  int items[kItems];
  for (int i = 0; i < kItems; ++i)
    items[i] = in[threadIdx.x * kItems + i];
  int total;
  Scan(storage).ExclusiveSum(items, items, total);
  for (int i = 0; i < kItems; ++i)
    out[threadIdx.x * kItems + i] = items[i];
  if (threadIdx.x == 0)
    out[kThreads * kItems] = total;
}
extern "C" __global__ void blockScanRaking(const int *in, int *out) {
  scanItems<cub::BLOCK_SCAN_RAKING>(in, out);
}
extern "C" __global__ void blockScanWarps(const int *in, int *out) {
  scanItems<cub::BLOCK_SCAN_WARP_SCANS>(in, out);
}

// A running prefix over tiles by a callback, as a scan of one block over long inputs.
struct RunningPrefix {
  int total;
  __device__ int operator()(int sum) {
    int before = total;
    total += sum;
    return before;
  }
};
extern "C" __global__ void longScan(const int *in, int *out, int n) {
  using Load = cub::BlockLoad<int, kThreads, kItems, cub::BLOCK_LOAD_WARP_TRANSPOSE>;
  using Store = cub::BlockStore<int, kThreads, kItems, cub::BLOCK_STORE_TRANSPOSE>;
  using Scan = cub::BlockScan<int, kThreads>;
  __shared__ union {
    typename Load::TempStorage load;
    typename Store::TempStorage store;
    typename Scan::TempStorage scan;
  } storage;
  RunningPrefix prefix{0};
  for (int start = 0; start < n; start += kThreads * kItems) {
    int items[kItems];
    Load(storage.load).Load(in + start, items, n - start, 0);
    __syncthreads();
    Scan(storage.scan).InclusiveSum(items, items, prefix);
#ifndef BUG_2 // the scan's storage becomes the store's
    __syncthreads();
#endif
    Store(storage.store).Store(out + start, items, n - start);
    __syncthreads();
  }
}

extern "C" __global__ void blockRadixSort(const float *keys, const int *values, float *sortedKeys,
                                          int *sortedValues, unsigned *descending) {
  using Sort = cub::BlockRadixSort<float, kThreads, kItems, int>;
  using Descending = cub::BlockRadixSort<unsigned, kThreads, kItems>;
  __shared__ union {
    typename Sort::TempStorage sort;
    typename Descending::TempStorage descending;
  } storage;
  float key[kItems];
  int value[kItems];
  unsigned word[kItems];
  cub::LoadDirectBlocked(threadIdx.x, keys, key);
  cub::LoadDirectBlocked(threadIdx.x, values, value);
  for (int i = 0; i < kItems; ++i)
    word[i] = value[i] * 2654435761u;
  Sort(storage.sort).Sort(key, value);
  __syncthreads();
  Descending(storage.descending).SortDescendingBlockedToStriped(word, 4, 28);
  cub::StoreDirectBlocked(threadIdx.x, sortedKeys, key);
  cub::StoreDirectBlocked(threadIdx.x, sortedValues, value);
  cub::StoreDirectStriped<kThreads>(threadIdx.x, descending, word);
}

struct Less {
  template <typename T> __device__ bool operator()(const T &a, const T &b) const { return a < b; }
};
extern "C" __global__ void mergeSorts(int *block, short *warps) {
  using Block = cub::BlockMergeSort<int, kThreads, kItems>;
  using Warp = cub::WarpMergeSort<short, 3, 32>;
  __shared__ union {
    typename Block::TempStorage block;
    typename Warp::TempStorage warps[kThreads / 32];
  } storage;
  int items[kItems];
  cub::LoadDirectBlocked(threadIdx.x, block, items);
  Block(storage.block).Sort(items, Less());
  cub::StoreDirectBlocked(threadIdx.x, block, items);
  __syncthreads();
  short few[3];
  cub::LoadDirectBlocked(threadIdx.x, warps, few);
  Warp(storage.warps[threadIdx.x / 32]).Sort(few, Less());
  cub::StoreDirectBlocked(threadIdx.x, warps, few);
}

extern "C" __global__ void blockHistogram(const unsigned char *in, unsigned *atomic,
                                          unsigned *sorted) {
  using Atomic = cub::BlockHistogram<unsigned char, kThreads, kItems, 64, cub::BLOCK_HISTO_ATOMIC>;
  using Sorted = cub::BlockHistogram<unsigned char, kThreads, kItems, 64, cub::BLOCK_HISTO_SORT>;
  __shared__ union {
    typename Atomic::TempStorage atomic;
    typename Sorted::TempStorage sorted;
  } storage;
  __shared__ unsigned bins[64];
  unsigned char samples[kItems];
  cub::LoadDirectBlocked(threadIdx.x, in, samples);
  Atomic(storage.atomic).Histogram(samples, bins);
  __syncthreads();
  if (threadIdx.x < 64)
    atomic[threadIdx.x] = bins[threadIdx.x];
  __syncthreads();
  Sorted(storage.sorted).Histogram(samples, bins);
  __syncthreads();
  if (threadIdx.x < 64)
    sorted[threadIdx.x] = bins[threadIdx.x];
}

// Heads of runs, differences, neighbours, and items that change places.
extern "C" __global__ void neighbours(const int *in, int *heads, int *differences, int *rotated,
                                      int *striped) {
  using Flags = cub::BlockDiscontinuity<int, kThreads>;
  using Difference = cub::BlockAdjacentDifference<int, kThreads>;
  using Shuffle = cub::BlockShuffle<int, kThreads>;
  using Exchange = cub::BlockExchange<int, kThreads, kItems>;
  __shared__ union {
    typename Flags::TempStorage flags;
    typename Difference::TempStorage difference;
    typename Shuffle::TempStorage shuffle;
    typename Exchange::TempStorage exchange;
  } storage;
  int items[kItems], flags[kItems], result[kItems], one;
  cub::LoadDirectBlocked(threadIdx.x, in, items);
  Flags(storage.flags).FlagHeads(flags, items, cuda::std::not_equal_to<>{});
  cub::StoreDirectBlocked(threadIdx.x, heads, flags);
  __syncthreads();
  Difference(storage.difference).SubtractLeft(items, result, cuda::std::minus<>{});
  cub::StoreDirectBlocked(threadIdx.x, differences, result);
  __syncthreads();
  Shuffle(storage.shuffle).Rotate(items[0], one, 5);
  rotated[threadIdx.x] = one;
  __syncthreads();
  Exchange(storage.exchange).BlockedToStriped(items, result);
  cub::StoreDirectBlocked(threadIdx.x, striped, result);
}

extern "C" __global__ void warpPrimitives(const int *in, int *sums, int *scans, int *heads) {
  using Reduce = cub::WarpReduce<int, 16>;
  using Scan = cub::WarpScan<int>;
  __shared__ typename Reduce::TempStorage reduce[kThreads / 16];
  __shared__ typename Scan::TempStorage scan[kThreads / 32];
  int t = threadIdx.x, value = in[t];
  int sum = Reduce(reduce[t / 16]).Sum(value);
  if (t % 16 == 0)
    sums[t / 16] = sum;
  int before;
  Scan(scan[t / 32]).ExclusiveScan(value, before, -1000, cuda::maximum<>{});
  scans[t] = before;
  __syncwarp();
  int segment = Reduce(reduce[t / 16]).HeadSegmentedSum(value, value % 3 == 0);
  heads[t] = value % 3 == 0 || t % 16 == 0 ? segment : 0;
}
